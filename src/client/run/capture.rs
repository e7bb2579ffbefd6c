//! What is kept of an output that may be endless: its beginning, its end, its length.

use std::collections::VecDeque;

/// A bounded capture.
#[derive(Debug)]
pub(super) struct Capture {
    keep: usize,
    kept: Vec<u8>,
    tail: VecDeque<u8>,
    count: u64,
}

impl Capture {
    /// Keeps the first `keep` bytes (at least the excerpt) and the last [`EXCERPT`].
    pub(super) fn new(keep: usize) -> Self {
        Self { keep: keep.max(EXCERPT), kept: Vec::new(), tail: VecDeque::with_capacity(EXCERPT), count: 0 }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let room = self.keep - self.kept.len();
        self.kept.extend(&bytes[..bytes.len().min(room)]);
        let last = &bytes[bytes.len().saturating_sub(EXCERPT)..];
        let surplus = (self.tail.len() + last.len()).saturating_sub(EXCERPT);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(last);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn head(&self) -> String {
        String::from_utf8_lossy(&self.kept[..self.kept.len().min(EXCERPT)]).into_owned()
    }

    /// The end, from a character's first byte on.
    pub(super) fn tail(&mut self) -> String {
        let bytes = self.tail.make_contiguous();
        let cut = self.count > bytes.len() as u64;
        let begin = if cut { bytes.iter().take(4).position(|b| b & 0xc0 != 0x80).unwrap_or(0) } else { 0 };
        String::from_utf8_lossy(&bytes[begin..]).into_owned()
    }

    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept
    }
}

/// Bytes of an excerpt in the record: `leg:end` allows 4 KiB.
const EXCERPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_tail_and_count_hold_for_any_cut() {
        let whole: Vec<u8> = (0..20_000u32).map(|n| b'a' + (n % 26) as u8).collect();
        for size in [1, 7, 4095, 4096, 4097, 20_000] {
            let mut capture = Capture::new(10_000);
            whole.chunks(size).for_each(|c| capture.take(c));
            assert_eq!(capture.count(), 20_000);
            assert_eq!(capture.head().as_bytes(), &whole[..4096]);
            assert_eq!(capture.tail().as_bytes(), &whole[20_000 - 4096..], "in pieces of {size}");
            assert_eq!(capture.into_kept(), &whole[..10_000]);
        }
    }

    #[test]
    fn a_tail_does_not_begin_inside_a_character() {
        let mut capture = Capture::new(0);
        capture.take("é".repeat(3000).as_bytes());
        capture.take(b"x");
        assert!(capture.tail().chars().all(|c| c == 'é' || c == 'x'));
    }
}
