//! A whole scenario: every check, side by side where that changes nothing, and the report.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::check::controls;
use super::{Lab, containment};
use crate::error::Error;
use crate::forge::Profile;
use crate::record::Event;
use crate::scenario::{Check, CheckClient, Clock, Detector, Plan, Speaks, Trust, Voice};
use crate::verdict::run::{Hits, faults_of_a_part, findings};
use crate::verdict::{CheckResult, RunReport};

/// Which checks run, and how.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only checks whose name contains this text.
    pub name: Option<String>,
    /// The user's own client in place of the scenario's.
    pub replacement: Option<Replacement>,
    /// How long one run of a client may take, in place of what the checks say.
    pub deadline: Option<Duration>,
    /// Legs that may run side by side.
    pub jobs: usize,
    /// A check that cannot run fails.
    pub strict: bool,
}

/// The user's own client.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Program and arguments; `{url}` is filled in.
    pub argv: Vec<String>,
    /// What it trusts, in place of what the checks say.
    pub trust: Option<Trust>,
    /// What it speaks, if not what the checks' URLs say: they get its scheme and port.
    pub speaks: Option<Speaks>,
    /// It is a detector and speaks like this: it takes the place of the scenario's detectors and not of its clients.
    pub voice: Option<Voice>,
}

/// Told as checks go.
pub trait Progress: Send + Sync {
    /// A check begins: its place among all of them, and its name.
    fn begins(&self, at: usize, of: usize, name: &str);
    /// A check has ended.
    fn ended(&self, result: &CheckResult);
}

impl Lab {
    /// Runs the plan's checks.
    ///
    /// # Errors
    /// The machine failed, or a filter leaves nothing to run. What was found out so far stays in the record.
    pub async fn run(&self, filter: &Filter, why_this_network: &str, progress: Arc<dyn Progress>) -> Result<RunReport, Error> {
        let checks = self.chosen(filter)?;
        let _ = self.0.ran.set(checks.clone()); // of a second run the record tells, the scenario as resolved does not
        let references: Vec<&Check> = checks.iter().collect();
        let controls = Arc::new(controls(&references, self.plan()));
        let order = self.enter_phases(&checks);
        let permits = Arc::new(Semaphore::new(filter.jobs.max(1)));
        let mut running = JoinSet::new();
        for at in order {
            let (lab, check, controls) = (self.clone(), checks[at].clone(), Arc::clone(&controls));
            let (permits, progress, of) = (Arc::clone(&permits), Arc::clone(&progress), checks.len());
            running.spawn(async move {
                let _permit = permits.acquire().await.map_err(|e| Error::Bug(e.to_string()))?;
                progress.begins(at + 1, of, &check.name);
                let result = lab.check(at, &check, &controls).await?;
                progress.ended(&result);
                Ok::<_, Error>((at, result))
            });
        }
        let mut results: Vec<Option<CheckResult>> = vec![None; checks.len()];
        while let Some(done) = running.join_next().await {
            let (at, result) = done.map_err(|e| Error::Bug(e.to_string()))??;
            results[at] = Some(result);
        }
        let mut results: Vec<CheckResult> = results.into_iter().flatten().collect();
        if filter.strict {
            results.iter_mut().for_each(CheckResult::fail_if_skipped);
        }
        Ok(self.report(results, filter, why_this_network))
    }

    fn chosen(&self, filter: &Filter) -> Result<Vec<Check>, Error> {
        let named = |check: &&Check| filter.name.as_deref().is_none_or(|text| check.name.contains(text));
        let mut chosen: Vec<Check> = self.plan().checks.iter().filter(named).cloned().collect();
        if let Some(replacement) = &filter.replacement {
            let is_detector = |check: &Check| matches!(check.client, CheckClient::Detector(_));
            chosen.retain(|check| is_detector(check) == replacement.voice.is_some() && check.url.is_some());
            for check in &mut chosen {
                replace(check, replacement);
            }
            chosen = without_repetitions(chosen);
        }
        if let Some(deadline) = filter.deadline {
            chosen.iter_mut().for_each(|check| within(check, deadline));
        }
        if chosen.is_empty() {
            let names: Vec<_> = self.plan().checks.iter().map(|c| format!("  {}", c.name)).collect();
            return Err(Error::Usage(format!("no check is left to run; the scenario's checks are:\n{}", names.join("\n"))));
        }
        Ok(chosen)
    }

