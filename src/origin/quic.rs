//! HTTP/3 (RFC 9114) for sites that have it: QUIC (RFC 9000) on the UDP port of the same number as their HTTPS.
//!
//! The same pages, certificates and deadlines as over TCP, and the same record: a hello (what rustls tells of it), the chain, the
//! handshake, requests. Bytes are those of whole datagrams; application bytes are counted uncompressed, by the request.
//!
//! Sealed network only: an explicit proxy carries no UDP. No 0-RTT, no tickets, no migration to be told apart.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime, TransportConfig, VarInt};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::task::{JoinHandle, JoinSet};

use super::accept::Visit;
use super::answer::{Seen, TlsSeen};
use super::{Origins, https};
use crate::network::listen::unmap;
use crate::pki::Issued;
use crate::record::{CloseKind, Handshake, Hello, Side};
use crate::scenario::{Serve, Site};
use crate::tls::{Counts, Ended, Witness};

mod request;

/// Serves HTTP/3 on a datagram socket of the sealed network, that tells where datagrams were sent to, until the handle is aborted.
///
/// # Errors
/// The socket cannot be used.
pub fn serve_http3(socket: UdpSocket, origins: Arc<Origins>) -> io::Result<JoinHandle<()>> {
    let port = socket.local_addr()?.port();
    let nobody = server_config(&origins, Vec::new(), None).map_err(io::Error::other)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(nobody), socket, Arc::new(TokioRuntime))?;
    Ok(tokio::spawn(async move {
        let mut open = JoinSet::new();
        while let Some(incoming) = endpoint.accept().await {
            while open.try_join_next().is_some() {}
            if open.len() < MOST_OPEN {
                open.spawn(one(incoming, port, Arc::clone(&origins)));
            } else {
                incoming.refuse();
            }
        }
    }))
}

/// Connections that one socket serves at a time.
const MOST_OPEN: usize = 1024;

async fn one(incoming: Incoming, port: u16, origins: Arc<Origins>) {
    let client = unmap(incoming.remote_address());
    let Some(ip) = incoming.local_ip() else { return incoming.refuse() };
    let destination = SocketAddr::new(ip.to_canonical(), port);
    let sites = sites_at(&origins, destination);
    if sites.is_empty() {
        return incoming.ignore();
    }
    let witness = Witness::open_udp(&origins.recorder, (client, destination), (origins.vantage)(client.ip()));
    let visit = Visit { origins, witness, client, destination };
    if let Err(why) = converse(&visit, incoming, sites).await {
        visit.witness.note(why);
    }
    visit.witness.end(Counts::Tls);
}

/// Those that speak HTTP/3 there.
fn sites_at(origins: &Origins, at: SocketAddr) -> Vec<Site> {
    let here = origins.world.sites.iter().filter(|site| site.addresses.contains(&at.ip()));
    let here = here.filter(|site| origins.place.is_none_or(|place| place == site.place));
    let quick =
        |site: &&Site| site.services.iter().any(|s| s.port == at.port() && matches!(s.serve, Serve::Https { http3: true, .. }));
    here.filter(quick).cloned().collect()
}

/// An error is a fault of the lab's own, for the record.
async fn converse(visit: &Visit, incoming: Incoming, sites: Vec<Site>) -> Result<(), String> {
    let mut shown = Vec::new();
    for site in &sites {
        let site = visit.origins.shown_to(visit.client, site).into_owned();
        let issued = https::issued(&visit.origins.pki, &site).await?;
        shown.push((site, issued));
    }
    let told = Arc::new(OnceLock::new());
    let config = server_config(&visit.origins, shown, Some((visit.witness.clone(), Arc::clone(&told))))?;
    let connecting = incoming.accept_with(Arc::new(config)).map_err(|e| e.to_string())?;
    let began = std::time::Instant::now();
    let connection = match tokio::time::timeout(visit.origins.patience.hello, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return failed(visit, &error),
        Err(_) => {
            visit.witness.presented();
            visit.witness.ended(&Ended::Deadline);
            return Ok(());
        }
    };
    visit.witness.presented();
    let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let handshake = handshake(&connection, told.get(), us);
    visit.witness.handshake(handshake.clone());
    let hello = told.get().map(|hello: &Told| Box::new(hello.hello.clone()));
    let seen = Seen {
        default_name: told.get().and_then(|t| t.hello.sni.clone()),
        tls: Some(TlsSeen { handshake, hello }),
        seat: Default::default(),
    };
    request::all(visit, connection.clone(), seen).await;
    count(visit, &connection);
    closed(visit, connection.close_reason());
    Ok(())
}

/// What the client offered, as rustls tells it.
#[derive(Debug)]
struct Told {
    hello: Hello,
    cipher: String,
}

