//! One direction of a connection: how far it has come, by what was seen and by what was passed on.

use super::frame::{ACK, SYN, Tcp, after};
use super::options::Options;
use super::scan::Scanner;

/// What one side has sent.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Its SYN was seen.
    pub(super) known: bool,
    /// Initial sequence number.
    pub(super) isn: u32,
    /// Sequence number behind all that was seen.
    pub(super) next: u32,
    /// Sequence number behind all that was passed on to the other side.
    pub(super) sent: u32,
    /// The highest acknowledgement number that it sent: what it has of the other side.
    pub(super) acked: u32,
    /// It sent one.
    acks: bool,
    /// Its window as last seen, not scaled.
    window: u16,
    /// That window was in a SYN, where scaling does not apply (RFC 7323 section 2.2).
    window_in_syn: bool,
    /// Options of its SYN.
    pub(super) options: Options,
    /// Its timestamp as last seen.
    pub(super) clock: u32,
    /// Payload bytes passed on, each counted once: the position of `sent` in the stream.
    pub(super) bytes: u64,
    /// TLS records passed on.
    pub(super) records: Scanner,
}

impl Half {
    /// Takes note of a segment that came.
    pub(super) fn observe(&mut self, tcp: &Tcp, buffer: &[u8]) {
        if tcp.has(SYN) && !self.known {
            let first = tcp.seq.wrapping_add(1);
            let options = Options::parse(tcp.options(buffer));
            *self = Self { known: true, isn: tcp.seq, next: first, sent: first, options, ..Self::default() };
            self.records.begin(first);
        }
        if !self.known {
            return;
        }
        let next = tcp.next_seq();
        if after(next, self.next) {
            self.next = next;
        }
        if tcp.has(ACK | SYN) {
            self.window = tcp.window;
            self.window_in_syn = tcp.has(SYN);
        }
        if tcp.has(ACK) && (!self.acks || after(tcp.ack, self.acked)) {
            self.acks = true;
            self.acked = tcp.ack;
        }
        if let Some((clock, _)) = Options::time(tcp.options(buffer)) {
            self.clock = clock;
        }
    }

    /// Takes note of a segment that is passed on.
    pub(super) fn pass(&mut self, tcp: &Tcp, buffer: &[u8]) {
        let next = tcp.next_seq();
        if tcp.has(SYN) || !self.known || tcp.len() == 0 && !after(next, self.sent) {
            return;
        }
        if after(next, self.sent) {
            let behind = tcp.data_seq().wrapping_add(tcp.len() as u32);
            if after(behind, self.sent) {
                self.bytes += u64::from(behind.wrapping_sub(self.sent));
            }
            self.sent = next;
        }
        self.records.push(tcp.data_seq(), &buffer[tcp.payload..tcp.end]);
    }

    /// Its window as last seen, as a segment of its own after the handshake says it towards `other`.
    pub(super) fn window(&self, other: &Self) -> u16 {
        match self.options.scale.zip(other.options.scale) {
            Some((scale, _)) if self.window_in_syn => self.window >> scale,
            _ => self.window,
        }
    }

    /// The position in the stream of a sequence number near `sent`.
    pub(super) fn position(&self, seq: u32) -> u64 {
        self.bytes.saturating_add_signed(i64::from(seq.wrapping_sub(self.sent) as i32))
    }
}
