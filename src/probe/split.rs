//! A stream whose first bytes travel in a TCP segment of their own.
//!
//! A middlebox that reads one segment only misses a name that is split over two (RFC 9293 leaves segmentation to the
//! sender). The second part is written once the peer's TCP has acknowledged the first, so no kernel can join them.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream.
pub(super) struct Split {
    stream: TcpStream,
    state: State,
}

enum State {
    Begin(usize),
    Waiting(Pin<Box<dyn Future<Output = ()> + Send>>),
    Through,
}

impl Split {
    /// The first `bytes` bytes that are written go alone; 0 changes nothing. `stream` has TCP_NODELAY set.
    pub(super) fn new(stream: TcpStream, bytes: usize) -> Self {
        Self { stream, state: if bytes == 0 { State::Through } else { State::Begin(bytes) } }
    }
}

impl AsyncWrite for Split {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Begin(left) => {
                    let part = &buf[..buf.len().min(*left)];
                    let written = ready!(Pin::new(&mut this.stream).poll_write(cx, part))?;
                    *left -= written;
                    if *left == 0 {
                        let ends = (this.stream.local_addr()?, this.stream.peer_addr()?);
                        this.state = State::Waiting(Box::pin(acknowledged(ends.0, ends.1)));
                    }
                    return Poll::Ready(Ok(written));
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    this.state = State::Through;
                }
                State::Through => return Pin::new(&mut this.stream).poll_write(cx, buf),
            }
        }
    }

    /// rustls queues a ChangeCipherSpec and an alert as two buffers, and on a refusal tokio-rustls writes once: without this the
    /// alert would stay behind whenever the server's flight was read at once.
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.state {
            State::Through => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
            _ => self.poll_write(cx, bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Split {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// Waits until the kernel's send queue of this connection is empty: everything was acknowledged. A box may hold the
/// first segment back until it has decided, so the wait ends after [`PATIENCE`] in any case.
async fn acknowledged(local: SocketAddr, peer: SocketAddr) {
    let waiting = async {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            if send_queue(local, peer).is_none_or(|bytes| bytes == 0) {
                return;
            }
        }
    };
    if send_queue(local, peer).is_none() {
        // no such table on this system: TCP_NODELAY has sent the first part already, the pause lets its ACK come back
        return tokio::time::sleep(PAUSE).await;
    }
    let _ = tokio::time::timeout(PATIENCE, waiting).await;
}

/// Bytes that are not acknowledged yet: column `tx_queue` of Linux's `/proc/net/tcp` (proc_net_tcp.txt), read through
/// the calling thread because a thread may have a network namespace of its own.
fn send_queue(local: SocketAddr, peer: SocketAddr) -> Option<u64> {
    let ports = (format!(":{:04X}", local.port()), format!(":{:04X}", peer.port()));
    ["tcp", "tcp6"].iter().find_map(|table| {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok()?;
        text.lines().find_map(|line| {
            let mut columns = line.split_ascii_whitespace().skip(1);
            let same = columns.next()?.ends_with(&ports.0) && columns.next()?.ends_with(&ports.1);
            let queue = columns.nth(1).filter(|_| same)?.split(':').next()?;
            u64::from_str_radix(queue, 16).ok()
        })
    })
}

const TICK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn the_first_bytes_come_alone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut split = Split::new(stream, 5);
        let server = tokio::spawn(async move {
            let mut first = [0; 64];
            let read = accepted.read(&mut first).await.unwrap();
            let mut rest = Vec::new();
            accepted.read_to_end(&mut rest).await.unwrap();
            (first[..read].to_vec(), rest)
        });
        split.write_all(b"hello world").await.unwrap();
        split.shutdown().await.unwrap();
        assert_eq!(server.await.unwrap(), (b"hello".to_vec(), b" world".to_vec()));
    }
}
