//! TAP version 14 (testanything.org): one test point per run of the detector.

use super::super::document::Scorecard;
use super::sentence;

/// Writes the report.
pub fn tap(card: &Scorecard) -> String {
    let mut points = Vec::new();
    for case in &card.report.cases {
        if let Some(why) = &case.not_run {
            points.push((true, format!("{} # SKIP {}", escaped(&case.name), escaped(why)), None));
        }
        for trial in &case.trials {
            let name = format!("{}: {} said {} (seed {})", trial.condition, trial.truth, trial.said.as_str(), trial.seed);
            points.push((trial.is_right(), escaped(&name), (!trial.is_right()).then(|| sentence(trial))));
        }
    }
    let line = |(at, (ok, name, why)): (usize, &(bool, String, Option<String>))| {
        let ok = if *ok { "ok" } else { "not ok" };
        let why = why.as_ref().map(|why| format!("  ---\n  why: {}\n  ...\n", serde_json::Value::from(why.as_str())));
        format!("{ok} {} - {name}\n{}", at + 1, why.unwrap_or_default())
    };
    format!("TAP version 14\n1..{}\n{}", points.len(), points.iter().enumerate().map(line).collect::<String>())
}

/// `#` begins a directive, a backslash escapes, a line is a point.
fn escaped(text: &str) -> String {
    let directive = text.find(" # SKIP ").map_or((text, ""), |at| text.split_at(at));
    directive.0.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ") + directive.1
}
