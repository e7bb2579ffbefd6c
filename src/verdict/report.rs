//! Reports of a run, one file per format. All of them say the same; `text` is for people, the others for machines.

pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod tap;
pub mod text;
pub mod verify;

use super::expect::evidence;
use super::{CheckResult, Outcome, RunReport, TargetVerdict};
use crate::record::Connection;
use crate::scenario::Messages;

/// How many checks came out how; twins count as checks of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Counts {
    /// All that was expected held.
    pub passed: usize,
    /// Something differs.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

impl Counts {
    /// Counts a run.
    pub fn of(report: &RunReport) -> Self {
        let mut counts = Self::default();
        for check in report.checks.iter().flat_map(CheckResult::with_twin) {
            match check.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped(_) | Outcome::OutOfReach(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// All of them.
    pub fn all(self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

/// `1 check`, `2 checks`.
fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("{n} {one}") } else { format!("{n} {one}s") }
}

/// One line: what was counted, what else went wrong, how long it took.
fn counts_line(report: &RunReport) -> String {
    let counts = Counts::of(report);
    let mut parts = vec![format!("{} passed", counts.passed)];
    parts.extend((counts.failed > 0).then(|| format!("{} failed", counts.failed)));
    parts.extend((counts.skipped > 0).then(|| format!("{} skipped", counts.skipped)));
    parts.extend((!report.faults.is_empty()).then(|| plural(report.faults.len(), "fault")));
    let escapes = report.containment.iter().filter(|(_, held)| !held).count();
    parts.extend((escapes > 0).then(|| format!("containment broken in {}", plural(escapes, "point"))));
    format!("{}: {} in {}", plural(counts.all(), "check"), parts.join(", "), seconds(report.ms))
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// What was run, in one word: the program's file name.
fn client(check: &CheckResult) -> String {
    let argv0 = check.test.as_ref().and_then(|t| t.argv.first());
    argv0.map_or("-".to_owned(), |program| program.rsplit(['/', '\\']).next().unwrap_or(program).to_owned())
}

fn trust(check: &CheckResult) -> &'static str {
    check.test.as_ref().map_or("-", |t| t.trust.as_str())
}

/// How a target's verdict was shown; with what the box made of a chat's messages, and what a detector said, if there is such a thing.
fn how(check: &CheckResult, target: &TargetVerdict) -> String {
    std::iter::once(target.signal.clone()).chain(messages(check, target)).chain(said(check)).collect::<Vec<_>>().join("; ")
}

/// What the messages of a WebSocket were to the box, in the word of `expect`.
fn messages(check: &CheckResult, target: &TargetVerdict) -> Option<String> {
    let connections = evidence(target, check.test.as_ref()?).filter_map(Connection::messages);
    let mut seen: Vec<&str> = connections.map(Messages::as_str).collect();
    seen.dedup();
    (!seen.is_empty()).then(|| format!("messages: {}", seen.join(", ")))
}

/// What a detector said, and how good that is.
fn said(check: &CheckResult) -> Option<String> {
    let grade = check.grade.map(|g| format!(" ({})", g.as_str())).unwrap_or_default();
    check.finding.as_ref().map(|finding| format!("the detector says `{finding}`{grade}"))
}

/// What a reader must know: of the run, and of targets whose check did not fail (a failed one has its paragraph).
fn remarks(report: &RunReport) -> Vec<String> {
    let checks = report.checks.iter().flat_map(CheckResult::with_twin);
    let told = checks.filter(|c| !matches!(c.outcome, Outcome::Failed(_)));
    let of_targets =
        told.flat_map(|c| c.targets.iter().flat_map(|t| t.remarks.iter().map(|r| format!("{}: {}: {r}", c.name, t.host))));
    report.remarks.iter().cloned().chain(of_targets).collect()
}

/// A check's result with a sign, so that it is read without colour and without the sign.
fn result(check: &CheckResult) -> &'static str {
    match check.outcome {
        Outcome::Passed => "✓ passed",
        Outcome::Failed(_) => "✗ failed",
        Outcome::Skipped(_) | Outcome::OutOfReach(_) => "- skipped",
    }
}

#[cfg(test)]
pub(crate) mod sample;
