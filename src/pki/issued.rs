//! A certificate with its chain and its key, ready to be served.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::key::pem;
use crate::record::Certificate;
use crate::tls::describe_chain;

/// What a server shows: the chain as sent, and the key that signs for it.
pub struct Issued {
    /// Leaf first, as sent. The root is not in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// For rustls. Not checked against the chain, so that odd ones can be served.
    pub key: Arc<CertifiedKey>,
    key_pem: Zeroizing<String>,
    described: OnceLock<Vec<Arc<Certificate>>>,
}

impl Issued {
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        signer: Arc<dyn rustls::sign::SigningKey>,
        key_pem: Zeroizing<String>,
    ) -> Self {
        let key = Arc::new(CertifiedKey::new(chain.clone(), signer));
        Self { chain, key, key_pem, described: OnceLock::new() }
    }

    /// The leaf.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// The chain as the record tells it. Read once.
    pub fn described(&self) -> &[Arc<Certificate>] {
        self.described.get_or_init(|| describe_chain(&self.chain))
    }

    /// The private key in PEM, for programs that need a file. Wiped on drop.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key_pem.clone()
    }

    /// The leaf in PEM.
    pub fn leaf_pem(&self) -> String {
        certificate_pem(self.leaf())
    }

    /// The chain in PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(certificate_pem).collect()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificates", &self.chain.len()).field("key", &"masked").finish()
    }
}

/// One certificate in PEM.
pub(super) fn certificate_pem(der: &CertificateDer<'_>) -> String {
    pem("CERTIFICATE", der).to_string()
}
