//! The forged leaf: from the genuine one and the profile, field by field.

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::authority::{Issuer, key_id_serial, random_serial};
use super::dates;
use super::der;
use super::error::ForgeError;
use super::extension::{self, AltName, IssuerFacts};
use super::fault::OriginFault;
use super::key::{Digest, Key, KeyKind, random};
use super::name;
use super::oid;
use super::profile::{
    AuthorityKeyForm, ExtensionRule, Leaf, LeafDigest, Names, OidText, SerialRule, SubjectRule, Usage, Validity,
};
use super::sct;
use super::tbs::{Extension, Tbs};

/// What a leaf is made from.
pub(super) struct Making<'a> {
    pub(super) profile: &'a str,
    pub(super) recipe: &'a Leaf,
    /// The genuine leaf, where the profile needs one.
    pub(super) genuine: Option<&'a Tbs>,
    /// The host, where the profile needs one.
    pub(super) host: Option<&'a AltName>,
    pub(super) issuer: &'a Issuer,
    pub(super) key: &'a Key,
    pub(super) logs: &'a [sct::Log],
    /// Now, in the certificates' time.
    pub(super) now: OffsetDateTime,
    /// From the scenario's time to the certificates'.
    pub(super) offset: time::Duration,
    pub(super) treatment: Treatment,
}

/// What becomes of a fault of the origin's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Treatment {
    /// There is none.
    Sound,
    /// The forged certificate has it too.
    Mirror(OriginFault),
    /// The forged certificate hides it.
    Mask(OriginFault),
}

/// notBefore and notAfter in DER, and when a kept copy is stale.
type Period = (Vec<u8>, Vec<u8>, Option<OffsetDateTime>);

/// A leaf and what a reader of the record should know of it.
pub(super) struct Made {
    pub(super) der: CertificateDer<'static>,
    pub(super) serial: Vec<u8>,
    /// When a kept copy is no longer as good as a new one; none if it stays so.
    pub(super) stale_after: Option<OffsetDateTime>,
    pub(super) remarks: Vec<String>,
}

