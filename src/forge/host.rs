//! The host that a client asked for, told apart before any certificate is written: a DNS name is no address.

use std::net::IpAddr;

use super::error::ForgeError;
use crate::x509::extension::AltName;

/// What the client wants to reach: the asked name if it is usable, else the address that it dialled.
pub(super) fn wanted(asked: Option<&str>, destination: IpAddr) -> Result<AltName, ForgeError> {
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        return Ok(AltName::Address(destination));
    };
    let bare = asked.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(asked);
    if let Ok(address) = bare.parse() {
        return Ok(AltName::Address(address));
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    match fault(&name) {
        None => Ok(AltName::Dns(name)),
        Some(why) => Err(ForgeError::Host { host: asked.chars().take(300).collect(), why }),
    }
}

/// RFC 1035 section 2.3.4 for the sizes; underscores are allowed, because names of the web have them.
fn fault(name: &str) -> Option<&'static str> {
    let character = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match name {
        "" => Some("it is empty"),
        _ if name.len() > 253 => Some("it has more than 253 characters"),
        _ if !name.is_ascii() => Some("it is not in its ASCII form (`xn--...`)"),
        _ if name.split('.').any(str::is_empty) => Some("it has an empty label"),
        _ if name.split('.').any(|label| label.len() > 63) => Some("a label has more than 63 characters"),
        _ if !name.split('.').all(|label| label.bytes().all(character)) => Some("it has characters that no host name has"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let dialled: IpAddr = "192.0.2.1".parse().unwrap();
        let of = |asked| wanted(asked, dialled);
        assert_eq!(of(None), Ok(AltName::Address(dialled)));
        assert_eq!(of(Some("")), Ok(AltName::Address(dialled)));
        assert_eq!(of(Some("[::1]")), Ok(AltName::Address("::1".parse().unwrap())));
        assert_eq!(of(Some("127.0.0.1")), Ok(AltName::Address("127.0.0.1".parse().unwrap())));
        assert_eq!(of(Some("WWW.Example.test.")), Ok(AltName::Dns("www.example.test".to_owned())));
        assert_eq!(of(Some("_dmarc.example.test")), Ok(AltName::Dns("_dmarc.example.test".to_owned())));
        for wrong in ["a..b", ".", "пример.kz", "a b", "a\0b", &"a".repeat(64), &"a.".repeat(127)] {
            assert!(matches!(of(Some(wrong)), Err(ForgeError::Host { .. })) || wrong.len() == 254, "{wrong}");
        }
    }
}
