//! The head of an HTTP/1 request (RFC 9112), read as far as a box needs it: method, target, host, fields.
//!
//! Not a server's parser: fields that break the syntax are kept as text, so that a decision can still be made.

use super::{NoHello, Seen, Sniffed};
use crate::tls::hello::normalise;

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    /// Method, as sent.
    pub method: String,
    /// Request target, as sent (RFC 9112 section 3.2).
    pub target: String,
    /// The host asked for, without port, lower case, no final dot: from an absolute target, else from Host.
    pub host: Option<String>,
    /// Minor version: 0 or 1.
    pub minor: u8,
    /// Fields in order: name as sent, value without surrounding blanks.
    pub headers: Vec<(String, String)>,
    /// Bytes of the stream that the head takes, the empty line included.
    pub length: usize,
}

impl HttpHead {
    /// Reads a head from its first line and the whole stream. None if the line is no HTTP/1 request line.
    pub(super) fn look(line: &[u8], stream: &[u8]) -> Option<Sniffed> {
        let (method, target, minor) = request_line(line)?;
        let Some(length) = head_length(stream) else {
            return Some(match stream.len() {
                ..MAX_HEAD => Sniffed::More(stream.len() + 1),
                _ => Sniffed::Seen(Seen::NoHello(NoHello::TooLarge)),
            });
        };
        if length > MAX_HEAD {
            return Some(Sniffed::Seen(Seen::NoHello(NoHello::TooLarge)));
        }
        let headers = headers(&stream[..length]);
        let host = absolute_host(&target).or_else(|| field(&headers, "host").map(host_of));
        Some(Sniffed::Seen(Seen::Http(Self { method, target, host, minor, headers, length })))
    }

    /// Value of the first field with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        field(&self.headers, name)
    }

    /// One line for the record: method, host and path, the query left out, cut at 200 bytes.
    pub fn summary(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let text = format!("{} {} {path}", self.method, self.host.as_deref().unwrap_or("-"));
        text.chars().take(200).collect()
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
fn request_line(line: &[u8]) -> Option<(String, String, u8)> {
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let minor = match version.strip_prefix("HTTP/1.")? {
        "0" => 0,
        "1" => 1,
        _ => return None,
    };
    let is_method = !method.is_empty() && method.bytes().all(is_token);
    (is_method && !target.is_empty()).then(|| (method.to_owned(), target.to_owned(), minor))
}

/// Up to and including the empty line; a bare line feed ends a line too (RFC 9112 section 2.2).
fn head_length(stream: &[u8]) -> Option<usize> {
    let mut begin = 0;
    for (at, _) in stream.iter().enumerate().filter(|&(_, &b)| b == b'\n') {
        if matches!(&stream[begin..at], [] | [b'\r']) {
            return Some(at + 1);
        }
        begin = at + 1;
    }
    None
}

fn headers(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let fields = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn field<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// An absolute target outranks the Host field (RFC 9112 section 3.2.2).
fn absolute_host(target: &str) -> Option<String> {
    let (scheme, rest) = target.split_once("://")?;
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(host_of(authority.rsplit_once('@').map_or(authority, |(_, host)| host)))
}

/// The host of `host[:port]`, brackets of an IPv6 address taken off (RFC 3986 section 3.2.2).
fn host_of(authority: &str) -> String {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.to_ascii_lowercase();
    }
    normalise(authority.split(':').next().unwrap_or_default())
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The longest head that is waited for.
const MAX_HEAD: usize = 32 * 1024;
