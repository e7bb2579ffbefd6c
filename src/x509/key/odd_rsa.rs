//! RSA as nobody should make it any more, and as the box of 2019 did: public exponent 3, and 1024 bits.
//!
//! AWS-LC signs with exponent 3 but generates 65537 only, and neither generates nor imports fewer than 2048 bits. So:
//!
//! - **e=3, 2048 bits and more**: primes p with p ≡ 2 (mod 3) are taken from keys that AWS-LC generates (every second
//!   prime qualifies), and d is derived for e=3; the result is imported by AWS-LC, which signs. 112 ms to make and
//!   0.28 ms to sign a 2048-bit key, against 205 ms and 1.8 ms with the `rsa` crate alone.
//! - **1024 bits**: the `rsa` crate makes and signs (26 ms, 0.41 ms); no other crate here does.
//!
//! - **SHA-1**: the `rsa` crate signs certificates over it (never a handshake), with a key that AWS-LC generated.
//!
//! Primes of two generated keys are as good a pair as those of one: AWS-LC draws both from the same interval
//! (FIPS 186-5 appendix A.1.3), so that the product has its full length.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::RsaKeyPair;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::traits::PrivateKeyParts;
use rsa::{BoxedUint, PrivateKey, Pss};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::SubjectPublicKeyInfoDer;

use zeroize::Zeroizing;

use super::{key_size, random};

/// A fresh RSA key with exponent 3, at least 2048 bits, as PKCS#8.
pub(super) fn pkcs8_with_exponent_3(bits: u16) -> Result<Vec<u8>, String> {
    let mut primes: Zeroizing<Vec<BoxedUint>> = Zeroizing::new(Vec::with_capacity(4));
    for _ in 0..MOST_DRAWS {
        let pair = RsaKeyPair::generate(key_size(bits)?).map_err(|e| e.to_string())?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|e| e.to_string())?;
        let key = PrivateKey::from_pkcs8_der(der.as_ref()).map_err(|e| e.to_string())?;
        primes.extend(key.primes().iter().map(|p| p.as_ref().clone()).filter(allows_exponent_3));
        if let [p, q, ..] = primes.as_slice() {
            let key = PrivateKey::from_p_q(p.clone(), q.clone(), BoxedUint::from(3u64)).map_err(|e| e.to_string())?;
            return key.to_pkcs8_der().map(|d| d.as_bytes().to_vec()).map_err(|e| e.to_string());
        }
    }
    Err(format!("no two primes with p ≡ 2 (mod 3) in {MOST_DRAWS} generated keys"))
}

/// An RSA key that AWS-LC does not take for its size.
pub(super) struct SmallRsa {
    key: Arc<PrivateKey>,
    spki: Vec<u8>,
}

impl SmallRsa {
    pub(super) fn generate(bits: u16, exponent: u32) -> Result<Self, String> {
        let key = PrivateKey::new_with_exp(&mut SystemGenerator, usize::from(bits), BoxedUint::from(u64::from(exponent)))
            .map_err(|e| e.to_string())?;
        Self::of(key)
    }

    /// One that was made elsewhere.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, String> {
        Self::of(PrivateKey::from_pkcs8_der(pkcs8).map_err(|e| e.to_string())?)
    }

    fn of(key: PrivateKey) -> Result<Self, String> {
        let spki = key.to_public_key().to_public_key_der().map_err(|e| e.to_string())?.as_bytes().to_vec();
        Ok(Self { key: Arc::new(key), spki })
    }
}

/// A fresh RSA key of few bits, as PKCS#8.
pub(crate) fn small_pkcs8(bits: u16) -> Result<Zeroizing<Vec<u8>>, String> {
    let key = PrivateKey::new(&mut SystemGenerator, usize::from(bits)).map_err(|e| e.to_string())?;
    key.to_pkcs8_der().map(|der| Zeroizing::new(der.as_bytes().to_vec())).map_err(|e| e.to_string())
}

