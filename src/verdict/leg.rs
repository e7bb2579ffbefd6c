//! A leg as the record tells it, and what a control leg is good for.

use super::reaction::{Hindrance, hindrance, plaintext, reaction};
use super::surroundings::Surroundings;
use super::{LegTruth, Lookup, Reaction, alert};
use crate::record::{Connection, Entry, Event, LegId};

/// Every leg of a recording with the name of its check, in the order of their beginning. A leg whose end was not recorded
/// (the run was cut short) counts as ended at the deadline.
pub fn legs_of(entries: &[Entry]) -> Vec<(LegId, Option<String>, LegTruth)> {
    let connections = Connection::fold(entries);
    entries.iter().filter_map(|entry| leg_of(entry, entries, &connections)).collect()
}

fn leg_of(start: &Entry, entries: &[Entry], connections: &[Connection]) -> Option<(LegId, Option<String>, LegTruth)> {
    let id = start.leg?;
    let Event::LegStart { check, kind, argv, trust, vantage, .. } = &start.event else { return None };
    let mut truth = LegTruth {
        kind: *kind,
        argv: argv.clone(),
        trust: *trust,
        vantage: *vantage,
        exit: None,
        signal: None,
        timed_out: true,
        not_started: None,
        ms: 0,
        stdout_head: String::new(),
        stderr_tail: String::new(),
        connections: connections.iter().filter(|c| c.leg == Some(id)).cloned().collect(),
        lookups: lookups_of(entries, id),
        killed_us: Some(start.t_us),
    };
    let ends = entries.iter().filter(|e| e.leg == Some(id)).map(|e| &e.event);
    for event in ends {
        let Event::LegEnd { exit, signal, timed_out, ms, stderr_tail, stdout_head, not_started, .. } = event else { continue };
        truth.not_started.clone_from(not_started);
        (truth.exit, truth.signal, truth.timed_out, truth.ms) = (*exit, *signal, *timed_out, *ms);
        truth.killed_us = timed_out.then(|| killed_us(start.t_us, *ms));
        (truth.stdout_head, truth.stderr_tail) = (stdout_head.clone(), stderr_tail.clone());
    }
    Some((id, check.clone(), truth))
}

/// From when on a client that began then and ended `ms` later, by the lab's hand, may have been dying: killed, it is given half a
/// second to end.
pub fn killed_us(began_us: u64, ms: u64) -> u64 {
    (began_us + ms * 1000).saturating_sub(500_000).max(began_us)
}

/// The names that a leg asked for.
pub fn lookups_of(entries: &[Entry], leg: LegId) -> Vec<Lookup> {
    let of_leg = entries.iter().filter(|e| e.leg == Some(leg));
    of_leg
        .filter_map(|entry| match &entry.event {
            Event::DnsQuery { name, kind, answer, rule, .. } => {
                Some(Lookup { name: name.clone(), kind: kind.clone(), answer: answer.clone(), rule: rule.clone() })
            }
            _ => None,
        })
        .collect()
}

/// What the control leg showed of one host: whether a silent close in the test leg means anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// There was no control leg.
    Absent,
    /// The client sent data to the genuine host: silence in the test leg is a reaction.
    Sent,
    /// It completed a handshake and sent nothing: silence means nothing.
    Silent,
    /// It refused the genuine chain too: a refusal in the test leg is no reaction to the forgery.
    Refused(String),
    /// Nothing can be told from it, for this reason.
    Failed(String),
}

/// Reads the control leg for one host.
pub(super) fn control_of(leg: Option<&LegTruth>, host: &str, around: &Surroundings<'_>) -> Control {
    let Some(leg) = leg else { return Control::Absent };
    if let Some(why) = &leg.not_started {
        return Control::Failed(format!("the control leg could not be started: {why}"));
    }
    let here: Vec<&Connection> = leg.connections.iter().filter(|c| around.concerns(c, host)).collect();
    if here.is_empty() {
        return Control::Failed("the control leg never contacted it".to_owned());
    }
    if here.iter().any(|c| c.intercepted() || hindrance(c) != Hindrance::None) {
        return Control::Failed("the control leg was interfered with".to_owned());
    }
    let any_tls = here.iter().any(|c| !plaintext(c)); // what was sent in the clear says nothing about certificates
    let telling = here.iter().filter(|c| !(resumed(c) || any_tls && plaintext(c)));
    let reactions: Vec<Reaction> = telling.map(|c| reaction(c)).collect();
    let refused = reactions.iter().find_map(|r| match r {
        Reaction::Alert { number, .. } => Some(format!("alert {number} {}", alert::name(*number))),
        _ => None,
    });
    if reactions.iter().any(|r| matches!(r, Reaction::SentData { .. })) {
        Control::Sent
    } else if let Some(how) = refused {
        Control::Refused(how)
    } else if reactions.contains(&Reaction::HungUp) {
        Control::Silent
    } else if leg.timed_out {
        Control::Failed("the control leg sent nothing before its deadline".to_owned())
    } else {
        Control::Failed("the control leg sent nothing to the genuine host either".to_owned())
    }
}

/// True if the handshake was a resumption: no certificate was shown, so nothing was accepted or refused.
pub(super) fn resumed(connection: &Connection) -> bool {
    connection.client_half.handshake.as_ref().is_some_and(|h| h.resumed)
}
