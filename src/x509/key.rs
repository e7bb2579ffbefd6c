//! Key pairs of the authority and of forged leaves: made, described, used for signing, never written anywhere.
//!
//! Every kind ends as one `rustls` [`SigningKey`], which signs TLS handshakes and, with the same call, certificates.
//! All but RSA below 2048 bits is AWS-LC's work; what AWS-LC does not make or sign is in [`odd_rsa`]. Public keys and
//! algorithm identifiers: RFC 3279, RFC 5480, RFC 8410.
//!
//! Medians on a shared two-core machine: making RSA-2048 48 ms, RSA-4096 0.3 to 0.6 s, RSA-2048 e=3 77 ms, RSA-1024 e=3
//! 11 ms, P-256 36 µs; signing a handshake with RSA-2048 0.25 ms whatever the exponent, RSA-1024 0.38 ms, P-256 15 µs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature as lc;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::der;

pub mod odd_rsa;

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Modulus length in bits: 1024, 2048, 3072 or 4096.
        bits: u16,
        /// Public exponent: 3 or 65537.
        exponent: u32,
    },
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

/// Digest of a certificate signature. ECDSA keys use the digest of their curve's size, Ed25519 none, whatever is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-1, as nobody should sign any more: by keys of [`Key::old_rsa`] alone.
    #[serde(skip_deserializing)]
    Sha1,
}

/// A key pair. Lives in memory only; its `Debug` shows the public half.
#[derive(Clone)]
pub struct Key {
    kind: KeyKind,
    signer: Arc<dyn SigningKey>,
    spki: Arc<[u8]>,
}

/// Why a key could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The cryptographic library refused.
    #[error("making a {kind} key failed: {why}")]
    Generate {
        /// What was asked.
        kind: KeyKind,
        /// What the library said.
        why: String,
    },
    /// The signature could not be made.
    #[error("signing with a {kind} key failed: {why}")]
    Sign {
        /// The key.
        kind: KeyKind,
        /// What the library said.
        why: String,
    },
    /// No such kind.
    #[error(
        "unknown key kind `{0}`: one of `rsa-1024`, `rsa-2048`, `rsa-3072`, `rsa-4096` (with `-e3` for exponent 3), `p256`, `p384`, `p521`, `ed25519`"
    )]
    Unknown(String),
}

