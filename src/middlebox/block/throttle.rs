//! Throttle: a rate for each direction, and a delay of the hello.
//!
//! Russia 2021: 128 kbit/s by dropping, an account for each direction, 16 KB at once and then 900 ms of loss (Xue et al., IMC 2021).
//! Kazakhstan 2022 to 2023: the handshake with azattyq.org took 2 to more than 4 seconds (OONI 2023); by what means was not seen.

use std::time::Duration;

use super::limited::{Limits, Pace, relay};
use super::{Client, OnStream, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::{Act, Beyond, Throttle};
use crate::scenario::Policing;

/// The parameters of the action.
pub(super) struct Rates {
    down: Option<u64>,
    up: Option<u64>,
    policing: Policing,
    delay: Duration,
}

impl Rates {
    pub(super) fn new(down_kbps: u32, up_kbps: u32, policing: Policing, delay_ms: u32) -> Self {
        let delay = Duration::from_millis(u64::from(delay_ms));
        Self { down: bits(down_kbps), up: bits(up_kbps), policing, delay }
    }
}

#[cfg(target_os = "linux")]
pub(super) fn on_wire(rates: &Rates) -> Act {
    Act::Throttle(Throttle {
        up_bps: rates.up,
        down_bps: rates.down,
        beyond: if rates.policing == Policing::Drop { Beyond::Police } else { Beyond::Shape },
        delay: rates.delay,
    })
}

pub(super) async fn on_stream(on: &OnStream<'_>, client: &mut Client, rates: &Rates) -> Told {
    tokio::time::sleep(rates.delay).await;
    let pace = |rate: Option<u64>| rate.map(|bits| Pace::new(bits, rates.policing == Policing::Drop));
    relay(on, client, Limits { up: pace(rates.up), down: pace(rates.down), ..Limits::default() }).await
}

/// Bits per second; 0 leaves the direction alone.
fn bits(kbps: u32) -> Option<u64> {
    (kbps > 0).then(|| u64::from(kbps) * 1000)
}
