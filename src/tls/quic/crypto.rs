//! The frames of Initial packets, and the stream that their CRYPTO frames carry, put together from pieces in any order. RFC 9000 sections
//! 12.4, 19.3, 19.6 and 19.19.

use std::ops::Range;

use super::Unread;
use super::packet::Cursor;

/// The beginning of the handshake stream, as far as it has come.
#[derive(Default)]
pub(super) struct Crypto {
    bytes: Vec<u8>,
    /// What has come: sorted, and never two that touch.
    have: Vec<Range<usize>>,
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypto").field("have", &self.have).finish_non_exhaustive()
    }
}

impl Crypto {
    /// Takes the frames of a packet in.
    pub(super) fn frames(&mut self, frames: &[u8]) -> Result<(), Unread> {
        self.take_in(frames).map_err(|why| if why == Unread::NotQuic { Unread::Frames } else { why })
    }

    /// The first handshake message, once it is whole.
    pub(super) fn message(&self) -> Result<Option<&[u8]>, Unread> {
        let Some(Range { start: 0, end }) = self.have.first() else { return Ok(None) };
        let [_, high, middle, low, ..] = self.bytes[..*end] else { return Ok(None) };
        let length = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
        if length > MOST_BYTES {
            return Err(Unread::TooMuch);
        }
        Ok((*end >= length).then(|| &self.bytes[..length]))
    }

    fn take_in(&mut self, frames: &[u8]) -> Result<(), Unread> {
        let mut cursor = Cursor { bytes: frames, at: 0 };
        while cursor.at < frames.len() {
            match cursor.varint()? {
                PADDING | PING => {}
                CRYPTO => {
                    let offset = cursor.varint()?;
                    let length = cursor.varint()?;
                    let data = cursor.take(length)?;
                    self.put(offset, data)?;
                }
                kind @ (ACK | ACK_ECN) => acknowledgement(&mut cursor, kind == ACK_ECN)?,
                CLOSE => {
                    cursor.varint()?;
                    cursor.varint()?;
                    let reason = cursor.varint()?;
                    cursor.take(reason)?;
                }
                _ => return Err(Unread::Frames),
            }
        }
        Ok(())
    }

    /// A piece. What came first stays: RFC 9000 section 2.2 lets nobody send other bytes for the same place.
    fn put(&mut self, offset: u64, data: &[u8]) -> Result<(), Unread> {
        let start = usize::try_from(offset).map_err(|_| Unread::TooMuch)?;
        let end = start.checked_add(data.len()).filter(|end| *end <= MOST_BYTES).ok_or(Unread::TooMuch)?;
        if data.is_empty() {
            return Ok(());
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        for gap in self.gaps(start..end) {
            self.bytes[gap.clone()].copy_from_slice(&data[gap.start - start..gap.end - start]);
        }
        self.join(start..end);
        if self.have.len() > MOST_PIECES { Err(Unread::TooMuch) } else { Ok(()) }
    }

    /// The parts of a range that have not come yet.
    fn gaps(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let (mut gaps, mut at) = (Vec::new(), range.start);
        for known in &self.have {
            if known.start >= range.end {
                break;
            }
            if known.start > at {
                gaps.push(at..known.start);
            }
            at = at.max(known.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    fn join(&mut self, mut range: Range<usize>) {
        self.have.retain(|known| {
            let touches = known.start <= range.end && range.start <= known.end;
            if touches {
                range = range.start.min(known.start)..range.end.max(known.end);
            }
            !touches
        });
        let at = self.have.partition_point(|known| known.start < range.start);
        self.have.insert(at, range);
    }
}

/// Skips an ACK frame.
fn acknowledgement(cursor: &mut Cursor<'_>, ecn: bool) -> Result<(), Unread> {
    cursor.varint()?; // largest
    cursor.varint()?; // delay
    let ranges = cursor.varint()?;
    cursor.varint()?; // first range
    for _ in 0..ranges {
        cursor.varint()?; // gap: each takes a byte at least, so a packet's end ends the loop
        cursor.varint()?;
    }
    for _ in 0..if ecn { 3 } else { 0 } {
        cursor.varint()?;
    }
    Ok(())
}

const PADDING: u64 = 0x00;
const PING: u64 = 0x01;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;
const CRYPTO: u64 = 0x06;
const CLOSE: u64 = 0x1c;

/// Bytes of the stream that are kept. The largest hellos in use have some 2 KiB, with post-quantum key shares and ECH.
const MOST_BYTES: usize = 16 * 1024;
/// Pieces with gaps between them that are kept. Chromium cuts a hello into some ten, in disorder.
const MOST_PIECES: usize = 64;
