//! A socket that tells a [`Tap`] what is read from it and written to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::capture::Tap;
use super::connection::CloseKind;
use super::event::Side;

/// Wraps a stream whose other end is `peer`. Without a tap it only passes on.
#[derive(Debug)]
pub struct Tapped<S> {
    inner: S,
    tap: Option<Tap>,
    peer: Side,
    peer_closed: bool,
    own_closed: bool,
}

impl<S> Tapped<S> {
    /// Wraps `inner`: what is read from it was sent by `peer`, what is written to it by the other side.
    pub fn new(inner: S, tap: Option<Tap>, peer: Side) -> Self {
        Self { inner, tap, peer, peer_closed: false, own_closed: false }
    }

    /// The stream inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn own(&self) -> Side {
        match self.peer {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn peer_ended(&mut self, kind: CloseKind) {
        if !std::mem::replace(&mut self.peer_closed, true)
            && let Some(tap) = &self.tap
        {
            tap.closed(self.peer, kind);
        }
    }

    fn own_ended(&mut self) {
        if !std::mem::replace(&mut self.own_closed, true)
            && let Some(tap) = &self.tap
        {
            tap.closed(self.own(), CloseKind::Fin);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, asked) = (buf.filled().len(), buf.remaining());
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) if buf.filled().len() == before && asked > 0 => self.peer_ended(CloseKind::Fin),
            Poll::Ready(Ok(())) => {
                if let Some(tap) = &self.tap {
                    tap.sent(self.peer, &buf.filled()[before..]);
                }
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => self.peer_ended(CloseKind::Rst),
            _ => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let (Poll::Ready(Ok(written)), Some(tap)) = (&polled, &self.tap) {
            tap.sent(self.own(), &buf[..*written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        if polled.is_ready() {
            self.own_ended();
        }
        polled
    }
}

impl<S> Drop for Tapped<S> {
    fn drop(&mut self) {
        self.own_ended();
    }
}
