//! What the box does with a connection: a pure function of the plan, what was seen, and the circumstances.
//!
//! No IO, no clock, no randomness of its own: time, origin trust and the connection's ordinal come in a [`Context`], the
//! seed from the plan. The first rule that matches wins. There are three occasions to decide, and each asks only the
//! rules whose action can be carried out then: the SYN, the first bytes, a DNS query.

use std::net::SocketAddr;
use std::sync::Arc;

use time::OffsetDateTime;

use super::sniff::{NoHello, Seen};
use crate::scenario::{Action, Direction, OriginTrust, Phase, Plan, Rule, Transport};
use crate::tls::hello::ClientHello;

mod coin;
mod matching;
mod names;
mod record;
mod walk;

use names::Lists;
use walk::Occasion;

/// The circumstances of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The phase in force, by index into [`Plan::phases`].
    pub phase: usize,
    /// The scenario's clock.
    pub now: OffsetDateTime,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that it dialled.
    pub destination: SocketAddr,
    /// The autonomous system of the destination.
    pub asn: Option<u32>,
    /// Which side opened the connection.
    pub direction: Direction,
    /// TCP or UDP.
    pub transport: Transport,
    /// Trust of the origin's certificate, once the box has asked.
    pub origin: Option<OriginTrust>,
    /// The connection's ordinal: makes a per-connection coin another one each time, and the same in a repeated run.
    pub nonce: u64,
}

/// What the box does.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'p> {
    /// Carries out a rule's action (which may be to forward).
    Act {
        /// The rule that matched.
        rule: &'p Rule,
        /// The coin that was thrown, if the rule has a chance: drawn value and threshold.
        coin: Option<(f64, f64)>,
    },
    /// A rule matches but for the origin's trust, which is not known yet: ask the origin, then decide again.
    AskOrigin,
    /// Forwards, because no rule matches.
    Forward(Why<'p>),
}

/// Why no rule matched.
#[derive(Clone, Copy, Debug)]
pub enum Why<'p> {
    /// A rule matched whose action cannot be carried out on this: a block page on a TLS connection.
    CannotAct {
        /// The rule.
        rule: &'p Rule,
    },
    /// The coin fell the other way.
    Coin {
        /// The rule.
        rule: &'p Rule,
        /// What was drawn, 0 to 1.
        drawn: f64,
        /// It had to be below this.
        threshold: f64,
    },
    /// At the SYN: a rule matches that acts later, on the first bytes.
    Later {
        /// The rule.
        rule: &'p Rule,
    },
    /// There was nothing to decide by.
    NoHello(NoHello),
    /// The phase has no rules.
    NoRules,
    /// No rule names it.
    NotListed,
    /// The origin's certificate is trusted, and the rule is for origins that are not.
    OriginTrusted {
        /// The rule.
        rule: &'p Rule,
    },
    /// The origin's certificate is not trusted, and the rule is for origins that are.
    OriginUntrusted {
        /// The rule.
        rule: &'p Rule,
    },
    /// Not at this hour.
    OutOfSchedule {
        /// The rule.
        rule: &'p Rule,
    },
}

/// Decides on the first bytes of a connection. Looks through the name lists one by one: see [`Compiled`] for long ones.
pub fn decide<'p>(plan: &'p Plan, seen: &Seen, context: &Context) -> Decision<'p> {
    walk::decide(plan, None, Occasion::FirstBytes(seen), context)
}

/// Decides on a SYN: only rules that need no bytes. `drop-syn`, `refuse` and `unreachable` act here and nowhere else.
pub fn decide_syn<'p>(plan: &'p Plan, context: &Context) -> Decision<'p> {
    walk::decide(plan, None, Occasion::Syn, context)
}

/// Decides on a DNS query for `name`. `context.destination` is the resolver that was asked.
pub fn decide_dns<'p>(plan: &'p Plan, name: &str, context: &Context) -> Decision<'p> {
    walk::decide(plan, None, Occasion::Query(&names::query(name)), context)
}

/// True if a rule can be carried out on datagrams that nobody has read.
pub fn is_about_datagrams(rule: &Rule) -> bool {
    let when = &rule.when;
    let reads = when.sni.is_some() || when.host.is_some() || when.name.is_some() || when.no_sni.is_some() || when.alpn.is_some();
    let reads = reads || when.ech.is_some() || when.origin.is_some();
    is_about_udp(&rule.action) && !reads && when.transport != Some(Transport::Tcp)
}

/// What can be done with UDP: there is nothing to reset or close, and QUIC is not taken over.
fn is_about_udp(action: &Action) -> bool {
    matches!(action, Action::Drop { .. } | Action::DropAfter { .. } | Action::Forward)
}

/// A plan with its name lists as sets: decides the same, fast however long the lists are. Built once.
#[derive(Clone, Debug)]
pub struct Compiled {
    plan: Arc<Plan>,
    lists: Vec<Vec<Lists>>,
}

impl Compiled {
    /// Takes the lists of every rule in.
    pub fn new(plan: Arc<Plan>) -> Self {
        let of_phase = |phase: &Phase| phase.rules.iter().map(|rule| Lists::new(&rule.when)).collect();
        Self { lists: plan.phases.iter().map(of_phase).collect(), plan }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// See [`decide`].
    pub fn decide(&self, seen: &Seen, context: &Context) -> Decision<'_> {
        walk::decide(&self.plan, Some(&self.lists), Occasion::FirstBytes(seen), context)
    }

    /// See [`decide_syn`].
    pub fn decide_syn(&self, context: &Context) -> Decision<'_> {
        walk::decide(&self.plan, Some(&self.lists), Occasion::Syn, context)
    }

    /// Decides on a UDP flow: by the hello, if it is QUIC and was read, else by what is known without reading.
    pub fn decide_datagram(&self, hello: Option<&ClientHello>, context: &Context) -> Decision<'_> {
        walk::decide(&self.plan, Some(&self.lists), Occasion::Datagram(hello), context)
    }

    /// True if a rule acts on a UDP flow whatever its hello says, and no rule before it could ask for a hello.
    pub fn decides_unread(&self, context: &Context) -> bool {
        let Decision::Act { rule, .. } = self.decide_datagram(None, context) else { return false };
        let rules = self.plan.phases.get(context.phase).map_or(&[][..], |phase| &phase.rules);
        let before = rules.iter().take_while(|earlier| !std::ptr::eq(*earlier, rule));
        before.into_iter().all(|earlier| !(is_about_udp(&earlier.action) && matching::may_match_hello(&earlier.when, context)))
    }

    /// True if a rule of the phase may match a hello that comes after an upgrade on this connection.
    pub fn awaits_hello(&self, context: &Context) -> bool {
        let rules = self.plan.phases.get(context.phase).map_or(&[][..], |phase| &phase.rules);
        rules.iter().any(|rule| rule.action != Action::Forward && matching::may_match_hello(&rule.when, context))
    }

    /// See [`decide_dns`].
    pub fn decide_dns(&self, name: &str, context: &Context) -> Decision<'_> {
        walk::decide(&self.plan, Some(&self.lists), Occasion::Query(&names::query(name)), context)
    }
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decide/sweep.rs"]
mod sweep;
