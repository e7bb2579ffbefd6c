//! Reset: the connection ends with RST after the first bytes. The held segment never reaches the origin.
//!
//! Seen in Kazakhstan on some lines where others time out (mozilla/addons#1284), and as Russia's first behaviour, where the
//! answer of the origin becomes RST/ACK (Xue et al., IMC 2022); a client cannot tell whose RST it is.

use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::Act;
use crate::record::CloseKind;
use crate::scenario::ResetTo;

#[cfg(target_os = "linux")]
pub(super) fn on_wire(to: ResetTo) -> Act {
    Act::Reset { to_client: to != ResetTo::Origin, to_server: to != ResetTo::Client }
}

/// A stream has one side only: a reset that the client is not told of is silence to it.
pub(super) async fn on_stream(client: &mut Client, to: ResetTo) -> Told {
    if to == ResetTo::Origin {
        return super::drop::on_stream(client).await;
    }
    let _ = client.inner().get_ref().set_zero_linger(); // RST instead of FIN when dropped
    Some(CloseKind::Rst)
}
