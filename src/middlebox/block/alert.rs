//! Alert: a fatal TLS alert in the clear in the origin's name (RFC 8446 section 6), then FIN.

use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;

#[cfg(target_os = "linux")]
pub(super) fn on_wire(number: u8) -> Act {
    Act::Alert(number)
}

pub(super) async fn on_stream(client: &mut Client, number: u8) -> Told {
    super::close::say(client, &[ALERT, 0x03, 0x03, 0, 2, FATAL, number]).await
}

/// Content type and level of a fatal alert (RFC 8446 section 6).
const ALERT: u8 = 21;
const FATAL: u8 = 2;
