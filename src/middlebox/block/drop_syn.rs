//! Drop the SYN: the connection never begins, and clients wait until their patience ends. A shutdown with routes up looks so.

use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::network::wire::OnOpen;

#[cfg(target_os = "linux")]
pub(super) fn on_wire() -> OnOpen {
    OnOpen::Drop
}

/// How long a stream carrier keeps what it swallows.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(300);
