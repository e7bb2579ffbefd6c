//! A relay with limits, for streams: rates, a number of pieces, a number of bytes. What the wire does by dropping packets is done
//! here by waiting and by silence.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::drop_syn::LONGEST_SILENCE;
use super::{Client, DIAL, OnStream, Told};
use crate::network::Purpose;
use crate::record::Event;

/// What is limited.
#[derive(Default)]
pub(super) struct Limits {
    /// From the client.
    pub(super) up: Option<Pace>,
    /// Towards the client.
    pub(super) down: Option<Pace>,
    /// Bytes towards the client that pass.
    pub(super) bytes_down: Option<u64>,
    /// Pieces that pass, both directions together.
    pub(super) pieces: Option<u32>,
    /// Behind the last byte the connection is closed; else it falls silent.
    pub(super) then_close: bool,
}

/// A rate.
pub(super) struct Pace {
    bytes_per_second: u64,
    /// An allowance for each second, spent as fast as it comes; else evenly.
    in_bursts: bool,
    second: Instant,
    spent: u64,
}

/// Why a direction has ended.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    Closed,
    Spent,
}

/// Dials the origin and carries bytes within the limits.
pub(super) async fn relay(on: &OnStream<'_>, client: &mut Client, limits: Limits) -> Told {
    let known = on.origin.lock().unwrap_or_else(PoisonError::into_inner).take();
    let dialled = match known {
        Some(origin) => Ok(origin),
        None => {
            let dialled = timeout(DIAL, on.middlebox.dial.dial(on.arrival, Purpose::Forward)).await;
            dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    };
    let origin = match dialled {
        Ok(origin) => origin,
        Err(error) => {
            on.middlebox.recorder.emit(on.arrival.id, Event::UpstreamFailed { error: error.to_string() });
            return super::close::on_stream(client).await;
        }
    };
    match between(client, origin, limits).await {
        Over::Closed => {
            let _ = client.shutdown().await; // it may be gone
            None
        }
        Over::Spent => super::drop::on_stream(client).await,
    }
}

async fn between<C, S>(client: &mut C, origin: S, mut limits: Limits) -> Over
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pieces = limits.pieces.map(AtomicU32::new);
    let then_close = limits.then_close;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_origin, mut to_origin) = tokio::io::split(origin);
    let up = one_way(&mut from_client, &mut to_origin, limits.up.as_mut(), None, pieces.as_ref());
    let down = one_way(&mut from_origin, &mut to_client, limits.down.as_mut(), limits.bytes_down, pieces.as_ref());
    tokio::pin!(up, down);
    let first = tokio::select! {
        over = &mut down => return if then_close { Over::Closed } else { over },
        over = &mut up => over,
    };
    match first {
        Over::Spent => Over::Spent,
        // The client has said all; the answer may still come.
        Over::Closed => down.await,
    }
}

async fn one_way(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut pace: Option<&mut Pace>,
    mut bytes: Option<u64>,
    pieces: Option<&AtomicU32>,
) -> Over {
    let mut buffer = vec![0; PIECE];
    loop {
        let room = bytes.map_or(PIECE, |left| usize::try_from(left).unwrap_or(PIECE).min(PIECE));
        if room == 0 {
            return Over::Spent;
        }
        let Ok(Ok(read @ 1..)) = timeout(LONGEST_SILENCE, from.read(&mut buffer[..room])).await else {
            let _ = to.shutdown().await; // the other end may be gone
            return Over::Closed;
        };
        if pieces.is_some_and(|left| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err()) {
            return Over::Spent;
        }
        if let Some(pace) = &mut pace {
            pace.wait(read as u64).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return Over::Closed;
        }
        bytes = bytes.map(|left| left.saturating_sub(read as u64));
    }
}

impl Pace {
    pub(super) fn new(bits_per_second: u64, in_bursts: bool) -> Self {
        Self { bytes_per_second: (bits_per_second / 8).max(1), in_bursts, second: Instant::now(), spent: 0 }
    }

