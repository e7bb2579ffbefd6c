//! Protocols without TLS, told by their first words. The mail and chat protocols matter because they may turn to TLS
//! later (STARTTLS, RFC 3207, RFC 2595, RFC 6120 section 5).

use std::fmt;

use super::http::HttpHead;
use super::{NoHello, Seen, Sniffed};
use crate::scenario::MailProtocol;

/// What bytes without TLS look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2 without TLS (RFC 9113 section 3.4).
    Http2,
    /// IMAP (RFC 9051).
    Imap,
    /// POP3 (RFC 1939).
    Pop3,
    /// SMTP (RFC 5321).
    Smtp,
    /// SSH (RFC 4253 section 4.2).
    Ssh,
    /// None of these.
    Unknown,
    /// XMPP (RFC 6120).
    Xmpp,
}

impl Protocol {
    /// The record's word: `mail`, `xmpp`, `ssh`, `http2`, `unknown`.
    pub fn family(self) -> &'static str {
        match self {
            Self::Imap | Self::Pop3 | Self::Smtp => "mail",
            Self::Http2 => "http2",
            Self::Ssh => "ssh",
            Self::Unknown => "unknown",
            Self::Xmpp => "xmpp",
        }
    }

    /// The mail protocol, if it is one.
    pub fn mail(self) -> Option<MailProtocol> {
        match self {
            Self::Imap => Some(MailProtocol::Imap),
            Self::Pop3 => Some(MailProtocol::Pop3),
            Self::Smtp => Some(MailProtocol::Smtp),
            Self::Http2 | Self::Ssh | Self::Unknown | Self::Xmpp => None,
        }
    }

    /// True if it can turn to TLS on the way.
    pub fn may_start_tls(self) -> bool {
        matches!(self, Self::Imap | Self::Pop3 | Self::Smtp | Self::Xmpp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http2 => "http2",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Unknown => "unknown",
            Self::Xmpp => "xmpp",
        })
    }
}

/// What a server that speaks first is, by its greeting.
pub fn greeting(bytes: &[u8]) -> Protocol {
    match bytes {
        [b'2', b'2', b'0', b' ' | b'-', ..] => Protocol::Smtp,
        [b'*', b' ', rest @ ..] if [&b"OK"[..], b"PREAUTH", b"BYE"].iter().any(|word| rest.starts_with(word)) => Protocol::Imap,
        [b'+', b'O', b'K', ..] => Protocol::Pop3,
        [b'S', b'S', b'H', b'-', ..] => Protocol::Ssh,
        _ => Protocol::Unknown,
    }
}

/// Says what a client's first bytes are that are no TLS.
pub(super) fn look(stream: &[u8]) -> Sniffed {
    if let Some(sniffed) = PREFACES.iter().find_map(|&(preface, protocol)| by_preface(stream, preface, protocol)) {
        return sniffed;
    }
    let end = stream.iter().position(|&b| b == b'\n');
    if !stream[..end.unwrap_or(stream.len())].iter().all(|&b| is_text(b)) {
        return plain(Protocol::Unknown); // whether the line has ended or not: the cutting must not decide
    }
    let Some(end) = end else {
        return match stream.len() {
            ..MAX_LINE => Sniffed::More(stream.len() + 1),
            _ => Sniffed::Seen(Seen::NoHello(NoHello::TooLarge)),
        };
    };
    let line = stream[..end].strip_suffix(b"\r").unwrap_or(&stream[..end]);
    HttpHead::look(line, stream).unwrap_or_else(|| plain(by_command(line)))
}

/// The protocol whose client opens with these bytes; more are needed while they may still become them.
fn by_preface(stream: &[u8], preface: &[u8], protocol: Protocol) -> Option<Sniffed> {
    if stream.starts_with(preface) {
        return Some(plain(protocol));
    }
    preface.starts_with(stream).then_some(Sniffed::More(stream.len() + 1))
}

/// The protocol that has this first command: the client's first line after the server's greeting.
fn by_command(line: &[u8]) -> Protocol {
    let mut words = line.split(|&b| b == b' ').map(|w| w.to_ascii_uppercase());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match first.as_slice() {
        b"EHLO" | b"HELO" | b"LHLO" => Protocol::Smtp,
        b"CAPA" | b"USER" | b"STLS" | b"APOP" | b"AUTH" => Protocol::Pop3,
        _ if IMAP_COMMANDS.contains(&second.as_slice()) => Protocol::Imap,
        _ => Protocol::Unknown,
    }
}

fn plain(protocol: Protocol) -> Sniffed {
    Sniffed::Seen(Seen::Plain { protocol })
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r') || byte >= 0x80
}

/// What some clients open with. RFC 9113 section 3.4, RFC 4253 section 4.2, RFC 6120 section 4.2 (with or without the
/// XML declaration, in either quotes).
const PREFACES: [(&[u8], Protocol); 4] = [
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::Http2),
    (b"SSH-", Protocol::Ssh),
    (b"<?xml ", Protocol::Xmpp),
    (b"<stream:stream", Protocol::Xmpp),
];
/// Commands that come before a login, after a tag (RFC 9051 sections 6.1 and 6.2).
const IMAP_COMMANDS: [&[u8]; 7] = [b"CAPABILITY", b"NOOP", b"LOGOUT", b"ID", b"STARTTLS", b"AUTHENTICATE", b"LOGIN"];
/// The longest first line that is waited for: RFC 9112 section 3 asks for 8000 bytes at least.
const MAX_LINE: usize = 16 * 1024;
