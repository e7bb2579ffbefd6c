//! A socket that tells a [`Tap`] what is read from it and written to it.

use std::io::{self, IoSlice};
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
    ear: Option<Ear>,
}

/// Who listens. Dropped with the stream, it tells that our side has closed.
#[derive(Debug)]
struct Ear {
    tap: Tap,
    peer: Side,
    peer_closed: bool,
    own_closed: bool,
}

impl<S> Tapped<S> {
    /// Wraps `inner`: what is read from it was sent by `peer`, what is written to it by the other side.
    pub fn new(inner: S, tap: Option<Tap>, peer: Side) -> Self {
        Self { inner, ear: tap.map(|tap| Ear { tap, peer, peer_closed: false, own_closed: false }) }
    }

    /// The stream inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The stream inside, given back: it goes on, so no end is told.
    pub fn into_inner(mut self) -> S {
        if let Some(ear) = &mut self.ear {
            ear.own_closed = true;
        }
        self.inner
    }
}

impl Ear {
    fn own(&self) -> Side {
        match self.peer {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn peer_ended(&mut self, kind: CloseKind) {
        if !std::mem::replace(&mut self.peer_closed, true) {
            self.tap.closed(self.peer, kind);
        }
    }

    fn own_ended(&mut self) {
        if !std::mem::replace(&mut self.own_closed, true) {
            self.tap.closed(self.own(), CloseKind::Fin);
        }
    }

    fn read(&mut self, polled: &Poll<io::Result<()>>, new: &[u8], asked: usize) {
        match polled {
            Poll::Ready(Ok(())) if new.is_empty() && asked > 0 => self.peer_ended(CloseKind::Fin),
            Poll::Ready(Ok(())) => self.tap.sent(self.peer, new),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => self.peer_ended(CloseKind::Rst),
            _ => {}
        }
    }

    fn wrote(&self, polled: &Poll<io::Result<usize>>, offered: &[IoSlice<'_>]) {
        let Poll::Ready(Ok(written)) = polled else { return };
        let mut left = *written;
        for piece in offered {
            let now = left.min(piece.len());
            self.tap.sent(self.own(), &piece[..now]);
            left -= now;
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.own_ended();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, asked) = (buf.filled().len(), buf.remaining());
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(ear) = &mut self.ear {
            ear.read(&polled, &buf.filled()[before..], asked);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Some(ear) = &self.ear {
            ear.wrote(&polled, &[IoSlice::new(buf)]);
        }
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if let Some(ear) = &self.ear {
            ear.wrote(&polled, bufs);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        if polled.is_ready()
            && let Some(ear) = &mut self.ear
        {
            ear.own_ended();
        }
        polled
    }
}
