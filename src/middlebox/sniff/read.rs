//! Reads from a stream until its first bytes say what they are.

use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout_at;

use super::{Ended, Seen, Sniffed, ended, sniff};
use crate::scenario::First;

/// Reads into `buffer` until the bytes suffice, the client closes or the deadline passes. What was read stays in `buffer`,
/// for replay; bytes already there are looked at first. With [`First::Segment`] one successful read is the segment:
/// a stream cannot see more exactly than that.
pub async fn read_first<R>(stream: &mut R, first: First, deadline: Instant, buffer: &mut Vec<u8>) -> Seen
where
    R: AsyncRead + Unpin,
{
    let mut need = 0;
    loop {
        if buffer.len() >= need {
            match sniff(buffer, first) {
                Sniffed::Seen(seen) => return seen,
                Sniffed::More(at_least) => need = at_least,
            }
        }
        buffer.reserve(READ);
        match timeout_at(deadline.into(), stream.read_buf(buffer)).await {
            Ok(Ok(0)) => return ended(buffer, Ended::Closed),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return ended(buffer, Ended::Failed(error.kind())),
            Err(_) => return ended(buffer, Ended::Timeout),
        }
    }
}

/// Bytes that a read may take: a hello with a post-quantum key share (1.7 kB) in one go.
const READ: usize = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::super::{NoHello, Protocol};
    use super::*;
    use crate::tls::hello::build::Build;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_hello_that_trickles_in_is_read_and_kept() {
        let sent = Build::new().ciphers(&[0x1301]).sni("www.example.test").records(50);
        let (mut near, mut far) = tokio::io::duplex(1);
        let bytes = sent.clone();
        tokio::spawn(async move { near.write_all(&bytes).await.map(|()| near) });
        let mut buffer = Vec::new();
        let seen = read_first(&mut far, First::Stream, soon(), &mut buffer).await;
        assert_eq!(seen.hello().and_then(|h| h.sni()), Some("www.example.test"));
        assert_eq!(buffer, sent);
    }

    #[tokio::test]
    async fn a_box_that_sees_one_segment_misses_a_split_hello() {
        let sent = Build::new().sni("www.example.test").stream();
        let (mut near, mut far) = tokio::io::duplex(4096);
        near.write_all(&sent[..60]).await.expect("room");
        let mut buffer = Vec::new();
        let seen = read_first(&mut far, First::Segment, soon(), &mut buffer).await;
        assert_eq!((seen, buffer.len()), (Seen::NoHello(NoHello::Split), 60));
    }

    #[tokio::test]
    async fn silence_closing_and_stopping_are_told_apart() {
        let now = Instant::now() + Duration::from_millis(30);
        let (mut near, mut far) = tokio::io::duplex(64);
        let mut buffer = Vec::new();
        let silent = read_first(&mut far, First::Stream, now, &mut buffer).await;
        near.write_all(&[0x16, 3]).await.expect("room");
        let stopped = read_first(&mut far, First::Stream, Instant::now() + Duration::from_millis(30), &mut buffer).await;
        drop(near);
        let closed = read_first(&mut far, First::Stream, soon(), &mut buffer).await;
        let empty = read_first(&mut far, First::Stream, soon(), &mut Vec::new()).await;
        let reasons = [NoHello::Silence, NoHello::Timeout, NoHello::Closed, NoHello::Empty];
        assert_eq!([silent, stopped, closed, empty], reasons.map(Seen::NoHello));
    }

    #[tokio::test]
    async fn bytes_already_read_are_looked_at_first() {
        let (_near, mut far) = tokio::io::duplex(64);
        let mut buffer = b"EHLO here\r\n".to_vec();
        let seen = read_first(&mut far, First::Stream, soon(), &mut buffer).await;
        assert_eq!(seen, Seen::Plain { protocol: Protocol::Smtp });
    }
}
