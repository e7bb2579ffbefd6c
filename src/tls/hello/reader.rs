//! A bounds-checked reader for the vectors of the TLS presentation language (RFC 8446 section 3.4).

use std::ops::Range;

use super::Malformed;

/// A cursor over a message that knows its absolute position, so that extensions can be kept as ranges.
pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(all: &'a [u8], range: Range<usize>) -> Self {
        Self { all, at: range.start, end: range.end.min(all.len()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, length: usize, field: &'static str) -> Result<Range<usize>, Malformed> {
        if length > self.left() {
            return Err(Malformed::Short(field));
        }
        self.at += length;
        Ok(self.at - length..self.at)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        Ok(self.all[self.take(1, field)?][0])
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        let bytes = &self.all[self.take(2, field)?];
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A vector with a one-byte length.
    pub(super) fn vec8(&mut self, field: &'static str) -> Result<Range<usize>, Malformed> {
        let length = self.u8(field)?;
        self.take(usize::from(length), field)
    }

    /// A vector with a two-byte length.
    pub(super) fn vec16(&mut self, field: &'static str) -> Result<Range<usize>, Malformed> {
        let length = self.u16(field)?;
        self.take(usize::from(length), field)
    }

    /// The bytes of a range that this reader gave out.
    pub(super) fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        &self.all[range]
    }

    /// A range that this reader gave out, as two-byte values.
    pub(super) fn u16s(&self, range: Range<usize>, field: &'static str) -> Result<Vec<u16>, Malformed> {
        let bytes = self.bytes(range);
        if !bytes.len().is_multiple_of(2) {
            return Err(Malformed::Length(field));
        }
        Ok(bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    }

    /// Another reader over a range that this one gave out.
    pub(super) fn inside(&self, range: Range<usize>) -> Self {
        Self::new(self.all, range)
    }

    /// Nothing may be left.
    pub(super) fn done(&self, field: &'static str) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::Length(field)) }
    }
}