impl Making<'_> {
    /// Makes it. `fresh` is asked for each drawn serial number; a number that is taken is drawn again.
    pub(super) fn make(&self, mut fresh: impl FnMut(&[u8]) -> bool) -> Result<Made, ForgeError> {
        let mut remarks = Vec::new();
        let (not_before, not_after, stale_after) = self.validity()?;
        let subject = self.subject(&mut remarks)?;
        let mut serial = self.serial()?;
        for _ in 0..SERIAL_DRAWS {
            if fresh(&serial) {
                break;
            }
            serial = self.serial()?;
        }
        let self_signed = self.treatment == Treatment::Mirror(OriginFault::SelfSigned);
        let own =
            IssuerFacts { subject: subject.clone(), issuer: subject.clone(), serial: serial.clone(), key_id: self.key.id() };
        let signer_facts = if self_signed { &own } else { &self.issuer.facts };
        let extensions = self.extensions(signer_facts, subject == name::empty(), &mut remarks)?;
        let mut tbs = Tbs {
            version: 2,
            serial: serial.clone(),
            signature: Vec::new(),
            issuer: signer_facts.subject.clone(),
            not_before,
            not_after,
            subject,
            spki: self.key.spki().to_vec(),
            unique_ids: Vec::new(),
            extensions,
        };
        let (signer, digest) = (if self_signed { self.key } else { &self.issuer.key }, self.digest());
        if let Some(place) = self.timestamps_place() {
            tbs.signature = signer.signature_algorithm(digest);
            let list = sct::embed(self.logs, &tbs, self.issuer.key.spki(), self.now)?;
            tbs.extensions.insert(place.min(tbs.extensions.len()), list);
        }
        Ok(Made { der: tbs.sign(signer, digest)?, serial, stale_after, remarks })
    }

    fn genuine(&self) -> Result<&Tbs, ForgeError> {
        self.genuine.ok_or(ForgeError::NoGenuine)
    }

    fn unusable(&self, what: &'static str) -> ForgeError {
        ForgeError::Unusable { what, profile: self.profile.to_owned() }
    }

    fn subject(&self, remarks: &mut Vec<String>) -> Result<Vec<u8>, ForgeError> {
        match &self.recipe.subject {
            SubjectRule::Copied => Ok(self.genuine()?.subject.clone()),
            SubjectRule::Empty => Ok(name::empty()),
            SubjectRule::Made(attributes) => Ok(name::write(attributes)),
            SubjectRule::Host => {
                let host = match self.host {
                    Some(AltName::Dns(name)) => name.clone(),
                    Some(AltName::Address(address)) => address.to_string(),
                    None => return Err(ForgeError::NoGenuine),
                };
                if host.len() > UB_COMMON_NAME {
                    remarks.push(format!("`{host}` is too long for a common name: the subject is empty"));
                    return Ok(name::empty());
                }
                Ok(name::common_name(&host))
            }
        }
    }

    fn validity(&self) -> Result<Period, ForgeError> {
        use OriginFault::{Expired, NotYetValid};
        let made = |from: OffsetDateTime, to: OffsetDateTime| (dates::write(from), dates::write(to), Some(to));
        match (&self.recipe.validity, self.treatment) {
            (Validity::Copied | Validity::Shifted(_), Treatment::Mask(Expired | NotYetValid)) => {
                Ok(made(dates::shifted(self.now, -MASK_BEFORE), dates::shifted(self.now, MASK_AFTER)))
            }
            (Validity::Copied, _) | (_, Treatment::Mirror(Expired | NotYetValid)) => {
                let genuine = self.genuine()?;
                Ok((genuine.not_before.clone(), genuine.not_after.clone(), None))
            }
            (Validity::Shifted(span), _) => {
                let genuine = self.genuine()?;
                let shift = |der: &[u8], what| {
                    dates::read(der).map(|moment| dates::write(dates::shifted(moment, span.0))).ok_or_else(|| self.unusable(what))
                };
                Ok((shift(&genuine.not_before, "notBefore")?, shift(&genuine.not_after, "notAfter")?, None))
            }
            (Validity::Made { before, lifetime }, _) => {
                let from = dates::shifted(self.now, -before.0);
                Ok(made(from, dates::shifted(from, lifetime.0)))
            }
            (Validity::Fixed { from, to }, _) => {
                let moved = |moment: OffsetDateTime| dates::write(dates::shifted(moment, self.offset));
                Ok((moved(from.0), moved(to.0), None))
            }
        }
    }

    fn serial(&self) -> Result<Vec<u8>, ForgeError> {
        match &self.recipe.serial {
            SerialRule::Random(octets) => Ok(random_serial(usize::from(*octets))),
            SerialRule::Copied => Ok(self.genuine()?.serial.clone()),
            SerialRule::PlusRandom(bits) => Ok(plus_random(&self.genuine()?.serial, *bits)),
            SerialRule::KeyId => Ok(key_id_serial(self.key)),
            SerialRule::Fixed(bytes) => Ok(der::unsigned_content(&bytes.0)),
        }
    }

    fn digest(&self) -> Digest {
        match self.recipe.digest {
            LeafDigest::Sha256 => Digest::Sha256,
            LeafDigest::Sha384 => Digest::Sha384,
            LeafDigest::Sha512 => Digest::Sha512,
            LeafDigest::LikeGenuine => self.genuine.map_or(Digest::Sha256, |genuine| digest_of(&genuine.signature)),
        }
    }

    fn extensions(
        &self,
        signer: &IssuerFacts,
        subject_is_empty: bool,
        remarks: &mut Vec<String>,
    ) -> Result<Vec<Extension>, ForgeError> {
        let mut list = Vec::new();
        for rule in &self.recipe.extensions {
            match rule {
                ExtensionRule::BasicConstraints { ca, path_len, critical } => {
                    list.push(extension::basic_constraints(*ca, *path_len, *critical))
                }
                ExtensionRule::KeyUsage { bits, critical } => list.push(extension::key_usage(bits, *critical)),
                ExtensionRule::ExtendedKeyUsage { purposes, critical } => {
                    list.push(extension::extended_key_usage(purposes, *critical))
                }
                ExtensionRule::SubjectKeyId => list.push(extension::subject_key_id(self.key)),
                ExtensionRule::AuthorityKeyId(form) => list.push(extension::authority_key_id(*form, signer)),
                ExtensionRule::SubjectAltName(names) => list.extend(self.names(names, subject_is_empty, remarks)?),
                ExtensionRule::Copied { extension, critical } => list.extend(self.copied(extension, *critical)?),
                ExtensionRule::LikeGenuine { drop } => self.like_genuine(signer, drop, &mut list, remarks)?,
                ExtensionRule::Raw { oid, value, critical } => {
                    list.push(Extension { oid: oid.0.clone(), critical: *critical, value: value.0.clone() })
                }
                ExtensionRule::Timestamps { .. } => {} // made last: they sign everything else
            }
        }
        Ok(list)
    }

    fn names(&self, names: &Names, subject_is_empty: bool, remarks: &mut Vec<String>) -> Result<Option<Extension>, ForgeError> {
        use OriginFault::WrongHost;
        let names = match (names, self.treatment) {
            (Names::Genuine, Treatment::Mask(WrongHost)) => &Names::Host,
            (Names::Host, Treatment::Mirror(WrongHost)) => &Names::Genuine,
            (names, _) => names,
        };
        match names {
            Names::Host => {
                let host = self.host.ok_or(ForgeError::NoGenuine)?;
                Ok(Some(extension::subject_alt_name(std::slice::from_ref(host), subject_is_empty)))
            }
            Names::Fixed(names) => {
                let names: Vec<AltName> = names.iter().cloned().map(AltName::Dns).collect();
                Ok(Some(extension::subject_alt_name(&names, subject_is_empty)))
            }
            Names::Genuine => {
                let genuine = self.genuine()?.extension(&der::oid(oid::SUBJECT_ALT_NAME)).cloned();
                if genuine.is_none() {
                    remarks.push("the genuine certificate has no alternative names, so the forged one has none".to_owned());
                }
                Ok(genuine)
            }
        }
    }

    fn copied(&self, wanted: &OidText, critical: Option<bool>) -> Result<Option<Extension>, ForgeError> {
        let found = self.genuine()?.extension(&wanted.0);
        Ok(found.map(|genuine| Extension { critical: critical.unwrap_or(genuine.critical), ..genuine.clone() }))
    }

    fn like_genuine(
        &self,
        signer: &IssuerFacts,
        drop: &[OidText],
        list: &mut Vec<Extension>,
        remarks: &mut Vec<String>,
    ) -> Result<(), ForgeError> {
        let is = |extension: &Extension, arcs| extension.oid == der::oid(arcs);
        let mask_names = self.treatment == Treatment::Mask(OriginFault::WrongHost);
        for genuine in &self.genuine()?.extensions {
            if drop.iter().any(|dropped| dropped.0 == genuine.oid) {
                continue;
            }
            let made = if is(genuine, oid::SUBJECT_KEY_ID) {
                extension::subject_key_id(self.key)
            } else if is(genuine, oid::AUTHORITY_KEY_ID) {
                extension::authority_key_id(AuthorityKeyForm::KeyId, signer)
            } else if is(genuine, oid::BASIC_CONSTRAINTS) && genuine.value != der::sequence(&[]) {
                remarks.push("the genuine certificate is an authority's; the forged one is not".to_owned());
                extension::basic_constraints(false, None, genuine.critical)
            } else if is(genuine, oid::KEY_USAGE) {
                self.fitted_usage(genuine)
            } else if is(genuine, oid::SUBJECT_ALT_NAME) && mask_names {
                let host = self.host.ok_or(ForgeError::NoGenuine)?;
                extension::subject_alt_name(std::slice::from_ref(host), genuine.critical)
            } else {
                genuine.clone()
            };
            list.push(made);
        }
        Ok(())
    }

    /// The genuine usage if it fits our kind of key: an elliptic key cannot encipher keys, an RSA key does for TLS 1.2.
    fn fitted_usage(&self, genuine: &Extension) -> Extension {
        let genuine_kind = self.genuine.and_then(|genuine| kind_like(&genuine.spki).ok());
        let rsa = |kind: KeyKind| matches!(kind, KeyKind::Rsa { .. });
        let bits: &[Usage] = match (genuine_kind.map(rsa), rsa(self.key.kind())) {
            (Some(theirs), ours) if theirs == ours => return genuine.clone(),
            (_, true) => &[Usage::DigitalSignature, Usage::KeyEncipherment],
            (_, false) => &[Usage::DigitalSignature],
        };
        extension::key_usage(bits, genuine.critical)
    }

    /// Where the timestamps stand: after as many extensions as the rules before them gave.
    fn timestamps_place(&self) -> Option<usize> {
        let rules = &self.recipe.extensions;
        let at = rules.iter().position(|rule| matches!(rule, ExtensionRule::Timestamps { .. }))?;
        let mirrored = rules[..at].iter().any(|rule| matches!(rule, ExtensionRule::LikeGenuine { .. }));
        let genuine_place = || {
            let dropped = |extension: &Extension| {
                rules
                    .iter()
                    .any(|rule| matches!(rule, ExtensionRule::LikeGenuine { drop } if drop.iter().any(|d| d.0 == extension.oid)))
            };
            let extensions = &self.genuine?.extensions;
            let own = extensions.iter().position(|extension| extension.oid == der::oid(oid::TIMESTAMPS))?;
            Some(extensions[..own].iter().filter(|extension| !dropped(extension)).count())
        };
        match mirrored {
            true => Some(genuine_place().unwrap_or(usize::MAX)),
            false => Some(at),
        }
    }
}

