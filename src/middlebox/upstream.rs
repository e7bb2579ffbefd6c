//! The box's own connection to the origin: made first, with its own hello, before anything is forged.
//!
//! The box of 2019 connected to the origin, fetched its certificate and validated it before it forged one
//! (IMC 2020 section 4.2.4). Its own hello was another than the client's; its 13 cipher suites are not published,
//! so the lab's box sends its TLS library's, with a post-quantum key share where the client offers one: not evidence-based.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::forge::OriginFault;
use crate::tls::hello::ClientHello;

/// Opens upstream connections. One per lab.
#[derive(Debug)]
pub struct Dialect {
    /// For clients without and with a post-quantum key share.
    base: [Arc<ClientConfig>; 2],
    known: RwLock<HashMap<Manner, Arc<ClientConfig>>>,
    trust: Trust,
}

/// What of a client's hello the box's own takes after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Manner {
    alpn: Vec<Vec<u8>>,
    sni: bool,
    post_quantum: bool,
}

/// An upstream connection whose handshake is done.
#[derive(Debug)]
pub struct Upstream<S> {
    /// The connection. Boxed: it is handed on often, and every future that it passes through would be as large.
    pub stream: Box<TlsStream<S>>,
    /// The genuine chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Why the box does not trust it, if it does not. The name is not considered (IMC 2020 section 3.2).
    pub distrust: Option<Distrust>,
    /// Microseconds of the handshake.
    pub us: u64,
}

/// Why the box does not trust a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// What kind of fault it is.
    pub fault: OriginFault,
    /// What the verifier said.
    pub reason: String,
}

/// Why no TLS came of it.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The deadline passed.
    #[error("the origin did not finish the handshake in time")]
    Deadline,
    /// The handshake failed.
    #[error("handshake with the origin: {0}")]
    Handshake(#[from] std::io::Error),
    /// The origin showed no certificate.
    #[error("the origin showed no certificate")]
    NoCertificate,
}

impl Dialect {
    /// A dialect that trusts these roots, and logs its secrets there.
    pub fn new(
        roots: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
        keys: Arc<dyn rustls::KeyLog>,
    ) -> Result<Self, rustls::Error> {
        let mut classical = CryptoProvider::clone(&provider);
        classical.kx_groups.retain(|group| !is_post_quantum(u16::from(group.name())));
        let base = [base(Arc::new(classical), &keys)?, base(provider, &keys)?];
        Ok(Self { base, known: RwLock::default(), trust: Trust::new(roots) })
    }

    /// Shakes hands with the origin over `tcp`, asking for what the client asked for: its SNI and its protocols.
    pub async fn open<S>(
        &self,
        tcp: S,
        hello: &ClientHello,
        address: IpAddr,
        deadline: Instant,
    ) -> Result<Upstream<S>, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let began = Instant::now();
        let name = hello.sni().and_then(|name| ServerName::try_from(name.to_owned()).ok()).unwrap_or(ServerName::from(address));
        let connector = TlsConnector::from(self.config_for(hello));
        let stream = tokio::time::timeout_at(deadline.into(), connector.connect(name, tcp))
            .await
            .map_err(|_| UpstreamError::Deadline)??;
        let chain: Vec<_> =
            stream.get_ref().1.peer_certificates().unwrap_or_default().iter().map(|c| c.clone().into_owned()).collect();
        if chain.is_empty() {
            return Err(UpstreamError::NoCertificate);
        }
        let distrust = self.trust.judge(&chain);
        Ok(Upstream {
            stream: Box::new(stream),
            chain,
            distrust,
            us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    fn config_for(&self, hello: &ClientHello) -> Arc<ClientConfig> {
        let post_quantum = hello.key_shares().iter().any(|group| is_post_quantum(*group));
        let manner = Manner { alpn: hello.alpn().to_vec(), sni: hello.sni().is_some(), post_quantum };
        if let Some(config) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&manner) {
            return Arc::clone(config);
        }
        let mut config = ClientConfig::clone(&self.base[usize::from(post_quantum)]);
        config.alpn_protocols.clone_from(&manner.alpn);
        config.enable_sni = manner.sni;
        let config = Arc::new(config);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST_MANNERS {
            known.insert(manner, Arc::clone(&config));
        }
        config
    }
}

fn base(provider: Arc<CryptoProvider>, keys: &Arc<dyn rustls::KeyLog>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let taken = Arc::new(TakeAny(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(taken)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.key_log = Arc::clone(keys);
    Ok(Arc::new(config))
}

/// Hybrids with ML-KEM: IANA's registry of supported groups, 0x11eb to 0x11ed.
fn is_post_quantum(group: u16) -> bool {
    (0x11eb..=0x11ed).contains(&group)
}

/// Takes any certificate in the handshake: the box looks at it afterwards, whatever it is.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The box's trust store, and what it found before: a chain is judged once in a run.
#[derive(Debug)]
struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    known: Mutex<HashMap<Vec<CertificateDer<'static>>, Option<Distrust>>>,
}

impl Trust {
    fn new(roots: &[CertificateDer<'static>]) -> Self {
        let anchors = roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok().map(|a| a.to_owned())).collect();
        Self { anchors, known: Mutex::default() }
    }

    fn judge(&self, chain: &[CertificateDer<'static>]) -> Option<Distrust> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(chain) {
            return found.clone();
        }
        let found = self.verify(chain).err().map(|error| Distrust { fault: fault(&error, chain), reason: error.to_string() });
        if known.len() < MOST_CHAINS {
            known.insert(chain.to_vec(), found.clone());
        }
        found
    }

    fn verify(&self, chain: &[CertificateDer<'static>]) -> Result<(), webpki::Error> {
        let [leaf, intermediates @ ..] = chain else { return Err(webpki::Error::UnknownIssuer) };
        webpki::EndEntityCert::try_from(leaf)?
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                intermediates,
                UnixTime::now(),
                webpki::KeyUsage::server_auth(),
                None,
                None,
            )
            .map(|_| ())
    }
}

fn fault(error: &webpki::Error, chain: &[CertificateDer<'_>]) -> OriginFault {
    match error {
        webpki::Error::CertExpired { .. } => OriginFault::Expired,
        webpki::Error::CertNotValidYet { .. } => OriginFault::NotYetValid,
        webpki::Error::CertRevoked => OriginFault::Revoked,
        _ if chain.len() == 1 && is_self_issued(&chain[0]) => OriginFault::SelfSigned,
        _ => OriginFault::UntrustedRoot,
    }
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    let told = crate::tls::describe(certificate);
    !told.subject.is_empty() && told.subject == told.issuer
}

/// Manners of clients that are remembered, at most.
const MOST_MANNERS: usize = 256;
/// Chains that are remembered, at most.
const MOST_CHAINS: usize = 10_000;
