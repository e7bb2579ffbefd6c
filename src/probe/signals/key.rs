//! Signs in the leaf itself that forged certificates had in the field and public ones have not.

use x509_parser::public_key::PublicKey;

use super::{Sight, Signal, perhaps};

/// RSA with public exponent 3: every forged leaf of Kazakhstan 2019 (Raman et al., IMC 2020, section 3.2).
pub(super) fn exponent_three(sight: &Sight<'_>) -> Option<Signal> {
    match sight.leaf()?.public_key().parsed().ok()? {
        PublicKey::RSA(rsa) if rsa.try_exponent() == Ok(3) => {
            Some(perhaps("exponent-three", "the leaf's RSA key has public exponent 3".to_owned()))
        }
        _ => None,
    }
}

/// RSA shorter than 2048 bits, which no public authority signs (CA/Browser Forum baseline requirements, section 6.1.5).
pub(super) fn short(sight: &Sight<'_>) -> Option<Signal> {
    match sight.leaf()?.public_key().parsed().ok()? {
        PublicKey::RSA(rsa) if rsa.key_size() < 2048 => {
            Some(perhaps("short-key", format!("the leaf's RSA key has {} bits", rsa.key_size())))
        }
        _ => None,
    }
}