/// The nearest kind that can be made, or that it is only near.
pub(super) fn kind_like(spki: &[u8]) -> Result<KeyKind, KeyKind> {
    let described = super::describe::public_key(spki);
    let exponent: u32 = if described.exponent == Some(3) { 3 } else { 65537 };
    match (described.algorithm.as_str(), described.bits) {
        ("P-256", _) => Ok(KeyKind::P256),
        ("P-384", _) => Ok(KeyKind::P384),
        ("P-521", _) => Ok(KeyKind::P521),
        ("Ed25519", _) => Ok(KeyKind::Ed25519),
        ("RSA", bits @ (1024 | 2048 | 3072 | 4096)) if described.exponent == Some(u64::from(exponent)) => {
            Ok(KeyKind::Rsa { bits: bits as u16, exponent })
        }
        ("RSA", bits) => {
            Err(KeyKind::Rsa { bits: [2048, 3072, 4096].into_iter().find(|b| usize::from(*b) >= bits).unwrap_or(4096), exponent })
        }
        _ => Err(KeyKind::P256),
    }
}

/// The serial number plus a random number of so many bits. A number long enough keeps its length and its sign, as in
/// the pair of 2019; a shorter one grows.
fn plus_random(serial: &[u8], bits: u8) -> Vec<u8> {
    let mut drawn = [0u8; 8];
    random(&mut drawn);
    let drawn = u64::from_be_bytes(drawn) >> (64 - u32::from(bits.clamp(1, 64)));
    let wide = usize::from(bits.div_ceil(8));
    if serial.len() <= wide {
        let known = serial.iter().fold(0u128, |sum, &octet| sum << 8 | u128::from(octet));
        return der::unsigned_content(&(known + u128::from(drawn.max(1))).to_be_bytes());
    }
    let (sum, overflow) = combine(serial, drawn.max(1), |octet, other, carry| octet + other + carry);
    if !overflow && (sum[0] ^ serial[0]) & 0x80 == 0 {
        sum
    } else {
        combine(serial, drawn.max(1), |octet, other, borrow| octet - other - borrow).0
    }
}