impl Key {
    /// A fresh key.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let failed = |why: String| KeyError::Generate { kind, why };
        let signer: Arc<dyn SigningKey> = match kind {
            KeyKind::Rsa { bits, exponent } if bits < 2048 => {
                Arc::new(odd_rsa::SmallRsa::generate(bits, exponent).map_err(failed)?)
            }
            _ => return Self::from_pkcs8(kind, &Zeroizing::new(fresh_pkcs8(kind).map_err(failed)?)),
        };
        Self::of(kind, signer)
    }

    /// A key that was made elsewhere, of a kind that AWS-LC signs with. The caller wipes what it holds.
    pub fn from_pkcs8(kind: KeyKind, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let signer = any_supported_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8)));
        Self::of(kind, signer.map_err(|e| KeyError::Generate { kind, why: e.to_string() })?)
    }

    /// An RSA key that was made elsewhere, used as nobody should any more: of few bits, or to sign over SHA-1. The caller wipes what
    /// it holds.
    pub fn old_rsa(bits: u16, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let kind = KeyKind::Rsa { bits, exponent: 65537 };
        let signer = odd_rsa::SmallRsa::from_pkcs8(pkcs8).map_err(|why| KeyError::Generate { kind, why })?;
        Self::of(kind, Arc::new(signer))
    }

    /// The bits of its public half, as they stand in SubjectPublicKeyInfo.
    pub fn public_bits(&self) -> &[u8] {
        public_bits(&self.spki)
    }

    fn of(kind: KeyKind, signer: Arc<dyn SigningKey>) -> Result<Self, KeyError> {
        let public = signer.public_key().ok_or(KeyError::Generate { kind, why: "no public key".to_owned() })?;
        let spki = public.as_ref().into();
        Ok(Self { kind, signer, spki })
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-1 of the public key's bits: the usual key identifier (RFC 5280 section 4.2.1.2, method 1).
    pub fn id(&self) -> [u8; 20] {
        spki_key_id(&self.spki)
    }

    /// For TLS handshakes.
    pub fn signing_key(&self) -> Arc<dyn SigningKey> {
        self.signer.clone()
    }

    /// The AlgorithmIdentifier of certificates that it signs.
    pub fn signature_algorithm(&self, digest: Digest) -> Vec<u8> {
        let (arcs, with_null): (&[u64], bool) = match (self.kind, digest) {
            (KeyKind::Rsa { .. }, Digest::Sha256) => (&[1, 2, 840, 113549, 1, 1, 11], true),
            (KeyKind::Rsa { .. }, Digest::Sha384) => (&[1, 2, 840, 113549, 1, 1, 12], true),
            (KeyKind::Rsa { .. }, Digest::Sha512) => (&[1, 2, 840, 113549, 1, 1, 13], true),
            (KeyKind::Rsa { .. }, Digest::Sha1) => (&[1, 2, 840, 113549, 1, 1, 5], true),
            (KeyKind::P256, _) => (&[1, 2, 840, 10045, 4, 3, 2], false),
            (KeyKind::P384, _) => (&[1, 2, 840, 10045, 4, 3, 3], false),
            (KeyKind::P521, _) => (&[1, 2, 840, 10045, 4, 3, 4], false),
            (KeyKind::Ed25519, _) => (&[1, 3, 101, 112], false),
        };
        let null = if with_null { der::value(der::tag::NULL, &[]) } else { Vec::new() };
        der::sequence(&[&der::oid(arcs), &null])
    }

    /// Signs; RSA with PKCS#1 v1.5 padding, as certificates do.
    pub fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let scheme = match (self.kind, digest) {
            (KeyKind::Rsa { .. }, Digest::Sha256) => SignatureScheme::RSA_PKCS1_SHA256,
            (KeyKind::Rsa { .. }, Digest::Sha384) => SignatureScheme::RSA_PKCS1_SHA384,
            (KeyKind::Rsa { .. }, Digest::Sha512) => SignatureScheme::RSA_PKCS1_SHA512,
            (KeyKind::Rsa { .. }, Digest::Sha1) => SignatureScheme::RSA_PKCS1_SHA1,
            (KeyKind::P256, _) => SignatureScheme::ECDSA_NISTP256_SHA256,
            (KeyKind::P384, _) => SignatureScheme::ECDSA_NISTP384_SHA384,
            (KeyKind::P521, _) => SignatureScheme::ECDSA_NISTP521_SHA512,
            (KeyKind::Ed25519, _) => SignatureScheme::ED25519,
        };
        let failed = |why: String| KeyError::Sign { kind: self.kind, why };
        let signer = self.signer.choose_scheme(&[scheme]).ok_or_else(|| failed(format!("{scheme:?} not offered")))?;
        signer.sign(message).map_err(|e| failed(e.to_string()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind).field("id", &hex(&self.id())).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits, exponent: 65537 } => write!(f, "rsa-{bits}"),
            Self::Rsa { bits, exponent } => write!(f, "rsa-{bits}-e{exponent}"),
            Self::P256 => f.write_str("p256"),
            Self::P384 => f.write_str("p384"),
            Self::P521 => f.write_str("p521"),
            Self::Ed25519 => f.write_str("ed25519"),
        }
    }
}

impl FromStr for KeyKind {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let rsa = [1024, 2048, 3072, 4096].into_iter().flat_map(|bits| [3, 65537].map(|exponent| Self::Rsa { bits, exponent }));
        rsa.chain([Self::P256, Self::P384, Self::P521, Self::Ed25519])
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| KeyError::Unknown(text.to_owned()))
    }
}

