//! Cut: a plain HTTP answer ends in its middle, with FIN. Careful clients notice that the length is short.

use super::limited::{Limits, relay};
use super::{Client, OnStream, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;

#[cfg(target_os = "linux")]
pub(super) fn on_wire() -> Act {
    Act::Cut { after_bytes_down: CUT_AFTER }
}

pub(super) async fn on_stream(on: &OnStream<'_>, client: &mut Client) -> Told {
    relay(on, client, Limits { bytes_down: Some(CUT_AFTER), then_close: true, ..Limits::default() }).await
}

/// Bytes of the answer that pass: a status line, header fields, and the beginning of a page.
const CUT_AFTER: u64 = 256;
