//! Certificates in words: the text that explain tables, differences and reports show of each field.
//!
//! Never fails: what cannot be read is shown in hex, cut.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::dates;
use super::der::{self, Reader, Value, tag};
use super::key::hex;
use super::name;
use super::oid;
use super::tbs::Extension;

/// A public key, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// `RSA`, `P-256`, `Ed25519` ...
    pub algorithm: String,
    /// Modulus length of RSA; 0 for others.
    pub bits: usize,
    /// Public exponent of RSA, if it fits.
    pub exponent: Option<u64>,
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exponent {
            Some(exponent) => write!(f, "{}-{} e={exponent}", self.algorithm, self.bits),
            None if self.bits > 0 => write!(f, "{}-{}", self.algorithm, self.bits),
            None => f.write_str(&self.algorithm),
        }
    }
}

/// What a SubjectPublicKeyInfo holds.
pub fn public_key(spki: &[u8]) -> PublicKey {
    read_public_key(spki).unwrap_or(PublicKey { algorithm: "unreadable".to_owned(), bits: 0, exponent: None })
}

/// Name of an AlgorithmIdentifier.
pub fn algorithm(identifier: &[u8]) -> String {
    let oid = Reader::new(identifier, "algorithm")
        .expect(tag::SEQUENCE)
        .and_then(|sequence| sequence.inside("algorithm").expect(tag::OID));
    oid.map_or_else(|_| cut_hex(identifier), |oid| oid::other_name(oid.raw))
}

/// A Time, as RFC 3339.
pub fn time(der: &[u8]) -> String {
    dates::read(der)
        .and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| format!("unreadable time {}", cut_hex(der)))
}

/// An extension's value, without its name and critical flag.
pub fn extension(extension: &Extension) -> String {
    let is = |arcs: oid::Arcs| extension.oid == der::oid(arcs);
    let value = &extension.value;
    let described = if is(oid::BASIC_CONSTRAINTS) {
        basic_constraints(value)
    } else if is(oid::KEY_USAGE) {
        key_usage(value)
    } else if is(oid::EXTENDED_KEY_USAGE) {
        purposes(value)
    } else if is(oid::SUBJECT_ALT_NAME) {
        general_names(value)
    } else if is(oid::SUBJECT_KEY_ID) {
        Reader::new(value, "key identifier").expect(tag::OCTET_STRING).ok().map(|id| hex(id.content))
    } else if is(oid::AUTHORITY_KEY_ID) {
        authority_key_id(value)
    } else if is(oid::COMMENT) {
        Reader::new(value, "comment").any().ok().map(|text| name::string_text(&text))
    } else if is(oid::TIMESTAMPS) {
        super::sct::describe(value)
    } else {
        None
    };
    described
        .unwrap_or_else(|| if value.len() > LONG { format!("{} bytes, {}", value.len(), cut_hex(value)) } else { hex(value) })
}

/// Names of subjectAltName: `DNS:a.example, IP:192.0.2.1`. None if unreadable.
pub fn general_names(value: &[u8]) -> Option<String> {
    let mut list = Reader::new(value, "names").expect(tag::SEQUENCE).ok()?.inside("names");
    let (mut shown, mut more) = (Vec::new(), 0);
    while !list.is_empty() {
        let name = list.any().ok()?;
        if shown.len() < MOST_NAMES { shown.push(general_name(&name)) } else { more += 1 }
    }
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    Some(shown.join(", "))
}

fn general_name(value: &Value<'_>) -> String {
    let text = || name::string_text(value);
    match value.tag {
        0x81 => format!("email:{}", text()),
        0x82 => format!("DNS:{}", text()),
        0x86 => format!("URI:{}", text()),
        0x87 => format!("IP:{}", address(value.content)),
        0xa4 => format!("DirName:{}", name::text(value.content)),
        other => format!("[{}]:{}", other & 0x1f, cut_hex(value.content)),
    }
}

fn address(octets: &[u8]) -> String {
    match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(v4), _) => Ipv4Addr::from(v4).to_string(),
        (_, Ok(v6)) => Ipv6Addr::from(v6).to_string(),
        _ => hex(octets),
    }
}

fn basic_constraints(value: &[u8]) -> Option<String> {
    let mut fields = Reader::new(value, "basic constraints").expect(tag::SEQUENCE).ok()?.inside("basic constraints");
    let ca = fields.optional(tag::BOOLEAN).ok()?.is_some_and(|flag| flag.content != [0]);
    let length = fields.optional(tag::INTEGER).ok()?.map(|n| format!(", pathlen {}", n.content.last().copied().unwrap_or(0)));
    Some(format!("CA:{}{}", if ca { "TRUE" } else { "FALSE" }, length.unwrap_or_default()))
}

