//! What the box decides about an upgrade: in which manner a prelude is followed, and, once the hello after it is to be intercepted,
//! the handshake with the origin on the client's own connection.

use std::time::Instant;

use super::{Manner, Prelude};
use crate::middlebox::decide::Decision;
use crate::middlebox::intercept::Ready;
use crate::middlebox::sniff::{Protocol, Seen};
use crate::middlebox::{Middlebox, UPSTREAM, release};
use crate::network::Arrival;
use crate::record::{FlowKey, Half, Observer};
use crate::scenario::Action;
use crate::tls::Witness;

impl Middlebox {
    /// Decides on a connection that may start TLS later, when its protocol is known: in which manner it is followed. None: it is
    /// not, because nobody interferes or because a rule does something else with it, which its first bytes will tell.
    pub(in crate::middlebox) fn settle_prelude(&self, arrival: &Arrival, protocol: Protocol) -> Option<Prelude> {
        let case = self.case(arrival);
        if !case.standing.interference || !protocol.may_start_tls() {
            return None;
        }
        let compiled = self.compiled();
        let context = case.context(None);
        let decision = compiled.decide(&Seen::Plain { protocol }, &context);
        let manner = match &decision {
            Decision::AskOrigin => Manner::Intercept,
            Decision::Act { rule, .. } if rule.action == Action::Forward => Manner::Watch,
            Decision::Act { rule, .. } => Manner::of(&rule.action)?,
            Decision::Forward(_) if compiled.awaits_hello(&context) => Manner::Intercept,
            Decision::Forward(_) => Manner::Watch,
        };
        let record = match manner {
            // The last word comes with the hello, if one comes.
            Manner::Intercept => case.plainly("forward", "no-upgrade", decision.rule().map(|rule| rule.name.clone())),
            _ => case.of(&decision),
        };
        self.record(arrival, record);
        Prelude::new(protocol, manner)
    }

    /// After an upgrade the origin's half of the client's own connection is the upstream one: the connection on which the box
    /// asked first is let go.
    pub(super) async fn both_halves(
        &self,
        arrival: &Arrival,
        seen: &Seen,
        mut ready: Ready,
        origin: tokio::net::TcpStream,
    ) -> Result<Ready, String> {
        let hello = seen.hello().ok_or("no hello")?;
        let key: FlowKey = (arrival.client, arrival.destination);
        let witness = Witness::of(&self.recorder, key, arrival.id, Half::Upstream, Observer::Box);
        let asked = self.shake_hands(arrival, hello, origin, witness, Instant::now() + UPSTREAM).await;
        match asked {
            Ok((upstream, witness)) => {
                let first = std::mem::replace(&mut ready.upstream, *upstream);
                let first_witness = std::mem::replace(&mut ready.upstream_witness, witness);
                release(Ok((Box::new(first), first_witness))).await;
                Ok(ready)
            }
            Err(error) => {
                ready.abandon().await;
                Err(error)
            }
        }
    }
}
