//! The ClientHello reader: TLS records in, one [`ClientHello`] out, however the bytes were cut.
//!
//! Pure: bytes in, [`Outcome`] out. It is no TLS implementation and judges nothing: what a client offers is kept as sent
//! (order, GREASE, unknown extensions), because detectors and fingerprints look at exactly that.
//! RFC 8446 sections 4.1.2 and 5.1, RFC 5246 section 7.4.1.2, RFC 6066 section 3.

use std::ops::Range;

use thiserror::Error;

mod body;
#[cfg(test)]
pub(crate) mod build;
mod client_hello;
mod reader;
mod server_name;

pub(crate) use body::{ALPN, SERVER_NAME};
pub use client_hello::ClientHello;
pub(crate) use server_name::normalise;
pub use server_name::{Oddity, ServerName};

/// What a stream's beginning is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A ClientHello so far, but not all of it.
    Incomplete {
        /// The length that the stream must have before another look can tell more.
        need_at_least: usize,
    },
    /// A ClientHello, and how many bytes of the stream it took: up to the end of its last record.
    Hello(Box<ClientHello>, usize),
    /// No TLS.
    NotTls,
    /// TLS, or meant to be, but no ClientHello that a server could read.
    Malformed(Malformed),
    /// The handshake message is longer than [`MAX_MESSAGE`], or is cut into more than [`MAX_STREAM`] bytes of records.
    TooLarge,
}

/// Why bytes that begin like TLS are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The old framing of SSL 2.0 (RFC 5246 appendix E.2): no extensions, so no name.
    #[error("an SSLv2-style hello, which cannot carry a server name")]
    SslV2,
    /// A handshake record without content (RFC 8446 section 5.1).
    #[error("an empty handshake record")]
    EmptyRecord,
    /// A record longer than 2^14 bytes (RFC 8446 section 5.1).
    #[error("a record of {0} bytes; 16384 are allowed")]
    LongRecord(usize),
    /// Another record came before the hello was complete (RFC 8446 section 5.1).
    #[error("a record of type {0:#04x} in the middle of the hello")]
    Interleaved(u8),
    /// A handshake message of another type.
    #[error("handshake message of type {0} where a ClientHello (1) belongs")]
    OtherMessage(u8),
    /// More bytes in the last record than the hello has (RFC 8446 section 5.1: no message may follow before the answer).
    #[error("{0} bytes after the hello in its record")]
    Trailing(usize),
    /// A field ends before its length.
    #[error("`{0}` ends too early")]
    Short(&'static str),
    /// A field has a length that it must not have.
    #[error("`{0}` has a length that its syntax forbids")]
    Length(&'static str),
}

/// Reads a ClientHello from the beginning of a stream. Never panics; looks at no more than [`MAX_STREAM`] bytes.
pub fn read(stream: &[u8]) -> Outcome {
    match stream {
        [] => Outcome::Incomplete { need_at_least: 1 },
        [HANDSHAKE, rest @ ..] if rest.first().is_none_or(|&major| major == 0x03) => read_records(stream),
        [length, ..] if length & 0x80 != 0 => read_sslv2(stream),
        _ => Outcome::NotTls,
    }
}

/// Reads a ClientHello from a bare handshake message, without records: QUIC's CRYPTO frames, a recording.
///
/// # Errors
/// What is wrong with it.
pub fn read_message(message: &[u8]) -> Result<ClientHello, Malformed> {
    body::parse(message.to_vec(), Framing { record_version: 0, records: 0 })
}

/// What the records around a hello said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    pub(super) record_version: u16,
    pub(super) records: u32,
}

/// Walks the records without copying, so that a hello that trickles in costs little; copies once, when it is complete.
fn read_records(stream: &[u8]) -> Outcome {
    let mut walk = Walk { at: 0, fragments: Vec::new(), length: 0 };
    loop {
        match walk.next_record(stream) {
            Ok(()) => {}
            Err(outcome) => return outcome,
        }
        match walk.message_length(stream) {
            Err(outcome) => return outcome,
            Ok(Some(length)) if walk.length == length => break,
            Ok(Some(length)) if walk.length > length => return Outcome::Malformed(Malformed::Trailing(walk.length - length)),
            Ok(_) => {}
        }
    }
    let message = walk.fragments.iter().flat_map(|f| &stream[f.clone()]).copied().collect();
    let record_version = u16::from_be_bytes([stream[1], stream[2]]);
    let records = u32::try_from(walk.fragments.len()).unwrap_or(u32::MAX);
    match body::parse(message, Framing { record_version, records }) {
        Ok(hello) => Outcome::Hello(Box::new(hello), walk.at),
        Err(reason) => Outcome::Malformed(reason),
    }
}

