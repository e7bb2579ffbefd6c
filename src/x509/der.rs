//! DER in small: enough to write a certificate from chosen slices, and to read one that others refuse.
//!
//! The writer makes canonical DER (X.690 section 10). The reader is tolerant on purpose: it accepts lengths that are not
//! minimal and never looks inside what it does not need, because an odd certificate of an origin is to be copied, not
//! judged. It is no general ASN.1 library: single-byte tags, definite lengths, 16 MiB at most.

use thiserror::Error;

/// Identifier octets (X.690 section 8.1.2) that certificates use.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString.
    pub const TELETEX_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1e;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;

    /// Context tag `[number]` around a primitive.
    pub const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// Context tag `[number]` around something constructed.
    pub const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Why bytes could not be read as DER.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DerError {
    /// The bytes end inside a value.
    #[error("cut short: {what} needs {needed} more bytes at offset {at}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
        /// Missing bytes.
        needed: usize,
    },
    /// Another tag than the expected one.
    #[error("{what}: tag 0x{expected:02x} expected at offset {at}, found 0x{found:02x}")]
    Tag {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
        /// The tag that belongs there.
        expected: u8,
        /// The tag that is there.
        found: u8,
    },
    /// A form that the reader does not take: indefinite or giant length, long tag.
    #[error("{what}: unsupported encoding at offset {at}")]
    Unsupported {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Bytes follow where the value should end.
    #[error("{what}: {extra} bytes too many")]
    Trailing {
        /// What was being read.
        what: &'static str,
        /// How many.
        extra: usize,
    },
}

/// One value: its tag, its content, and itself with the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Identifier octet.
    pub tag: u8,
    /// Content octets.
    pub content: &'a [u8],
    /// Header and content, as they stand.
    pub raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// A reader over the content.
    pub fn inside(&self, what: &'static str) -> Reader<'a> {
        Reader::new(self.content, what)
    }
}

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader; `what` is how errors call the bytes.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, at: 0, what }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next tag, if any.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next value.
    pub fn any(&mut self) -> Result<Value<'a>, DerError> {
        let start = self.at;
        let tag = self.byte(start)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::Unsupported { what: self.what, at: start });
        }
        let (length, header) = self.length(start)?;
        let from = start + header;
        let missing = (from + length).saturating_sub(self.bytes.len());
        if missing > 0 {
            return Err(DerError::Truncated { what: self.what, at: from, needed: missing });
        }
        self.at = from + length;
        Ok(Value { tag, content: &self.bytes[from..self.at], raw: &self.bytes[start..self.at] })
    }

    /// The next value, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<Value<'a>, DerError> {
        let at = self.at;
        let value = self.any()?;
        if value.tag == tag { Ok(value) } else { Err(DerError::Tag { what: self.what, at, expected: tag, found: value.tag }) }
    }

    /// The next value if it has this tag; otherwise nothing is read.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, DerError> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), DerError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra => Err(DerError::Trailing { what: self.what, extra }),
        }
    }

    fn byte(&self, at: usize) -> Result<u8, DerError> {
        self.bytes.get(at).copied().ok_or(DerError::Truncated { what: self.what, at, needed: 1 })
    }

    /// Length and size of the header (tag and length octets).
    fn length(&self, start: usize) -> Result<(usize, usize), DerError> {
        let first = self.byte(start + 1)?;
        if first < 0x80 {
            return Ok((usize::from(first), 2));
        }
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 4 {
            return Err(DerError::Unsupported { what: self.what, at: start });
        }
        let mut length = 0usize;
        for i in 0..octets {
            length = length << 8 | usize::from(self.byte(start + 2 + i)?);
        }
        if length > MAX_VALUE {
            return Err(DerError::Unsupported { what: self.what, at: start });
        }
        Ok((length, 2 + octets))
    }
}

/// A value of any tag.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    push_length(&mut out, content.len());
    out.extend_from_slice(content);
    out
}

/// A constructed value from its parts.
pub fn concat(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    push_length(&mut out, length);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// SEQUENCE of the parts.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    concat(tag::SEQUENCE, parts)
}

/// INTEGER from content octets that are already right (two's complement, as copied).
pub fn integer_raw(content: &[u8]) -> Vec<u8> {
    value(tag::INTEGER, content)
}

/// INTEGER from an unsigned big-endian number.
pub fn unsigned(number: &[u8]) -> Vec<u8> {
    integer_raw(&unsigned_content(number))
}

/// Content octets of a non-negative INTEGER: no superfluous zero octets, top bit clear.
pub fn unsigned_content(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|&b| b != 0).unwrap_or(number.len());
    let digits = &number[first..];
    match digits.first() {
        None => vec![0],
        Some(&top) if top & 0x80 != 0 => [&[0], digits].concat(),
        Some(_) => digits.to_vec(),
    }
}

/// BIT STRING without unused bits.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    concat(tag::BIT_STRING, &[&[0], bytes])
}

