//! Watching one direction of a TLS connection for alerts that travel unencrypted.
//!
//! Reads record headers only (RFC 8446 section 5.1). An alert record with two bytes of payload is a plaintext alert: an
//! encrypted one is longer (TLS 1.2 adds a tag) or wears another type (TLS 1.3: application_data).

/// State of the watch: fed with whatever pieces the stream comes in. Constant memory.
#[derive(Clone, Debug, Default)]
pub struct RecordWatch {
    header: [u8; HEADER],
    have: usize,
    left: usize,
    alert: Vec<u8>,
    blind: bool,
}

impl RecordWatch {
    /// A watch at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream; calls `found(level, number)` for every plaintext alert in them.
    pub fn feed(&mut self, mut bytes: &[u8], mut found: impl FnMut(u8, u8)) {
        while !bytes.is_empty() && !self.blind {
            if self.have < HEADER {
                self.take_header(&mut bytes);
            } else {
                self.take_body(&mut bytes, &mut found);
            }
        }
    }

    fn take_header(&mut self, bytes: &mut &[u8]) {
        let (piece, rest) = bytes.split_at(bytes.len().min(HEADER - self.have));
        self.header[self.have..self.have + piece.len()].copy_from_slice(piece);
        self.have += piece.len();
        *bytes = rest;
        if self.have < HEADER {
            return;
        }
        self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        // Not TLS, or out of step: nothing that follows can be read.
        self.blind = !(20..=24).contains(&self.header[0]) || self.header[1] != 3 || self.left > MAX_RECORD;
        self.alert.clear();
        if self.left == 0 {
            self.have = 0;
        }
    }

    fn take_body(&mut self, bytes: &mut &[u8], found: &mut impl FnMut(u8, u8)) {
        let (piece, rest) = bytes.split_at(bytes.len().min(self.left));
        let is_alert = self.header[0] == ALERT && self.header[4] == 2 && self.header[3] == 0;
        if is_alert {
            self.alert.extend_from_slice(piece);
        }
        self.left -= piece.len();
        *bytes = rest;
        if self.left > 0 {
            return;
        }
        self.have = 0;
        if let (true, &[level, number]) = (is_alert, self.alert.as_slice()) {
            found(level, number);
        }
    }
}

/// Content type, legacy version, length.
const HEADER: usize = 5;
/// Content type `alert`.
const ALERT: u8 = 21;
/// TLSCiphertext of TLS 1.2, the longest record that is legal anywhere (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alerts(pieces: &[&[u8]]) -> Vec<(u8, u8)> {
        let mut watch = RecordWatch::new();
        let mut seen = Vec::new();
        for piece in pieces {
            watch.feed(piece, |level, number| seen.push((level, number)));
        }
        seen
    }

    #[test]
    fn a_plaintext_alert_behind_other_records() {
        let stream = [22, 3, 1, 0, 3, 1, 2, 3, 20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 2, 2, 48, 23, 3, 3, 0, 1, 0];
        assert_eq!(alerts(&[&stream]), [(2, 48)]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(alerts(&bytes), [(2, 48)]);
    }

    #[test]
    fn an_encrypted_alert_is_not_read() {
        let mut stream = vec![21, 3, 3, 0, 26];
        stream.extend([0; 26]);
        assert_eq!(alerts(&[&stream]), []);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..40) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(alerts(&pieces), alerts(&[&bytes]));
        }
    }
}
