//! The TCP options that a takeover must continue (RFC 9293 section 3.2, RFC 7323, RFC 2018).

/// What a SYN or SYN/ACK offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Maximum segment size.
    pub(super) mss: Option<u16>,
    /// Window scale (RFC 7323 section 2).
    pub(super) scale: Option<u8>,
    /// SACK permitted (RFC 2018 section 2).
    pub(super) sack: bool,
    /// Timestamps: value and echo reply (RFC 7323 section 3).
    pub(super) time: Option<(u32, u32)>,
}

impl Options {
    /// Reads options; stops at the first one that does not fit.
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut found = Self::default();
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => break,
                1 => bytes = rest,
                _ => {
                    let Some(length) = rest.first().map(|length| usize::from(*length)) else { break };
                    let Some(value) = bytes.get(2..length) else { break };
                    found.take(*kind, value);
                    bytes = &bytes[length..];
                }
            }
        }
        found
    }

    /// Timestamps alone; the usual layout (two NOPs first, RFC 7323 appendix A) without a walk.
    pub(super) fn time(bytes: &[u8]) -> Option<(u32, u32)> {
        match bytes {
            [1, 1, 8, 10, a, b, c, d, e, f, g, h, ..] => {
                Some((u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])))
            }
            [] => None,
            _ => Self::parse(bytes).time,
        }
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (2, [a, b]) => self.mss = Some(u16::from_be_bytes([*a, *b])),
            (3, [shift]) => self.scale = Some((*shift).min(14)), // RFC 7323 section 2.3
            (4, []) => self.sack = true,
            (8, [a, b, c, d, e, f, g, h]) => {
                self.time = Some((u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_options_of_a_linux_syn() {
        let syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];
        let expected = Options { mss: Some(1460), scale: Some(7), sack: true, time: Some((7, 0)) };
        assert_eq!(Options::parse(&syn), expected);
        assert_eq!(Options::time(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]), Some((1, 2)));
    }

    #[test]
    fn cut_and_looping_options_end_the_walk() {
        for bytes in [&[2u8][..], &[2, 0, 5], &[2, 1, 5, 180], &[8, 10, 0], &[3, 255, 1]] {
            assert_eq!(Options::parse(bytes), Options::default());
        }
    }
}