fn key_usage(value: &[u8]) -> Option<String> {
    let bits = Reader::new(value, "key usage").expect(tag::BIT_STRING).ok()?.content.get(1..)?;
    let set = |i: usize| bits.get(i / 8).is_some_and(|octet| octet & 0x80 >> (i % 8) != 0);
    Some(USAGES.iter().enumerate().filter(|(i, _)| set(*i)).map(|(_, name)| *name).collect::<Vec<_>>().join(", "))
}

fn purposes(value: &[u8]) -> Option<String> {
    let mut list = Reader::new(value, "purposes").expect(tag::SEQUENCE).ok()?.inside("purposes");
    let mut names = Vec::new();
    while !list.is_empty() && names.len() < MOST_NAMES {
        names.push(oid::other_name(list.expect(tag::OID).ok()?.raw));
    }
    Some(names.join(", "))
}

fn authority_key_id(value: &[u8]) -> Option<String> {
    let mut fields =
        Reader::new(value, "authority key identifier").expect(tag::SEQUENCE).ok()?.inside("authority key identifier");
    let mut parts = Vec::new();
    while !fields.is_empty() && parts.len() < 3 {
        let field = fields.any().ok()?;
        parts.push(match field.tag {
            0x80 => format!("keyid:{}", hex(field.content)),
            0xa1 => general_names(&der::value(tag::SEQUENCE, field.content))?,
            0x82 => format!("serial:{}", hex(field.content)),
            _ => return None,
        });
    }
    Some(parts.join(", "))
}

fn read_public_key(spki: &[u8]) -> Option<PublicKey> {
    let mut fields = Reader::new(spki, "public key").expect(tag::SEQUENCE).ok()?.inside("public key");
    let mut algorithm = fields.expect(tag::SEQUENCE).ok()?.inside("algorithm");
    let name = oid::other_name(algorithm.expect(tag::OID).ok()?.raw);
    let plain = |algorithm: String| PublicKey { algorithm, bits: 0, exponent: None };
    match name.as_str() {
        "ecPublicKey" => Some(plain(
            algorithm.expect(tag::OID).map_or_else(|_| "explicit curve".to_owned(), |curve| oid::other_name(curve.raw)),
        )),
        "rsaEncryption" | "rsassaPss" => {
            let bits = fields.expect(tag::BIT_STRING).ok()?.content.get(1..)?;
            let mut numbers = Reader::new(bits, "RSA key").expect(tag::SEQUENCE).ok()?.inside("RSA key");
            let (modulus, exponent) = (numbers.expect(tag::INTEGER).ok()?, numbers.expect(tag::INTEGER).ok()?);
            Some(PublicKey {
                algorithm: "RSA".to_owned(),
                bits: bit_length(modulus.content),
                exponent: small_number(exponent.content),
            })
        }
        _ => Some(plain(name)),
    }
}

fn bit_length(number: &[u8]) -> usize {
    let digits = number.iter().position(|&b| b != 0).map_or(&[][..], |first| &number[first..]);
    digits.first().map_or(0, |top| digits.len() * 8 - top.leading_zeros() as usize)
}

fn small_number(number: &[u8]) -> Option<u64> {
    (bit_length(number) <= 64).then(|| number.iter().fold(0, |sum, &octet| sum << 8 | u64::from(octet)))
}

fn cut_hex(bytes: &[u8]) -> String {
    if bytes.len() > SHOWN { format!("{}...", hex(&bytes[..SHOWN])) } else { hex(bytes) }
}

/// A table's cell holds no more.
const MOST_NAMES: usize = 12;
const LONG: usize = 40;
const SHOWN: usize = 16;

const USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::{Key, KeyKind};
    use super::*;

    #[test]
    fn keys_in_words() {
        let words = |kind| public_key(Key::generate(kind).unwrap().spki()).to_string();
        assert_eq!(words(KeyKind::Rsa { bits: 1024, exponent: 3 }), "RSA-1024 e=3");
        assert_eq!(words(KeyKind::P384), "P-384");
        assert_eq!(words(KeyKind::Ed25519), "Ed25519");
        assert_eq!(public_key(b"nonsense").to_string(), "unreadable");
    }

    proptest! {
        #[test]
        fn no_value_panics(which in 0usize..20, value in proptest::collection::vec(any::<u8>(), 0..120), critical in any::<bool>()) {
            let arcs: &[u64] = [oid::BASIC_CONSTRAINTS, oid::KEY_USAGE, oid::EXTENDED_KEY_USAGE, oid::SUBJECT_ALT_NAME, oid::AUTHORITY_KEY_ID, oid::TIMESTAMPS, oid::COMMENT, oid::SUBJECT_KEY_ID][which % 8];
            let _ = extension(&Extension { oid: der::oid(arcs), critical, value: value.clone() });
            let _ = (public_key(&value), algorithm(&value), time(&value), name::text(&value));
        }
    }
}
