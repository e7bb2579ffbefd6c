//! UDP on the wire: pass, drop, drop after some packets. For QUIC above all: when it is dropped, clients fall back to TCP, where the
//! box can forge; when it passes, the box sees its hello and nothing more.
//!
//! Russia's sixth behaviour of 2022 drops every packet of a UDP/443 flow, unread (Xue et al., IMC 2022). Boxes that read the name in QUIC
//! are known in Russia since July 2023 at the latest (Heitmann et al., FOCI 2026) and in China since April 2024 (Zohaib et al., USENIX
//! Security 2025). DNS is the resolver's: tricks are done where it answers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::network::Arrival;
use crate::network::wire::OnDatagram;
use crate::scenario::{Action, ResidualPer};
use crate::tls::quic::Initials;

/// What was decided on UDP flows that are under way, and what is still being read.
#[derive(Debug, Default)]
pub(in crate::middlebox) struct Datagrams(Mutex<Flows>);

#[derive(Debug, Default)]
struct Flows {
    fates: HashMap<Ends, Fate>,
    /// How many of them are being read.
    reading: usize,
    residuals: HashMap<(IpAddr, SocketAddr), Instant>,
}

/// A flow, from its client's side.
pub(in crate::middlebox) type Ends = (SocketAddr, SocketAddr);

/// What becomes of a flow's packets.
#[derive(Debug)]
enum Fate {
    /// They pass while the box is looking for the hello.
    Reading(Box<Reading>),
    Pass,
    /// So many more pass.
    Left(u32),
}

/// A QUIC connection whose hello has not come whole.
#[derive(Debug)]
pub(in crate::middlebox) struct Reading {
    pub(in crate::middlebox) arrival: Arrival,
    pub(in crate::middlebox) initials: Initials,
}

/// On what is asked.
#[derive(Debug)]
pub(in crate::middlebox) enum Ask {
    /// The first packet of a flow.
    New {
        /// There is room for one more flow to be read.
        may_read: bool,
    },
    /// The next packet of a client whose hello is being read.
    Go(Box<Reading>),
    /// The first packet of a flow that goes the way of an earlier one.
    Residual,
}

/// The answer.
#[derive(Debug)]
pub(in crate::middlebox) enum Next {
    /// It passes, and the next packet is read too.
    Read(Box<Reading>),
    /// This is done with the flow. None lets it pass.
    Do(Option<Action>),
}

impl Datagrams {
    /// What is done with a packet; `ask` is asked once for each flow, with client and server, and again while it is being read.
    pub(in crate::middlebox) fn packet(&self, from: SocketAddr, to: SocketAddr, ask: impl FnOnce(Ask) -> Next) -> OnDatagram {
        let mut flows = self.flows();
        let back = flows.fates.contains_key(&(to, from));
        let ends = if back { (to, from) } else { (from, to) };
        let (residual, may_read) = (flows.is_residual(ends), flows.reading < MOST_READING);
        let asked = match flows.fates.get_mut(&ends) {
            Some(Fate::Reading(_)) if back => return OnDatagram::Pass,
            Some(fate @ Fate::Reading(_)) => match std::mem::replace(fate, Fate::Pass) {
                Fate::Reading(reading) => {
                    flows.reading -= 1;
                    Ask::Go(reading)
                }
                _ => return OnDatagram::Pass,
            },
            Some(fate) => return next(fate),
            None if residual => Ask::Residual,
            None => Ask::New { may_read },
        };
        drop(flows); // the decision is told to the record, which may take its time
        let swallowed = matches!(asked, Ask::Residual);
        match ask(asked) {
            _ if swallowed => OnDatagram::DropFlow,
            Next::Read(reading) => {
                self.keep(ends, Fate::Reading(reading));
                OnDatagram::Pass
            }
            Next::Do(action) => self.begin(ends, action.as_ref()),
        }
    }

    /// Stops reading a flow, if it is still being read. What is decided then is told with [`Self::decided`].
    pub(in crate::middlebox) fn give_up(&self, ends: Ends) -> Option<Box<Reading>> {
        let mut flows = self.flows();
        let fate = flows.fates.get_mut(&ends).filter(|fate| matches!(fate, Fate::Reading(_)))?;
        let Fate::Reading(reading) = std::mem::replace(fate, Fate::Pass) else { return None };
        flows.reading -= 1;
        Some(reading)
    }

    /// What is done with the later packets of a flow that was given up.
    pub(in crate::middlebox) fn decided(&self, ends: Ends, action: Option<&Action>) {
        if self.begin(ends, action) == OnDatagram::DropFlow {
            self.keep(ends, Fate::Left(0));
        }
    }

    fn begin(&self, ends: Ends, action: Option<&Action>) -> OnDatagram {
        let mut fate = match action {
            Some(Action::Drop { residual_s, residual }) => {
                self.silence(ends, *residual_s, *residual);
                return OnDatagram::DropFlow;
            }
            Some(Action::DropAfter { packets }) => Fate::Left(packets.saturating_add(1)), // the first one besides, as in TCP
            _ => Fate::Pass,
        };
        let now = next(&mut fate);
        self.keep(ends, fate);
        now
    }

    fn keep(&self, ends: Ends, fate: Fate) {
        let mut flows = self.flows();
        if flows.fates.len() >= MOST && !flows.fates.contains_key(&ends) {
            flows.fates.clear(); // flows are asked about again; only counts are lost
            flows.reading = 0;
        }
        flows.reading += usize::from(matches!(fate, Fate::Reading(_)));
        flows.fates.insert(ends, fate);
    }

    /// The flow is forgotten: the wire swallows its packets from now on, and here new ones to the same place are.
    fn silence(&self, (client, server): Ends, seconds: u32, per: ResidualPer) {
        let mut flows = self.flows();
        flows.fates.remove(&(client, server));
        // Another flow of the same four is the same flow, in UDP.
        if seconds == 0 || per == ResidualPer::FourTuple {
            return;
        }
        let now = Instant::now();
        if flows.residuals.len() >= MOST {
            flows.residuals.retain(|_, until| *until > now);
        }
        if flows.residuals.len() < MOST {
            flows.residuals.insert((client.ip(), server), now + Duration::from_secs(u64::from(seconds)));
        }
    }

    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flows {
    fn is_residual(&self, (client, server): Ends) -> bool {
        self.residuals.get(&(client.ip(), server)).is_some_and(|until| *until > Instant::now())
    }
}

fn next(fate: &mut Fate) -> OnDatagram {
    match fate {
        Fate::Pass | Fate::Reading(_) => OnDatagram::Pass,
        Fate::Left(0) => OnDatagram::DropFlow,
        Fate::Left(left) => {
            *left -= 1;
            OnDatagram::Pass
        }
    }
}

/// Flows that are remembered.
const MOST: usize = 16_384;
/// Flows that are read at a time: each may keep 16 KiB. Further ones are decided unread.
const MOST_READING: usize = 1024;

#[cfg(test)]
#[path = "datagram/tests.rs"]
mod tests;