fn handshake(connection: &quinn::Connection, told: Option<&Told>, us: u64) -> Handshake {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    Handshake {
        version: "TLS1.3".to_owned(),
        cipher: told.map(|told| told.cipher.clone()).unwrap_or_default(),
        group: None,
        alpn: data.and_then(|data| data.protocol.map(|p| String::from_utf8_lossy(&p).into_owned())),
        resumed: false,
        us,
    }
}

/// The handshake failed: the client's alert comes as a transport error (RFC 9001 section 4.8: 0x0100 and the alert's number).
fn failed(visit: &Visit, error: &quinn::ConnectionError) -> Result<(), String> {
    visit.witness.presented();
    closed(visit, Some(error.clone()));
    Ok(())
}

fn closed(visit: &Visit, reason: Option<quinn::ConnectionError>) {
    use quinn::ConnectionError as E;
    match reason {
        Some(E::ConnectionClosed(close)) => {
            let code = u64::from(close.error_code);
            if let Some(number) = code.checked_sub(CRYPTO_ERROR).and_then(|number| u8::try_from(number).ok()) {
                visit.witness.quic_alert(number);
            }
            visit.witness.close(Side::Client, CloseKind::CloseNotify);
        }
        Some(E::ApplicationClosed(_)) => visit.witness.close(Side::Client, CloseKind::CloseNotify),
        Some(E::Reset) => visit.witness.close(Side::Client, CloseKind::Rst),
        Some(E::TimedOut) => visit.witness.ended(&Ended::Deadline),
        Some(E::LocallyClosed) | None => visit.witness.close(Side::Server, CloseKind::CloseNotify),
        Some(other) => visit.witness.note(other.to_string()),
    }
}

/// CRYPTO_ERROR (RFC 9000 section 20.1).
const CRYPTO_ERROR: u64 = 0x0100;

fn count(visit: &Visit, connection: &quinn::Connection) {
    let stats = connection.stats();
    visit.witness.raw().add_read(usize::try_from(stats.udp_rx.bytes).unwrap_or(usize::MAX));
    visit.witness.raw().add_written(usize::try_from(stats.udp_tx.bytes).unwrap_or(usize::MAX));
}

type Watch = (Witness, Arc<OnceLock<Told>>);

fn server_config(
    origins: &Origins,
    shown: Vec<(Site, Arc<Issued>)>,
    watch: Option<Watch>,
) -> Result<quinn::ServerConfig, String> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(origins.pki.provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown { by_site: shown, watch }));
    config.alpn_protocols = vec![b"h3".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let crypto = QuicServerConfig::try_from(config).map_err(|e| e.to_string())?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(origins.patience.idle.as_millis()).unwrap_or(u32::MAX);
    transport.max_idle_timeout(Some(VarInt::from_u32(idle).into())).max_concurrent_bidi_streams(VarInt::from_u32(MOST_STREAMS));
    config.transport_config(Arc::new(transport)).migration(false);
    Ok(config)
}

/// As common servers allow.
const MOST_STREAMS: u32 = 128;

/// Gives the chain of the site that is asked for, else of the first; and tells what the hello said.
struct Shown {
    by_site: Vec<(Site, Arc<Issued>)>,
    watch: Option<Watch>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let asked = name.and_then(|name| self.by_site.iter().find(|(site, _)| site.is_named(name)));
        let (_, issued) = asked.or(self.by_site.first())?;
        if let Some((witness, told)) = &self.watch {
            let offered = told_of(&hello);
            witness.hello(&offered.hello);
            let _ = told.set(offered); // asked once
            let described = Arc::clone(issued);
            witness.will_present(move || described.described().to_vec());
        }
        Some(Arc::clone(&issued.key))
    }
}

/// rustls hands out no raw bytes and no order of extensions: fingerprints stay empty.
fn told_of(hello: &ClientHello<'_>) -> Told {
    let ciphers: Vec<u16> = hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect();
    let chosen = hello.cipher_suites().iter().find(|suite| (0x1301..=0x1303).contains(&u16::from(**suite)));
    let alpn = hello.alpn().into_iter().flatten().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    let hello = Hello {
        sni: hello.server_name().map(str::to_ascii_lowercase),
        alpn,
        versions: vec![0x0304],
        ciphers,
        extensions: Vec::new(),
        ja3: String::new(),
        ja4: String::new(),
        ech: false,
        random: String::new(),
        segments: 0,
        records: 0,
        raw: String::new(),
    };
    let cipher = chosen.and_then(|suite| suite.as_str()).unwrap_or_default();
    Told { hello, cipher: cipher.replace("TLS13_", "TLS_") }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("sites", &self.by_site.len()).finish_non_exhaustive()
    }
}
