//! TAP version 14 (testanything.org) of `verify`: one test point per case.

use super::super::tap::escaped;
use super::paragraph;
use crate::verdict::verify::{Agreement, VerifyCase, VerifyReport};

/// Writes the report.
pub fn tap(report: &VerifyReport) -> String {
    let points = report.cases.iter().enumerate().map(|(at, case)| point(at + 1, case));
    format!("TAP version 14\n1..{}\n{}", report.cases.len(), points.collect::<String>())
}

fn point(number: usize, case: &VerifyCase) -> String {
    let name = escaped(&format!("{}: {}", case.name, case.answer.as_str()));
    match case.agrees {
        Agreement::Yes => format!("ok {number} - {name}\n"),
        Agreement::NotRun => format!("ok {number} - {name} # SKIP {}\n", escaped(&case.signal)),
        Agreement::No | Agreement::Open => {
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let (must, why) = (quoted(case.must.as_str()), quoted(&paragraph(case).unwrap_or_default()));
            format!("not ok {number} - {name}\n  ---\n  must: {must}\n  signal: {}\n  why: {why}\n  ...\n", quoted(&case.signal))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn the_document() {
        insta::assert_snapshot!(super::tap(&sample::report()));
    }
}
