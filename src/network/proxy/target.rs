//! Where a client wants to go: a host, by name or address, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host, by name or by address. An address in a name's clothes is an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name: lower case, no final dot, not empty.
    Name(String),
}

impl Target {
    /// Reads `host:port` or `[address]:port` (RFC 3986 section 3.2). Without a port it is `default`, or nothing.
    pub(super) fn parse(authority: &str, default: Option<u16>) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                (Host::Ip(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)), port)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                (Host::parse(&authority[..end])?, &authority[end..])
            }
        };
        let port = match port.strip_prefix(':') {
            Some("") | None => default?,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (port != 0 && (authority.len() <= MAX_AUTHORITY)).then_some(Self { host, port })
    }

    /// The socket address, if the host is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(address) => Some(SocketAddr::new(address, self.port)),
            Host::Name(_) => None,
        }
    }

    /// As a `Host` field says it (RFC 9110 section 7.2): the port only if it is not `default`.
    pub(super) fn field(&self, default: u16) -> String {
        if self.port == default { self.host.bracketed() } else { self.to_string() }
    }
}

impl Host {
    /// Reads a name or an address without brackets. Names may have any visible ASCII but what separates the parts of a URL.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let fits = |b: u8| b.is_ascii_graphic() && !b"/?#@:[]\\\"<>".contains(&b);
        (!name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits)).then(|| Self::Name(name.to_ascii_lowercase()))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ip(_) => None,
            Self::Name(name) => Some(name),
        }
    }

    /// An IPv6 address in brackets, anything else as it is.
    fn bracketed(&self) -> String {
        match self {
            Self::Ip(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(name) => f.pad(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.bracketed(), self.port)
    }
}

/// RFC 1035 section 2.3.4, without the final dot.
const MAX_NAME: usize = 253;
/// A name, a dot, a colon and a port.
const MAX_AUTHORITY: usize = MAX_NAME + 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Target::parse(text, None).map(|t| t.to_string())
    }

    #[test]
    fn targets_go_there_and_back() {
        for text in ["example.test:443", "192.0.2.1:80", "[2001:db8::1]:443", "[::1]:65535", "under_score.test:1"] {
            assert_eq!(parsed(text).as_deref(), Some(text));
        }
        assert_eq!(parsed("WWW.Example.Test.:443").as_deref(), Some("www.example.test:443"));
        assert_eq!(Target::parse("[2001:DB8:0::1]", Some(80)).map(|t| t.field(80)).as_deref(), Some("[2001:db8::1]"));
        assert_eq!(Target::parse("a.test:", Some(80)).map(|t| t.field(80)).as_deref(), Some("a.test"));
        assert_eq!(Target::parse("a.test:81", Some(80)).map(|t| t.field(80)).as_deref(), Some("a.test:81"));
    }

    #[test]
    fn what_is_no_target() {
        let long = format!("{}:443", "a".repeat(254));
        for text in ["", ":443", "a.test", "a.test:0", "a.test:65536", "a.test:+1", "a.test:1:2", "::1:443", "[::1]443", "[::1"] {
            assert_eq!(parsed(text), None, "{text}");
        }
        for text in ["[a.test]:443", "[192.0.2.1]:443", "a b:443", "a/b:443", "u@a.test:443", ".:443", "ä.test:443", &long] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_an_address() {
        assert_eq!(Target::parse("192.0.2.1:443", None).and_then(|t| t.address()), "192.0.2.1:443".parse().ok());
        assert_eq!(Host::parse("::1"), Some(Host::Ip("::1".parse().expect("an address"))));
        assert_eq!(Host::parse("a.test").as_ref().and_then(Host::name), Some("a.test"));
    }
}
