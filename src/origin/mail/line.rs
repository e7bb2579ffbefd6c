//! Lines, literals and messages out of a stream, with a limit for each.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Content;
use super::accounts::MOST_BYTES;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A literal or a message.
    Content(Content),
    /// A line that is too long, or has a NUL in it. It is gone.
    BadLine,
    /// The client closed. What came without an end is gone.
    End,
}

/// A stream, read piece by piece.
pub(super) struct Lines<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, and how many bytes were read from it that nobody asked for.
    pub(super) fn into_parts(self) -> (S, usize) {
        (self.stream, self.buffer.len())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next line. It ends with LF, before which a CR is taken away: clients that are typed by hand send LF alone.
    pub(super) async fn line(&mut self) -> io::Result<Read> {
        let mut seen = 0;
        let mut dropped = 0;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=seen + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                let bad = dropped > 0 || line.len() > MOST_LINE || line.contains(&0);
                return Ok(if bad { Read::BadLine } else { Read::Line(line) });
            }
            seen = self.buffer.len();
            if seen > MOST_LINE {
                dropped += seen;
                self.buffer.clear();
                seen = 0;
            }
            if dropped > MOST_DROPPED {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
            if self.more().await? == 0 {
                return Ok(Read::End);
            }
        }
    }

    /// So many bytes. Those beyond what a message may have are counted and thrown away.
    pub(super) async fn exact(&mut self, count: usize) -> io::Result<Read> {
        let mut left = count;
        let mut kept = Vec::new();
        loop {
            let take = left.min(self.buffer.len());
            if count <= MOST_BYTES {
                kept.extend(self.buffer.drain(..take));
            } else {
                self.buffer.drain(..take);
            }
            left -= take;
            if left == 0 {
                return Ok(Read::Content(if count <= MOST_BYTES { Content::Whole(kept) } else { Content::TooLarge(count) }));
            }
            if self.more().await? == 0 {
                return Ok(Read::End);
            }
        }
    }

    /// Lines up to one with a dot alone, dots at the beginning of lines taken away. Only CR LF ends a line (RFC 5321 section 2.3.8).
    pub(super) async fn message(&mut self) -> io::Result<Read> {
        let mut message = Message::default();
        loop {
            let waiting = std::mem::take(&mut self.buffer);
            if let Some(used) = message.feed(&waiting) {
                self.buffer = waiting[used..].to_vec();
                return Ok(Read::Content(message.finish()));
            }
            if message.size > MOST_BYTES + MOST_DROPPED {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without an end"));
            }
            if self.more().await? == 0 {
                return Ok(Read::End);
            }
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.buffer.reserve(PIECE);
        (&mut self.stream).take(PIECE as u64).read_buf(&mut self.buffer).await
    }
}

/// A message on its way in, read byte by byte.
#[derive(Debug)]
struct Message {
    kept: Vec<u8>,
    size: usize,
    at: At,
    bare_ends: bool,
}

/// Where in a line a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    Dot,
    DotCr,
    Middle,
    Cr,
}

impl Default for Message {
    fn default() -> Self {
        Self { kept: Vec::new(), size: 0, at: At::Start, bare_ends: false }
    }
}

impl Message {
    /// Takes bytes in; says how many it used if that was the end.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            let was = self.at;
            self.at = match (was, byte) {
                (At::DotCr, b'\n') => return Some(index + 1),
                (At::Start, b'.') => At::Dot, // RFC 5321 section 4.5.2: it is taken away
                (At::Dot, b'\r') => At::DotCr,
                (At::Cr, b'\n') => At::Start,
                (_, b'\r') => At::Cr,
                _ => At::Middle,
            };
            self.bare_ends |= matches!((was, byte), (At::Cr | At::DotCr, other) if other != b'\n');
            self.bare_ends |= byte == b'\n' && was != At::Cr;
            if was == At::DotCr {
                self.keep(b'\r');
            }
            if !matches!(self.at, At::Dot | At::DotCr) {
                self.keep(byte);
            }
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        self.size += 1;
        if self.size <= MOST_BYTES {
            self.kept.push(byte);
        }
    }

    fn finish(self) -> Content {
        match self.size {
            size if size > MOST_BYTES => Content::TooLarge(size),
            size if self.bare_ends => Content::BareEnds(size),
            _ => Content::Whole(self.kept),
        }
    }
}

/// RFC 5321 section 4.5.3.1.4 asks for 512, RFC 4954 section 4 for 12288 in a login, RFC 7162 section 4 for 8192 in IMAP.
const MOST_LINE: usize = 12_288;
/// How much of a line or a message is thrown away before the connection is.
const MOST_DROPPED: usize = 16 << 20;
/// Bytes read at once.
const PIECE: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(sent: &[u8], pieces: usize, message: bool) -> Vec<Read> {
        let (mut far, near) = tokio::io::duplex(pieces);
        let sent = sent.to_vec();
        let writer = tokio::spawn(async move {
            let _ = far.write_all(&sent).await;
        });
        let mut lines = Lines::new(near);
        let mut all = Vec::new();
        loop {
            let read = if message { lines.message().await } else { lines.line().await };
            match read {
                Ok(Read::End) | Err(_) => break,
                Ok(read) => all.push(read),
            }
        }
        drop(lines);
        let _ = writer.await;
        all
    }

    #[tokio::test]
    async fn lines_come_out_whole_and_bad_ones_are_told() {
        let long = [vec![b'a'; 40_000], b"\r\nNOOP\n\0\r\nhalf".to_vec()].concat();
        for pieces in [1, 7, 100_000] {
            let all = read_all(&long, pieces, false).await;
            assert_eq!(all, [Read::BadLine, Read::Line(b"NOOP".to_vec()), Read::BadLine], "{pieces}");
        }
    }

    #[tokio::test]
    async fn messages_end_with_a_dot_alone_between_line_ends() {
        for pieces in [1, 3, 1000] {
            let whole = |text: &str| Read::Content(Content::Whole(text.as_bytes().to_vec()));
            let all = read_all(b"a\r\n..b\r\n.c\r\n.\r\n.\r\n", pieces, true).await;
            assert_eq!(all, [whole("a\r\n.b\r\nc\r\n"), whole("")]);
            // The ends that smuggle a second message past servers which take them for one.
            for smuggling in
                [&b"a\n.\r\nMAIL\r\n.\r\n"[..], b"a\r\n.\nMAIL\r\n.\r\n", b"a\r\n.\rMAIL\r\n.\r\n", b"a\r.\r\nMAIL\r\n.\r\n"]
            {
                let all = read_all(smuggling, pieces, true).await;
                assert!(matches!(all[..], [Read::Content(Content::BareEnds(_))]), "{smuggling:?}: {all:?}");
            }
        }
        let all = read_all(&[vec![b'x'; MOST_BYTES + 9], b"\r\n.\r\n".to_vec()].concat(), 9000, true).await;
        assert_eq!(all, [Read::Content(Content::TooLarge(MOST_BYTES + 11))]);
    }
}
