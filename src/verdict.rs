//! Judging: what a run of a client means, with the evidence. Reads the record and the plan, nothing else.
//!
//! Only application bytes prove acceptance; exit codes prove nothing; a silent close needs a control
//! (measured on some 35 real client set-ups). So a verdict is differential: control leg, then test leg.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Connection, ConnectionId, LegKind, NotRun};
use crate::scenario::{Trust, Vantage, VerdictKind};

mod again;
pub mod alert;
pub mod detector;
mod downgrade;
pub mod expect;
pub mod explain;
mod judge;
mod leg;
mod reaction;
pub mod report;
pub mod run;
mod standing;
pub mod suite;
mod surroundings;
pub mod verify;
mod version;

pub use again::{NotARun, judge_again};
pub use judge::{judge, target};
pub use leg::{killed_us, legs_of, lookups_of};
pub use reaction::reaction;
pub use surroundings::Surroundings;

/// One leg as it happened: what was run, how it ended, what it connected to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LegTruth {
    /// Control or test.
    pub kind: LegKind,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What the client trusted.
    pub trust: Trust,
    /// Where it stood.
    pub vantage: Vantage,
    /// Exit code, if it exited.
    pub exit: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// The deadline passed.
    pub timed_out: bool,
    /// The program could not be started: why.
    pub not_started: Option<String>,
    /// Milliseconds that it ran.
    pub ms: u64,
    /// Beginning of standard output.
    pub stdout_head: String,
    /// End of standard error.
    pub stderr_tail: String,
    /// Its connections.
    pub connections: Vec<Connection>,
    /// The names that it asked for: how a name that leads nowhere is told from a client that never asked.
    #[serde(default)]
    pub lookups: Vec<Lookup>,
    /// The recorder's microseconds from which on the lab may have ended it, if it did: a connection that was closed later may have
    /// been closed by its end.
    #[serde(default)]
    pub killed_us: Option<u64>,
}

/// A name that a leg asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lookup {
    /// Name, lower case, no final dot.
    pub name: String,
    /// Record type.
    pub kind: String,
    /// What was answered.
    pub answer: Vec<String>,
    /// The rule that changed the answer, if one did.
    pub rule: Option<String>,
}

/// What a client did on one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Sent application bytes.
    SentData {
        /// How many.
        bytes: u64,
    },
    /// Refused with an alert.
    Alert {
        /// AlertDescription.
        number: u8,
        /// After the handshake was complete.
        after_handshake: bool,
    },
    /// Completed the handshake and hung up without a byte.
    HungUp,
    /// Closed during the handshake without an alert.
    ClosedSilently,
    /// Opened and sent nothing (a speculative socket).
    Silent,
    /// The lab or the network ended it, not the client.
    Hindered,
    /// None of these can be told.
    Unclear,
}

impl Reaction {
    /// In words, after "the client ...".
    pub fn words(&self) -> String {
        match self {
            Self::SentData { bytes } => format!("sent {bytes} application bytes"),
            Self::Alert { number, .. } => format!("refused with alert {number} {}", crate::record::alert_name(*number)),
            Self::HungUp => "completed the handshake and hung up without a byte".to_owned(),
            Self::ClosedSilently => "closed in the handshake without an alert".to_owned(),
            Self::Silent => "sent nothing".to_owned(),
            Self::Hindered => "was hindered".to_owned(),
            Self::Unclear => "did something that cannot be told".to_owned(),
        }
    }
}

/// The verdict for one target host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetVerdict {
    /// Host.
    pub host: String,
    /// Verdict.
    pub verdict: VerdictKind,
    /// How the client showed it, in words: `alert 48 unknown_ca`, `hung up after the handshake` ...
    pub signal: String,
    /// Connections that it rests on.
    pub evidence: Vec<ConnectionId>,
    /// What limits it: plaintext fallback after a refusal, only the wire saw it ...
    pub remarks: Vec<String>,
}

