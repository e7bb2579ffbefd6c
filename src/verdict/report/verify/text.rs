//! The report of `verify` for people: a table, then what is wrong and why, then what was not run.

use anstyle::Style;

use super::super::text::{FAILED, Look, fold, pad, paint, painted, wrapped};
use super::{PARTS, conclusion, counts_line, not_run, paragraph, part, result, settings, subject};
use crate::verdict::verify::{Agreement, VerifyCase, VerifyReport, exit_code};

/// Writes the report.
pub fn text(report: &VerifyReport, look: Look) -> String {
    let look = Look { width: look.width.clamp(NARROWEST, WIDEST), ..look };
    let head = format!("verify {}", subject(report));
    let mut out =
        wrapped(&head, look, "", "  ") + &wrapped(&format!("mitmlab {}, {}", report.mitmlab, settings(report)), look, "", "  ");
    for (heading, must) in PARTS {
        let cases: Vec<_> = part(report, must).collect();
        if !cases.is_empty() {
            out += &format!("\n{}\n", paint(look, Style::new().bold(), heading));
            out += &cases.into_iter().map(|case| row(report, case, look)).collect::<String>();
        }
    }
    for case in &report.cases {
        if let Some(paragraph) = paragraph(case) {
            let style = if case.agrees == Agreement::No { FAILED } else { Style::new().bold() };
            let sign = result(case).split(' ').next().unwrap_or_default();
            out +=
                &format!("\n{}{}", painted(&format!("{sign} {}", case.name), look, style), wrapped(&paragraph, look, "  ", "  "));
        }
    }
    let left: Vec<_> = not_run(report).collect();
    if !left.is_empty() {
        out += &format!("\n{}\n", paint(look, Style::new().bold(), "not run"));
        out += &left
            .into_iter()
            .map(|case| wrapped(&format!("{}: {}", case.name, case.signal), look, "  - ", "    "))
            .collect::<String>();
    }
    let style = if exit_code(report) == 1 { FAILED } else { Style::new().bold() };
    out + "\n" + &painted(&format!("{}: {}", counts_line(report), conclusion(report)), look, style)
}

/// Name, answer, how it was shown, result; what was read is in the paragraph below.
fn row(report: &VerifyReport, case: &VerifyCase, look: Look) -> String {
    let name = report.cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0).min(NAME_AT_MOST);
    let how = look.width.saturating_sub(2 + name + ANSWER + RESULT + 3 * GAP.len()).max(HOW_AT_LEAST);
    let (names, hows) = (fold(&case.name, name, ""), fold(&case.signal, how, ""));
    let lines = (0..names.len().max(hows.len())).map(|at| {
        let of = |cells: &[String]| cells.get(at).cloned().unwrap_or_default();
        let once = |cell: &str| if at == 0 { cell.to_owned() } else { String::new() };
        let cells = [pad(&of(&names), name), pad(&once(case.answer.as_str()), ANSWER), pad(&of(&hows), how), once(result(case))];
        let line = format!("  {}", cells.join(GAP));
        let style = if case.agrees == Agreement::No { FAILED } else { Style::new() };
        paint(look, style, line.trim_end()) + "\n"
    });
    lines.collect()
}

const GAP: &str = "  ";
const NAME_AT_MOST: usize = 32;
const ANSWER: usize = "inconclusive".len();
const RESULT: usize = "✓ as it must".len() - 2;
const HOW_AT_LEAST: usize = 20;
const NARROWEST: usize = 60;
const WIDEST: usize = 160;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_table() {
        insta::assert_snapshot!(text(&sample::report(), Look { width: 110, colour: false }));
    }
}
