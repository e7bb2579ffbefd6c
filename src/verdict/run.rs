//! What makes a whole run fail though every check passed: a scenario must not rot silently.
//! Rules that never fired, phases that nobody entered, expectations that nothing could have met, checks that never ran.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckResult, Outcome, RunReport};
use crate::record::{Entry, Event};
use crate::scenario::{Cert, Check, Phase, Plan, Rule, Trust, VerdictKind};

/// How often each rule fired, by phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(BTreeMap<(String, String), u64>);

impl Hits {
    /// Counts the rules that fired. A rule that matched and was held back (by its coin, by the origin's
    /// certificate) has not fired: its decision gives another reason than `rule`.
    pub fn count<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut hits = Self::default();
        let mut current = String::new();
        for entry in entries {
            match &entry.event {
                Event::PhaseEnter { phase, .. } => current.clone_from(phase),
                Event::Decision(d) if d.reason == "rule" => hits.add(&d.phase, d.rule.as_deref()),
                Event::DnsQuery { rule, .. } => hits.add(&current, rule.as_deref()),
                _ => {}
            }
        }
        hits
    }

    /// How often a rule fired.
    pub fn of(&self, phase: &str, rule: &str) -> u64 {
        self.0.get(&(phase.to_owned(), rule.to_owned())).copied().unwrap_or_default()
    }

    fn add(&mut self, phase: &str, rule: Option<&str>) {
        if let Some(rule) = rule {
            *self.0.entry((phase.to_owned(), rule.to_owned())).or_default() += 1;
        }
    }
}

/// What was found out about a run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFindings {
    /// These make the run fail.
    pub faults: Vec<String>,
    /// These are for the reader.
    pub remarks: Vec<String>,
}

/// Judges the run as a whole.
pub fn findings(plan: &Plan, checks: &[CheckResult], hits: &Hits) -> RunFindings {
    let mut found = RunFindings::default();
    if checks.is_empty() {
        found.faults.push("no check was run: nothing is shown".to_owned());
    } else if checks.iter().all(is_skipped) {
        found.faults.push(format!("every check was skipped ({}): nothing is shown", checks.len()));
        return found;
    }
    for phase in &plan.phases {
        unentered(phase, plan, &mut found);
        for rule in &phase.rules {
            unfired(rule, phase, checks, hits, &mut found);
        }
    }
    for check in plan.checks.iter().flat_map(|c| std::iter::once(c).chain(c.twin.as_deref())) {
        found.faults.extend(dead_expectation(check, plan));
    }
    found
}

/// The process's exit code for a run: 0 if all that was expected held; 1 if something contradicts an expectation or the
/// scenario has a fault; 3 if nothing does, but the machine could not show it: every check was
/// skipped, or what failed failed only because its evidence is inconclusive.
pub fn exit_code(report: &RunReport) -> u8 {
    let all = || report.checks.iter().flat_map(CheckResult::with_twin);
    let failed = || all().filter(|c| matches!(c.outcome, Outcome::Failed(_)));
    let contradicted = failed().any(|c| !only_inconclusive(c)) || report.containment.iter().any(|(_, held)| !held);
    let nothing_ran = !report.checks.is_empty() && report.checks.iter().all(is_skipped);
    match () {
        () if contradicted => 1,
        () if nothing_ran => 3,
        () if !report.faults.is_empty() || report.checks.is_empty() => 1,
        () if failed().next().is_some() => 3,
        () => 0,
    }
}

/// True if a failed check contradicts nothing: its evidence does not decide.
pub fn only_inconclusive(check: &CheckResult) -> bool {
    let open = VerdictKind::Inconclusive.as_str();
    matches!(&check.outcome, Outcome::Failed(all) if !all.is_empty() && all.iter().all(|d| d.what == "verdict" && d.seen == open))
}

fn unentered(phase: &Phase, plan: &Plan, found: &mut RunFindings) {
    let enters = |c: &Check| plan.phases.get(c.phase).is_some_and(|p| p.name == phase.name);
    let entered = plan.checks.iter().any(|c| enters(c) || c.twin.as_deref().is_some_and(enters));
    match &phase.unused_ok {
        None if !entered => found.faults.push(format!(
            "no check enters the phase `{}`: add a check with `phase = \"{}\"`, or say why not with `unused_ok`",
            phase.name, phase.name
        )),
        Some(why) if entered => {
            found.remarks.push(format!("the phase `{}` is marked `unused_ok` ({why}), and a check enters it", phase.name));
        }
        _ => {}
    }
}

fn unfired(rule: &Rule, phase: &Phase, checks: &[CheckResult], hits: &Hits, found: &mut RunFindings) {
    let fired = hits.of(&phase.name, &rule.name);
    let place = format!("the rule `{}` of the phase `{}` (line {})", rule.name, phase.name, rule.line);
    let run: BTreeSet<bool> = checks.iter().filter(|c| c.phase == phase.name).map(is_skipped).collect();
    match &rule.unused_ok {
        Some(why) if fired > 0 => {
            found.remarks.push(format!("{place} is marked `unused_ok` ({why}), and it fired {fired} times"))
        }
        None if fired == 0 && run.contains(&true) => {
            found.remarks.push(format!("{place} never fired; checks of its phase were skipped, so that is not held against it"));
        }
        None if fired == 0 && run.contains(&false) => found.faults.push(format!(
            "{place} never fired: correct its `match`, add a check that meets it, or say why not with `unused_ok`"
        )),
        _ => {} // a phase that no check enters is a fault of its own
    }
}

/// Something that is expected and that the scenario cannot bring about.
fn dead_expectation(check: &Check, plan: &Plan) -> Option<String> {
    let phase = plan.phases.get(check.phase)?;
    let can = |action: &str| action == "forward" || phase.rules.iter().any(|r| r.action.name() == action);
    let dead = |what: String| Some(format!("the check `{}` (line {}) expects {what}", check.name, check.line));
    if let Some(rule) = check.expect.rule.as_ref().filter(|rule| phase.rules.iter().all(|r| r.name != **rule)) {
        return dead(format!("the rule `{rule}`, and the phase `{}` has none of that name", phase.name));
    }
    if let Some(action) = check.expect.action.as_ref().filter(|action| !can(action)) {
        return dead(format!("the action `{action}`, and no rule of the phase `{}` takes it", phase.name));
    }
    let only_bad_chains = |k: &VerdictKind| matches!(k, VerdictKind::Exposed | VerdictKind::Refused);
    let wants_bad_chain = !check.expect.verdict.is_empty() && check.expect.verdict.iter().all(only_bad_chains);
    if wants_bad_chain && !can("intercept") && !can("dns") && check.trust != Trust::None && !any_bad_site(check, plan) {
        let verdicts = check.expect.verdict.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" or ");
        return dead(format!(
            "{verdicts}, and in the phase `{}` nobody is shown a certificate that could be refused",
            phase.name
        ));
    }
    None
}

fn any_bad_site(check: &Check, plan: &Plan) -> bool {
    let good = |cert: &Cert| matches!(cert, Cert::Good | Cert::GoodRsa | Cert::ExtendedValidation);
    check.targets.iter().any(|host| plan.world.named(host).is_none_or(|site| !good(&site.cert)))
}

fn is_skipped(check: &CheckResult) -> bool {
    matches!(check.outcome, Outcome::Skipped(_))
}