impl SigningKey for SmallRsa {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        // A certificate's signature is asked for by its one scheme; no handshake is signed over SHA-1, whatever a client offers besides.
        let old = (*offered == [SignatureScheme::RSA_PKCS1_SHA1]).then_some(SignatureScheme::RSA_PKCS1_SHA1);
        let scheme = SCHEMES.into_iter().find(|scheme| offered.contains(scheme)).or(old)?;
        Some(Box::new(SmallSigner { key: self.key.clone(), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl fmt::Debug for SmallRsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallRsa").finish_non_exhaustive()
    }
}

struct SmallSigner {
    key: Arc<PrivateKey>,
    scheme: SignatureScheme,
}

impl Signer for SmallSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let (key, rng) = (&self.key, &mut SystemGenerator);
        match self.scheme {
            SignatureScheme::RSA_PSS_SHA384 => key.sign_with_rng(rng, Pss::<Sha384>::new(), &Sha384::digest(message)),
            SignatureScheme::RSA_PSS_SHA256 => key.sign_with_rng(rng, Pss::<Sha256>::new(), &Sha256::digest(message)),
            SignatureScheme::RSA_PKCS1_SHA512 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
            SignatureScheme::RSA_PKCS1_SHA384 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
            SignatureScheme::RSA_PKCS1_SHA1 => {
                let padding = Pkcs1v15Sign { hash_len: Some(20), prefix: SHA1_PREFIX.into() };
                key.sign_with_rng(rng, padding, &super::sha1(message))
            }
            _ => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
        }
        .map_err(|e| rustls::Error::General(format!("signing with a small RSA key failed: {e}")))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl fmt::Debug for SmallSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallSigner").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// The operating system's generator, in the shape that the `rsa` crate asks for.
struct SystemGenerator;

impl TryRng for SystemGenerator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        random(&mut bytes);
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        random(&mut bytes);
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        random(buffer);
        Ok(())
    }
}

impl TryCryptoRng for SystemGenerator {}

/// gcd(3, p-1) = 1 exactly if p ≡ 2 (mod 3). 256 ≡ 1 (mod 3), so the sum of the octets tells.
fn allows_exponent_3(prime: &BoxedUint) -> bool {
    prime.to_be_bytes().iter().map(|&byte| u32::from(byte)).sum::<u32>() % 3 == 2
}

/// PSS for TLS 1.3, PKCS#1 for TLS 1.2 (RFC 8446 section 4.2.3), strongest first as rustls does. No PSS with SHA-512:
/// 64 octets of salt, 64 of digest and 2 more do not fit in 128 (RFC 8017 section 9.1.1).
const SCHEMES: [SignatureScheme; 5] = [
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// DigestInfo of SHA-1 up to the digest (RFC 8017 section 9.2, note 1).
const SHA1_PREFIX: [u8; 15] = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// Each generated key gives two good primes with probability 1/4 and one with 1/2; sixty-four misses do not happen.
const MOST_DRAWS: usize = 64;

#[cfg(test)]
mod tests {
    use rsa::traits::PublicKeyParts;

    use super::*;

    #[test]
    fn exponent_3_keys_have_their_full_length() {
        let key = PrivateKey::from_pkcs8_der(&pkcs8_with_exponent_3(2048).unwrap()).unwrap();
        assert_eq!((key.n().bit_width_vartime(), key.e().clone()), (2048, BoxedUint::from(3u64)));
        key.validate().unwrap();
    }

    #[test]
    fn every_scheme_fits_in_1024_bits() {
        let key = SmallRsa::generate(1024, 3).unwrap();
        for scheme in SCHEMES {
            assert_eq!(key.choose_scheme(&[scheme]).unwrap().sign(b"hello").unwrap().len(), 128, "{scheme:?}");
        }
        assert!(key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA512]).is_none());
    }
}
