//! Reports of `verify`, one file per format. All of them say the same.

use std::fmt::Write as _;

use super::{plural, seconds};
use crate::scenario::Must;
use crate::verdict::verify::{Agreement, Answer, VerifyCase, VerifyReport, exit_code};

mod json;
mod junit;
mod markdown;
mod tap;
mod text;

pub use json::{json, schema};
pub use junit::junit;
pub use markdown::markdown;
pub use tap::tap;
pub use text::text;

impl Answer {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Exposed => "exposed",
            Self::Accepted => "accepted",
            Self::Inconclusive => "inconclusive",
            Self::Unsupported => "unsupported",
        }
    }
}

/// The parts of a report, in their order: heading, and which cases stand below it.
pub(super) const PARTS: [(&str, Must); 3] =
    [("must refuse", Must::Refuse), ("must accept", Must::Accept), ("may do either (practice differs)", Must::Maybe)];

/// The cases of a part; those that were not run are told apart.
pub(super) fn part(report: &VerifyReport, must: Must) -> impl Iterator<Item = &VerifyCase> {
    report.cases.iter().filter(move |case| case.must == must && case.agrees != Agreement::NotRun)
}

pub(super) fn not_run(report: &VerifyReport) -> impl Iterator<Item = &VerifyCase> {
    report.cases.iter().filter(|case| case.agrees == Agreement::NotRun)
}

/// A result with a sign, so that it is read without colour and without the sign.
fn result(case: &VerifyCase) -> &'static str {
    match (case.agrees, case.must) {
        (Agreement::Yes, Must::Maybe) => "· noted",
        (Agreement::Yes, _) => "✓ as it must",
        (Agreement::No, _) => "✗ WRONG",
        (Agreement::Open, _) => "? open",
        (Agreement::NotRun, _) => "- not run",
    }
}

/// In one word: the conclusion.
pub(super) fn conclusion(report: &VerifyReport) -> &'static str {
    match exit_code(report) {
        0 => "safe in every case that was run",
        1 => "NOT safe, or broken",
        _ => "not decided",
    }
}

/// One line: what was counted, and how long it took.
pub(super) fn counts_line(report: &VerifyReport) -> String {
    let mut line = plural(report.cases.len(), "case");
    for (answer, sign) in [
        (Answer::Refused, ":"),
        (Answer::Accepted, ","),
        (Answer::Exposed, ","),
        (Answer::Inconclusive, ","),
        (Answer::Unsupported, ","),
    ] {
        let n = report.cases.iter().filter(|case| case.answer == answer).count();
        if n > 0 || answer == Answer::Refused {
            let _ = write!(line, "{sign} {n} {}", answer.as_str());
        }
    }
    let wrong = report.cases.iter().filter(|case| case.agrees == Agreement::No).count();
    if wrong > 0 {
        let _ = write!(line, "; {wrong} not as it must be");
    }
    line + &format!(" in {}", seconds(report.ms))
}

/// What was put to the test, and how.
pub(super) fn subject(report: &VerifyReport) -> String {
    let shown = |word: &String| if word.is_empty() || word.contains(' ') { format!("'{word}'") } else { word.clone() };
    report.command.iter().map(shown).collect::<Vec<_>>().join(" ")
}

pub(super) fn settings(report: &VerifyReport) -> String {
    let shard = report.shard.map(|shard| format!("shard {shard}"));
    let settings = report.settings.iter().map(|(key, value)| format!("{key} {value}"));
    settings.chain(shard).collect::<Vec<_>>().join(", ")
}

/// A case that is not as it must be, in a paragraph: what was seen, what it means, what to do.
fn paragraph(case: &VerifyCase) -> Option<String> {
    let mut text = match (case.agrees, case.answer) {
        (Agreement::No, Answer::Exposed) if case.must == Must::Accept => {
            format!("Nothing is wrong here: {} This client told it to everybody on the way: it {}.", case.reason, case.signal)
        }
        (Agreement::No, Answer::Exposed) => {
            format!("A safe client refuses: {} This one did not: it {}.", case.reason, case.signal)
        }
        (Agreement::No, _) => format!("Nothing is wrong here: {} This client turned it down: {}.", case.reason, case.signal),
        (Agreement::Open, _) => format!("Nothing can be said: {}.", case.signal.trim_end_matches('.')),
        _ => return None,
    };
    if !case.read.is_empty() {
        let _ = write!(text, " An attacker would have read: {}.", case.read.join("; "));
    }
    if let Some(said) = &case.said {
        let _ = write!(text, " Its standard error said: {said}");
    }
    if let Some(code) = case.exit {
        let _ = write!(text, " (exit code {code})");
    }
    for remark in &case.remarks {
        let _ = write!(text, " Note: {remark}.");
    }
    let _ = write!(text, " Look closer: `mitmlab run verify/{} -- CLIENT`", case.name);
    Some(text)
}

#[cfg(test)]
pub(crate) mod sample;
