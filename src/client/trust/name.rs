//! OpenSSL's hash of a distinguished name, `X509_NAME_hash`, without OpenSSL.
//!
//! The hash is the first four bytes, little-endian, of the SHA-1 of the name's *canonical* encoding: the SETs of the
//! RDNs one after the other without the outer SEQUENCE, each string value as UTF8String, ASCII letters in lower case,
//! blanks trimmed and runs of blanks made one (OpenSSL `crypto/x509/x_name.c`, `x509_name_canon`).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use x509_parser::der_parser::asn1_rs::{Any, Tag, ToDer as _};
use x509_parser::x509::X509Name;

/// The hash that names a file in a hashed directory.
pub fn subject_hash(name: &X509Name<'_>) -> u32 {
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &canonical(name));
    sum.as_ref().first_chunk().map_or(0, |first| u32::from_le_bytes(*first))
}

fn canonical(name: &X509Name<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for rdn in name.iter() {
        let mut attributes: Vec<Vec<u8>> = rdn
            .iter()
            .map(|attribute| {
                let oid = attribute.attr_type().to_der_vec().unwrap_or_default();
                tlv(0x30, &[oid, canonical_value(attribute.attr_value())].concat())
            })
            .collect();
        attributes.sort(); // DER: SET OF is ordered by encoding (X.690 section 11.6)
        out.extend(tlv(0x31, &attributes.concat()));
    }
    out
}

fn canonical_value(value: &Any<'_>) -> Vec<u8> {
    match text(value) {
        Some(text) => tlv(0x0c, fold(&text).as_bytes()),
        None => value.to_der_vec().unwrap_or_default(),
    }
}

/// The value's text, if it is one of the string types that OpenSSL folds (`ASN1_MASK_CANON`).
fn text(value: &Any<'_>) -> Option<String> {
    let data = value.data;
    let wide = |size: usize| {
        let units = data.chunks_exact(size).map(|c| c.iter().fold(0u32, |sum, b| sum << 8 | u32::from(*b)));
        units.map(|u| char::from_u32(u).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            Some(String::from_utf8_lossy(data).into_owned())
        }
        Tag::T61String => Some(data.iter().map(|b| char::from(*b)).collect()),
        Tag::BmpString => Some(wide(2)),
        Tag::UniversalString => Some(wide(4)),
        _ => None,
    }
}

fn fold(text: &str) -> String {
    let words = text.split([' ', '\t', '\n', '\x0b', '\x0c', '\r']).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let bytes = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(0)..];
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_trimmed_folded_and_lower_case() {
        assert_eq!(fold("  Qaznet \t Trust  NETWORK "), "qaznet trust network");
        assert_eq!(fold("ÉTAT"), "État", "only ASCII letters are folded");
    }

    #[test]
    fn long_lengths_are_minimal() {
        assert_eq!(tlv(0x31, &[0; 0x7f])[..2], [0x31, 0x7f]);
        assert_eq!(tlv(0x31, &[0; 0x80])[..3], [0x31, 0x81, 0x80]);
        assert_eq!(tlv(0x31, &[0; 0x100])[..4], [0x31, 0x82, 0x01, 0x00]);
    }
}