    /// Tells the phases that will be in force, in their order, with the notices that subscribers get.
    fn enter_phases(&self, checks: &[Check]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..checks.len()).collect();
        order.sort_by_key(|&at| (checks[at].phase, at));
        let mut last = None;
        for &at in &order {
            let check = &checks[at];
            if last.replace(check.phase) == Some(check.phase) {
                continue;
            }
            let phase = &self.plan().phases[check.phase];
            let clock = check.clock.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
            self.recorder().emit_run(None, Event::PhaseEnter { phase: phase.name.clone(), clock });
            if let Some(notice) = &phase.notice {
                self.recorder().emit_run(None, Event::NoticeSent { from: notice.from.clone(), text: notice.text.clone() });
            }
        }
        order
    }

    fn report(&self, checks: Vec<CheckResult>, filter: &Filter, why_this_network: &str) -> RunReport {
        let entries = self.recorder().entries();
        let hits = Hits::count(entries.iter().map(|entry| &**entry));
        let mut found = findings(self.plan(), &checks, &hits);
        let part = filter.name.is_some() || filter.replacement.is_some();
        if part {
            found.faults = faults_of_a_part(&checks);
        }
        let mut remarks = self.remarks();
        remarks.extend(unproven(&needs_of(self.plan())));
        let containment = containment::statements(self);
        let ms = self.recorder().elapsed_us() / 1000;
        let facts = Event::RunFacts {
            network_reason: why_this_network.to_owned(),
            remarks: remarks.clone(),
            containment: containment.clone(),
            part,
            strict: filter.strict,
            ms,
        };
        found.remarks.extend(remarks);
        self.recorder().emit_run(None, facts);
        self.tell_end();
        RunReport {
            scenario: self.plan().name.clone(),
            title: self.plan().title.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.network().to_owned(),
            network_reason: why_this_network.to_owned(),
            checks,
            faults: found.faults,
            remarks: found.remarks,
            containment,
            ms,
        }
    }

    /// The last words of a record.
    pub(crate) fn tell_end(&self) {
        #[cfg(target_os = "linux")]
        if let super::Ground::Sealed(sealed) = self.ground() {
            let (wire, held) = sealed.open_flows();
            let text = format!("flows that are not over at the end: {wire} on the wire, {held} in the box");
            self.recorder().emit_run(None, Event::Note { text });
        }
        self.recorder().emit_run(None, Event::RunEnd {});
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let needs = self.plan().needs();
        if self.network() == "proxy" {
            remarks.extend(needs.packets.iter().map(|why| format!("not exact in the proxy network: {why}")));
        }
        let moved = Clock::span_of(self.plan().clock);
        if needs.intercepts && moved.abs() > time::Duration::DAY {
            remarks.push(format!(
                "certificate dates that the profile states are moved by {} days, so that clients with today's clock judge them as on {}",
                moved.whole_days(),
                self.plan().clock.date()
            ));
        }
        let unsourced = self.plan().phases.iter().flat_map(|p| &p.rules).filter(|rule| rule.sources.is_empty());
        let names: std::collections::BTreeSet<_> = unsourced.map(|rule| rule.name.as_str()).collect();
        if !names.is_empty() && self.plan().sources.is_empty() {
            let names: Vec<_> = names.into_iter().collect();
            remarks.push(format!("not evidence-based (no source is given): the rules {}", names.join(", ")));
        }
        remarks
    }
}

/// What the profiles in use say without a source.
fn unproven(profiles: &[String]) -> Vec<String> {
    let loaded = profiles.iter().filter_map(|name| Profile::load(name).ok());
    let said = loaded.filter(|profile| !profile.not_evidence_based.is_empty());
    said.map(|profile| {
        let fields: Vec<String> = profile.not_evidence_based.iter().map(|(field, why)| format!("{field} ({why})")).collect();
        format!("not evidence-based in profile `{}`: {}", profile.name, fields.join("; "))
    })
    .collect()
}

/// The profiles by which the plan forges; none if it does not intercept.
fn needs_of(plan: &Plan) -> Vec<String> {
    let needs = plan.needs();
    if needs.intercepts { needs.profiles.into_iter().collect() } else { Vec::new() }
}

/// The user's client is run against the check's URL; what depends on the replaced program (its exit code, its words) is not compared.
fn replace(check: &mut Check, replacement: &Replacement) {
    if let Some(trust) = replacement.trust {
        check.trust = trust;
    }
    if let (Some(speaks), [host]) = (replacement.speaks, check.targets.as_slice()) {
        check.url = Some(speaks.url(host));
    }
    let program = replacement.argv.first().map_or("the client", String::as_str);
    let program = program.rsplit('/').next().unwrap_or(program);
    check.name = format!("{program} at {}, trust {}", check.targets.join(" and "), check.trust);
    check.client = match &replacement.voice {
        Some(voice) => CheckClient::Detector(Detector { run: replacement.argv.clone(), voice: voice.clone() }),
        None => CheckClient::Command(replacement.argv.clone()),
    };
    check.expect.finding = None;
    check.expect.exit = None;
    check.expect.exit_nonzero = None;
    check.expect.stderr = None;
    check.expect.alert = None;
    if let Some(twin) = &mut check.twin {
        replace(twin, replacement);
    }
}

fn within(check: &mut Check, deadline: Duration) {
    check.deadline = deadline;
    if let Some(twin) = &mut check.twin {
        within(twin, deadline);
    }
}

/// With one client in place of many, many checks are the same.
fn without_repetitions(checks: Vec<Check>) -> Vec<Check> {
    let mut seen = std::collections::HashSet::new();
    let key =
        |check: &Check| format!("{:?} {} {} {} {:?}", check.url, check.trust, check.vantage, check.phase, check.expect.verdict);
    checks.into_iter().filter(|check| seen.insert(key(check))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Outcome;

    #[test]
    fn a_strict_run_holds_a_missing_program_against_the_machine_and_nothing_else() {
        let mut missing = CheckResult::skipped("c", "p", "no program `curl`");
        missing.fail_if_skipped();
        assert!(matches!(missing.outcome, Outcome::Failed(_)));
        let unreachable = Outcome::OutOfReach("node 20.20 goes past the proxy".to_owned());
        let mut nowhere = CheckResult { outcome: unreachable.clone(), ..CheckResult::skipped("c", "p", "") };
        nowhere.fail_if_skipped();
        assert_eq!(nowhere.outcome, unreachable);
    }
}