struct Walk {
    /// Where the next record begins.
    at: usize,
    /// The contents of the complete records so far.
    fragments: Vec<Range<usize>>,
    /// Their length together.
    length: usize,
}

impl Walk {
    /// Takes one complete record in (RFC 8446 section 5.1: type, version, length, content).
    fn next_record(&mut self, stream: &[u8]) -> Result<(), Outcome> {
        if self.at > MAX_STREAM {
            return Err(Outcome::TooLarge);
        }
        let rest = &stream[self.at..];
        if let Some(&kind) = rest.first().filter(|&&kind| kind != HANDSHAKE) {
            return Err(Outcome::Malformed(Malformed::Interleaved(kind)));
        }
        let &[_, _, _, high, low, ref content @ ..] = rest else {
            return Err(Outcome::Incomplete { need_at_least: self.at + HEADER });
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        match length {
            0 => return Err(Outcome::Malformed(Malformed::EmptyRecord)),
            MAX_RECORD_PLUS_ONE.. => return Err(Outcome::Malformed(Malformed::LongRecord(length))),
            _ => {}
        }
        let begin = self.at + HEADER;
        if content.len() < length {
            return Err(self.early_word(content).unwrap_or(Outcome::Incomplete { need_at_least: begin + length }));
        }
        self.at = begin + length;
        self.fragments.push(begin..self.at);
        self.length += length;
        Ok(())
    }

    /// What can be told before the first record is complete: that it is another message.
    fn early_word(&self, content: &[u8]) -> Option<Outcome> {
        let &kind = content.first().filter(|&&kind| self.length == 0 && kind != CLIENT_HELLO)?;
        Some(Outcome::Malformed(Malformed::OtherMessage(kind)))
    }

    /// Length of the whole handshake message, header included, once its four header bytes are here (RFC 8446 section 4).
    fn message_length(&self, stream: &[u8]) -> Result<Option<usize>, Outcome> {
        let mut head = self.fragments.iter().flat_map(|f| &stream[f.clone()]).copied();
        if let Some(kind) = head.next().filter(|&kind| kind != CLIENT_HELLO) {
            return Err(Outcome::Malformed(Malformed::OtherMessage(kind)));
        }
        let (Some(a), Some(b), Some(c)) = (head.next(), head.next(), head.next()) else { return Ok(None) };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > MAX_MESSAGE { Err(Outcome::TooLarge) } else { Ok(Some(4 + length)) }
    }
}

/// RFC 5246 appendix E.2: two length bytes with the highest bit set, msg_type 1, then a version.
fn read_sslv2(stream: &[u8]) -> Outcome {
    match stream {
        [_, _, kind, ..] if *kind != CLIENT_HELLO => Outcome::NotTls,
        [_, _, _, 0x00, 0x02, ..] | [_, _, _, 0x03, 0x00..=0x03, ..] => Outcome::Malformed(Malformed::SslV2),
        [_, _, _, major, ..] if !matches!(major, 0x00 | 0x03) => Outcome::NotTls,
        [_, _, _, _, _, ..] => Outcome::NotTls,
        _ => Outcome::Incomplete { need_at_least: 5 },
    }
}

/// Content type of a handshake record.
const HANDSHAKE: u8 = 0x16;
/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 0x01;
/// Bytes of a record's header.
const HEADER: usize = 5;
/// RFC 8446 section 5.1: a record's content must not exceed 2^14 bytes.
const MAX_RECORD_PLUS_ONE: usize = 16384 + 1;
/// The longest handshake message that is read: what rustls accepts too (its MAX_HANDSHAKE_SIZE).
pub const MAX_MESSAGE: usize = 0xffff;
/// The most stream bytes that a hello may take with its record headers.
pub const MAX_STREAM: usize = 128 * 1024;

#[cfg(test)]
#[path = "hello/tests.rs"]
mod tests;
