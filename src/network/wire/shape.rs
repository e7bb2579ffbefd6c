//! Rate limits: policing drops what is too much, shaping lets it wait. Pure; the clock is an argument.
//!
//! A rate is of payload: what a client can measure. Headers are not counted, so packets without payload (acknowledgements) cost
//! nothing, and the wire and the stream mean the same by a rate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::act::Beyond;

/// The account of one direction.
#[derive(Debug)]
pub(super) struct Limiter {
    bytes_per_second: u64,
    account: Account,
}

#[derive(Debug)]
enum Account {
    Police { second: Instant, spent: u64 },
    Shape { free: Instant, waiting: VecDeque<(Vec<u8>, usize)>, bytes: usize },
}

/// What is done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes now.
    Now,
    /// It is given to [`Limiter::wait`].
    Later,
    /// It is dropped.
    Never,
}

impl Limiter {
    pub(super) fn new(bits_per_second: u64, beyond: Beyond, now: Instant) -> Self {
        let account = match beyond {
            Beyond::Police => Account::Police { second: now, spent: 0 },
            Beyond::Shape => Account::Shape { free: now, waiting: VecDeque::new(), bytes: 0 },
        };
        Self { bytes_per_second: (bits_per_second / 8).max(1), account }
    }

    /// Asks for a packet with a payload of `length` bytes.
    pub(super) fn ask(&mut self, length: usize, now: Instant) -> Turn {
        let cost = self.cost(length);
        match &mut self.account {
            Account::Police { second, spent } => {
                if now.duration_since(*second) >= Duration::from_secs(1) {
                    (*second, *spent) = (now, 0);
                }
                if length == 0 {
                    return Turn::Now;
                }
                // The first packet of a second always passes: a rate below one packet per second would be a drop.
                if *spent > 0 && *spent + length as u64 > self.bytes_per_second {
                    return Turn::Never;
                }
                *spent += length as u64;
                Turn::Now
            }
            Account::Shape { free, waiting, bytes } => {
                if waiting.is_empty() && *free <= now {
                    *free = now + cost;
                    return Turn::Now;
                }
                if *bytes + length > QUEUE { Turn::Never } else { Turn::Later }
            }
        }
    }

    /// Queues a packet that was told to wait, with a payload of `length` bytes.
    pub(super) fn wait(&mut self, frame: Vec<u8>, length: usize) {
        if let Account::Shape { waiting, bytes, .. } = &mut self.account {
            *bytes += length;
            waiting.push_back((frame, length));
        }
    }

    /// The next packet whose turn has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        let rate = self.bytes_per_second;
        let Account::Shape { free, waiting, bytes } = &mut self.account else { return None };
        if *free > now {
            return None;
        }
        let (frame, length) = waiting.pop_front()?;
        *bytes -= length;
        *free += Duration::from_nanos((length as u64).saturating_mul(1_000_000_000) / rate);
        Some(frame)
    }

    /// When [`Limiter::due`] will have something.
    pub(super) fn wake(&self) -> Option<Instant> {
        match &self.account {
            Account::Shape { free, waiting, .. } if !waiting.is_empty() => Some(*free),
            _ => None,
        }
    }

    fn cost(&self, length: usize) -> Duration {
        Duration::from_nanos((length as u64).saturating_mul(1_000_000_000) / self.bytes_per_second)
    }
}

/// Payload bytes that may wait in one direction of one flow: what a home router of the 2010s held.
const QUEUE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policing_spends_a_seconds_allowance_and_falls_silent() {
        let start = Instant::now();
        let mut limiter = Limiter::new(128_000, Beyond::Police, start);
        let passed = (0..100).filter(|i| limiter.ask(1500, start + Duration::from_millis(i * 5)) == Turn::Now).count();
        assert_eq!(passed, 10); // 16000 bytes
        assert_eq!(limiter.ask(1500, start + Duration::from_millis(999)), Turn::Never);
        assert_eq!(limiter.ask(1500, start + Duration::from_secs(1)), Turn::Now);
    }

    #[test]
    fn shaping_keeps_the_order_and_the_rate() {
        let start = Instant::now();
        let mut limiter = Limiter::new(8_000, Beyond::Shape, start);
        assert_eq!(limiter.ask(500, start), Turn::Now);
        for first in 0..3 {
            assert_eq!(limiter.ask(500, start), Turn::Later);
            limiter.wait(vec![first; 500], 500);
        }
        assert!(limiter.due(start).is_none());
        let mut now = start;
        for first in 0..3 {
            now = limiter.wake().unwrap();
            assert_eq!(limiter.due(now).unwrap()[0], first);
        }
        assert_eq!(now, start + Duration::from_millis(1500));
        assert_eq!(limiter.wake(), None);
    }

    #[test]
    fn a_full_queue_drops() {
        let start = Instant::now();
        let mut limiter = Limiter::new(8, Beyond::Shape, start);
        let mut kept = 0;
        while limiter.ask(65_000, start) != Turn::Never {
            limiter.wait(vec![0; 65_000], 65_000);
            kept += 1;
        }
        assert!(kept < 7);
    }
}