impl TryFrom<String> for KeyKind {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

/// SHA-1 of the public key bits inside a SubjectPublicKeyInfo; of the whole value if it cannot be taken apart.
pub fn spki_key_id(spki: &[u8]) -> [u8; 20] {
    sha1(public_bits(spki))
}

/// The public key bits inside a SubjectPublicKeyInfo; the whole value if it cannot be taken apart.
fn public_bits(spki: &[u8]) -> &[u8] {
    der::Reader::new(spki, "SubjectPublicKeyInfo")
        .expect(der::tag::SEQUENCE)
        .and_then(|info| {
            let mut fields = info.inside("SubjectPublicKeyInfo");
            fields.expect(der::tag::SEQUENCE)?;
            fields.expect(der::tag::BIT_STRING)
        })
        .map_or(spki, |value| value.content.get(1..).unwrap_or_default())
}

/// SHA-1, for identifiers and for what must look old.
fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    out
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    out
}

/// Fills `buffer` from the system's generator.
pub fn random(buffer: &mut [u8]) {
    aws_lc_rs::rand::fill(buffer).expect("the system's random generator works: AWS-LC aborts otherwise");
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

fn fresh_pkcs8(kind: KeyKind) -> Result<Vec<u8>, String> {
    let unspecified = |e: aws_lc_rs::error::Unspecified| e.to_string();
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let ecdsa = |algorithm| lc::EcdsaKeyPair::generate_pkcs8(algorithm, &rng).map(|d| d.as_ref().to_vec()).map_err(unspecified);
    match kind {
        KeyKind::Rsa { bits, exponent: 3 } => odd_rsa::pkcs8_with_exponent_3(bits),
        KeyKind::Rsa { bits, .. } => {
            let pair = lc::RsaKeyPair::generate(key_size(bits)?).map_err(unspecified)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(unspecified)?;
            Ok(der.as_ref().to_vec())
        }
        KeyKind::P256 => ecdsa(&lc::ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyKind::P384 => ecdsa(&lc::ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyKind::P521 => ecdsa(&lc::ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyKind::Ed25519 => lc::Ed25519KeyPair::generate_pkcs8(&rng).map(|d| d.as_ref().to_vec()).map_err(unspecified),
    }
}

fn key_size(bits: u16) -> Result<KeySize, String> {
    match bits {
        2048 => Ok(KeySize::Rsa2048),
        3072 => Ok(KeySize::Rsa3072),
        4096 => Ok(KeySize::Rsa4096),
        _ => Err(format!("{bits} bits are not offered")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelled_and_made_and_signs() {
        for text in ["rsa-1024-e3", "rsa-1024", "rsa-2048-e3", "rsa-2048", "p256", "p384", "p521", "ed25519"] {
            let kind: KeyKind = text.parse().unwrap();
            assert_eq!(kind.to_string(), text);
            let key = Key::generate(kind).unwrap();
            let signature = key.sign(Digest::Sha256, b"message").unwrap();
            verify(&key, b"message", &signature);
        }
        assert_eq!("rsa-512".parse::<KeyKind>(), Err(KeyError::Unknown("rsa-512".to_owned())));
    }

    #[test]
    fn rsa_signs_with_every_digest() {
        let key = Key::generate(KeyKind::Rsa { bits: 1024, exponent: 3 }).unwrap();
        for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            assert_eq!(key.sign(digest, b"m").unwrap().len(), 128);
        }
    }

    #[test]
    fn debug_is_masked() {
        let text = format!("{:?}", Key::generate(KeyKind::P256).unwrap());
        assert!(text.starts_with("Key { kind: P256, id: \"") && text.len() < 90, "{text}");
    }

    fn verify(key: &Key, message: &[u8], signature: &[u8]) {
        let (_, info) =
            <x509_parser::x509::SubjectPublicKeyInfo<'_> as x509_parser::prelude::FromDer<'_, _>>::from_der(key.spki()).unwrap();
        let algorithm: &dyn lc::VerificationAlgorithm = match key.kind() {
            KeyKind::Rsa { .. } => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            KeyKind::P256 => &lc::ECDSA_P256_SHA256_ASN1,
            KeyKind::P384 => &lc::ECDSA_P384_SHA384_ASN1,
            KeyKind::P521 => &lc::ECDSA_P521_SHA512_ASN1,
            KeyKind::Ed25519 => &lc::ED25519,
        };
        lc::UnparsedPublicKey::new(algorithm, info.subject_public_key.data.as_ref()).verify(message, signature).unwrap();
    }
}
