//! The part of a URL that a small HTTPS client needs (RFC 3986, RFC 9110 section 4.2.2). No user names, no fragments sent.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Host, lower case, no final dot; an IPv6 address without brackets.
    pub host: String,
    /// Port, 443 if none is given.
    pub port: u16,
    /// Path and query, at least `/`.
    pub path: String,
}

/// Why a text is no URL that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("`{0}` does not begin with `https://`")]
    Scheme(String),
    /// No host, or one with characters that no host has.
    #[error("`{0}` has no usable host")]
    Host(String),
    /// Not a number from 1 to 65535.
    #[error("`{0}` has no usable port")]
    Port(String),
}

impl Url {
    /// Host and port as in a Host field.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 443 { host } else { format!("{host}:{}", self.port) }
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let scheme = text.get(..8).filter(|s| s.eq_ignore_ascii_case("https://"));
        let rest = scheme.map(|_| &text[8..]).ok_or_else(|| UrlError::Scheme(text.to_owned()))?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = split_port(authority);
        let port = match port {
            None => 443,
            Some(port) => port.parse().ok().filter(|p| *p != 0).ok_or_else(|| UrlError::Port(text.to_owned()))?,
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if host.is_empty() || !(host.bytes().all(plain) || host.parse::<IpAddr>().is_ok()) {
            return Err(UrlError::Host(text.to_owned()));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, path })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.path)
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_forms() {
        for (text, host, port, path) in [
            ("https://Bank.TEST./", "bank.test", 443, "/"),
            ("HTTPS://bank.test:8443?a=b#c", "bank.test", 8443, "/?a=b"),
            ("https://[2001:db8::1]:1/x", "2001:db8::1", 1, "/x"),
            ("https://192.0.2.1", "192.0.2.1", 443, "/"),
        ] {
            assert_eq!(text.parse(), Ok(Url { host: host.into(), port, path: path.into() }), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for text in [
            "",
            "http://a.test/",
            "https://",
            "https://a:0/",
            "https://a:99999/",
            "https://a b/",
            "https://u@a.test/",
            "https:/ä",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
