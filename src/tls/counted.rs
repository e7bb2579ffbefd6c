//! A stream that counts its bytes and tells, at the moment that it happens, how it ends.
//!
//! Put one below TLS (raw bytes, FIN, RST, plaintext alerts) and one above it (application bytes, close_notify): whatever
//! owns the stream afterwards (hyper, a splice), the count goes on. Bytes that were read before can be given back first.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::records::RecordWatch;
use crate::record::{Side, Tap, Tapped};

/// Which way bytes went, from the owner of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// Something that happened on the stream. The ends are told once each.
#[derive(Debug)]
pub enum Turn<'a> {
    /// The peer closed: FIN below TLS, close_notify above it.
    Eof,
    /// Reading failed.
    ReadFailed(&'a io::Error),
    /// Writing failed.
    WriteFailed(&'a io::Error),
    /// We closed.
    ShutDown,
    /// A plaintext alert passed. Below TLS only.
    Alert {
        /// Which way.
        way: Way,
        /// 1 warning, 2 fatal.
        level: u8,
        /// AlertDescription.
        number: u8,
    },
}

/// The counts of one stream. Shared between the stream and whoever reports.
#[derive(Debug)]
pub struct Tally {
    since: Instant,
    read: AtomicU64,
    written: AtomicU64,
    last_us: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { since: Instant::now(), read: AtomicU64::new(0), written: AtomicU64::new(0), last_us: AtomicU64::new(0) }
    }
}

impl Tally {
    /// Bytes received.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes sent.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Adds bytes received outside of the stream.
    pub fn add_read(&self, bytes: usize) {
        self.add(&self.read, bytes);
    }

    /// Adds bytes sent outside of the stream.
    pub fn add_written(&self, bytes: usize) {
        self.add(&self.written, bytes);
    }

    /// Completes when nothing has moved for `idle`.
    pub async fn idle(&self, idle: Duration) {
        loop {
            let last = self.since + Duration::from_micros(self.last_us.load(Ordering::Relaxed));
            if last.elapsed() >= idle {
                return;
            }
            tokio::time::sleep_until((last + idle).into()).await;
        }
    }

    fn add(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(now, Ordering::Relaxed);
    }
}

/// Called for each [`Turn`].
type Heed = Box<dyn FnMut(Turn<'_>) + Send>;

/// The stream.
pub struct Counted<S> {
    inner: Tapped<S>,
    first: Vec<u8>,
    given: usize,
    tally: Arc<Tally>,
    heed: Heed,
    watches: Option<(RecordWatch, RecordWatch)>,
    read_ended: bool,
    write_ended: bool,
}

impl<S> Counted<S> {
    /// Wraps a stream. `heed` is told what happens, from inside of reads and writes: it must be quick.
    pub fn new(inner: S, tally: Arc<Tally>, heed: impl FnMut(Turn<'_>) + Send + 'static) -> Self {
        Self::tapped(inner, None, Side::Client, tally, heed)
    }

    /// The same for a stream that somebody listens to: `peer` is who is at its other end.
    pub fn tapped(
        inner: S,
        tap: Option<Tap>,
        peer: Side,
        tally: Arc<Tally>,
        heed: impl FnMut(Turn<'_>) + Send + 'static,
    ) -> Self {
        let (inner, heed) = (Tapped::new(inner, tap, peer), Box::new(heed));
        Self { inner, first: Vec::new(), given: 0, tally, heed, watches: None, read_ended: false, write_ended: false }
    }

    /// Looks for plaintext alerts in both directions: for a stream of TLS records.
    pub fn watching_alerts(mut self) -> Self {
        self.watches = Some(Default::default());
        self
    }

    /// Gives these bytes first; they were read (and counted) before.
    pub fn replaying(mut self, first: Vec<u8>) -> Self {
        self.look(Way::In, &first);
        self.first = first;
        self
    }

    /// The stream below.
    pub fn inner(&self) -> &S {
        self.inner.inner()
    }

    /// The stream below, given back: whoever has it now counts and tells on its own.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }

    fn look(&mut self, way: Way, bytes: &[u8]) {
        let Some((received, sent)) = &mut self.watches else { return };
        let watch = if way == Way::In { received } else { sent };
        watch.feed(bytes, |level, number| (self.heed)(Turn::Alert { way, level, number }));
    }

    fn replay(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.first[self.given..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.given += count;
        if self.given == self.first.len() {
            self.first = Vec::new();
            self.given = 0;
        }
        count > 0
    }

    fn read_end(&mut self, turn: Turn<'_>) {
        if !std::mem::replace(&mut self.read_ended, true) {
            (self.heed)(turn);
        }
    }

    fn write_end(&mut self, turn: Turn<'_>) {
        if !std::mem::replace(&mut self.write_ended, true) {
            (self.heed)(turn);
        }
    }

    fn wrote(&mut self, result: &io::Result<usize>, offered: &[IoSlice<'_>]) {
        match result {
            Ok(count) => {
                self.tally.add_written(*count);
                let mut left = *count;
                for piece in offered {
                    let part = &piece[..piece.len().min(left)];
                    self.look(Way::Out, part);
                    left -= part.len();
                }
            }
            Err(error) => self.write_end(Turn::WriteFailed(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.first.is_empty() && this.replay(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let room = buf.remaining();
        let result = ready!(Pin::new(&mut this.inner).poll_read(cx, buf));
        match &result {
            Ok(()) if buf.filled().len() > before => {
                this.tally.add_read(buf.filled().len() - before);
                this.look(Way::In, &buf.filled()[before..]);
            }
            Ok(()) if room > 0 => this.read_end(Turn::Eof),
            Ok(()) => {}
            Err(error) => this.read_end(Turn::ReadFailed(error)),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        self.wrote(&result, &[IoSlice::new(buf)]);
        Poll::Ready(result)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs));
        self.wrote(&result, bufs);
        Poll::Ready(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        if let Err(error) = &result {
            self.write_end(Turn::WriteFailed(error));
        }
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
        match &result {
            Ok(()) => self.write_end(Turn::ShutDown),
            Err(error) => self.write_end(Turn::WriteFailed(error)),
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn counts_replays_and_tells_the_end_once() {
        let (near, mut far) = tokio::io::duplex(64);
        let told = Arc::new(Mutex::new(Vec::new()));
        let tally = Arc::new(Tally::default());
        let listener = Arc::clone(&told);
        let mut stream = Counted::new(near, Arc::clone(&tally), move |turn| {
            listener.lock().expect("not poisoned").push(format!("{turn:?}"));
        })
        .watching_alerts()
        .replaying(vec![21, 3, 3]);
        far.write_all(&[0, 2, 2, 48]).await.expect("written");
        let mut seven = [0; 7];
        stream.read_exact(&mut seven).await.expect("read");
        assert_eq!(seven, [21, 3, 3, 0, 2, 2, 48]);
        stream.write_all(b"abc").await.expect("written");
        drop(far);
        for _ in 0..2 {
            assert_eq!(stream.read(&mut seven).await.expect("read"), 0);
        }
        assert_eq!((tally.read(), tally.written()), (4, 3));
        let told = told.lock().expect("not poisoned").clone();
        assert_eq!(told, ["Alert { way: In, level: 2, number: 48 }", "Eof"]);
    }
}
