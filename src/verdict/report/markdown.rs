//! Markdown (GitHub's dialect): for a pull request's comment or a job's summary page.

use super::{client, counts_line, how, remarks, result, said, trust};
use crate::verdict::explain::explain;
use crate::verdict::{CheckResult, Outcome, RunReport};

/// Writes the report.
pub fn markdown(report: &RunReport) -> String {
    let mut out = format!("## {}: {}\n\n{}\n\n", cell(&report.scenario), cell(&report.title), counts_line(report));
    out += "| check | client | trust | verdict | how shown | result |\n|---|---|---|---|---|---|\n";
    for check in &report.checks {
        out += &rows(check, "");
        out += &check.twin.as_deref().map(|twin| rows(twin, "↳ twin: ")).unwrap_or_default();
    }
    for check in report.checks.iter().flat_map(CheckResult::with_twin) {
        if let Some(paragraph) = explain(check) {
            out += &format!("\n**✗ {}.** {}\n", cell(&check.name), text(&paragraph));
        }
    }
    out += &list("Faults", report.faults.iter().map(|f| text(f)));
    out += &list("Remarks", remarks(report).iter().map(|r| text(r)));
    let held = |(what, held): &(String, bool)| format!("{}: {}", if *held { "held" } else { "**broken**" }, text(what));
    out += &list("Containment", report.containment.iter().map(held));
    out + &format!("\nmitmlab {}, {} network: {}\n", report.version, report.network, text(&report.network_reason))
}

fn rows(check: &CheckResult, before: &str) -> String {
    let row = |host: &str, verdict: &str, how: &str| {
        let at = if host.is_empty() { String::new() } else { format!(" ({})", cell(host)) };
        let name = format!("{before}{}{at}", cell(&check.name));
        format!("| {name} | {} | {} | {verdict} | {} | {} |\n", cell(&client(check)), trust(check), cell(how), result(check))
    };
    match (check.targets.as_slice(), &check.outcome) {
        ([], Outcome::Skipped(reason) | Outcome::OutOfReach(reason)) => row("", "-", reason),
        ([], _) => row("", "-", &said(check).unwrap_or_default()),
        ([one], _) => row("", one.verdict.as_str(), &how(check, one)),
        (many, _) => many.iter().map(|t| row(&t.host, t.verdict.as_str(), &how(check, t))).collect(),
    }
}

fn list(title: &str, items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("- {item}\n")).collect();
    if items.is_empty() { String::new() } else { format!("\n### {title}\n\n{items}") }
}

/// Text outside a table. What a client said must not become markup: `<` would begin a tag.
pub(super) fn text(raw: &str) -> String {
    raw.replace('<', "&lt;").replace(['\n', '\r'], " ")
}

/// Text inside a table cell, where `|` would end it.
pub(super) fn cell(raw: &str) -> String {
    text(raw).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(markdown(&sample::run()));
    }

    #[test]
    fn what_a_client_says_is_no_markup() {
        assert_eq!(cell("a|b <script>\nc"), "a\\|b &lt;script> c");
    }
}
