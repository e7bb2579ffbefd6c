//! Distinguished names (RFC 5280 section 4.1.2.4): written from a profile's attributes, and shown as text.

use super::der::{self, Reader, tag};
use super::oid;
use super::words::{Attribute, StringKind};

/// A Name with the attributes in this order.
pub fn write(attributes: &[Attribute]) -> Vec<u8> {
    let mut sets: Vec<Vec<Vec<u8>>> = Vec::new();
    for attribute in attributes {
        let pair = der::sequence(&[&attribute.kind.0, &string(attribute)]);
        match sets.last_mut() {
            Some(set) if attribute.joined => set.push(pair),
            _ => sets.push(vec![pair]),
        }
    }
    let sets: Vec<Vec<u8>> = sets.into_iter().map(set_of).collect();
    der::sequence(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// A Name of one CN.
pub fn common_name(value: &str) -> Vec<u8> {
    let string = if is_printable(value) { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
    let pair = der::sequence(&[&der::oid(oid::COMMON_NAME), &der::value(string, value.as_bytes())]);
    der::sequence(&[&der::value(tag::SET, &pair)])
}

/// The Name without attributes.
pub fn empty() -> Vec<u8> {
    der::sequence(&[])
}

/// A Name as text, in its own order: `C=KZ, CN=Qaznet Trust Network`; `+` joins the parts of a multi-valued RDN.
/// What cannot be read is shown in hex.
pub fn text(name: &[u8]) -> String {
    read(name).unwrap_or_else(|| format!("unreadable name {}", super::key::hex(&name[..name.len().min(64)])))
}

/// Only characters of PrintableString (X.680 section 41.4).
pub fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b))
}

/// SET OF: its members in ascending order of their encoding (X.690 section 11.6).
fn set_of(mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    der::concat(tag::SET, &members.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn string(attribute: &Attribute) -> Vec<u8> {
    let text = attribute.value.as_str();
    match attribute.string {
        None if is_printable(text) => der::value(tag::PRINTABLE_STRING, text.as_bytes()),
        None | Some(StringKind::Utf8) => der::value(tag::UTF8_STRING, text.as_bytes()),
        Some(StringKind::Printable) => der::value(tag::PRINTABLE_STRING, text.as_bytes()),
        Some(StringKind::Ia5) => der::value(tag::IA5_STRING, text.as_bytes()),
        Some(StringKind::Teletex) => der::value(tag::TELETEX_STRING, &text.chars().map(|c| c as u8).collect::<Vec<_>>()),
        Some(StringKind::Bmp) => der::value(tag::BMP_STRING, &text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()),
    }
}

fn read(name: &[u8]) -> Option<String> {
    let mut sets = Reader::new(name, "name").expect(tag::SEQUENCE).ok()?.inside("name");
    let mut parts = Vec::new();
    while !sets.is_empty() {
        let mut pairs = sets.expect(tag::SET).ok()?.inside("relative name");
        let mut joined = Vec::new();
        while !pairs.is_empty() {
            let mut pair = pairs.expect(tag::SEQUENCE).ok()?.inside("attribute");
            let kind = oid::attribute_name(pair.expect(tag::OID).ok()?.raw);
            joined.push(format!("{kind}={}", string_text(&pair.any().ok()?)));
        }
        parts.push(joined.join("+"));
    }
    Some(if parts.is_empty() { "(empty)".to_owned() } else { parts.join(", ") })
}

/// A directory string as text; control characters are escaped, so that a NUL in a name can be seen.
pub(super) fn string_text(value: &der::Value<'_>) -> String {
    let text = match value.tag {
        tag::TELETEX_STRING => value.content.iter().map(|&b| char::from(b)).collect(),
        tag::BMP_STRING => {
            let units: Vec<u16> = value.content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(value.content).into_owned(),
    };
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
