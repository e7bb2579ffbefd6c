//! Checking a chain, and remembering it whether it passes or not.
//!
//! The block list is checked apart from trust: a chain that is trusted only through a blocked key is *blocked*, which is
//! another finding than *unknown issuer* (browsers show another error too: revoked).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::client::trust::spki_pin;

/// What a server showed, and what was found wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) refusal: Option<Refusal>,
    /// A stapled OCSP response (RFC 6066 section 8) came.
    pub(super) has_staple: bool,
}

/// Why a chain is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// It leads to a blocked key, or holds one.
    Blocked(String),
    /// It does not pass.
    Invalid(CertificateError),
}

/// Roots to check against.
#[derive(Debug)]
pub(super) struct Store {
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// What happens with a chain that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The handshake ends with an alert.
    Refuse,
    /// The handshake goes on: the caller looks at [`Recording::shown`] and sends nothing, or does not care.
    Look,
}

/// A verifier that remembers.
#[derive(Debug)]
pub(super) struct Recording {
    provider: Arc<CryptoProvider>,
    all: Store,
    unblocked: Store,
    blocked: Vec<String>,
    manner: Manner,
    /// The name that is checked, whatever the hello says.
    name: ServerName<'static>,
    shown: Mutex<Option<Shown>>,
}

impl Store {
    /// A store of these roots; those that are no trust anchors are left out. An empty one trusts nothing.
    pub(super) fn of(roots: &[CertificateDer<'static>], provider: &Arc<CryptoProvider>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        Self { verifier: WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone()).build().ok() }
    }

    /// Checks a chain for a name, now.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Result<(), CertificateError> {
        self.check_at(chain, name, UnixTime::now())
    }

    /// Checks a chain for a name, at a time.
    pub(super) fn check_at(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        when: UnixTime,
    ) -> Result<(), CertificateError> {
        let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::BadEncoding)?;
        let Some(verifier) = &self.verifier else { return Err(CertificateError::UnknownIssuer) };
        match verifier.verify_server_cert(leaf, intermediates, name, &[], when) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(error)) => Err(error),
            Err(error) => Err(CertificateError::Other(rustls::OtherError(Arc::new(error)))),
        }
    }
}

impl Recording {
    /// A verifier for `name` with these roots and blocked keys.
    pub(super) fn new(
        roots: &[CertificateDer<'static>],
        blocked: Vec<String>,
        manner: Manner,
        name: ServerName<'static>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let is_blocked = |c: &CertificateDer<'_>| spki_pin(c).is_ok_and(|pin| blocked.contains(&pin));
        let others: Vec<_> = roots.iter().filter(|c| !is_blocked(c)).cloned().collect();
        let (all, unblocked) = (Store::of(roots, &provider), Store::of(&others, &provider));
        Self { provider, all, unblocked, blocked, manner, name, shown: Mutex::new(None) }
    }

    /// What the server showed, once it has.
    pub(super) fn shown(&self) -> Option<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refusal(&self, chain: &[CertificateDer<'_>]) -> Option<Refusal> {
        let pins = chain.iter().filter_map(|c| spki_pin(c).ok());
        if let Some(pin) = pins.into_iter().find(|pin| self.blocked.contains(pin)) {
            return Some(Refusal::Blocked(pin));
        }
        match self.all.check(chain, &self.name) {
            Err(error) => Some(Refusal::Invalid(error)),
            // trusted, but not without the blocked roots: the path ends in one of them
            Ok(()) => self
                .unblocked
                .check(chain, &self.name)
                .err()
                .map(|_| Refusal::Blocked(self.blocked.first().cloned().unwrap_or_default())),
        }
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(intermediates).map(|c| c.clone().into_owned()).collect();
        let refusal = self.refusal(&chain);
        let verdict = match (&refusal, self.manner) {
            (None, _) | (_, Manner::Look) => Ok(ServerCertVerified::assertion()),
            (Some(Refusal::Blocked(_)), Manner::Refuse) => Err(CertificateError::Revoked.into()),
            (Some(Refusal::Invalid(error)), Manner::Refuse) => Err(error.clone().into()),
        };
        let shown = Shown { chain, refusal, has_staple: !ocsp_response.is_empty() };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.lenient(verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.lenient(verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Recording {
    /// Who only looks may look at a server with a key that no modern library accepts (RSA-1024).
    fn lenient(&self, verdict: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match self.manner {
            Manner::Refuse => verdict,
            Manner::Look => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}
