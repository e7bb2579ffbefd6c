//! The scorecard as a document: the suite's report with figures, changes and what was not reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::Changes;
use super::{Figures, Thresholds, Trial};
use crate::scenario::Truth;
use crate::verdict::RunReport;
use crate::verdict::suite::{SuiteCase, SuiteReport};

/// A condition and its trials, one for each seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its group.
    pub group: String,
    /// Its label.
    pub label: Truth,
    /// Why a detector should know better, in a sentence.
    pub reason: String,
    /// Its trials.
    pub trials: Vec<Trial>,
    /// Why it was not run, if it was not.
    pub not_run: Option<String>,
    /// The run of the first seed, as evidence.
    #[serde(default)]
    pub run: Option<RunReport>,
}

/// A suite's report, or a shard's.
pub type ScoreReport = SuiteReport<Condition>;

/// The scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scorecard {
    /// The suite's report.
    #[serde(flatten)]
    pub report: ScoreReport,
    /// The figures, of all trials.
    pub figures: Figures,
    /// What changed since the baseline, if there is one.
    pub changes: Option<Changes>,
    /// Thresholds that were not reached, and errors. Not empty: exit code 1.
    pub missed: Vec<String>,
}

impl SuiteCase for Condition {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Scorecard {
    /// Computes it.
    pub fn of(report: ScoreReport, base_rate: Option<f64>, thresholds: Thresholds, baseline: Option<&ScoreReport>) -> Self {
        let now = trials(&report);
        let figures = Figures::of(&now, base_rate);
        let mut missed = thresholds.missed(&figures, &now);
        missed.extend(now.is_empty().then(|| "no condition was run: nothing is shown".to_owned()));
        let changes = baseline.map(|then| Changes::between(&trials(then), &now));
        Self { report, figures, changes, missed }
    }

    /// 0: all thresholds were reached and every run gave an answer; else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.missed.is_empty())
    }

    /// All trials, by condition.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.report.cases.iter().flat_map(|case| &case.trials)
    }
}

fn trials(report: &ScoreReport) -> Vec<Trial> {
    report.cases.iter().flat_map(|case| case.trials.iter().cloned()).collect()
}
