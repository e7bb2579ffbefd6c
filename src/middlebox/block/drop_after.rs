//! Drop after some packets: the handshake may finish, the transfer never does.
//!
//! Russia's second behaviour: five to eight packets pass, then both directions fall silent (Xue et al., IMC 2022).

use super::limited::{Limits, relay};
use super::{Client, OnStream, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;

#[cfg(target_os = "linux")]
pub(super) fn on_wire(packets: u32) -> Act {
    Act::DropAfter { packets }
}

/// A stream knows no packets: pieces of at most a segment's size are counted, both directions together. The first bytes pass
/// besides, as the held segment does on the wire.
pub(super) async fn on_stream(on: &OnStream<'_>, client: &mut Client, packets: u32) -> Told {
    relay(on, client, Limits { pieces: Some(packets.saturating_add(1)), ..Limits::default() }).await
}
