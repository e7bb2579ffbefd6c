//! Drop: silence after the first bytes, both ways, for this connection and, with a residual, for new ones to the same place.
//!
//! The dominant block in Kazakhstan from 2023 to 2024: names resolve, TCP connects, nothing comes after the hello (OONI 2024).

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::drop_syn::LONGEST_SILENCE;
use super::{Client, Told};
#[cfg(target_os = "linux")]
use crate::network::wire::{Act, Residual, Scope};
use crate::record::CloseKind;
use crate::scenario::ResidualPer;

#[cfg(target_os = "linux")]
pub(super) fn on_wire(seconds: u32, per: ResidualPer) -> Act {
    let scope = match per {
        ResidualPer::ThreeTuple => Scope::ThreeTuple,
        ResidualPer::FourTuple => Scope::FourTuple,
    };
    let duration = Duration::from_secs(u64::from(seconds));
    Act::Drop { residual: (seconds > 0).then_some(Residual { duration, scope }) }
}

/// Takes bytes and says nothing until the client has had enough.
pub(super) async fn on_stream(client: &mut Client) -> Told {
    let mut sink = vec![0; PIECE];
    let swallow = async { while client.read(&mut sink).await.is_ok_and(|n| n > 0) {} };
    let _ = tokio::time::timeout(LONGEST_SILENCE, swallow).await;
    Some(CloseKind::Deadline)
}

const PIECE: usize = 4096;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_residual_has_its_time_and_its_tuple() {
        assert_eq!(on_wire(0, ResidualPer::ThreeTuple), Act::Drop { residual: None });
        let Act::Drop { residual: Some(residual) } = on_wire(60, ResidualPer::FourTuple) else { panic!("no residual") };
        assert_eq!((residual.duration, residual.scope), (Duration::from_secs(60), Scope::FourTuple));
    }
}