/// One check, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// Name of the check.
    pub name: String,
    /// Phase.
    pub phase: String,
    /// Passed, failed or skipped, and why.
    pub outcome: Outcome,
    /// Verdict for each declared target, the declared order.
    pub targets: Vec<TargetVerdict>,
    /// A detector's finding, if the check has one.
    pub finding: Option<String>,
    /// How good the detector was, as far as its control leg allows to tell.
    #[serde(default)]
    pub grade: Option<Grade>,
    /// Hosts that the client contacted besides: listed, not judged.
    pub background: Vec<String>,
    /// The control leg, if one was run.
    pub control: Option<LegTruth>,
    /// The test leg.
    pub test: Option<LegTruth>,
    /// The twin, judged the same way.
    pub twin: Option<Box<CheckResult>>,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All that was expected held.
    Passed,
    /// Something differs.
    Failed(Vec<Difference>),
    /// Not run, with the reason (a missing program).
    Skipped(String),
    /// Not run, because no machine could run it in this network, with the reason (a program that ignores the proxy).
    OutOfReach(String),
}

/// How good a detector was in one check: what it said against what was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Its connections were forged, and it noticed.
    TruePositive,
    /// Nothing was forged, and it kept quiet.
    TrueNegative,
    /// Nothing was forged, and it said that something changed.
    FalsePositive,
    /// Its connections were forged, and it said what it always says.
    FalseNegative,
}

/// One difference between what was expected and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The key of `expect`: `verdict`, `exit`, `action` ...
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Where to look: connection numbers, event names, output lines.
    pub evidence: String,
}

/// A whole run, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Short name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Version of mitmlab.
    pub version: String,
    /// `sealed` or `proxy`.
    pub network: String,
    /// Why that network.
    pub network_reason: String,
    /// The checks, in the file's order.
    pub checks: Vec<CheckResult>,
    /// What makes the run fail though every check passed: inert rules, dead expectations, phases that nobody entered.
    pub faults: Vec<String>,
    /// What a reader must know: parameters that are not evidence-based, what a carrier cannot do exactly, moved dates.
    pub remarks: Vec<String>,
    /// The containment proof: each statement and whether it held.
    pub containment: Vec<(String, bool)>,
    /// Milliseconds that the run took.
    pub ms: u64,
}

impl Grade {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true positive",
            Self::TrueNegative => "true negative",
            Self::FalsePositive => "false positive",
            Self::FalseNegative => "false negative",
        }
    }
}

impl CheckResult {
    /// A check that was not run, with the reason.
    pub fn skipped(name: impl Into<String>, phase: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            phase: phase.into(),
            outcome: Outcome::Skipped(reason.into()),
            targets: Vec::new(),
            finding: None,
            grade: None,
            background: Vec::new(),
            control: None,
            test: None,
            twin: None,
        }
    }

    /// A check that was not run, as the record tells it.
    pub fn not_run_because(name: impl Into<String>, phase: impl Into<String>, why: NotRun) -> Self {
        let outcome = match why {
            NotRun::Skipped(reason) => Outcome::Skipped(reason),
            NotRun::OutOfReach(reason) => Outcome::OutOfReach(reason),
        };
        Self { outcome, ..Self::skipped(name, phase, String::new()) }
    }

    /// A strict run: a check that this machine could not run is a failure.
    pub fn fail_if_skipped(&mut self) {
        if let Outcome::Skipped(reason) = &self.outcome {
            self.outcome = Outcome::Failed(vec![Difference {
                what: "run".to_owned(),
                expected: "the check runs".to_owned(),
                seen: format!("skipped: {reason}"),
                evidence: "`--strict` (or CI=true) makes a skip a failure".to_owned(),
            }]);
        }
    }

    /// Why it was not run, if it was not.
    pub fn not_run(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Skipped(reason) | Outcome::OutOfReach(reason) => Some(reason),
            Outcome::Passed | Outcome::Failed(_) => None,
        }
    }

    /// The check and its twin, if it has one.
    pub fn with_twin(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.twin.as_deref())
    }
}

#[cfg(test)]
pub(crate) mod tests;
