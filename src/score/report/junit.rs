//! JUnit XML: one test case per run of the detector, one suite per group.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::document::Scorecard;
use super::super::{Said, Trial};
use super::{command, sentence};

/// Writes the report.
///
/// # Errors
/// What the writer of XML says.
pub fn junit(card: &Scorecard) -> Result<String, quick_junit::SerializeError> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for case in &card.report.cases {
        let suite = suites.entry(&case.group).or_insert_with(|| TestSuite::new(format!("score.{}", case.group)));
        if let Some(why) = &case.not_run {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why.as_str());
            suite.add_test_case(TestCase::new(case.name.as_str(), status));
        }
        suite.add_test_cases(case.trials.iter().map(one));
    }
    let mut report = Report::new(format!("mitmlab score {}", command(card)));
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn one(trial: &Trial) -> TestCase {
    let status = if trial.is_right() {
        TestCaseStatus::success()
    } else {
        let kind = match trial.said {
            Said::Error(_) => NonSuccessKind::Error,
            Said::Answer(_) => NonSuccessKind::Failure,
        };
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(sentence(trial));
        status
    };
    let mut case = TestCase::new(format!("{} (seed {})", trial.condition, trial.seed), status);
    case.set_time(std::time::Duration::from_millis(trial.ms));
    case
}
