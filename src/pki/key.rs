//! A private key of the public PKI: made here, held in memory, wiped on drop, masked in `Debug`.
//!
//! `rcgen` has a key type of its own, which keeps a copy of the private key that nobody wipes; this one signs for it
//! through its traits.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// A private key.
pub(super) struct Key {
    kind: Kind,
    public: Vec<u8>,
    pkcs8: Zeroizing<Vec<u8>>,
}

enum Kind {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// A new P-256 key: some 50 microseconds.
    pub(super) fn p256() -> Result<Self, rcgen::Error> {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).map_err(unavailable)?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().map_err(unavailable)?.as_ref().to_vec());
        Ok(Self { public: pair.public_key().as_ref().to_vec(), kind: Kind::P256(pair), pkcs8 })
    }

    /// A new RSA-2048 key: some 100 milliseconds.
    pub(super) fn rsa2048() -> Result<Self, rcgen::Error> {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(unavailable)?;
        let pkcs8 = Zeroizing::new(pair.as_der().map_err(unavailable)?.as_ref().to_vec());
        Ok(Self { public: pair.public_key().as_ref().to_vec(), kind: Kind::Rsa(pair), pkcs8 })
    }

    /// True for RSA.
    pub(super) fn is_rsa(&self) -> bool {
        matches!(self.kind, Kind::Rsa(_))
    }

    /// The key as rustls signs with it.
    pub(super) fn signer(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, rustls::Error> {
        any_supported_type(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice())))
    }

    /// PKCS #8 in PEM (RFC 7468 section 10).
    pub(super) fn pem(&self) -> Zeroizing<String> {
        pem("PRIVATE KEY", &self.pkcs8)
    }
}

/// DER in PEM, lines of 64 characters (RFC 7468 section 2). Wiped on drop, since it may be a key.
pub(super) fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 64 + 2 * label.len());
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    Zeroizing::new(text)
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.kind {
            Kind::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Kind::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let random = SystemRandom::new();
        match &self.kind {
            Kind::P256(pair) => Ok(pair.sign(&random, message).map_err(unavailable)?.as_ref().to_vec()),
            Kind::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut made).map_err(unavailable)?;
                Ok(made)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_rsa() { "Key(RSA-2048, masked)" } else { "Key(P-256, masked)" })
    }
}

fn unavailable(_: aws_lc_rs::error::Unspecified) -> rcgen::Error {
    rcgen::Error::RingUnspecified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_shows_itself() {
        let key = Key::p256().expect("a key");
        let shown = format!("{key:?}");
        assert_eq!(shown, "Key(P-256, masked)");
        assert!(key.pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(key.signer().is_ok());
    }
}
