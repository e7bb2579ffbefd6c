//! The probe's TLS client: every rustls setting of this room in one place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error};
use rustls_pki_types::ServerName;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::dial;
use super::settings::{blocklist, certificates};
use super::split::Split;
use super::verify::{Manner, Recording, Refusal, Shown};
use super::{Failure, Settings, Url};

/// How a handshake is made.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    /// The server_name that is sent, if another one than the URL's host.
    pub(super) sni: Option<String>,
    /// Send no server_name.
    pub(super) no_sni: bool,
    /// Offer TLS 1.2 only.
    pub(super) tls12: bool,
    /// Offer X25519MLKEM768 too: the hello grows to some 1,700 bytes.
    pub(super) post_quantum: bool,
    /// Offered protocols.
    pub(super) alpn: &'static [&'static str],
    /// Length of the first segment; 0 for no split.
    pub(super) split: usize,
    /// The address to dial in place of the name's.
    pub(super) connect: Option<SocketAddr>,
}

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Parameters {
    /// `TLSv1_3`, `TLSv1_2`.
    pub version: String,
    /// IANA name of the cipher suite.
    pub cipher: String,
    /// Group of the key exchange.
    pub group: Option<String>,
    /// Protocol.
    pub alpn: Option<String>,
}

impl Parameters {
    fn of(stream: &TlsStream<Split>) -> Self {
        let session = stream.get_ref().1;
        let shown = |value: &dyn std::fmt::Debug| format!("{value:?}");
        Self {
            version: session.protocol_version().map_or_else(String::new, |v| shown(&v)),
            cipher: session.negotiated_cipher_suite().map_or_else(String::new, |c| shown(&c.suite())),
            group: session.negotiated_key_exchange_group().map(|g| shown(&g.name())),
            alpn: session.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned()),
        }
    }
}

impl std::fmt::Display for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let alpn = self.alpn.as_deref().unwrap_or("no ALPN");
        write!(f, "{}, {}, {}, {alpn}", self.version, self.cipher, self.group.as_deref().unwrap_or("no group"))
    }
}

/// A completed handshake.
pub(super) struct Secured {
    /// What was negotiated.
    pub(super) parameters: Parameters,
    /// How long TCP took.
    pub(super) connected: Duration,
    /// How long TLS took then.
    pub(super) shook: Duration,
    pub(super) stream: TlsStream<Split>,
    pub(super) shown: Shown,
    pub(super) address: SocketAddr,
}

/// A handshake that ended, with the chain if one was shown.
pub(super) struct Ended {
    pub(super) failure: Failure,
    pub(super) shown: Option<Shown>,
    pub(super) address: Option<SocketAddr>,
}

/// The provider of this room. Never the process's default: a library's user may have another one.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The same without post-quantum key exchange: a hello that fits into one segment, as all did in 2019.
fn classical() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| !matches!(group.name(), rustls::NamedGroup::X25519MLKEM768));
    Arc::new(provider)
}

/// Dials and makes the handshake.
pub(super) async fn secure(url: &Url, hello: &Hello, manner: Manner, settings: &Settings) -> Result<Secured, Box<Ended>> {
    let early = |failure| Box::new(Ended { failure, shown: None, address: None });
    let (config, recording, server_name) = config(url, hello, manner, settings).map_err(early)?;
    let began = Instant::now();
    let (stream, address) = dial(url, hello.connect, settings).await.map_err(early)?;
    let connected = began.elapsed();
    let connector = TlsConnector::from(Arc::new(config));
    let outcome = connector.connect(server_name, Split::new(stream, hello.split)).await;
    let shown = recording.shown();
    match (outcome, shown) {
        (Ok(stream), Some(shown)) => {
            let (parameters, shook) = (Parameters::of(&stream), began.elapsed().saturating_sub(connected));
            Ok(Secured { parameters, connected, shook, stream, shown, address })
        }
        (Ok(_), None) => {
            let failure = Failure::Handshake("the server showed no certificate".to_owned());
            Err(Box::new(Ended { failure, shown: None, address: Some(address) }))
        }
        (Err(error), shown) => {
            let failure = explain(&error, shown.as_ref());
            Err(Box::new(Ended { failure, shown, address: Some(address) }))
        }
    }
}

/// A certificate error in words.
pub(super) fn in_words(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Blocked(pin) => Failure::Blocked { pin: pin.clone() },
        Refusal::Invalid(error) => Failure::Certificate(error.to_string()),
    }
}

pub(super) fn config(
    url: &Url,
    hello: &Hello,
    manner: Manner,
    settings: &Settings,
) -> Result<(ClientConfig, Arc<Recording>, ServerName<'static>), Failure> {
    let provider = if hello.post_quantum { provider() } else { classical() };
    let roots = settings.roots.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let blocked = settings.blocklist.as_deref().map(blocklist).transpose()?.unwrap_or_default();
    let name = server_name(&url.host)?;
    let recording = Arc::new(Recording::new(&roots, blocked, manner, name.clone(), provider.clone()));
    let versions: &[_] = if hello.tls12 { &[&TLS12] } else { &[&TLS13, &TLS12] };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| Failure::Handshake(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(recording.clone())
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = !hello.no_sni;
    config.alpn_protocols = hello.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let sent = hello.sni.as_deref().map(server_name).transpose()?.unwrap_or(name);
    Ok((config, recording, sent))
}

fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let wrong =
        |e: rustls_pki_types::InvalidDnsNameError| Failure::Setting { what: format!("name `{host}`"), reason: e.to_string() };
    ServerName::try_from(host.to_owned()).map_err(wrong)
}

/// The same for a failure that is told in words only.
#[cfg(feature = "http3")]
pub(super) fn explain_tls(error: &str, shown: Option<&Shown>) -> Failure {
    match shown.and_then(|s| s.refusal.as_ref()) {
        Some(refusal) => in_words(refusal),
        None => Failure::Handshake(error.to_owned()),
    }
}

fn explain(error: &std::io::Error, shown: Option<&Shown>) -> Failure {
    if let Some(refusal) = shown.and_then(|s| s.refusal.as_ref()) {
        return in_words(refusal);
    }
    match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => Failure::Certificate(error.to_string()),
        Some(other) => Failure::Handshake(other.to_string()),
        None => Failure::Handshake(error.to_string()),
    }
}
