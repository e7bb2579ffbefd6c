//! What the first bytes of a connection say: a ClientHello, an HTTP head, another protocol, or nothing to go by.
//!
//! [`sniff`] is pure and works for both carriers; [`read_first`] feeds it from a stream. Nothing is consumed: the bytes
//! stay with the caller, who passes them on if the decision is to forward.

use crate::scenario::First;
use crate::tls::hello::{self, ClientHello, Malformed, Outcome};

mod http;
mod plain;
mod read;

pub use http::HttpHead;
pub use plain::{Protocol, greeting};
pub use read::read_first;

/// What the first bytes said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A TLS ClientHello.
    Hello(Box<ClientHello>),
    /// The head of an HTTP/1 request.
    Http(HttpHead),
    /// Something without TLS.
    Plain {
        /// What it looks like.
        protocol: Protocol,
    },
    /// Nothing that could be read.
    NoHello(NoHello),
}

/// Why there is nothing to decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHello {
    /// The client closed after some bytes that say nothing yet.
    Closed,
    /// The client closed without a byte.
    Empty,
    /// The connection failed under way.
    Failed(std::io::ErrorKind),
    /// It begins like TLS and is no hello.
    Malformed(Malformed),
    /// Not a byte came in time: an idle socket, or a protocol in which the server speaks first.
    Silence,
    /// The first segment holds a part only, and this box looks at no other.
    Split,
    /// Some bytes came, but not enough in time.
    Timeout,
    /// Longer than the box reads.
    TooLarge,
}

/// Whether the bytes suffice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// They do not: look again when there are at least so many.
    More(usize),
    /// They do.
    Seen(Seen),
}

/// How a stream ended before it said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client closed.
    Closed,
    /// The deadline passed.
    Timeout,
    /// The connection failed.
    Failed(std::io::ErrorKind),
}

/// Says what a stream's first bytes are. With [`First::Segment`] the bytes given are all that the box will ever look at.
pub fn sniff(stream: &[u8], first: First) -> Sniffed {
    match (look(stream), first) {
        (Sniffed::More(_), First::Segment) if !stream.is_empty() => Sniffed::Seen(Seen::NoHello(NoHello::Split)),
        (sniffed, _) => sniffed,
    }
}

/// What to say of a stream that ended while [`sniff`] wanted more.
pub fn ended(stream: &[u8], how: Ended) -> Seen {
    Seen::NoHello(match how {
        Ended::Closed if stream.is_empty() => NoHello::Empty,
        Ended::Closed => NoHello::Closed,
        Ended::Timeout if stream.is_empty() => NoHello::Silence,
        Ended::Timeout => NoHello::Timeout,
        Ended::Failed(kind) => NoHello::Failed(kind),
    })
}

impl Seen {
    /// The hello, if it is one.
    pub fn hello(&self) -> Option<&ClientHello> {
        match self {
            Self::Hello(hello) => Some(hello),
            _ => None,
        }
    }

    /// The HTTP head, if it is one.
    pub fn http(&self) -> Option<&HttpHead> {
        match self {
            Self::Http(head) => Some(head),
            _ => None,
        }
    }

    /// Protocol and summary for the record; none for a hello, which has an event of its own.
    pub fn first_bytes(&self) -> Option<(String, String)> {
        let (protocol, summary) = match self {
            Self::Hello(_) => return None,
            Self::Http(head) => ("http", head.summary()),
            Self::Plain { protocol } => (protocol.family(), protocol.to_string()),
            Self::NoHello(reason) => (reason.word(), reason.to_string()),
        };
        Some((protocol.to_owned(), summary))
    }
}

impl NoHello {
    /// The word for the record.
    fn word(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-hello",
            Self::TooLarge => "too-large-hello",
            Self::Empty | Self::Silence => "silence",
            Self::Closed | Self::Failed(_) | Self::Split | Self::Timeout => "unknown",
        }
    }
}

impl std::fmt::Display for NoHello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed after some bytes"),
            Self::Empty => f.write_str("closed without a byte"),
            Self::Failed(kind) => write!(f, "failed: {kind}"),
            Self::Malformed(reason) => write!(f, "{reason}"),
            Self::Silence => f.write_str("not a byte in time"),
            Self::Split => f.write_str("not whole in the first segment"),
            Self::Timeout => f.write_str("not enough bytes in time"),
            Self::TooLarge => f.write_str("longer than the box reads"),
        }
    }
}

fn look(stream: &[u8]) -> Sniffed {
    match hello::read(stream) {
        Outcome::Incomplete { need_at_least } => Sniffed::More(need_at_least),
        Outcome::Hello(hello, _) => Sniffed::Seen(Seen::Hello(hello)),
        Outcome::Malformed(reason) => Sniffed::Seen(Seen::NoHello(NoHello::Malformed(reason))),
        Outcome::TooLarge => Sniffed::Seen(Seen::NoHello(NoHello::TooLarge)),
        Outcome::NotTls => plain::look(stream),
    }
}

#[cfg(test)]
#[path = "sniff/tests.rs"]
mod tests;
