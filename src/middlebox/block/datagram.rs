//! UDP on the wire: pass, drop, drop after some packets. For QUIC above all: when it is dropped, clients fall back to TCP, where the
//! box can forge; when it passes, the box sees nothing of them.
//!
//! Decided by address, port, transport and direction alone: what is inside QUIC is not read. Russia's sixth behaviour drops every
//! packet of a UDP/443 flow (Xue et al., IMC 2022). DNS is the resolver's: tricks are done where it answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::network::wire::OnDatagram;
use crate::scenario::Action;

/// What was decided on UDP flows that are under way.
#[derive(Debug, Default)]
pub(in crate::middlebox) struct Datagrams(Mutex<HashMap<(SocketAddr, SocketAddr), Fate>>);

/// What becomes of a flow's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// So many more pass.
    Left(u32),
}

impl Datagrams {
    /// What is done with a packet; `decide` is asked once for each flow, with client and server.
    pub(in crate::middlebox) fn packet(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        decide: impl FnOnce() -> Option<Action>,
    ) -> OnDatagram {
        let mut flows = self.flows();
        let key = if flows.contains_key(&(to, from)) { (to, from) } else { (from, to) };
        if let Some(fate) = flows.get_mut(&key) {
            return next(fate);
        }
        if flows.len() >= MOST {
            flows.clear(); // flows are asked about again; only counts are lost
        }
        drop(flows); // the decision is told to the record, which may take its time
        let mut fate = match decide() {
            Some(Action::Drop { .. }) => return OnDatagram::DropFlow,
            Some(Action::DropAfter { packets }) => Fate::Left(packets.saturating_add(1)), // the first one besides, as in TCP
            _ => Fate::Pass,
        };
        let now = next(&mut fate);
        self.flows().insert(key, fate);
        now
    }

    fn flows(&self) -> MutexGuard<'_, HashMap<(SocketAddr, SocketAddr), Fate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next(fate: &mut Fate) -> OnDatagram {
    match fate {
        Fate::Pass => OnDatagram::Pass,
        Fate::Left(0) => OnDatagram::DropFlow,
        Fate::Left(left) => {
            *left -= 1;
            OnDatagram::Pass
        }
    }
}

/// Flows that are remembered.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_packets_pass_both_ways_and_then_none() {
        let (client, server): (SocketAddr, SocketAddr) = (([10, 0, 0, 2], 4000).into(), ([192, 0, 2, 1], 443).into());
        let datagrams = Datagrams::default();
        let decide = || Some(Action::DropAfter { packets: 2 });
        assert_eq!(datagrams.packet(client, server, decide), OnDatagram::Pass);
        assert_eq!(datagrams.packet(server, client, || panic!("asked twice")), OnDatagram::Pass);
        assert_eq!(datagrams.packet(client, server, || panic!("asked twice")), OnDatagram::Pass);
        assert_eq!(datagrams.packet(server, client, || panic!("asked twice")), OnDatagram::DropFlow);
    }
}
