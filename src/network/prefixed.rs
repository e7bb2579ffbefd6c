//! A stream that first returns bytes already read: what was sniffed is replayed to whoever takes the connection over.
//!
//! Writes pass straight through, vectored ones too.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream with bytes in front of it.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Vec<u8>,
    /// How much of the prefix was read.
    at: usize,
    stream: S,
}

impl<S> Prefixed<S> {
    /// `prefix` is read first, then the stream.
    pub fn new(prefix: Vec<u8>, stream: S) -> Self {
        Self { prefix, at: 0, stream }
    }

    /// The bytes that are still to be read before the stream's own.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[self.at..]
    }

    /// The stream, for its addresses and options.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream, for its options. Reading from it would overtake the prefix.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What of the prefix was not read, and the stream.
    pub fn into_inner(mut self) -> (Vec<u8>, S) {
        self.prefix.drain(..self.at);
        (self.prefix, self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at == self.prefix.len() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = buffer.remaining().min(self.prefix.len() - self.at);
        buffer.put_slice(&self.prefix[self.at..self.at + length]);
        self.at += length;
        if self.at == self.prefix.len() {
            self.prefix = Vec::new();
            self.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn the_prefix_comes_first_whatever_the_size_of_the_reads() {
        for size in 1..12 {
            let (mut near, far) = duplex(64);
            near.write_all(b"stream").await.expect("room");
            drop(near);
            let mut prefixed = Prefixed::new(b"prefix".to_vec(), far);
            let mut all = Vec::<u8>::new();
            let mut piece = vec![0; size];
            loop {
                match prefixed.read(&mut piece).await.expect("a read") {
                    0 => break,
                    n => all.extend(&piece[..n]),
                }
            }
            assert_eq!(all, b"prefixstream", "{size}");
        }
    }

    #[tokio::test]
    async fn taken_apart_it_gives_back_what_was_not_read() {
        let (_near, far) = duplex(64);
        let mut prefixed = Prefixed::new(b"prefix".to_vec(), far);
        prefixed.read_exact(&mut [0; 3]).await.expect("three bytes");
        assert_eq!(prefixed.prefix(), b"fix");
        assert_eq!(prefixed.into_inner().0, b"fix");
    }

    #[tokio::test]
    async fn writes_pass_through_and_vectored_ones_are_announced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let dialled = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a connection");
        let (mut accepted, _) = listener.accept().await.expect("a connection");
        let mut prefixed = Prefixed::new(b"prefix".to_vec(), dialled);
        assert!(prefixed.is_write_vectored() && prefixed.get_ref().peer_addr().is_ok() && prefixed.get_mut().nodelay().is_ok());
        prefixed.write_all(b"hello").await.expect("a write");
        prefixed.shutdown().await.expect("a shutdown");
        let mut got = Vec::new();
        accepted.read_to_end(&mut got).await.expect("the end");
        assert_eq!(got, b"hello");
    }
}
