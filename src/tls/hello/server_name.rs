//! The name in a hello (RFC 6066 section 3), as sent and as rules compare it.

use std::net::IpAddr;

/// One host name of the server_name extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    raw: Vec<u8>,
    normal: String,
}

/// What is odd about a name: RFC 6066 section 3 asks for an ASCII name without a final dot that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// An IP address.
    Address(IpAddr),
    /// Nothing at all.
    Empty,
    /// A final dot.
    FinalDot,
    /// A zero byte: where C code would stop reading.
    Nul,
    /// Bytes beyond ASCII, controls or blanks.
    Unprintable,
}

impl ServerName {
    pub(super) fn new(raw: &[u8]) -> Self {
        Self { raw: raw.to_vec(), normal: normalise(&String::from_utf8_lossy(raw)) }
    }

    /// The bytes as sent.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Lower case, without a final dot; bytes that are no UTF-8 become U+FFFD. What rules compare.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// What is odd about it, the worst first.
    pub fn oddity(&self) -> Option<Oddity> {
        if self.raw.is_empty() {
            return Some(Oddity::Empty);
        }
        if self.raw.contains(&0) {
            return Some(Oddity::Nul);
        }
        if !self.raw.iter().all(u8::is_ascii_graphic) {
            return Some(Oddity::Unprintable);
        }
        if let Ok(address) = self.normal.trim_matches(['[', ']']).parse() {
            return Some(Oddity::Address(address));
        }
        self.raw.ends_with(b".").then_some(Oddity::FinalDot)
    }
}

/// The form in which names are compared: lower case (ASCII), without one final dot.
pub(crate) fn normalise(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
