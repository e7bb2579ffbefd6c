//! What a name of a site is, before a certificate carries it: a DNS name or an address.
//!
//! `rcgen` takes any text for a DNS name: bracketed IPv6, a final dot, an empty string. So a name is parsed first.

use std::net::IpAddr;

use thiserror::Error;

use super::punycode;

/// A name that a certificate may carry in subjectAltName.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A DNS name: lower case, A-labels, no final dot; `*.` may lead.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// Why a text is no name for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// More than 253 octets, or a label of more than 63 (RFC 1035 section 2.3.4).
    #[error("`{0}` is too long for a DNS name: at most 63 octets between dots, 253 in all")]
    TooLong(String),
    /// A character that no host name has, or an empty label.
    #[error("`{0}` is not a host name: letters, digits, `-`, `_` and dots; `*` only as the whole first label")]
    Odd(String),
}

impl Name {
    /// Reads `name`, `name.`, `*.name`, `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        let name = punycode::to_ascii(name).ok_or_else(|| NameError::TooLong(text.to_owned()))?;
        check(&name, text)?;
        Ok(Self::Dns(name))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// The names as a wildcard certificate covers them: for `www.example.test` its `*.example.test` and `example.test`.
pub(super) fn wildcards(names: &[Name]) -> Vec<Name> {
    let mut covering = Vec::new();
    for name in names {
        let pair = match name {
            Name::Dns(name) if !name.starts_with("*.") => {
                let parent = name.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.')).unwrap_or(name);
                vec![Name::Dns(format!("*.{parent}")), Name::Dns(parent.to_owned())]
            }
            other => vec![other.clone()],
        };
        covering.extend(pair);
    }
    let mut seen = std::collections::HashSet::new();
    covering.retain(|name| seen.insert(name.to_string()));
    covering
}

/// The names among a hundred of strangers, as a host of many sites had them on one certificate.
pub(super) fn among_many(names: &[Name]) -> Vec<Name> {
    let strangers = (1..=MANY.saturating_sub(names.len())).map(|n| Name::Dns(format!("customer-{n:03}.shared-hosting.test")));
    names.iter().cloned().chain(strangers).collect()
}

/// Names on a certificate, the limit of the most used public authority.
const MANY: usize = 100;

fn check(name: &str, text: &str) -> Result<(), NameError> {
    if name.len() > 253 || name.split('.').any(|label| label.len() > 63) {
        return Err(NameError::TooLong(text.to_owned()));
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    let plain = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if host.split('.').all(plain) { Ok(()) } else { Err(NameError::Odd(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_write_them() {
        let dns = |name: &str| Ok(Name::Dns(name.into()));
        assert_eq!(Name::parse("Bank.Lab.TEST."), dns("bank.lab.test"));
        assert_eq!(Name::parse("*.example.test"), dns("*.example.test"));
        assert_eq!(Name::parse("[2001:db8::1]"), Ok(Name::Ip("2001:db8::1".parse().expect("an address"))));
        assert_eq!(Name::parse("192.0.2.1"), Ok(Name::Ip("192.0.2.1".parse().expect("an address"))));
        assert_eq!(Name::parse("пример.test"), dns("xn--e1afmkfd.test"));
    }

    #[test]
    fn what_is_no_name() {
        assert_eq!(Name::parse("."), Err(NameError::Empty));
        assert!(matches!(Name::parse("a..b"), Err(NameError::Odd(_))));
        assert!(matches!(Name::parse("a.*.b"), Err(NameError::Odd(_))));
        assert!(matches!(Name::parse("a b"), Err(NameError::Odd(_))));
        assert!(matches!(Name::parse(&"a".repeat(64)), Err(NameError::TooLong(_))));
    }
}
