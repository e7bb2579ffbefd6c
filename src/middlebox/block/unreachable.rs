//! Unreachable: the SYN is answered by ICMP, host unreachable (RFC 792, RFC 4443 section 3.1), as after a route was withdrawn.

#[cfg(target_os = "linux")]
use crate::network::wire::OnOpen;

#[cfg(target_os = "linux")]
pub(super) fn on_wire() -> OnOpen {
    OnOpen::Unreachable
}
