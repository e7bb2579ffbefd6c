//! Refuse: the SYN is answered with RST/ACK, as a closed port would (RFC 9293 section 3.10.7.1).
//!
//! For a connection from outside to an address that Russia blocks, the box turned the answer of the host inside into RST/ACK
//! (Xue et al., IMC 2022); who opened it sees the same.

#[cfg(target_os = "linux")]
use crate::network::wire::OnOpen;

#[cfg(target_os = "linux")]
pub(super) fn on_wire() -> OnOpen {
    OnOpen::Refuse
}
