//! The scorecard for a pull request.

use super::super::document::Scorecard;
use super::{changes, command, counts, figures, sentence, table, wrong};

/// Writes the report.
pub fn markdown(card: &Scorecard) -> String {
    let verdict = if card.exit_code() == 0 { "reached all that was asked for" } else { "**did not reach what was asked for**" };
    let mut out = format!("### `{}` {verdict}\n\n{}\n\n", escaped(&command(card)), counts(card));
    for (at, row) in table(card).iter().enumerate() {
        out += &format!("| {} |\n", row.join(" | "));
        if at == 0 {
            out += &format!("|---|{}\n", "--:|".repeat(row.len() - 1));
        }
    }
    out += "\n| figure | value |\n|---|---|\n";
    out += &figures(card).iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect::<String>();
    let wrong = wrong(card).map(|t| format!("{} (seed {}): {}", t.condition, t.seed, sentence(t))).collect();
    for (title, lines) in [("Wrong", wrong), ("Since the baseline", changes(card)), ("Not reached", card.missed.clone())] {
        if !lines.is_empty() {
            out += &format!("\n{title}\n\n{}", lines.iter().map(|line| format!("- {}\n", escaped(line))).collect::<String>());
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
