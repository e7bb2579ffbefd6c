//! Putting the first bytes of a stream together from segments in any order.
//!
//! Bytes that came first win where segments overlap, as in Linux (RFC 9293 section 3.10.7.4 leaves it open). What lies
//! beyond the window is not kept: the box forgets it, the endpoints do not.

use std::collections::BTreeMap;

/// A stream from its first byte, as far as it is contiguous, and some islands beyond.
#[derive(Debug)]
pub(super) struct Assembler {
    /// Sequence number of the first byte.
    start: u32,
    stream: Vec<u8>,
    /// Offset in the stream -> bytes; disjoint, all beyond the contiguous part.
    islands: BTreeMap<usize, Vec<u8>>,
    window: usize,
}

/// What a segment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The contiguous part grew.
    Grew,
    /// Bytes were kept beyond a gap.
    Beyond,
    /// Nothing new.
    Known,
    /// It reaches past the window.
    Overflow,
}

impl Assembler {
    /// A stream whose first byte has sequence number `start`, of which at most `window` bytes are kept.
    pub(super) fn new(start: u32, window: usize) -> Self {
        Self { start, stream: Vec::new(), islands: BTreeMap::new(), window }
    }

    /// The contiguous part.
    pub(super) fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// Sequence number behind the contiguous part.
    pub(super) fn next(&self) -> u32 {
        self.start.wrapping_add(self.stream.len() as u32)
    }

    /// The contiguous part, taken out.
    pub(super) fn into_stream(self) -> Vec<u8> {
        self.stream
    }

    /// Adds the bytes at sequence number `seq`.
    pub(super) fn push(&mut self, seq: u32, mut bytes: &[u8]) -> Pushed {
        let ahead = seq.wrapping_sub(self.next()) as i32;
        let at = if ahead < 0 {
            let known = ahead.unsigned_abs() as usize;
            bytes = bytes.get(known..).unwrap_or_default();
            self.stream.len()
        } else {
            self.stream.len() + ahead as usize
        };
        if bytes.is_empty() {
            return Pushed::Known;
        }
        if at + bytes.len() > self.window {
            return Pushed::Overflow;
        }
        if at == self.stream.len() {
            self.grow(bytes);
            return Pushed::Grew;
        }
        if self.keep(at, bytes) { Pushed::Beyond } else { Pushed::Known }
    }

    fn grow(&mut self, bytes: &[u8]) {
        self.keep(self.stream.len(), bytes);
        while let Some(island) = self.islands.remove(&self.stream.len()) {
            self.stream.extend_from_slice(&island);
        }
    }

    /// Keeps what no island has yet. True if there was anything.
    fn keep(&mut self, mut at: usize, mut bytes: &[u8]) -> bool {
        let mut new = false;
        if let Some((before, island)) = self.islands.range(..=at).next_back() {
            let covered = (before + island.len()).saturating_sub(at).min(bytes.len());
            bytes = &bytes[covered..];
            at += covered;
        }
        while !bytes.is_empty() {
            let next = self.islands.range(at..).next().map(|(at, island)| (*at, island.len()));
            let (gap, skip) = match next {
                Some((start, length)) if start < at + bytes.len() => (start - at, (start - at + length).min(bytes.len())),
                _ => (bytes.len(), bytes.len()),
            };
            if gap > 0 {
                self.islands.insert(at, bytes[..gap].to_vec());
                new = true;
            }
            bytes = &bytes[skip..];
            at += skip;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlaps_keep_the_first_bytes_and_the_window_holds() {
        let mut all = Assembler::new(u32::MAX, 10);
        assert_eq!(all.push(1, b"cd"), Pushed::Beyond);
        assert_eq!(all.push(0, b"bXXe"), Pushed::Beyond);
        assert_eq!(all.push(u32::MAX, b"aY"), Pushed::Grew);
        assert_eq!(all.stream(), b"abcde");
        assert_eq!(all.push(0, b"bcd"), Pushed::Known);
        assert_eq!(all.push(4, b"123456"), Pushed::Overflow);
        assert_eq!(all.next(), 4);
    }

    proptest! {
        #[test]
        fn any_cutting_yields_the_same_stream(
            start in any::<u32>(),
            bytes in proptest::collection::vec(any::<u8>(), 1..400),
            cuts in proptest::collection::vec((any::<u16>(), 1_usize..90), 0..40),
            order in any::<u64>(),
        ) {
            let mut pieces: Vec<(usize, usize)> = bytes.chunks(37).scan(0, |at, chunk| {
                *at += chunk.len();
                Some((*at - chunk.len(), *at))
            }).collect();
            pieces.extend(cuts.iter().map(|(at, length)| {
                let from = usize::from(*at) % bytes.len();
                (from, (from + length).min(bytes.len()))
            }));
            let mut seed = order;
            for i in (1..pieces.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                pieces.swap(i, (seed >> 33) as usize % (i + 1));
            }
            let mut all = Assembler::new(start, 400);
            for (from, to) in pieces {
                let before = all.stream().len();
                let pushed = all.push(start.wrapping_add(from as u32), &bytes[from..to]);
                prop_assert_eq!(pushed == Pushed::Grew, all.stream().len() > before);
                prop_assert!(bytes.starts_with(all.stream()));
            }
            prop_assert_eq!(all.stream(), &bytes[..]);
            prop_assert!(all.islands.is_empty());
        }
    }
}
