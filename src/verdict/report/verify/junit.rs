//! JUnit XML of `verify`: one test suite per group of faults, one test case per case. Inconclusive evidence is an *error* (nothing was
//! tested), a client that did otherwise than it must is a *failure*.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::paragraph;
use crate::verdict::verify::{Agreement, VerifyCase, VerifyReport};

/// Writes the report.
///
/// # Errors
/// None in practice: the report is plain text.
pub fn junit(report: &VerifyReport) -> Result<String, SerializeError> {
    let mut xml = Report::new("mitmlab verify");
    xml.set_time(Duration::from_millis(report.ms));
    let mut suites: Vec<TestSuite> = Vec::new();
    for case in &report.cases {
        let at = suites.iter().position(|suite| suite.name.as_str() == case.group).unwrap_or_else(|| {
            suites.push(TestSuite::new(case.group.clone()));
            suites.len() - 1
        });
        suites[at].add_test_case(point(case));
    }
    xml.add_test_suites(suites);
    xml.to_string()
}

fn point(case: &VerifyCase) -> TestCase {
    let failed = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(format!("{}: {}", case.answer.as_str(), case.signal));
        status.set_description(paragraph(case).unwrap_or_default());
        status
    };
    let status = match case.agrees {
        Agreement::Yes => TestCaseStatus::success(),
        Agreement::No => failed(NonSuccessKind::Failure),
        Agreement::Open => failed(NonSuccessKind::Error),
        Agreement::NotRun => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(case.signal.clone());
            status
        }
    };
    let mut point = TestCase::new(case.name.clone(), status);
    point.set_classname(format!("verify.{}", case.must));
    if let Some(run) = &case.run {
        point.set_time(Duration::from_millis(run.ms));
    }
    point
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(super::junit(&sample::report()).expect("plain text"));
    }
}
