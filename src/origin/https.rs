//! A genuine HTTPS server: TLS 1.2 and 1.3, no tickets, no session storage (a resumed session shows no certificate).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::accept::{Visit, drain};
use super::answer::{Seen, TlsSeen};
use super::first::{Beginning, First};
use super::http;
use crate::tls::{self, Counts, Ended};
use crate::pki::{Issued, PublicPki};
use crate::record::{CloseKind, Side};
use crate::scenario::{Serve, Site};

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
    let Serve::Https { alpn, .. } = &selected.service.serve else { return Ok(()) };
    let site = visit.origins.shown_to(visit.client, selected.site);
    let issued = issued(&visit.origins.pki, &site).await?;
    let asked = Arc::new(AtomicBool::new(false));
    let config = config(&visit.origins.pki, &issued, alpn, &asked).map_err(|e| e.to_string())?;
    let Beginning { bytes, first, since } = beginning;
    let raw = visit.witness.below_tls(stream, bytes);
    let handshake = TlsAcceptor::from(Arc::new(config)).accept(raw).into_fallible();
    let stream = match tokio::time::timeout(visit.origins.patience.hello, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, raw))) => {
            let ended = tls::classify(&error);
            // What we refuse ourselves, we refuse before our flight is out; rustls asks for the chain earlier than that.
            if asked.load(Ordering::Relaxed) && !matches!(ended, Ended::Refused { .. }) {
                visit.witness.presented(issued.described());
            }
            failed(visit, &ended, raw).await;
            return Ok(());
        }
        Err(_) => {
            if asked.load(Ordering::Relaxed) {
                visit.witness.presented(issued.described());
            }
            visit.witness.ended(&Ended::Deadline);
            return Ok(());
        }
    };
    visit.witness.presented(issued.described());
    let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    let handshake = tls::handshake(stream.get_ref().1, us);
    visit.witness.handshake(handshake.clone());
    let hello = match first {
        First::Hello(hello) => Some(hello),
        _ => None,
    };
    let seen = Seen { default_name: name.map(str::to_owned), tls: Some(TlsSeen { handshake, hello }) };
    http::converse(visit, visit.witness.above_tls(stream), seen).await;
    Ok(())
}

/// The handshake failed. Whoever ended it is told first; then how the other side left.
async fn failed(visit: &Visit, ended: &Ended, mut raw: impl AsyncRead + AsyncWrite + Unpin) {
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
async fn issued(pki: &Arc<PublicPki>, site: &Site) -> Result<Arc<Issued>, String> {
    if let Some(issued) = pki.issued(site) {
        return Ok(issued);
    }
    let (pki, site) = (Arc::clone(pki), site.clone());
    let issuing = tokio::task::spawn_blocking(move || pki.issue(&site));
    issuing.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

fn config(pki: &PublicPki, issued: &Issued, alpn: &[String], asked: &Arc<AtomicBool>) -> Result<ServerConfig, rustls::Error> {
    let shown = Shown { key: Arc::clone(&issued.key), asked: Arc::clone(asked) };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(pki.provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Gives the one chain, and notes that the handshake got that far.
#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    asked: Arc<AtomicBool>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        Some(Arc::clone(&self.key))
    }
}
