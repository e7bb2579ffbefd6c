//! The small values of a profile: moments, spans, attributes, identifiers. Each is checked where it is read.

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::x509::{der, oid};

/// A moment: a TOML offset date-time, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "toml::value::Datetime")]
pub struct Moment(pub OffsetDateTime);

/// A span of time: `-6h`, `75d`, `90m`, `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

/// Octets in hex; colons and spaces are allowed between them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HexBytes(pub Vec<u8>);

/// An extension's identifier: a name (`key-usage`) or `1.2.3`. Holds the whole DER value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct OidText(pub Vec<u8>);

impl TryFrom<toml::value::Datetime> for Moment {
    type Error = String;

    fn try_from(written: toml::value::Datetime) -> Result<Self, String> {
        let text = written.to_string();
        let moment = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
            .map_err(|e| format!("`{text}` is no moment with an offset, such as 2019-07-17T00:00:00Z: {e}"))?;
        if moment.nanosecond() != 0 {
            return Err(format!("`{text}`: certificates know whole seconds only (RFC 5280 section 4.1.2.5)"));
        }
        Ok(Self(moment))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no span such as `-6h`, `75d`, `90m` or `30s`");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let span = number.checked_mul(seconds).filter(|s| s.abs() <= LONGEST_SPAN).ok_or_else(wrong)?;
        Ok(Self(Duration::seconds(span)))
    }
}

impl TryFrom<String> for HexBytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b':' | b' ')).collect();
        let octet = |pair: &[u8]| -> Option<u8> {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(*pair.get(1)?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        };
        digits.chunks(2).map(octet).collect::<Option<Vec<u8>>>().map(Self).ok_or_else(|| format!("`{text}` is not hex"))
    }
}

impl TryFrom<String> for OidText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        oid::extension_by_name(&text)
            .map(<[u64]>::to_vec)
            .or_else(|| der::oid_arcs(&text))
            .map(|arcs| Self(der::oid(&arcs)))
            .ok_or_else(|| format!("`{text}` is no extension: one of {}, or a dotted identifier", oid::extension_names()))
    }
}

/// A thousand years.
const LONGEST_SPAN: i64 = 1000 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let span = |text: &str| Span::try_from(text.to_owned()).map(|s| s.0);
        assert_eq!(span("-6h"), Ok(Duration::hours(-6)));
        assert_eq!(span("75d"), Ok(Duration::days(75)));
        for wrong in ["", "h", "6", "6y", "6 h", "9999999999999d", "é"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hex_and_identifiers() {
        assert_eq!(HexBytes::try_from("3D:95 7f".to_owned()).unwrap().0, [0x3d, 0x95, 0x7f]);
        assert!(HexBytes::try_from("3".to_owned()).is_err());
        assert_eq!(OidText::try_from("key-usage".to_owned()), OidText::try_from("2.5.29.15".to_owned()));
        assert!(OidText::try_from("nonsense".to_owned()).unwrap_err().contains("key-usage"));
    }
}
