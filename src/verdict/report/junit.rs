//! JUnit XML, as CI systems read it: one test suite per phase, one test case per check; the run's own faults are a suite
//! named `run`. Inconclusive evidence is an *error* (the claim was not tested), a contradiction is a *failure*.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::client;
use crate::verdict::explain::explain;
use crate::verdict::run::only_inconclusive;
use crate::verdict::{CheckResult, Outcome, RunReport};

/// Writes the report, or several as one document: suites then name their scenario, too.
pub fn junit(reports: &[RunReport]) -> Result<String, SerializeError> {
    let mut xml = match reports {
        [one] => Report::new(format!("mitmlab {}", one.scenario)),
        _ => Report::new("mitmlab"),
    };
    xml.set_time(Duration::from_millis(reports.iter().map(|report| report.ms).sum()));
    for report in reports {
        let of = if reports.len() == 1 { String::new() } else { format!("{}: ", report.scenario) };
        xml.add_test_suites(suites(report, &of));
    }
    xml.to_string()
}

fn suites(report: &RunReport, of: &str) -> Vec<TestSuite> {
    let mut suites: Vec<TestSuite> = Vec::new();
    for check in report.checks.iter().flat_map(CheckResult::with_twin) {
        let name = format!("{of}{}", check.phase);
        let at = suites.iter().position(|s| s.name.as_str() == name).unwrap_or_else(|| {
            suites.push(TestSuite::new(name));
            suites.len() - 1
        });
        suites[at].add_test_case(case(check, &report.scenario));
    }
    suites.extend(of_the_run(report, of));
    suites
}

fn case(check: &CheckResult, scenario: &str) -> TestCase {
    let status = match &check.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped(reason) | Outcome::OutOfReach(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone());
            status
        }
        Outcome::Failed(_) => {
            let kind = if only_inconclusive(check) { NonSuccessKind::Error } else { NonSuccessKind::Failure };
            not_passed(kind, &summary(check), explain(check).as_deref().unwrap_or_default())
        }
    };
    let mut case = TestCase::new(check.name.clone(), status);
    case.set_classname(format!("{scenario}.{}", client(check)));
    if let Some(test) = &check.test {
        case.set_time(Duration::from_millis(test.ms));
        if !test.stderr_tail.is_empty() {
            case.set_system_err(&test.stderr_tail);
        }
    }
    case
}

fn of_the_run(report: &RunReport, of: &str) -> Option<TestSuite> {
    let escapes =
        report.containment.iter().filter(|(_, held)| !held).map(|(statement, _)| format!("containment broken: {statement}"));
    let faults: Vec<String> = report.faults.iter().cloned().chain(escapes).collect();
    if faults.is_empty() {
        return None;
    }
    let mut suite = TestSuite::new(format!("{of}run"));
    for fault in faults {
        suite.add_test_case(TestCase::new(fault.clone(), not_passed(NonSuccessKind::Failure, &fault, &fault)));
    }
    Some(suite)
}

fn not_passed(kind: NonSuccessKind, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_description(description);
    status
}

fn summary(check: &CheckResult) -> String {
    let Outcome::Failed(differences) = &check.outcome else { return String::new() };
    let each = differences.iter().map(|d| format!("expected {} {}, saw {}", d.what, d.expected, d.seen));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(junit(&[sample::run()]).expect("plain data"));
    }

    #[test]
    fn several_reports_are_one_document() {
        let (one, two) =
            (junit(&[sample::run()]).expect("plain data"), junit(&[sample::run(), sample::run()]).expect("plain data"));
        assert_eq!((two.matches("<?xml").count(), two.matches("<testsuites ").count()), (1, 1));
        assert_eq!(two.matches("<testcase ").count(), 2 * one.matches("<testcase ").count());
    }
}
