//! The walk through a phase's rules: first match wins, and the first near miss is remembered as the reason.

use super::matching::{in_schedule, matches};
use super::names::Lists;
use super::{Context, Decision, Why, coin};
use crate::middlebox::sniff::Seen;
use crate::scenario::{Action, OriginTrust, Plan, Rule, Transport};
use crate::tls::hello::ClientHello;

/// On what the box decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occasion<'a> {
    /// The first bytes of a connection.
    FirstBytes(&'a Seen),
    /// A DNS query for this normal name.
    Query(&'a str),
    /// The first packet of a connection.
    Syn,
    /// A UDP flow, and its hello if it is QUIC and was read.
    Datagram(Option<&'a ClientHello>),
}

/// Whether an action can be carried out on an occasion.
enum Can {
    /// It can.
    Act,
    /// Not on this, though the time is right: worth telling.
    NotOnThis,
    /// Later, on the first bytes.
    Later,
    /// It belongs to another occasion: the rule is not asked.
    Elsewhere,
}

pub(super) fn decide<'p>(
    plan: &'p Plan,
    lists: Option<&[Vec<Lists>]>,
    occasion: Occasion<'_>,
    context: &Context,
) -> Decision<'p> {
    let rules = plan.phases.get(context.phase).map_or(&[][..], |phase| &phase.rules);
    if rules.is_empty() {
        return Decision::Forward(Why::NoRules);
    }
    let lists = lists.and_then(|lists| lists.get(context.phase));
    let mut near_miss = None;
    for (at, rule) in rules.iter().enumerate() {
        let lists = lists.and_then(|lists| lists.get(at));
        match judge(plan.seed, rule, lists, occasion, context) {
            Some(Decision::Forward(why @ Why::Later { .. })) => return Decision::Forward(why),
            Some(Decision::Forward(why)) => drop(near_miss.get_or_insert(why)),
            Some(decision) => return decision,
            None => {}
        }
    }
    Decision::Forward(near_miss.unwrap_or(match occasion {
        Occasion::FirstBytes(Seen::NoHello(reason)) => Why::NoHello(*reason),
        _ => Why::NotListed,
    }))
}

/// What one rule says: nothing, an action, a question, or by what it just missed. The coin is thrown before the origin is
/// asked, so that the box dials no origin in vain.
fn judge<'p>(
    seed: u64,
    rule: &'p Rule,
    lists: Option<&Lists>,
    occasion: Occasion<'_>,
    context: &Context,
) -> Option<Decision<'p>> {
    let can = can(&rule.action, occasion, context.transport);
    let asks_too_early = rule.when.origin.is_some() && !matches!(occasion, Occasion::FirstBytes(_));
    if matches!(can, Can::Elsewhere) || asks_too_early || !matches(&rule.when, lists, occasion, context) {
        return None;
    }
    if rule.when.schedule.as_ref().is_some_and(|schedule| !in_schedule(schedule, context.now.time())) {
        return Some(Decision::Forward(Why::OutOfSchedule { rule }));
    }
    let thrown = rule.when.chance.map(|chance| (coin::draw(seed, rule, chance, context), chance.probability));
    if let Some((drawn, threshold)) = thrown.filter(|(drawn, threshold)| drawn >= threshold) {
        return Some(Decision::Forward(Why::Coin { rule, drawn, threshold }));
    }
    match can {
        Can::NotOnThis => return Some(Decision::Forward(Why::CannotAct { rule })),
        Can::Later => return Some(Decision::Forward(Why::Later { rule })),
        Can::Act | Can::Elsewhere => {}
    }
    Some(match (rule.when.origin, context.origin) {
        (Some(_), None) => Decision::AskOrigin,
        (Some(OriginTrust::Trusted), Some(OriginTrust::Untrusted)) => Decision::Forward(Why::OriginUntrusted { rule }),
        (Some(OriginTrust::Untrusted), Some(OriginTrust::Trusted)) => Decision::Forward(Why::OriginTrusted { rule }),
        _ => Decision::Act { rule, coin: thrown },
    })
}

fn can(action: &Action, occasion: Occasion<'_>, transport: Transport) -> Can {
    match occasion {
        Occasion::Syn => match action {
            Action::DropSyn | Action::Refuse | Action::Unreachable | Action::Forward => Can::Act,
            Action::Dns(_) => Can::Elsewhere,
            _ => Can::Later,
        },
        Occasion::Query(_) => match action {
            Action::Dns(_) | Action::Drop { .. } | Action::Forward => Can::Act,
            _ => Can::Elsewhere,
        },
        Occasion::Datagram(hello) => match action {
            action if super::is_about_udp(action) => Can::Act,
            Action::Dns(_) | Action::DropSyn | Action::Refuse | Action::Unreachable => Can::Elsewhere,
            _ if hello.is_some() => Can::NotOnThis,
            _ => Can::Elsewhere,
        },
        Occasion::FirstBytes(seen) => on_first_bytes(action, seen, transport),
    }
}

/// A forged certificate needs a hello, or a protocol that may still ask for TLS; a page needs a request. QUIC is not taken
/// over, and UDP has nothing that could be reset or closed.
fn on_first_bytes(action: &Action, seen: &Seen, transport: Transport) -> Can {
    let possible = match action {
        Action::DropSyn | Action::Refuse | Action::Unreachable | Action::Dns(_) => return Can::Elsewhere,
        Action::Intercept | Action::Alert { .. } | Action::Reset { .. } | Action::Close if transport == Transport::Udp => false,
        Action::Intercept => match seen {
            Seen::Hello(_) => true,
            Seen::Plain { protocol } => protocol.may_start_tls(),
            Seen::Http(_) | Seen::NoHello(_) => false,
        },
        Action::StripStarttls | Action::RefuseStarttls | Action::MangleStarttls => {
            transport == Transport::Tcp && matches!(seen, Seen::Plain { protocol } if protocol.may_start_tls())
        }
        Action::Alert { .. } => matches!(seen, Seen::Hello(_)),
        Action::Page { .. } | Action::Redirect { .. } | Action::Cut => matches!(seen, Seen::Http(_)),
        _ => true,
    };
    match (possible, seen) {
        (true, _) => Can::Act,
        (false, Seen::NoHello(_)) => Can::Elsewhere, // the lack of bytes is the better reason
        (false, _) => Can::NotOnThis,
    }
}
