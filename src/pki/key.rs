//! A private key of the public PKI: made here, held in memory, wiped on drop, masked in `Debug`.
//!
//! `rcgen` has a key type of its own, which keeps a copy of the private key that nobody wipes; this one signs for it
//! through its traits.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::x509::key as x509;

/// A private key.
pub(super) struct Key {
    signs: x509::Key,
    public: Vec<u8>,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl Key {
    /// A new P-256 key: some 50 microseconds.
    pub(super) fn p256() -> Result<Self, rcgen::Error> {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).map_err(unavailable)?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().map_err(unavailable)?.as_ref().to_vec());
        Self::of(x509::KeyKind::P256, pair.public_key().as_ref(), pkcs8)
    }

    /// A new RSA-2048 key: some 100 milliseconds.
    pub(super) fn rsa2048() -> Result<Self, rcgen::Error> {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(unavailable)?;
        let pkcs8 = Zeroizing::new(pair.as_der().map_err(unavailable)?.as_ref().to_vec());
        Self::of(x509::KeyKind::Rsa { bits: 2048, exponent: 65537 }, pair.public_key().as_ref(), pkcs8)
    }

    /// A new RSA-1024 key, as nobody should have any more: some 30 milliseconds.
    pub(super) fn rsa1024() -> Result<Self, rcgen::Error> {
        let pkcs8 = x509::odd_rsa::small_pkcs8(1024).map_err(rcgen::Error::RingKeyRejected)?;
        Self::old(1024, pkcs8)
    }

    /// A new RSA-2048 key that signs over SHA-1, too.
    pub(super) fn rsa2048_for_sha1() -> Result<Self, rcgen::Error> {
        Self::old(2048, Self::rsa2048()?.pkcs8)
    }

    fn old(bits: u16, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, rcgen::Error> {
        let signs = x509::Key::old_rsa(bits, &pkcs8).map_err(|e| rcgen::Error::RingKeyRejected(e.to_string()))?;
        Ok(Self { public: signs.public_bits().to_vec(), signs, pkcs8 })
    }

    fn of(kind: x509::KeyKind, public: &[u8], pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, rcgen::Error> {
        let signs = x509::Key::from_pkcs8(kind, &pkcs8).map_err(|e| rcgen::Error::RingKeyRejected(e.to_string()))?;
        Ok(Self { signs, public: public.to_vec(), pkcs8 })
    }

    /// As the writer of certificates signs with it.
    pub(super) fn x509(&self) -> &x509::Key {
        &self.signs
    }

    /// The bits of its public half.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// True for RSA.
    pub(super) fn is_rsa(&self) -> bool {
        matches!(self.signs.kind(), x509::KeyKind::Rsa { .. })
    }

    /// The key as rustls signs with it.
    pub(super) fn signer(&self) -> Arc<dyn rustls::sign::SigningKey> {
        self.signs.signing_key()
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
        if self.is_rsa() { &rcgen::PKCS_RSA_SHA256 } else { &rcgen::PKCS_ECDSA_P256_SHA256 }
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signs.sign(x509::Digest::Sha256, message).map_err(|_| rcgen::Error::RingUnspecified)
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
        assert!(!key.public().is_empty());
    }
}