    /// Waits until this many bytes may go.
    async fn wait(&mut self, bytes: u64) {
        let now = Instant::now();
        if self.in_bursts {
            if now.duration_since(self.second) >= SECOND {
                (self.second, self.spent) = (now, 0);
            }
            if self.spent > 0 && self.spent + bytes > self.bytes_per_second {
                sleep_until(self.second + SECOND).await;
                (self.second, self.spent) = (Instant::now(), 0);
            }
            self.spent += bytes;
        } else {
            sleep_until(self.due(bytes, now)).await;
        }
    }

    /// When these bytes are through. Timers wake late, by a millisecond or more: what was missed is made good, but a pause is no credit.
    fn due(&mut self, bytes: u64, now: Instant) -> Instant {
        let earliest = now.checked_sub(LATENESS).unwrap_or(now);
        self.second = self.second.max(earliest) + SECOND.mul_f64(bytes as f64 / self.bytes_per_second as f64);
        self.second
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// How late a timer may wake without a loss of rate.
const LATENESS: Duration = Duration::from_millis(100);
/// What a segment on Ethernet carries with timestamps (RFC 9293 section 3.7.1: 1500 less 20, 20 and 12).
const PIECE: usize = 1448;

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Client end, then what a relay with these limits has let through of `sent` bytes.
    async fn download(limits: Limits, sent: usize) -> (usize, Over, Duration) {
        let (mut client, mut near) = duplex(1 << 20);
        let (mut server, far) = duplex(1 << 20);
        let begun = Instant::now();
        let relay = tokio::spawn(async move { between(&mut near, far, limits).await });
        server.write_all(&vec![7; sent]).await.unwrap();
        drop(server);
        let over = relay.await.unwrap();
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        (got.len(), over, begun.elapsed())
    }

    #[tokio::test]
    async fn bytes_are_counted_exactly() {
        let (got, over, _) = download(Limits { bytes_down: Some(5000), ..Limits::default() }, 20_000).await;
        assert_eq!((got, over), (5000, Over::Spent));
        let (got, over, _) = download(Limits { bytes_down: Some(5000), then_close: true, ..Limits::default() }, 20_000).await;
        assert_eq!((got, over), (5000, Over::Closed));
        let (got, over, _) = download(Limits { bytes_down: Some(5000), ..Limits::default() }, 400).await;
        assert_eq!((got, over), (400, Over::Closed));
    }

    #[tokio::test]
    async fn pieces_are_counted() {
        let (got, over, _) = download(Limits { pieces: Some(3), ..Limits::default() }, 20_000).await;
        assert_eq!((got, over), (3 * PIECE, Over::Spent));
    }

    /// 1448 bytes at 2 Mbit/s take 5.8 ms, and each time the timer is late by one or two more.
    #[tokio::test]
    async fn late_timers_cost_no_rate_and_a_pause_is_no_credit() {
        let mut pace = Pace::new(2_000_000, false);
        let begun = pace.second;
        let mut now = begun;
        for piece in 0..1000 {
            now = now.max(pace.due(1448, now)) + Duration::from_millis(1 + piece % 2);
        }
        let took = now.duration_since(begun).as_secs_f64();
        assert!((5.79..5.80).contains(&took), "{took}");
        let later = now + Duration::from_secs(60);
        let begun = pace.due(0, later);
        assert_eq!(later.duration_since(begun), LATENESS);
    }

    #[tokio::test]
    async fn a_rate_is_not_exceeded() {
        for in_bursts in [false, true] {
            let pace = Pace::new(1_280_000, in_bursts);
            let (got, _, took) = download(Limits { down: Some(pace), ..Limits::default() }, 320_000).await;
            // Two seconds' worth: evenly that takes two; in bursts, the first second's allowance is spent at once.
            assert_eq!(got, 320_000);
            assert!(took > Duration::from_millis(900), "{took:?}, in bursts: {in_bursts}");
        }
    }
}