/// BIT STRING of named bits (X.680 section 22.7): bit `i` of `bits` is named bit `i`; trailing zero bits are left out.
pub fn named_bits(bits: u16) -> Vec<u8> {
    let Some(last) = (0..16).rev().find(|i| bits >> i & 1 == 1) else {
        return value(tag::BIT_STRING, &[0]);
    };
    let mut content = vec![0u8; 2 + last / 8];
    content[0] = (7 - last % 8) as u8;
    for i in 0..=last {
        if bits >> i & 1 == 1 {
            content[1 + i / 8] |= 0x80 >> (i % 8);
        }
    }
    value(tag::BIT_STRING, &content)
}

/// OCTET STRING.
pub fn octet_string(bytes: &[u8]) -> Vec<u8> {
    value(tag::OCTET_STRING, bytes)
}

/// BOOLEAN TRUE.
pub fn boolean_true() -> Vec<u8> {
    value(tag::BOOLEAN, &[0xff])
}

/// OBJECT IDENTIFIER from its arcs, of which the first two share an octet. Arcs beyond 64 bits do not occur.
pub fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs {
        push_base128(&mut content, first * 40 + second);
        rest.iter().for_each(|&arc| push_base128(&mut content, arc));
    }
    value(tag::OID, &content)
}

/// Arcs of an OBJECT IDENTIFIER's content, for text. Arcs beyond 64 bits saturate.
pub fn oid_text(content: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for &byte in content {
        arc = arc.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let top = (arc / 40).min(2);
                arcs.push(top);
                arc -= top * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Parses `1.2.840.113549` into arcs. None if it is not an OBJECT IDENTIFIER.
pub fn oid_arcs(text: &str) -> Option<Vec<u64>> {
    let arcs: Vec<u64> = text.split('.').map(|arc| arc.parse().ok()).collect::<Option<_>>()?;
    let valid = matches!(arcs.as_slice(), [0 | 1, second, ..] if *second < 40)
        || matches!(arcs.as_slice(), [2, second, ..] if *second < 1 << 32);
    valid.then_some(arcs)
}

fn push_base128(out: &mut Vec<u8>, number: u64) {
    let groups = (1..10).find(|g| number >> (7 * g) == 0).unwrap_or(10);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((number >> (7 * group)) as u8 & 0x7f | more);
    }
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let first = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len() - 1);
    out.push(0x80 | (bytes.len() - first) as u8);
    out.extend_from_slice(&bytes[first..]);
}

/// Largest value that the reader takes: TLS carries certificates of at most 2^24-1 octets (RFC 8446 section 4.4.2).
const MAX_VALUE: usize = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn named_bits_as_openssl_writes_them() {
        // nonRepudiation, keyCertSign, cRLSign: the Qaznet root's 03 02 01 46.
        assert_eq!(named_bits(1 << 1 | 1 << 5 | 1 << 6), [3, 2, 1, 0x46]);
        assert_eq!(named_bits(1 | 1 << 2), [3, 2, 5, 0xa0]);
        assert_eq!(named_bits(1 << 8), [3, 3, 7, 0, 0x80]);
        assert_eq!(named_bits(0), [3, 1, 0]);
    }

    #[test]
    fn identifiers_there_and_back() {
        for text in ["2.5.29.17", "1.3.6.1.4.1.11129.2.4.2", "2.16.840.1.113730.1.13", "2.999.3"] {
            let der = oid(&oid_arcs(text).unwrap());
            assert_eq!(oid_text(&der[2..]), text);
        }
        for text in ["", "1", "3.1", "1.40", "a.b", "1..2"] {
            assert_eq!(oid_arcs(text), None, "{text}");
        }
    }

    #[test]
    fn unsigned_numbers_are_minimal_and_positive() {
        assert_eq!(unsigned(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[]), [2, 1, 0]);
    }

    #[test]
    fn what_the_reader_refuses() {
        let read = |bytes: &[u8]| Reader::new(bytes, "x").any().map(|v| v.content.len());
        assert_eq!(read(&[]), Err(DerError::Truncated { what: "x", at: 0, needed: 1 }));
        assert_eq!(read(&[0x30, 5, 1]), Err(DerError::Truncated { what: "x", at: 2, needed: 4 }));
        assert_eq!(read(&[0x30, 0x80, 0, 0]), Err(DerError::Unsupported { what: "x", at: 0 }));
        assert_eq!(read(&[0x1f, 1, 0]), Err(DerError::Unsupported { what: "x", at: 0 }));
        assert_eq!(read(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Err(DerError::Unsupported { what: "x", at: 0 }));
        assert_eq!(read(&[0x30, 0x82, 0, 1, 9]), Ok(1), "a length that is not minimal is taken");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in any::<u8>().prop_filter("low tag", |t| t & 0x1f != 0x1f), content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let der = value(tag, &content);
            let mut reader = Reader::new(&der, "value");
            let read = reader.any().unwrap();
            prop_assert_eq!(read, Value { tag, content: &content, raw: &der });
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes, "noise");
            while reader.any().is_ok() && !reader.is_empty() {}
            let _ = oid_text(&bytes);
        }
    }
}
