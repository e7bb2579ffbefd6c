//! What makes a whole run fail though every check passed: a scenario must not rot silently.
//! Rules that never fired, phases that nobody entered, expectations that nothing could have met, checks that never ran.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckResult, Outcome, RunReport};
use crate::record::{Entry, Event};
use crate::scenario::{Check, Phase, Plan, Rule, Site, Trust, VerdictKind};

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
                Event::DnsQuery { rule, phase, .. } => hits.add(phase.as_deref().unwrap_or(&current), rule.as_deref()),
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
        found.faults.push(nothing_shown(checks));
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

/// What is wrong with a run of a part of a scenario, which cannot be held to the whole.
pub fn faults_of_a_part(checks: &[CheckResult]) -> Vec<String> {
    let nothing = checks.iter().all(is_skipped);
    nothing.then(|| nothing_shown(checks)).into_iter().collect()
}

fn nothing_shown(checks: &[CheckResult]) -> String {
    let beyond = |check: &CheckResult| matches!(check.outcome, Outcome::OutOfReach(_));
    let remedy = if checks.iter().all(beyond) { "; `--network sealed` shows it, where that works" } else { "" };
    format!("every check was skipped ({}): nothing is shown{remedy}", checks.len())
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
    let closes = plan.refuses_bad_origins(phase);
    let can = |action: &str| {
        action == "forward" || action == "close" && closes || phase.rules.iter().any(|r| r.action.name() == action)
    };
    let dead = |what: String| Some(format!("the check `{}` (line {}) expects {what}", check.name, check.line));
    if let Some(rule) = check.expect.rule.as_ref().filter(|rule| phase.rules.iter().all(|r| r.name != **rule)) {
        return dead(format!("the rule `{rule}`, and the phase `{}` has none of that name", phase.name));
    }
    if let Some(action) = check.expect.action.as_ref().filter(|action| !can(action)) {
        return dead(format!("the action `{action}`, and no rule of the phase `{}` takes it", phase.name));
    }
    let upgrades = phase.rules.iter().any(|rule| rule.action.is_about_upgrades());
    let only_bad_chains = |k: &VerdictKind| matches!(k, VerdictKind::Exposed | VerdictKind::Refused);
    let wants_bad_chain = !check.expect.verdict.is_empty() && check.expect.verdict.iter().all(only_bad_chains);
    if wants_bad_chain
        && !upgrades
        && !can("intercept")
        && !can("dns")
        && check.trust != Trust::None
        && !any_bad_site(check, plan)
    {
        let verdicts = check.expect.verdict.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" or ");
        return dead(format!(
            "{verdicts}, and in the phase `{}` nobody is shown a certificate that could be refused",
            phase.name
        ));
    }
    None
}

fn any_bad_site(check: &Check, plan: &Plan) -> bool {
    check.targets.iter().any(|host| plan.world.named(host).is_none_or(Site::is_faulty))
}

