//! The explicit proxy's front door: HTTP CONNECT, plain HTTP with an absolute target, and SOCKS5 on one loopback port, told
//! apart by their first bytes.
//!
//! It learns where the client wants to go and answers once the caller knows whether that can be. It resolves nothing, dials
//! nothing and decides nothing. What [`Pending::grant`] gives back is as if the client had dialled the target itself.
//! RFC 9110 section 9.3.6, RFC 9112 section 3.2.2, RFC 1928.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::prefixed::Prefixed;

mod error;
mod feed;
mod http;
mod socks5;
mod target;

pub use error::{ProxyError, Refusal};
#[doc(hidden)]
pub use feed::feed_request;
pub use target::{Host, Target};

/// What a client asks of the proxy.
#[derive(Debug)]
pub struct Asked {
    /// Where it wants to go.
    pub target: Target,
    /// In which protocol it asked.
    pub kind: Kind,
    /// To answer with.
    pub pending: Pending,
}

/// The protocol in which a client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Plain HTTP with an absolute target. One request: see [`Pending::grant`].
    Absolute,
    /// HTTP CONNECT: a tunnel.
    Connect,
    /// SOCKS5 CONNECT: a tunnel.
    Socks5,
}

/// A request that waits for its answer. Dropped without one, the connection just closes.
#[derive(Debug)]
pub struct Pending {
    stream: TcpStream,
    kind: Kind,
    target: Target,
    /// What the target is to read first: bytes sent early, or the head of a plain request, rewritten.
    prefix: Vec<u8>,
}

/// Reads what the client asks. A request that no proxy can serve is answered here, as far as its protocol has an answer.
///
/// # Errors
/// What came instead of a request, or that none came in time.
pub async fn accept(stream: TcpStream, deadline: Instant) -> Result<Asked, ProxyError> {
    let mut front = Front { stream, buffer: Vec::new(), deadline, socks: false };
    match read(&mut front).await {
        Ok((kind, target, prefix)) => {
            let pending = Pending { stream: front.stream, kind, target: target.clone(), prefix };
            Ok(Asked { target, kind, pending })
        }
        Err(error) => {
            if let Some(reply) = error.reply(front.socks) {
                finish(front.stream, &reply).await;
            }
            Err(error)
        }
    }
}

impl Pending {
    /// Says yes, and gives the client's stream as its target would read it: the rest of a tunnel, or a plain request in
    /// origin form (RFC 9112 section 3.2.1) with the `Proxy-*` fields taken out.
    ///
    /// Of a plain connection only the first request is served: `Connection` becomes `close`, because the next one may be for
    /// another host. Clients then open another connection, and a connection of the lab has one target. `Host` is set to the
    /// target if it says anything else (RFC 9112 section 3.2.2). All other bytes are as sent.
    ///
    /// # Errors
    /// The answer could not be written.
    pub async fn grant(mut self) -> Result<Prefixed<TcpStream>, ProxyError> {
        let reply: &[u8] = match self.kind {
            Kind::Absolute => &[],
            Kind::Connect => http::ESTABLISHED,
            Kind::Socks5 => &socks5::reply(socks5::SUCCEEDED),
        };
        let deadline = Instant::now() + REPLY_WITHIN;
        match timeout_at(deadline.into(), self.stream.write_all(reply)).await {
            Ok(Ok(())) => Ok(Prefixed::new(self.prefix, self.stream)),
            Ok(Err(source)) => Err(ProxyError::Io { doing: "the client to take an answer", source }),
            Err(_) => Err(ProxyError::Deadline { doing: "the client to take an answer", bytes: 0 }),
        }
    }

    /// Says no: a status and a sentence in HTTP, a reply code in SOCKS5. Then closes, without a reset in its way.
    pub async fn refuse(self, refusal: Refusal) {
        let reply = match self.kind {
            Kind::Absolute | Kind::Connect => http::refusal(refusal.status(), &refusal.sentence(&self.target)),
            Kind::Socks5 => socks5::reply(refusal.socks_code()).to_vec(),
        };
        finish(self.stream, &reply).await;
    }

    /// The client's connection, for its addresses.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// The connection while the request is read.
struct Front<S> {
    stream: S,
    buffer: Vec<u8>,
    deadline: Instant,
    /// The client speaks SOCKS5: errors are told in it.
    socks: bool,
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(front: &mut Front<S>) -> Result<(Kind, Target, Vec<u8>), ProxyError> {
    front.need(1, "its first byte").await?;
    match front.buffer[0] {
        SOCKS5 => {
            front.socks = true;
            socks5::read(front).await
        }
        SOCKS4 => Err(ProxyError::Socks4),
        TLS_HANDSHAKE => Err(ProxyError::Tls),
        byte if byte.is_ascii_alphabetic() => http::read(front).await,
        byte => Err(ProxyError::Garbage { byte }),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Front<S> {
    /// Reads until the buffer has `length` bytes. The caller bounds the length.
    async fn need(&mut self, length: usize, doing: &'static str) -> Result<(), ProxyError> {
        while self.buffer.len() < length {
            self.more(doing).await?;
        }
        Ok(())
    }

    /// Writes a few bytes.
    async fn say(&mut self, bytes: &[u8]) -> Result<(), ProxyError> {
        let doing = "the client to take an answer";
        match timeout_at(self.deadline.into(), self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(ProxyError::Io { doing, source }),
            Err(_) => Err(ProxyError::Deadline { doing, bytes: 0 }),
        }
    }

    /// Reads some bytes more.
    async fn more(&mut self, doing: &'static str) -> Result<(), ProxyError> {
        self.buffer.reserve(READ);
        let bytes = self.buffer.len();
        match timeout_at(self.deadline.into(), self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Err(ProxyError::Closed { doing, bytes }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(ProxyError::Io { doing, source }),
            Err(_) => Err(ProxyError::Deadline { doing, bytes }),
        }
    }
}

/// Writes a last word and closes. What the client still sends is read and dropped for a while: closing with unread bytes
/// makes TCP reset the connection, and the client might lose the word (RFC 9112 section 9.6).
async fn finish(mut stream: TcpStream, reply: &[u8]) {
    let talk = async {
        stream.write_all(reply).await?;
        stream.shutdown().await?;
        let mut sink = [0; READ];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut sink).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        std::io::Result::Ok(())
    };
    // the connection is over either way; its client sees the same
    let _ = timeout_at((Instant::now() + LINGER).into(), talk).await;
}

/// First byte of a SOCKS5 greeting (RFC 1928 section 3).
const SOCKS5: u8 = 0x05;
/// First byte of a SOCKS4 request.
const SOCKS4: u8 = 0x04;
/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// Bytes that one read may take.
const READ: usize = 4096;
/// How long a few bytes of answer may take to be written.
const REPLY_WITHIN: Duration = Duration::from_secs(5);
/// How long, and over how many bytes, a refused client is listened to.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
