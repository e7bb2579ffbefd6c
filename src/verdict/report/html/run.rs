//! The page of one scenario's run.

use super::super::{client, counts_line, how, remarks, said, trust};
use super::{Card, Page, Tone, page};
use crate::verdict::explain::explain;
use crate::verdict::run::{exit_code, only_inconclusive};
use crate::verdict::{CheckResult, Outcome, RunReport};

/// Writes it.
pub fn run(report: &RunReport) -> String {
    let mut groups: Vec<(String, Vec<Card<'_>>)> = Vec::new();
    for check in report.checks.iter().flat_map(CheckResult::with_twin) {
        let heading = format!("phase {}", check.phase);
        match groups.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, cards)) => cards.push(card(check)),
            None => groups.push((heading, vec![card(check)])),
        }
    }
    let (tone, conclusion) = match exit_code(report) {
        0 => (Tone::Good, "as expected"),
        1 => (Tone::Bad, "something differs from what was expected"),
        _ => (Tone::Open, "not decided on this machine"),
    };
    let held = |(what, held): &(String, bool)| format!("{}: {what}", if *held { "held" } else { "BROKEN" });
    page(&Page {
        title: format!("{}: {}", report.scenario, report.title),
        conclusion: (tone, conclusion.to_owned()),
        summary: vec![
            counts_line(report),
            format!("mitmlab {}, {} network: {}", report.version, report.network, report.network_reason),
        ],
        groups,
        notes: vec![
            ("Faults".to_owned(), report.faults.clone()),
            ("Remarks".to_owned(), remarks(report)),
            ("Containment".to_owned(), report.containment.iter().map(held).collect()),
        ],
    })
}

fn card(check: &CheckResult) -> Card<'_> {
    let (tone, word) = match &check.outcome {
        Outcome::Passed => (Tone::Good, "passed"),
        Outcome::Failed(_) if only_inconclusive(check) => (Tone::Open, "not decided"),
        Outcome::Failed(_) => (Tone::Bad, "failed"),
        Outcome::Skipped(_) | Outcome::OutOfReach(_) => (Tone::Quiet, "skipped"),
    };
    let verdicts = check.targets.iter().map(|target| format!("{}: {} ({})", target.host, target.verdict, how(check, target)));
    let test = check.test.as_ref();
    Card {
        name: check.name.clone(),
        tone,
        word: word.to_owned(),
        about: explain(check).unwrap_or_default(),
        facts: vec![
            ("client", test.map_or_else(|| client(check), |leg| leg.argv.join(" "))),
            ("trust", trust(check).to_owned()),
            ("verdict", verdicts.collect::<Vec<_>>().join("; ")),
            ("detector", said(check).unwrap_or_default()),
            ("exit code", test.and_then(|leg| leg.exit).map(|code| code.to_string()).unwrap_or_default()),
            ("not run", check.not_run().unwrap_or_default().to_owned()),
        ],
        checks: vec![check],
    }
}