fn is_skipped(check: &CheckResult) -> bool {
    check.not_run().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::DecisionRecord;
    use crate::scenario::{Action, CheckClient, Clock, Expect, Matcher, Network, Transport, Vantage, World};
    use crate::verdict::report::sample;
    use crate::verdict::{Difference, Lookup};

    #[test]
    fn a_scenario_cannot_rot_silently() {
        let plan = plan();
        let passed = CheckResult { outcome: Outcome::Passed, ..CheckResult::skipped("c", "interception", "") };
        let quiet = findings(&plan, std::slice::from_ref(&passed), &Hits::default());
        assert!(quiet.faults.iter().any(|f| f.contains("`forge` of the phase `interception` (line 7) never fired")), "{quiet:?}");
        assert!(quiet.faults.iter().any(|f| f.contains("no check enters the phase `halted`")), "{quiet:?}");
        let fired = Hits::count(&[decision("rule"), decision("coin")]);
        assert_eq!(fired.of("interception", "forge"), 1, "a rule that its coin held back has not fired");
        assert_eq!(findings(&plan, &[passed], &fired).faults.len(), 1, "only the phase is left");
    }

    #[test]
    fn skipped_checks_are_not_passed_and_excuse_their_rules() {
        let skipped = CheckResult::skipped("c", "interception", "no curl");
        let found = findings(&plan(), std::slice::from_ref(&skipped), &Hits::default());
        assert_eq!(found.faults, ["every check was skipped (1): nothing is shown"]);
        let beyond = CheckResult { outcome: Outcome::OutOfReach("past the proxy".to_owned()), ..skipped.clone() };
        assert!(findings(&plan(), &[beyond], &Hits::default()).faults[0].contains("--network sealed"));
        let passed = CheckResult { outcome: Outcome::Passed, ..CheckResult::skipped("d", "halted", "") };
        let found = findings(&plan(), &[skipped, passed], &Hits::default());
        assert!(found.remarks.iter().any(|r| r.contains("never fired; checks of its phase were skipped")), "{found:?}");
    }

    #[test]
    fn an_expectation_that_nothing_can_meet_is_a_fault() {
        let dead = |expect: Expect, phase| {
            let mut plan = plan();
            (plan.checks[0].expect, plan.checks[0].phase) = (expect, phase);
            dead_expectation(&plan.checks[0], &plan).unwrap_or_default()
        };
        let rule = Expect { rule: Some("forgery".to_owned()), ..Expect::default() };
        assert!(dead(rule, 0).contains("the rule `forgery`"));
        let action = Expect { action: Some("reset".to_owned()), ..Expect::default() };
        assert!(dead(action, 0).contains("the action `reset`"));
        let verdict = Expect { verdict: vec![VerdictKind::Refused, VerdictKind::Exposed], ..Expect::default() };
        assert!(dead(verdict.clone(), 1).contains("`refused` or `exposed`"), "the phase has no rule");
        assert_eq!(dead(verdict, 0), "");
    }

    #[test]
    fn exit_codes_tell_contradicted_from_undecided() {
        let failed = |seen: &str| {
            let difference = Difference {
                what: "verdict".to_owned(),
                expected: "refused".to_owned(),
                seen: seen.to_owned(),
                evidence: String::new(),
            };
            CheckResult { outcome: Outcome::Failed(vec![difference]), ..CheckResult::skipped("c", "p", "") }
        };
        let passed = CheckResult { outcome: Outcome::Passed, ..CheckResult::skipped("c", "p", "") };
        let skipped = CheckResult::skipped("c", "p", "no curl");
        let code = |checks: &[&CheckResult]| exit_code(&sample::run_of(checks.iter().map(|c| (*c).clone()).collect()));
        assert_eq!(code(&[&passed, &skipped]), 0);
        assert_eq!(code(&[&passed, &failed("exposed")]), 1);
        assert_eq!(code(&[&passed, &failed("not-contacted")]), 1);
        assert_eq!(code(&[&passed, &failed("inconclusive")]), 3);
        assert_eq!(code(&[&failed("inconclusive"), &failed("exposed")]), 1);
        assert_eq!(code(&[&skipped, &skipped]), 3);
        assert_eq!(code(&[]), 1);
        let twin = CheckResult { twin: Some(Box::new(failed("exposed"))), ..passed.clone() };
        assert_eq!(code(&[&twin]), 1);
        let broken = RunReport { containment: vec![("sealed".to_owned(), false)], ..sample::run_of(vec![passed.clone()]) };
        assert_eq!(exit_code(&broken), 1);
        let faulty = RunReport { faults: vec!["inert rule".to_owned()], ..sample::run_of(vec![passed]) };
        assert_eq!(exit_code(&faulty), 1);
    }

    #[test]
    fn dns_rules_fire_in_the_phase_in_force() {
        let enter = Event::PhaseEnter { phase: "blocking".to_owned(), clock: String::new() };
        let query = Event::DnsQuery {
            client: "192.0.2.2:5353".parse().expect("an address"),
            resolver: "192.0.2.53:53".parse().expect("an address"),
            name: "a.test".to_owned(),
            kind: "A".to_owned(),
            transport: Transport::Udp,
            within: None,
            answer: vec!["NXDOMAIN".to_owned()],
            rule: Some("no-name".to_owned()),
            phase: None,
        };
        let entries =
            [enter, query].map(|event| Entry { seq: 0, t_us: 0, leg: Some(crate::record::LegId(1)), connection: None, event });
        assert_eq!(Hits::count(&entries).of("blocking", "no-name"), 1);
        let lookup = Lookup {
            name: "a.test".to_owned(),
            kind: "A".to_owned(),
            answer: vec!["NXDOMAIN".to_owned()],
            rule: Some("no-name".to_owned()),
        };
        assert_eq!(crate::verdict::lookups_of(&entries, crate::record::LegId(1)), [lookup]);
    }

    fn decision(reason: &str) -> Entry {
        let event = Event::Decision(DecisionRecord {
            action: "intercept".to_owned(),
            reason: reason.to_owned(),
            rule: Some("forge".to_owned()),
            phase: "interception".to_owned(),
            coin: None,
            clock: String::new(),
        });
        Entry { seq: 0, t_us: 0, leg: None, connection: None, event }
    }

    fn plan() -> Plan {
        let clock = Clock::of_this_machine().now();
        let rule = Rule {
            name: "forge".to_owned(),
            when: Matcher::default(),
            action: Action::Intercept,
            sources: Vec::new(),
            unused_ok: None,
            line: 7,
        };
        let phase = |name: &str, rules| Phase {
            name: name.to_owned(),
            from: None,
            to: None,
            rules,
            notice: None,
            about: String::new(),
            sources: Vec::new(),
            profile: None,
            unused_ok: None,
        };
        let check = Check {
            name: "c".to_owned(),
            phase: 0,
            clock,
            vantage: Vantage::Inside,
            trust: Trust::Web,
            client: CheckClient::Command(vec!["curl".to_owned()]),
            url: None,
            targets: Vec::new(),
            expect: Expect::default(),
            twin: None,
            deadline: std::time::Duration::from_secs(1),
            sealed_only: None,
            line: 9,
        };
        Plan {
            name: "s".to_owned(),
            title: "s".to_owned(),
            about: String::new(),
            sources: Vec::new(),
            file: std::path::PathBuf::new(),
            case: None,
            authority: None,
            world: World::default(),
            network: Network { hops_inside: 0, hops_outside: 0, first: crate::scenario::First::Stream, ipv6: false },
            clock,
            seed: 1,
            phases: vec![phase("interception", vec![rule]), phase("halted", Vec::new())],
            checks: vec![check],
        }
    }
}
