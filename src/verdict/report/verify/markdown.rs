//! Markdown (GitHub's dialect) of `verify`: for a pull request's comment or a job's summary page.

use super::super::markdown::{cell, text};
use super::{PARTS, conclusion, counts_line, not_run, paragraph, part, result, settings, subject};
use crate::verdict::verify::{VerifyCase, VerifyReport};

/// Writes the report.
pub fn markdown(report: &VerifyReport) -> String {
    let subject = subject(report).replace('`', "'");
    let mut out = format!("## `{subject}`: {}\n\n{}\n", conclusion(report), counts_line(report));
    for (heading, must) in PARTS {
        out += &table(heading, part(report, must).collect());
    }
    for case in &report.cases {
        if let Some(paragraph) = paragraph(case) {
            out += &format!("\n**{} {}.** {}\n", sign(case), cell(&case.name), text(&paragraph));
        }
    }
    let mut left: Vec<String> = not_run(report).map(|case| format!("- {}: {}\n", cell(&case.name), text(&case.signal))).collect();
    if !left.is_empty() {
        left.insert(0, "\n<details><summary>Not run</summary>\n\n".to_owned());
        left.push("\n</details>\n".to_owned());
    }
    out + &left.concat() + &format!("\nmitmlab {}, {}\n", report.mitmlab, text(&settings(report)))
}

fn table(heading: &str, cases: Vec<&VerifyCase>) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let row = |case: &VerifyCase| {
        let read = if case.read.is_empty() { String::new() } else { format!("; read: {}", case.read.join("; ")) };
        let how = format!("{}{read}", case.signal);
        format!("| {} | {} | {} | {} |\n", cell(&case.name), case.answer.as_str(), cell(&how), result(case))
    };
    let rows: String = cases.into_iter().map(row).collect();
    format!("\n| {heading} | answer | how shown | result |\n|---|---|---|---|\n{rows}")
}

fn sign(case: &VerifyCase) -> &'static str {
    result(case).split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(super::markdown(&sample::report()));
    }
}
