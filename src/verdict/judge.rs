//! From the connections of two legs to one verdict for each declared target host.
//!
//! Any exposed connection decides, then any refusal, then what reached the genuine origin, then what was hindered.
//! Sockets that a browser opens in advance and closes unused weigh least: they never outvote a connection that was used.

use super::expect;
use super::leg::{Control, control_of};
use super::reaction::{plaintext, reaction};
use super::standing::{Circumstances, Standing, standing};
use super::surroundings::{Surroundings, is_dns, same_host};
use super::{CheckResult, LegTruth, Outcome, Reaction, TargetVerdict, detector};
use crate::record::Connection;
use crate::scenario::{Check, CheckClient, VerdictKind};

/// Judges one check from its legs. Pure: reads the record of the legs and the plan. The twin is judged by a call of its own.
pub fn judge(check: &Check, around: &Surroundings<'_>, control: Option<&LegTruth>, test: &LegTruth) -> CheckResult {
    let targets: Vec<TargetVerdict> = check.targets.iter().map(|host| target(host, around, control, test)).collect();
    let finding = match &check.client {
        CheckClient::Detector(detector) => Some(detector::read(&detector.voice, test)),
        CheckClient::Command(_) => None,
    };
    let differences = expect::differences(&check.expect, &targets, finding.as_ref(), test);
    let mut judged = CheckResult {
        name: check.name.clone(),
        phase: around.phase.to_owned(),
        outcome: if differences.is_empty() { Outcome::Passed } else { Outcome::Failed(differences) },
        targets,
        finding: finding.and_then(Result::ok),
        grade: None,
        background: background(&check.targets, around, test),
        control: control.cloned(),
        test: Some(test.clone()),
        twin: None,
    };
    if let CheckClient::Detector(detector) = &check.client {
        judged.grade = detector::grade(detector, &judged);
    }
    judged
}

/// The verdict for one host.
pub fn target(host: &str, around: &Surroundings<'_>, control_leg: Option<&LegTruth>, test: &LegTruth) -> TargetVerdict {
    if let Some(why) = &test.not_started {
        return bare(host, VerdictKind::Inconclusive, format!("the client could not be started: {why}"));
    }
    let control = control_of(control_leg, host, around);
    let given = Circumstances { host, around, control: &control, control_leg, test };
    let here: Vec<&Connection> = test.connections.iter().filter(|c| around.concerns(c, host)).collect();
    let all: Vec<(&Connection, Standing)> = here.iter().map(|c| (*c, standing(c, &given))).collect();
    let any_tls = here.iter().any(|c| !plaintext(c));
    let weighed = || all.iter().filter(|(c, s)| !(any_tls && plaintext(c)) || s.kind == VerdictKind::ExposedInClear);
    let Some(decisive) = weighed().map(|(_, s)| s.kind).max_by_key(|kind| weight(*kind)) else {
        return never_dialled(host, &control, test);
    };
    let deciding: Vec<&(&Connection, Standing)> = weighed().filter(|(_, s)| s.kind == decisive).collect();
    let mut remarks = distinct(deciding.iter().flat_map(|(_, s)| s.remarks.iter().cloned()));
    remarks.extend(beside(decisive, &all));
    remarks.extend(test.timed_out.then(|| "the client was ended at its deadline".to_owned()));
    TargetVerdict {
        host: host.to_owned(),
        verdict: decisive,
        signal: join(distinct(deciding.iter().map(|(_, s)| s.signal.clone()))),
        evidence: deciding.iter().map(|(c, _)| c.id).collect(),
        remarks,
    }
}

/// What the connections that did not decide add to the picture.
fn beside(decisive: VerdictKind, all: &[(&Connection, Standing)]) -> Vec<String> {
    let of = |kind| all.iter().filter(move |(_, s)| s.kind == kind).map(|(c, _)| *c);
    let first = |kind| of(kind).min_by_key(|c| c.t_us);
    let mut remarks = Vec::new();
    if decisive == VerdictKind::Exposed {
        let since = first(VerdictKind::Exposed).map_or(0, |c| c.t_us);
        remarks.extend(of(VerdictKind::Refused).find(|c| c.t_us < since).map(fell_open));
    }
    if let (VerdictKind::Refused, Some(refusal)) = (decisive, first(VerdictKind::Refused)) {
        let fell_back = all.iter().find(|(c, _)| plaintext(c) && c.t_us > refusal.t_us);
        remarks.extend(fell_back.map(|(c, _)| format!("after the refusal it asked for the same host in the clear ({})", c.id)));
    }
    for (kind, what) in
        [(VerdictKind::Untouched, "reached the genuine origin"), (VerdictKind::Blocked, "came to nothing: hindered")]
    {
        match of(kind).filter(|c| !plaintext(c)).count() {
            0 => {}
            _ if decisive == kind => {}
            1 => remarks.push(format!("1 other connection {what}")),
            n => remarks.push(format!("{n} other connections {what}")),
        }
    }
    remarks
}

/// A refusal before the exposure. Silent ones are ambiguous: browsers open sockets that they close unused.
fn fell_open(refusal: &Connection) -> String {
    match reaction(refusal) {
        Reaction::Alert { .. } => format!("refused first ({}), then sent data on another connection: it fails open", refusal.id),
        _ => format!("{} was closed first without data: a socket opened in advance, or a refusal that fell open", refusal.id),
    }
}

/// No connection: either nobody asked, or the name did not lead there.
fn never_dialled(host: &str, control: &Control, test: &LegTruth) -> TargetVerdict {
    let mut asked = test.lookups.iter().filter(|l| same_host(&l.name, host));
    if let Some((lookup, rule)) = asked.clone().find_map(|l| l.rule.as_ref().map(|rule| (l, rule))) {
        let answer = if lookup.answer.is_empty() { "no answer".to_owned() } else { lookup.answer.join(", ") };
        return bare(host, VerdictKind::Blocked, format!("its name was answered with {answer} by rule `{rule}`"));
    }
    let mut verdict = bare(host, VerdictKind::NotContacted, "no connection to it was seen".to_owned());
    verdict.remarks.extend(asked.next().map(|_| "its name was looked up, and nothing was dialled".to_owned()));
    if *control == Control::Sent {
        verdict.remarks.push("the control leg did contact it".to_owned());
    }
    verdict
}

fn bare(host: &str, verdict: VerdictKind, signal: String) -> TargetVerdict {
    TargetVerdict { host: host.to_owned(), verdict, signal, evidence: Vec::new(), remarks: Vec::new() }
}

fn background(targets: &[String], around: &Surroundings<'_>, test: &LegTruth) -> Vec<String> {
    let others = test.connections.iter().filter(|c| !is_dns(c) && !targets.iter().any(|host| around.concerns(c, host)));
    distinct(others.map(Connection::host))
}

fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

fn join(signals: Vec<String>) -> String {
    let beyond = signals.len().saturating_sub(SIGNALS_SHOWN);
    let shown = signals.into_iter().take(SIGNALS_SHOWN).collect::<Vec<_>>().join("; ");
    if beyond == 0 { shown } else { format!("{shown}; and {beyond} more") }
}

fn weight(kind: VerdictKind) -> u8 {
    match kind {
        VerdictKind::Exposed => 7,
        VerdictKind::ExposedInClear => 6,
        VerdictKind::Refused => 5,
        VerdictKind::Untouched => 4,
        VerdictKind::Blocked => 3,
        VerdictKind::HandshakeOnly => 2,
        VerdictKind::Inconclusive => 1,
        VerdictKind::NotContacted => 0,
    }
}

/// Different signals of one target that a report shows.
const SIGNALS_SHOWN: usize = 3;