/// Adds or subtracts in as many octets as there are; tells whether something is left over.
fn combine(serial: &[u8], number: u64, step: impl Fn(i16, i16, i16) -> i16) -> (Vec<u8>, bool) {
    let mut result = serial.to_vec();
    let mut left_over = 0;
    let others = number.to_le_bytes().into_iter().chain(std::iter::repeat(0));
    for (octet, other) in result.iter_mut().rev().zip(others) {
        let value = step(i16::from(*octet), i16::from(other), left_over);
        *octet = value.rem_euclid(256) as u8;
        left_over = i16::from(!(0..256).contains(&value));
    }
    (result, left_over != 0)
}

fn digest_of(algorithm: &[u8]) -> Digest {
    let name = super::describe::algorithm(algorithm);
    if name.contains("384") {
        Digest::Sha384
    } else if name.contains("512") {
        Digest::Sha512
    } else {
        Digest::Sha256
    }
}

/// RFC 5280 appendix A.1.
const UB_COMMON_NAME: usize = 64;

/// A masked fault's validity: begun yesterday, good for ninety days, as a certificate of the web is.
const MASK_BEFORE: time::Duration = time::Duration::DAY;
const MASK_AFTER: time::Duration = time::Duration::days(89);

/// Two draws of 32 bits out of ten thousand meet with one chance in a hundred; sixteen in a row do not.
const SERIAL_DRAWS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sum_of_2019() {
        let genuine = [0x0d, 0x04, 0xed, 0x93, 0xde, 0xbd, 0x7f, 0x87, 0xad, 0x34, 0x9e, 0x95, 0x85, 0x80, 0x43, 0xe8];
        let forged = [0x0d, 0x04, 0xed, 0x93, 0xde, 0xbd, 0x7f, 0x87, 0xad, 0x34, 0x9e, 0x96, 0x33, 0x33, 0xf2, 0x3a];
        assert_eq!(combine(&genuine, 0xadb3_ae52, |a, b, c| a + b + c), (forged.to_vec(), false));
        assert_eq!(combine(&forged, 0xadb3_ae52, |a, b, c| a - b - c), (genuine.to_vec(), false));
    }

    proptest! {
        #[test]
        fn a_long_serial_keeps_length_and_sign(serial in proptest::collection::vec(any::<u8>(), 9..30), bits in 1u8..=64) {
            let moved = plus_random(&serial, bits);
            prop_assert_eq!(moved.len(), serial.len());
            prop_assert_eq!((moved[0] ^ serial[0]) & 0x80, 0);
            prop_assert_ne!(moved, serial);
        }

        #[test]
        fn a_short_serial_becomes_positive(serial in proptest::collection::vec(any::<u8>(), 0..=4)) {
            let moved = plus_random(&serial, 32);
            prop_assert!(moved[0] & 0x80 == 0 && moved.iter().any(|&b| b != 0));
        }
    }
}
