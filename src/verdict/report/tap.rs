//! TAP version 14 (testanything.org): one test point per check, twins after theirs; faults of the run are points too.

use super::{Counts, client, trust};
use crate::verdict::{CheckResult, Difference, Outcome, RunReport};

/// Writes the report.
pub fn tap(report: &RunReport) -> String {
    let broken = report.containment.iter().filter(|(_, held)| !held).map(|(statement, _)| format!("containment: {statement}"));
    let faults: Vec<String> = report.faults.iter().cloned().chain(broken).collect();
    let mut out = format!("TAP version 14\n1..{}\n", Counts::of(report).all() + faults.len());
    let mut number = 0;
    for check in report.checks.iter().flat_map(CheckResult::with_twin) {
        number += 1;
        out += &point(number, check);
    }
    for fault in faults {
        number += 1;
        out += &format!("not ok {number} - {}\n", escaped(&fault));
    }
    out
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
        insta::assert_snapshot!(tap(&sample::run()));
    }

    #[test]
    fn a_name_cannot_forge_a_directive() {
        let run = sample::run_of(vec![CheckResult::skipped("odd # TODO\nname", "always", "no client")]);
        assert!(tap(&run).contains("ok 1 - odd \\# TODO name # SKIP no client\n"));
    }
}
