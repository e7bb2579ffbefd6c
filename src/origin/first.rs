//! The first bytes of a connection: a hello, something else, or nothing in time.

use std::io;
use std::time::Instant;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::record::Hello;
use crate::scenario::Transport;
use crate::tls::hello::{self, Outcome};

/// What came first.
#[derive(Debug)]
pub(super) enum First {
    /// A ClientHello.
    Hello(Box<Hello>),
    /// TLS that is no hello, and why.
    MalformedHello(String),
    /// Something that is no TLS.
    Plain,
    /// More than a hello may have (64 KiB).
    TooLarge,
    /// The client closed before its first bytes were complete.
    Closed,
    /// The socket failed.
    Failed(io::Error),
    /// Nothing, or not enough, in time.
    Silence,
}

/// The bytes, what they are, and when the first of them came.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) bytes: Vec<u8>,
    pub(super) first: First,
    pub(super) since: Instant,
}

/// Reads until it is clear what they are. Nothing is lost: what was read is in `bytes`.
pub(super) async fn read(stream: &mut TcpStream, deadline: Instant) -> Beginning {
    let mut bytes = Vec::with_capacity(2048);
    let mut since = Instant::now();
    let first = loop {
        let had = bytes.len();
        let read = match tokio::time::timeout_at(deadline.into(), stream.read_buf(&mut bytes)).await {
            Err(_) => break First::Silence,
            Ok(Err(error)) => break First::Failed(error),
            Ok(Ok(count)) => count,
        };
        if had == 0 {
            since = Instant::now();
        }
        if read == 0 {
            break First::Closed;
        }
        match hello::read(&bytes) {
            Outcome::Hello(hello, _) => break First::Hello(Box::new(hello.to_record(Transport::Tcp, 0))),
            Outcome::NotTls => break First::Plain,
            Outcome::Malformed(why) => break First::MalformedHello(why.to_string()),
            Outcome::TooLarge => break First::TooLarge,
            Outcome::Incomplete { .. } => {}
        }
    };
    Beginning { bytes, first, since }
}

/// A line for the record: printable characters of the first line, at most 80.
pub(super) fn summary(bytes: &[u8]) -> String {
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    let text: String = text.trim_end().chars().map(|c| if c.is_control() { '.' } else { c }).collect();
    match text.split_once('?') {
        Some((path, _)) => format!("{path}?..."),
        None => text,
    }
}
