//! The scorecard for people: the matrix, the figures, then what went wrong.

use super::super::document::Scorecard;
use super::{changes, command, counts, figures, sentence, table, wrong};

/// Writes the report.
pub fn text(card: &Scorecard) -> String {
    let mut out = format!("score {}\nmitmlab {}, {}\n\n", command(card), card.report.mitmlab, counts(card));
    out += &matrix(card);
    out.push('\n');
    let width = figures(card).iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    out += &figures(card).iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect::<String>();
    let told: String =
        wrong(card).map(|trial| format!("  ✗ {} (seed {}): {}\n", trial.condition, trial.seed, sentence(trial))).collect();
    out += &section("wrong or without an answer", told);
    let left = card.report.cases.iter().filter_map(|case| Some((case, case.not_run.as_ref()?)));
    out += &section("not run", left.map(|(case, why)| format!("  - {}: {why}\n", case.name)).collect());
    out += &section("since the baseline", changes(card).iter().map(|line| format!("  {line}\n")).collect());
    out += &section("not reached", card.missed.iter().map(|line| format!("  ✗ {line}\n")).collect());
    out
}

fn matrix(card: &Scorecard) -> String {
    let rows = table(card);
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(at, (cell, width))| if at == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") });
        padded.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn section(title: &str, lines: String) -> String {
    if lines.is_empty() { lines } else { format!("\n{title}\n{lines}") }
}
