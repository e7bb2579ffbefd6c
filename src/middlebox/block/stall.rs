//! Stall: the download begins and then stops without a word. Programs without a deadline of their own wait for ever.

use super::limited::{Limits, relay};
use super::{Client, OnStream, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;

#[cfg(target_os = "linux")]
pub(super) fn on_wire(after_bytes: u64) -> Act {
    Act::Stall { after_bytes_down: after_bytes }
}

pub(super) async fn on_stream(on: &OnStream<'_>, client: &mut Client, after_bytes: u64) -> Told {
    relay(on, client, Limits { bytes_down: Some(after_bytes), ..Limits::default() }).await
}
