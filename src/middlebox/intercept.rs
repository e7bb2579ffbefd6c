//! Interception: the origin is asked first, a chain is forged after its certificate, then the client is answered.
//!
//! Order (IMC 2020 section 4.2.4): hello, decide, handshake with the origin, validate, forge, handshake with the client. The
//! client is offered what the origin chose (ALPN), so neither side sees a protocol that the other does not speak.
//! Plaintext is relayed unchanged (section 4.1: "no change to the header or body"), with a tap.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::relay::relay;
use super::tap::HttpTap;
use super::upstream::Upstream;
use crate::forge::Forged;
use crate::network::Arrival;
use crate::record::{CloseKind, Event, Half, Observer, Recorder, Side};
use crate::scenario::MailProtocol;
use crate::tls::{self, Counted, Counts, Ended, Witness};

/// All that is needed to answer the client in the origin's place.
pub struct Ready {
    /// The connection to the origin, shaken hands.
    pub(super) upstream: Upstream<Counted<TcpStream>>,
    /// Who tells of it.
    pub(super) upstream_witness: Witness,
    /// The forged chain and its key.
    pub(super) forged: Arc<Forged>,
    /// Profile that it was forged by.
    pub(super) profile: String,
    /// When the hello came.
    pub(super) since: Instant,
    /// The mail protocol, where it was spoken before an upgrade: its first command need not tell.
    pub(super) spoken: Option<MailProtocol>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Ready {
    /// A mail protocol was spoken before.
    pub(super) fn speaking(self, spoken: Option<MailProtocol>) -> Self {
        Self { spoken, ..self }
    }

    /// Lets go of the origin: the client will not be answered after all.
    pub(super) async fn abandon(mut self) {
        let _ = self.upstream.stream.shutdown().await; // it may be gone already
        self.upstream_witness.end(Counts::Tls);
    }
}

/// Answers the client, whose `first` bytes were read already, and carries the conversation to its end.
pub(super) async fn serve<S>(
    recorder: &Recorder,
    provider: &Arc<CryptoProvider>,
    arrival: &Arrival,
    ready: Ready,
    stream: S,
    first: Vec<u8>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let witness = Witness::of(recorder, (arrival.client, arrival.destination), arrival.id, Half::Client, Observer::Box);
    recorder.emit(arrival.id, presented(&ready));
    for remark in &ready.forged.remarks {
        recorder.emit(arrival.id, Event::Note { text: remark.clone() });
    }
    witness.raw().add_read(first.len()); // the hello, read by the carrier
    let raw = witness.below_tls(stream, first);
    match Box::pin(shake_hands(config(recorder, provider, &ready), raw, &witness)).await {
        Some(client) => {
            let us = u64::try_from(ready.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            witness.handshake(tls::handshake(client.get_ref().1, us));
            converse(recorder, arrival, ready, witness.above_tls(client)).await;
        }
        None => ready.abandon().await,
    }
    witness.end(Counts::Tls);
}

fn presented(ready: &Ready) -> Event {
    Event::ChainPresented {
        by: Observer::Box,
        chain: tls::describe_chain(&ready.forged.chain),
        profile: Some(ready.profile.clone()),
        forge_us: ready.forged.micros,
    }
}

/// None if no handshake came of it; the witness has told why.
async fn shake_hands<S>(
    config: Result<ServerConfig, rustls::Error>,
    raw: Counted<S>,
    witness: &Witness,
) -> Option<Box<tokio_rustls::server::TlsStream<Counted<S>>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = match config {
        Ok(config) => Arc::new(config),
        Err(error) => {
            witness.failed(&io::Error::other(error));
            return None;
        }
    };
    let accept = TlsAcceptor::from(config).accept(raw).into_fallible();
    match tokio::time::timeout(HANDSHAKE, accept).await {
        Err(_) => {
            witness.failed(&io::ErrorKind::TimedOut.into());
            None
        }
        Ok(Err((error, mut raw))) => {
            let _ = raw.shutdown().await; // the client may be gone
            witness.failed(&error);
            if !witness.has_closed(Side::Client) {
                witness.close(Side::Server, CloseKind::Fin);
                hear_out(&mut raw, witness).await;
            }
            None
        }
        Ok(Ok(stream)) => Some(Box::new(stream)),
    }
}

/// A client that has sent an alert closes too: how, is part of the truth.
async fn hear_out<S: AsyncRead + Unpin>(raw: &mut S, witness: &Witness) {
    let mut rest = [0; 512];
    let hearing = async {
        loop {
            match raw.read(&mut rest).await {
                Ok(0) => return Some(CloseKind::Fin),
                Ok(_) => {}
                Err(error) => return tls::classify(&error).close(),
            }
        }
    };
    if let Ok(Some(kind)) = tokio::time::timeout(LAST_WORD, hearing).await {
        witness.close(Side::Client, kind);
    }
}

fn config(recorder: &Recorder, provider: &Arc<CryptoProvider>, ready: &Ready) -> Result<ServerConfig, rustls::Error> {
    let origin = ready.upstream.stream.get_ref().1;
    let versions: &[&rustls::SupportedProtocolVersion] = match origin.protocol_version() {
        // An origin without TLS 1.3 is not given one: a client that looks would notice. Not evidence-based.
        Some(rustls::ProtocolVersion::TLSv1_2) => &[&rustls::version::TLS12],
        _ => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OneChain(Arc::clone(&ready.forged.certified))));
    config.alpn_protocols = origin.alpn_protocol().map(<[u8]>::to_vec).into_iter().collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.key_log = recorder.key_log();
    Ok(config)
}

async fn converse<S>(recorder: &Recorder, arrival: &Arrival, ready: Ready, mut client: Counted<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ready { upstream, upstream_witness, spoken, .. } = ready;
    let protocol = upstream.stream.get_ref().1.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
    let mut tap = HttpTap::new(recorder.clone(), arrival.id, Observer::Box, protocol).speaking(spoken);
    let mut server = upstream_witness.above_tls(upstream.stream);
    let ends = relay(&mut client, &mut server, &mut tap).await;
    if ends.client.is_none() && ends.server.is_none() {
        upstream_witness.ended(&Ended::Deadline);
    }
    let _ = tokio::join!(client.shutdown(), server.shutdown()); // either may be gone
    upstream_witness.end(Counts::Tls);
}

/// Gives the one chain, whatever is asked.
#[derive(Debug)]
struct OneChain(Arc<CertifiedKey>);

impl ResolvesServerCert for OneChain {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// How long a client may take to finish the handshake. A client that asks its user may take longer; none measured does.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// How long a client that refused may take to close. Those measured do so at once.
const LAST_WORD: Duration = Duration::from_millis(500);
