//! The page of `verify`.

use super::super::verify::{PARTS, conclusion, counts_line, not_run, part, settings, subject};
use super::{Card, Page, Tone, page};
use crate::scenario::Must;
use crate::verdict::verify::{Agreement, VerifyCase, VerifyReport, exit_code};

/// Writes it.
pub fn verify(report: &VerifyReport) -> String {
    let parts = PARTS.into_iter().map(|(heading, must)| (heading, part(report, must).map(card).collect::<Vec<_>>()));
    let left = ("not run", not_run(report).map(card).collect());
    let groups = parts.chain([left]).filter(|(_, cards)| !cards.is_empty()).map(|(heading, cards)| (heading.to_owned(), cards));
    let tone = match exit_code(report) {
        0 => Tone::Good,
        1 => Tone::Bad,
        _ => Tone::Open,
    };
    let runs = || report.cases.iter().filter_map(|case| case.run.as_ref());
    let networks: std::collections::BTreeSet<String> =
        runs().map(|run| format!("{} network: {}", run.network, run.network_reason)).collect();
    let broken =
        runs().flat_map(|run| run.containment.iter().filter(|(_, held)| !held).map(|(what, _)| format!("BROKEN: {what}")));
    page(&Page {
        title: subject(report),
        conclusion: (tone, conclusion(report).to_owned()),
        summary: vec![counts_line(report), format!("mitmlab {}, verify, {}", report.mitmlab, settings(report))],
        groups: groups.collect(),
        notes: vec![("Network".to_owned(), networks.into_iter().collect()), ("Containment".to_owned(), broken.collect())],
    })
}

fn card(case: &VerifyCase) -> Card<'_> {
    let tone = match (case.agrees, case.must) {
        (Agreement::Yes, Must::Maybe) => Tone::Noted,
        (Agreement::Yes, _) => Tone::Good,
        (Agreement::No, _) => Tone::Bad,
        (Agreement::Open, _) => Tone::Open,
        (Agreement::NotRun, _) => Tone::Quiet,
    };
    let must = match case.must {
        Must::Refuse => "refuse",
        Must::Accept => "accept",
        Must::Maybe => "either: practice differs",
    };
    let ran = case.run.is_some();
    let facts = vec![
        ("a safe client must", must.to_owned()),
        ("because", case.reason.clone()),
        ("this one", if ran { format!("{}: {}", case.answer.as_str(), case.signal) } else { case.signal.clone() }),
        ("exit code", case.exit.map(|code| code.to_string()).unwrap_or_default()),
        ("its standard error", case.said.clone().unwrap_or_default()),
        ("an attacker reads", case.read.join("; ")),
        ("note", case.remarks.join("; ")),
    ];
    Card {
        name: case.name.clone(),
        tone,
        word: case.answer.as_str().to_owned(),
        about: format!("{}.", case.title),
        facts,
        checks: case.run.iter().flat_map(|run| &run.checks).collect(),
    }
}
