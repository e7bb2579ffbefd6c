//! What one connection says of its host: a verdict kind with the signal that shows it.

use super::downgrade::downgrade;
use super::leg::{Control, resumed};
use super::reaction::{Hindrance, failed_exchange, hindrance, only_preface, only_the_wire, plaintext, reaction};
use super::surroundings::Surroundings;
use super::{LegTruth, Reaction, alert, version};
use crate::record::Connection;
use crate::scenario::{Trust, VerdictKind};

/// What one connection says.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) kind: VerdictKind,
    pub(super) signal: String,
    pub(super) remarks: Vec<String>,
}

/// Everything that bears on a connection beside itself.
pub(super) struct Circumstances<'a> {
    pub(super) host: &'a str,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) control: &'a Control,
    pub(super) control_leg: Option<&'a LegTruth>,
    pub(super) test: &'a LegTruth,
}

/// Reads one connection of the test leg.
pub(super) fn standing(connection: &Connection, given: &Circumstances<'_>) -> Standing {
    let reaction = reaction(connection);
    let mut standing = if resumed(connection) && matches!(reaction, Reaction::SentData { .. }) {
        inconclusive("a session was resumed: no certificate was shown")
    } else if hindrance(connection) != Hindrance::None {
        hindered(connection, &reaction, given)
    } else if let Some(downgraded) = downgrade(connection, given) {
        downgraded
    } else if let Some(version) = given.around.too_old(connection).filter(|_| connection.hello.is_some()) {
        version::faced_with(version, connection, given)
    } else if plaintext(connection) {
        in_the_clear(connection, &reaction, given)
    } else if let Some(why) = no_reason_to_accept(connection, given) {
        faced_with_a_bad_chain(connection, &reaction, &why, given)
    } else {
        faced_with_the_genuine_chain(connection, &reaction)
    };
    standing.remarks.extend(limits(connection, &reaction));
    standing
}

/// Why the client had no reason to accept this server, if it had none.
fn no_reason_to_accept(connection: &Connection, given: &Circumstances<'_>) -> Option<Why> {
    if connection.intercepted() || connection.forged_by.is_some() {
        return Some(Why::Forged);
    }
    let fault = given.around.fault(connection, given.host);
    let fault = fault.or_else(|| (given.test.trust == Trust::None).then(|| "the client trusts no root".to_owned()));
    fault.map(Why::BadChain)
}

enum Why {
    Forged,
    BadChain(String),
}

fn faced_with_a_bad_chain(connection: &Connection, reaction: &Reaction, why: &Why, given: &Circumstances<'_>) -> Standing {
    match (reaction, given.control) {
        (Reaction::SentData { bytes }, _) => exposed(*bytes, why),
        (Reaction::Alert { .. }, Control::Refused(how)) => {
            inconclusive(format!("the client refused the genuine chain too ({how} in the control leg)"))
        }
        (Reaction::Alert { number, after_handshake }, control) => {
            let when = if *after_handshake { " after the handshake" } else { "" };
            let remark = match control {
                Control::Absent => Some("no control leg shows that the client accepts the genuine chain".to_owned()),
                Control::Failed(reason) => Some(format!("refused by alert, but {reason}")),
                _ => None,
            };
            refused(format!("alert {number} {}{when}", alert::name(*number)), remark)
        }
        (Reaction::HungUp | Reaction::ClosedSilently, _) if ended_by_force(connection, given.test).is_some() => {
            inconclusive(ended_by_force(connection, given.test).unwrap_or_default())
        }
        (Reaction::HungUp, control) => silence(control, HUNG_UP, true),
        (Reaction::ClosedSilently, control) => silence(control, CLOSED_SILENTLY, false),
        _ => undecided(connection, reaction),
    }
}

/// Why a close without a word may not have been the client's own doing: the kernel closes the sockets of what is killed.
fn ended_by_force(connection: &Connection, test: &LegTruth) -> Option<String> {
    match test.killed_us {
        Some(killed) => connection
            .closed_us
            .is_none_or(|closed| closed >= killed)
            .then(|| "closed without a word when the client was ended at its deadline".to_owned()),
        None => {
            test.signal.map(|signal| format!("closed without a word, and signal {signal} ended the client: it may have crashed"))
        }
    }
}

fn silence(control: &Control, how: &str, completed: bool) -> Standing {
    match (control, completed) {
        (Control::Sent, _) => refused(how.to_owned(), None),
        (Control::Silent, true) => {
            kind(VerdictKind::HandshakeOnly, format!("{how}, as in the control leg: nothing that could have leaked"))
        }
        (Control::Silent, false) => {
            inconclusive(format!("{how}; the control leg completed a handshake, but sent nothing either"))
        }
        (Control::Absent, true) => {
            kind(VerdictKind::HandshakeOnly, format!("{how}; no control leg tells whether that is a refusal"))
        }
        (Control::Absent, false) => inconclusive(format!("{how}; no control leg tells whether that is a refusal")),
        (Control::Refused(sign), _) => {
            inconclusive(format!("{how}; the client refused the genuine chain too ({sign} in the control leg)"))
        }
        (Control::Failed(reason), _) => inconclusive(format!("{how}, but {reason}")),
    }
}

