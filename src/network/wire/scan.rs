//! Counting TLS records in a stream that passes by (RFC 8446 section 5.1): application_data, and alerts in the clear.
//!
//! Reads five bytes per record and copies nothing while segments come in order. Behind a gap a few segments are kept;
//! if the gap outgrows that, or the stream is no TLS, counting ends and what was counted stands.

use std::collections::BTreeMap;

use super::frame::after;

/// The records of one direction.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// Sequence number of the next byte to read.
    next: u32,
    waiting: BTreeMap<u32, Box<[u8]>>,
    /// Records of type application_data.
    pub(super) app_records: u64,
    /// Alerts that were not encrypted: level, number.
    pub(super) alerts: Vec<(u8, u8)>,
}

#[derive(Debug, Default)]
enum State {
    /// The sequence number of the first byte is not known yet.
    #[default]
    Unset,
    /// In a record's header, of which these bytes were read.
    Header([u8; 5], usize),
    /// In an alert's two bytes.
    Alert([u8; 2], usize),
    /// In a body, this many bytes before the next header.
    Body(usize),
    /// No TLS, or lost.
    Off,
}

impl Scanner {
    /// The stream's first byte has this sequence number.
    pub(super) fn begin(&mut self, next: u32) {
        if matches!(self.state, State::Unset) {
            self.next = next;
            self.state = State::Header([0; 5], 0);
        }
    }

    /// Bytes that were passed on.
    pub(super) fn push(&mut self, seq: u32, bytes: &[u8]) {
        if bytes.is_empty() || matches!(self.state, State::Off | State::Unset) {
            return;
        }
        if after(seq, self.next) {
            return self.wait(seq, bytes);
        }
        let known = self.next.wrapping_sub(seq) as usize;
        let Some(new) = bytes.get(known..) else { return };
        self.next = self.next.wrapping_add(new.len() as u32);
        self.read(new);
        while let Some((seq, kept)) = self.waiting.pop_first() {
            if after(seq, self.next) {
                self.waiting.insert(seq, kept);
                break;
            }
            let known = self.next.wrapping_sub(seq) as usize;
            let new = kept.get(known..).unwrap_or_default();
            self.next = self.next.wrapping_add(new.len() as u32);
            self.read(new);
        }
    }

    fn wait(&mut self, seq: u32, bytes: &[u8]) {
        let kept: usize = self.waiting.values().map(|kept| kept.len()).sum();
        // A map ordered by number cannot order across the wrap-around: such a gap ends the count.
        if kept + bytes.len() > KEPT || seq < self.next {
            self.state = State::Off;
            self.waiting.clear();
        } else {
            self.waiting.insert(seq, bytes.into());
        }
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            match &mut self.state {
                State::Header(header, have) => {
                    header[*have] = *first;
                    *have += 1;
                    bytes = &bytes[1..];
                    if *have == 5 {
                        let header = *header;
                        self.header(header);
                    }
                }
                State::Alert(alert, have) => {
                    alert[*have] = *first;
                    *have += 1;
                    bytes = &bytes[1..];
                    if *have == 2 {
                        let alert = *alert;
                        if self.alerts.len() < ALERTS {
                            self.alerts.push((alert[0], alert[1]));
                        }
                        self.state = State::Header([0; 5], 0);
                    }
                }
                State::Body(left) => {
                    let skip = (*left).min(bytes.len());
                    *left -= skip;
                    bytes = &bytes[skip..];
                    if *left == 0 {
                        self.state = State::Header([0; 5], 0);
                    }
                }
                State::Off | State::Unset => return,
            }
        }
    }

    fn header(&mut self, [kind, major, _, high, low]: [u8; 5]) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(20..=24).contains(&kind) || major != 3 || length > MAX_RECORD {
            self.state = State::Off;
            return;
        }
        self.app_records += u64::from(kind == 23);
        self.state = match (kind, length) {
            (21, 2) => State::Alert([0; 2], 0), // longer ones are encrypted
            (_, 0) => State::Header([0; 5], 0),
            _ => State::Body(length),
        };
    }
}

/// RFC 5246 section 6.2.3: 2^14 + 2048; RFC 8446 allows less.
const MAX_RECORD: usize = 18432;
/// Bytes kept behind a gap.
const KEPT: usize = 128 * 1024;
const ALERTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    #[test]
    fn counts_records_however_they_are_cut() {
        let stream = [record(22, &[1; 300]), record(23, &[2; 9000]), record(23, &[]), record(21, &[2, 48])].concat();
        for size in [1, 2, 3, 5, 7, 1448, 20_000] {
            let mut scanner = Scanner::default();
            scanner.begin(77);
            let mut chunks: Vec<_> = stream.chunks(size).enumerate().collect();
            if chunks.len() > 3 {
                chunks.swap(1, 2);
                chunks.insert(1, chunks[0]);
            }
            for (index, chunk) in chunks {
                scanner.push(77 + (index * size) as u32, chunk);
            }
            assert_eq!((scanner.app_records, &scanner.alerts[..]), (2, &[(2, 48)][..]), "in chunks of {size}");
        }
    }

    #[test]
    fn what_is_no_tls_is_not_counted() {
        let mut scanner = Scanner::default();
        scanner.begin(0);
        scanner.push(0, b"HTTP/1.1 200 OK\r\n");
        scanner.push(17, &record(23, b"x"));
        assert_eq!(scanner.app_records, 0);
    }
}
