//! A genuine HTTPS server: TLS 1.2 and 1.3, no tickets, no session storage (a resumed session shows no certificate).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::{Visit, drain};
use super::answer::{Seen, TlsSeen};
use super::first::{Beginning, First};
use super::{chat, http};
use crate::pki::{Issued, PublicPki};
use crate::record::{CloseKind, Side};
use crate::scenario::{Serve, Site, TlsVersion};
use crate::tls::{self, Counted, Counts, Ended, Witness};

/// Serves one connection from its first bytes to its end.
pub(super) async fn serve(visit: &Visit, stream: TcpStream, beginning: Beginning, name: Option<&str>) {
    if let Err(why) = converse(visit, stream, beginning, name).await {
        visit.witness.note(why);
    }
    visit.witness.end(Counts::Tls);
}

/// An error is a fault of the lab's own (no certificate), for the record.
async fn converse(visit: &Visit, stream: TcpStream, beginning: Beginning, name: Option<&str>) -> Result<(), String> {
    let Ok(selected) = visit.origins.select(visit.destination, name) else { return Ok(()) };
    let speaks = match &selected.service.serve {
        Serve::Https { alpn, tls: only, .. } => (alpn.as_slice(), *only),
        Serve::Chat { .. } => (chat::alpn(), None),
        _ => return Ok(()),
    };
    let Some((stream, tls)) = secure(visit, stream, beginning, name, speaks).await? else { return Ok(()) };
    let seen = Seen { default_name: name.map(str::to_owned), tls: Some(tls), seat: Default::default() };
    http::converse(visit, visit.witness.above_tls(stream), seen).await;
    Ok(())
}

/// Shakes hands as the site that is asked for. None if it failed: the record knows how.
pub(super) async fn secure(
    visit: &Visit,
    stream: TcpStream,
    beginning: Beginning,
    name: Option<&str>,
    (alpn, only): (&[String], Option<TlsVersion>),
) -> Result<Option<(TlsStream<Counted<TcpStream>>, TlsSeen)>, String> {
    let Ok(selected) = visit.origins.select(visit.destination, name) else { return Ok(None) };
    let site = visit.origins.shown_to(visit.client, selected.site);
    let issued = issued(&visit.origins.pki, &site).await?;
    let config = config(&visit.origins.pki, &issued, alpn, only, &visit.witness).map_err(|e| e.to_string())?;
    let Beginning { bytes, first, since } = beginning;
    let Some(stream) = shake_hands(visit, config, visit.witness.below_tls(stream, bytes)).await else { return Ok(None) };
    let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let handshake = tls::handshake(stream.get_ref().1, us);
    visit.witness.handshake(handshake.clone());
    let hello = match first {
        First::Hello(hello) => Some(hello),
        _ => None,
    };
    Ok(Some((stream, TlsSeen { handshake, hello })))
}

/// None if it failed; the record knows how.
async fn shake_hands(visit: &Visit, config: ServerConfig, raw: Counted<TcpStream>) -> Option<TlsStream<Counted<TcpStream>>> {
    let handshake = TlsAcceptor::from(Arc::new(config)).accept(raw).into_fallible();
    match tokio::time::timeout(visit.origins.patience.hello, handshake).await {
        Ok(Ok(stream)) => {
            visit.witness.presented();
            Some(stream)
        }
        Ok(Err((error, raw))) => {
            failed(visit, &tls::classify(&error), raw).await;
            None
        }
        Err(_) => {
            visit.witness.presented();
            visit.witness.ended(&Ended::Deadline);
            None
        }
    }
}

/// The handshake failed. Whoever ended it is told first; then how the other side left.
async fn failed(visit: &Visit, ended: &Ended, mut raw: impl AsyncRead + AsyncWrite + Unpin) {
    // What we refuse ourselves, we refuse before our flight is out; rustls asks for the chain earlier than that.
    if !matches!(ended, Ended::Refused { .. }) {
        visit.witness.presented();
    }
    visit.witness.ended(ended);
    if visit.witness.has_closed(Side::Client) {
        return;
    }
    if matches!(ended, Ended::Refused { .. }) {
        let _ = raw.shutdown().await; // the peer may be gone
        visit.witness.close(Side::Server, CloseKind::Fin);
    }
    drain(visit, &mut raw).await;
}

/// The site's certificate. Issuing may take long (an RSA key) or read files: not on the runtime's threads.
pub(super) async fn issued(pki: &Arc<PublicPki>, site: &Site) -> Result<Arc<Issued>, String> {
    if let Some(issued) = pki.issued(site) {
        return Ok(issued);
    }
    let (pki, site) = (Arc::clone(pki), site.clone());
    let issuing = tokio::task::spawn_blocking(move || pki.issue(&site));
    issuing.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn config(
    pki: &PublicPki,
    issued: &Arc<Issued>,
    alpn: &[String],
    only: Option<TlsVersion>,
    witness: &Witness,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&rustls::SupportedProtocolVersion] = match only {
        // A control leg is spared the old version.
        None | Some(TlsVersion::Tls10 | TlsVersion::Tls11) => &[&rustls::version::TLS13, &rustls::version::TLS12],
        Some(TlsVersion::Tls12) => &[&rustls::version::TLS12],
        Some(TlsVersion::Tls13) => &[&rustls::version::TLS13],
    };
    let shown = Shown { issued: Arc::clone(issued), witness: witness.clone() };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(pki.provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.key_log = witness.recorder().key_log();
    Ok(config)
}

/// Gives the one chain, and notes that the handshake got that far.
struct Shown {
    issued: Arc<Issued>,
    witness: Witness,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let issued = Arc::clone(&self.issued);
        self.witness.will_present(move || issued.described().to_vec());
        Some(Arc::clone(&self.issued.key))
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("issued", &self.issued).finish_non_exhaustive()
    }
}