fn faced_with_the_genuine_chain(connection: &Connection, reaction: &Reaction) -> Standing {
    match reaction {
        Reaction::SentData { bytes } => kind(VerdictKind::Untouched, format!("sent {} to the origin", count(*bytes))),
        Reaction::Alert { number, .. } => inconclusive(format!(
            "the client refused the genuine chain with alert {number} {}: it does not trust the lab's public roots",
            alert::name(*number)
        )),
        Reaction::HungUp => kind(VerdictKind::HandshakeOnly, format!("{HUNG_UP} with the genuine server")),
        _ => undecided(connection, reaction),
    }
}

fn in_the_clear(connection: &Connection, reaction: &Reaction, given: &Circumstances<'_>) -> Standing {
    let port = connection.destination.port();
    let (there, host) = (connection.destination.ip().to_canonical(), given.host);
    match reaction {
        Reaction::SentData { .. } if port == 443 || connection.intercepted() || connection.client_half.error.is_some() => {
            inconclusive(format!("plaintext on port {port}: no TLS was begun"))
        }
        Reaction::SentData { .. } if given.around.fault(connection, host).is_some_and(|f| f.contains("not an address")) => {
            kind(VerdictKind::Blocked, format!("led to `{there}`, which is not `{host}`"))
        }
        Reaction::SentData { bytes } => {
            kind(VerdictKind::Untouched, format!("sent {} to the origin, in the clear", count(*bytes)))
        }
        _ => undecided(connection, reaction),
    }
}

fn hindered(connection: &Connection, reaction: &Reaction, given: &Circumstances<'_>) -> Standing {
    let Some(decision) = connection.decision() else { return inconclusive("hindered, and no decision was recorded") };
    let how = match &decision.rule {
        Some(rule) => format!("{} by rule `{rule}`", decision.action),
        None => format!("{} ({})", decision.action, decision.reason),
    };
    let escaped = hindrance(connection) == Hindrance::Partial && finished_all_the_same(&decision.action, given);
    match reaction {
        Reaction::SentData { bytes } if escaped => Standing {
            kind: VerdictKind::Untouched,
            signal: format!("sent {} to the origin", count(*bytes)),
            remarks: vec![format!("{how}, and the client finished as in its control leg")],
        },
        _ => kind(VerdictKind::Blocked, how),
    }
}

/// Whether a limit (a rate, a number of bytes or packets) was too mild to matter. Byte counts of an origin tell what it
/// wrote, not what arrived, so the client is asked: it exited with 0 in both legs, and where the answer
/// may have been cut, printed the same.
fn finished_all_the_same(action: &str, given: &Circumstances<'_>) -> bool {
    let well = |leg: &LegTruth| leg.exit == Some(0) && !leg.timed_out;
    given.control_leg.is_some_and(|control| {
        well(control) && well(given.test) && (action == "throttle" || control.stdout_head == given.test.stdout_head)
    })
}

fn undecided(connection: &Connection, reaction: &Reaction) -> Standing {
    let half = &connection.client_half;
    let because = || half.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
    if let Some(alert) = failed_exchange(connection) {
        let who = if alert.from == crate::record::Side::Client { "client" } else { "server" };
        return inconclusive(format!(
            "the TLS exchange failed: the {who} sent alert {} {}",
            alert.number,
            alert::name(alert.number)
        ));
    }
    inconclusive(match reaction {
        Reaction::ClosedSilently => CLOSED_SILENTLY.to_owned(),
        Reaction::Silent => "opened a connection and sent nothing".to_owned(),
        Reaction::Hindered => format!("the server or the lab ended the connection before the client did{}", because()),
        _ if !connection.ended => "the connection was still open when the leg ended".to_owned(),
        _ => format!("the connection's end cannot be told{}", because()),
    })
}

fn limits(connection: &Connection, reaction: &Reaction) -> Vec<String> {
    let mut limits = Vec::new();
    let decisive = matches!(reaction, Reaction::SentData { .. } | Reaction::HungUp | Reaction::ClosedSilently);
    if decisive && only_the_wire(connection) && !plaintext(connection) {
        limits.push("only the wire saw it: the amount of encrypted bytes is the evidence, not their content".to_owned());
    }
    if only_preface(connection) {
        limits.push("the client sent its HTTP/2 preface and no request".to_owned());
    }
    limits
}

fn exposed(bytes: u64, why: &Why) -> Standing {
    kind(
        VerdictKind::Exposed,
        match why {
            Why::Forged => format!("sent {} to the forged server", count(bytes)),
            Why::BadChain(fault) => format!("sent {} although {fault}", count(bytes)),
        },
    )
}

fn refused(signal: String, remark: Option<String>) -> Standing {
    Standing { kind: VerdictKind::Refused, signal, remarks: remark.into_iter().collect() }
}

pub(super) fn inconclusive(why: impl Into<String>) -> Standing {
    kind(VerdictKind::Inconclusive, why.into())
}

pub(super) fn kind(kind: VerdictKind, signal: String) -> Standing {
    Standing { kind, signal, remarks: Vec::new() }
}

fn count(bytes: u64) -> String {
    if bytes == 1 { "at least 1 byte".to_owned() } else { format!("{bytes} bytes") }
}

const HUNG_UP: &str = "hung up after the handshake";
const CLOSED_SILENTLY: &str = "closed during the handshake without an alert";
