//! One check: control leg, test leg, verdict; then its twin.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{Ended, Lab, Order, old_tls};
use crate::client::{find, program_at};
use crate::error::Error;
use crate::record::{Event, LegId, LegKind, NotRun};
use crate::scenario::detector::From;
use crate::scenario::{Check, CheckClient, Plan, VerdictKind, Voice};
use crate::verdict::{CheckResult, LegTruth, Surroundings, judge};

/// Control legs of a run: two checks with the same client, URL, trust and vantage need only one.
pub(super) type Controls = std::collections::HashMap<String, Arc<OnceCell<(LegId, LegTruth)>>>;

impl Lab {
    /// Runs a check with its twin. `control` is shared with checks that need the same one.
    pub(super) async fn check(&self, number: usize, check: &Check, controls: &Controls) -> Result<CheckResult, Error> {
        let mut result = self.one_check(number, check, None, controls).await?;
        if let (Some(twin), false) = (&check.twin, result.not_run().is_some()) {
            result.twin = Some(Box::new(self.one_check(number + TWINS, twin, Some(&check.name), controls).await?));
        }
        Ok(result)
    }

    async fn one_check(
        &self,
        number: usize,
        check: &Check,
        twin_of: Option<&str>,
        controls: &Controls,
    ) -> Result<CheckResult, Error> {
        let phase = self.plan().phases[check.phase].name.clone();
        let tell = |control: Option<LegId>, test: Option<LegId>, said: Option<String>, not_run: Option<NotRun>| {
            let (check, twin_of) = (check.name.clone(), twin_of.map(str::to_owned));
            self.recorder().emit_run(None, Event::CheckRan { check, twin_of, control, test, said, not_run });
        };
        if let Some(not_run) = self.not_run(check).await {
            tell(None, None, None, Some(not_run.clone()));
            return Ok(CheckResult::not_run_because(&check.name, phase, not_run));
        }
        let control = match controls.get(&control_key(check)) {
            Some(cell) if wants_control(check, self.plan()) => {
                let leg = cell.get_or_try_init(|| async {
                    self.leg(order(number, check, LegKind::Control)).await.map(|ended| (ended.id, ended.truth))
                });
                Some(leg.await?.clone())
            }
            _ => None,
        };
        let ended = self.leg(order(number, check, LegKind::Test)).await?;
        let id = ended.id;
        let truth = match &check.client {
            CheckClient::Detector(detector) => said(ended, &detector.voice),
            CheckClient::Command(_) => ended.truth,
        };
        let said = matches!(check.client, CheckClient::Detector(_)).then(|| truth.stdout_head.clone());
        tell(control.as_ref().map(|(id, _)| *id), Some(id), said, None);
        let around = Surroundings::of(&self.plan().world, &phase);
        Ok(judge(check, &around, control.as_ref().map(|(_, truth)| truth), &truth))
    }

    async fn not_run(&self, check: &Check) -> Option<NotRun> {
        match missing_program(check.client.argv()).or_else(|| old_tls::missing(check, self.plan())) {
            Some(missing) => Some(NotRun::Skipped(missing)),
            None => self.out_of_reach(check).await.map(NotRun::OutOfReach),
        }
    }
}

/// The truth of a detector's leg, with all of the text in which its finding is looked for: it may stand anywhere in it.
pub(super) fn said(ended: Ended, voice: &Voice) -> LegTruth {
    let text = match voice.from {
        From::Stdout => ended.stdout,
        From::File => ended.out.unwrap_or_default(),
    };
    LegTruth { stdout_head: String::from_utf8_lossy(&text).into_owned(), ..ended.truth }
}

/// A cell for every control leg that the checks need.
pub(super) fn controls(checks: &[&Check], plan: &Plan) -> Controls {
    let all = checks.iter().flat_map(|check| std::iter::once(*check).chain(check.twin.as_deref()));
    all.filter(|check| wants_control(check, plan)).map(|check| (control_key(check), Arc::default())).collect()
}

/// A client's case of a suite always has a control: one that breaks off with a good server is told from one that never sends anything.
fn wants_control(check: &Check, plan: &Plan) -> bool {
    plan.case.as_ref().is_some_and(|case| case.must.is_some()) || needs_control(check)
}

/// A control is needed unless only positive evidence is expected: bytes that were sent prove themselves, except through a limit, where
/// only the control tells whether all arrived.
fn needs_control(check: &Check) -> bool {
    if check.expect.action.as_deref().is_some_and(|action| matches!(action, "throttle" | "stall" | "drop-after")) {
        return true;
    }
    // Whether something was lost in the clear shows only beside what the client does when TLS is offered.
    let may_upgrade = |url: &String| ["smtp:", "imap:", "pop3:", "xmpp:"].iter().any(|scheme| url.starts_with(scheme));
    if check.url.as_ref().is_some_and(may_upgrade) {
        return true;
    }
    let proves_itself = |v: &VerdictKind| matches!(v, VerdictKind::Exposed | VerdictKind::Untouched);
    let expected = &check.expect.verdict;
    expected.is_empty() && matches!(check.client, CheckClient::Command(_)) || !expected.iter().all(proves_itself)
}

fn control_key(check: &Check) -> String {
    format!("{:?} {:?} {} {}", check.client.argv(), check.url, check.trust, check.vantage)
}

fn order(number: usize, check: &Check, kind: LegKind) -> Order {
    Order {
        speed: super::campaign::AS_THE_MACHINE,
        check: Some(check.name.clone()),
        kind,
        argv: check.client.argv().to_vec(),
        url: check.url.clone(),
        trust: check.trust,
        vantage: check.vantage,
        phase: check.phase,
        clock: check.clock,
        deadline: check.deadline,
        terminal: false,
        coins: number as u64 * COINS_OF_A_CHECK,
    }
}

/// The reason to skip: the program, or the one that it starts (`env A=b program`), is not on this machine.
fn missing_program(argv: &[String]) -> Option<String> {
    let path = std::env::var_os("PATH");
    let at = program_at(argv)?;
    [&argv[0], &argv[at]]
        .into_iter()
        .filter(|program| *program != "mitmlab" && !program.contains('{'))
        .find_map(|program| find(program, path.as_deref()).err())
        .map(|missing| missing.to_string())
}

/// Twins count from here, so that their coins are not those of another check.
const TWINS: usize = 1 << 20;
/// No client opens so many connections.
const COINS_OF_A_CHECK: u64 = 1 << 24;
