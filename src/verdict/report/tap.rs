//! TAP version 14 (testanything.org): one test point per check, twins after theirs; faults of the run are points too.

use super::{client, trust};
use crate::verdict::{CheckResult, Difference, Outcome, RunReport};

/// Writes the report, or several as one document.
pub fn tap(reports: &[RunReport]) -> String {
    let mut points = Vec::new();
    for report in reports {
        for check in report.checks.iter().flat_map(CheckResult::with_twin) {
            points.push(point(points.len() + 1, check));
        }
        let broken =
            report.containment.iter().filter(|(_, held)| !held).map(|(statement, _)| format!("containment: {statement}"));
        for fault in report.faults.iter().cloned().chain(broken) {
            points.push(format!("not ok {} - {}\n", points.len() + 1, escaped(&fault)));
        }
    }
    format!("TAP version 14\n1..{}\n{}", points.len(), points.concat())
}

fn point(number: usize, check: &CheckResult) -> String {
    let name = escaped(&check.name);
    match &check.outcome {
        Outcome::Passed => format!("ok {number} - {name}\n"),
        Outcome::Skipped(reason) | Outcome::OutOfReach(reason) => format!("ok {number} - {name} # SKIP {}\n", escaped(reason)),
        Outcome::Failed(differences) => format!("not ok {number} - {name}\n{}", diagnostics(check, differences)),
    }
}

/// The YAML block of a failed point. Every scalar is written as a JSON string, which is YAML.
fn diagnostics(check: &CheckResult, differences: &[Difference]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = format!("  ---\n  client: {}\n  trust: {}\n  differences:\n", quoted(&client(check)), quoted(trust(check)));
    for d in differences {
        let lines = [("- what", &d.what), ("  expected", &d.expected), ("  seen", &d.seen), ("  evidence", &d.evidence)];
        out += &lines.map(|(key, value)| format!("    {key}: {}\n", quoted(value))).concat();
    }
    out + "  ...\n"
}

/// `#` begins a directive and a line ends a point: both are taken out of descriptions.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(tap(&[sample::run()]));
    }

    #[test]
    fn a_name_cannot_forge_a_directive() {
        let run = sample::run_of(vec![CheckResult::skipped("odd # TODO\nname", "always", "no client")]);
        assert!(tap(&[run]).contains("ok 1 - odd \\# TODO name # SKIP no client\n"));
    }

    #[test]
    fn several_reports_are_one_document() {
        let (one, two) = (tap(&[sample::run()]), tap(&[sample::run(), sample::run()]));
        let points = |text: &str| text.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).count();
        assert_eq!((points(&two), two.matches("TAP version").count()), (2 * points(&one), 1));
        assert!(two.contains(&format!("\n1..{}\n", points(&two))));
    }
}
