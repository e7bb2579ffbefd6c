//! A recording judged again: nothing is run, the record and the plan say all. Today's judge reads yesterday's evidence.

use std::collections::HashMap;

use thiserror::Error;

use super::run::{Hits, findings};
use super::{CheckResult, LegTruth, RunReport, Surroundings, judge, legs_of};
use crate::record::{Entry, Event, LegId, NotRun};
use crate::scenario::{Check, Plan};

/// The recording is not one of a run of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it holds no check: it was made by `exec` or `up`, or ended before its first check did")]
pub struct NotARun;

/// What the record says of a check.
struct Ran<'a> {
    control: Option<LegId>,
    test: Option<LegId>,
    said: Option<&'a str>,
    not_run: &'a Option<NotRun>,
}

/// Judges a recording. `plan` is the scenario as it was resolved for that run.
///
/// # Errors
/// See [`NotARun`].
pub fn judge_again(plan: &Plan, entries: &[Entry]) -> Result<RunReport, NotARun> {
    let ran = ran(entries);
    if ran.is_empty() {
        return Err(NotARun);
    }
    let legs: HashMap<LegId, LegTruth> = legs_of(entries).into_iter().map(|(id, _, truth)| (id, truth)).collect();
    let checks: Vec<CheckResult> = plan.checks.iter().map(|check| with_twin(plan, check, &ran, &legs)).collect();
    Ok(report(plan, entries, checks))
}

fn ran(entries: &[Entry]) -> HashMap<(Option<&str>, &str), Ran<'_>> {
    let each = entries.iter().filter_map(|entry| match &entry.event {
        Event::CheckRan { check, twin_of, control, test, said, not_run } => {
            let ran = Ran { control: *control, test: *test, said: said.as_deref(), not_run };
            Some(((twin_of.as_deref(), check.as_str()), ran))
        }
        _ => None,
    });
    each.collect()
}

fn with_twin(
    plan: &Plan,
    check: &Check,
    ran: &HashMap<(Option<&str>, &str), Ran<'_>>,
    legs: &HashMap<LegId, LegTruth>,
) -> CheckResult {
    let mut result = one(plan, check, ran.get(&(None, check.name.as_str())), legs);
    if let (Some(twin), None) = (&check.twin, result.not_run()) {
        let ran = ran.get(&(Some(check.name.as_str()), twin.name.as_str()));
        result.twin = Some(Box::new(one(plan, twin, ran, legs)));
    }
    result
}

fn one(plan: &Plan, check: &Check, ran: Option<&Ran<'_>>, legs: &HashMap<LegId, LegTruth>) -> CheckResult {
    let phase = plan.phases.get(check.phase).map_or("", |phase| phase.name.as_str());
    let leg = |id: Option<LegId>| id.and_then(|id| legs.get(&id));
    match ran {
        Some(Ran { not_run: Some(why), .. }) => CheckResult::not_run_because(&check.name, phase, why.clone()),
        Some(Ran { control, test, said, .. }) => match leg(*test) {
            Some(truth) => {
                let around = Surroundings::of(&plan.world, phase);
                let told = said.map(|said| LegTruth { stdout_head: said.to_owned(), ..truth.clone() });
                judge(check, &around, leg(*control), told.as_ref().unwrap_or(truth))
            }
            None => absent(check, phase),
        },
        None => absent(check, phase),
    }
}

fn absent(check: &Check, phase: &str) -> CheckResult {
    CheckResult::skipped(&check.name, phase, "the recording ends before this check did")
}

fn report(plan: &Plan, entries: &[Entry], mut checks: Vec<CheckResult>) -> RunReport {
    let mut found = findings(plan, &checks, &Hits::count(entries));
    let mut report = RunReport {
        scenario: plan.name.clone(),
        title: plan.title.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: String::new(),
        network_reason: String::new(),
        checks: Vec::new(),
        faults: Vec::new(),
        remarks: Vec::new(),
        containment: Vec::new(),
        ms: entries.last().map_or(0, |entry| entry.t_us / 1000),
    };
    let mut whole = false;
    for entry in entries {
        match &entry.event {
            Event::RunStart { network, version, .. } => {
                report.network.clone_from(network);
                report.version.clone_from(version);
            }
            Event::RunFacts { network_reason, remarks, containment, part, strict, ms } => {
                whole = true;
                report.network_reason.clone_from(network_reason);
                report.containment.clone_from(containment);
                report.ms = *ms;
                found.remarks.extend(remarks.iter().cloned());
                if *strict {
                    checks.iter_mut().for_each(CheckResult::fail_if_skipped);
                }
                if *part {
                    found.faults = super::run::faults_of_a_part(&checks);
                }
            }
            _ => {}
        }
    }
    if !whole {
        found.remarks.push("the recording has no end: the run was cut short".to_owned());
    }
    (report.checks, report.faults, report.remarks) = (checks, found.faults, found.remarks);
    report
}
