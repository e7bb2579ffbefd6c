//! A scorecard in its forms, one file each.

mod html;
mod junit;
mod markdown;
mod tap;
mod text;

pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use tap::tap;
pub use text::text;

use super::document::Scorecard;
use super::{Said, Trial};
use crate::scenario::Truth;

/// The JSON Schema of the JSON report.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Scorecard)
}

/// The JSON report, with a final newline.
pub fn json(card: &Scorecard) -> serde_json::Result<String> {
    serde_json::to_string_pretty(card).map(|text| text + "\n")
}

/// The figures, name and value.
fn figures(card: &Scorecard) -> Vec<(&'static str, String)> {
    let (f, bits) = (&card.figures, card.figures.bits);
    let mut rows = vec![
        ("recall", f.recall.text()),
        ("precision", f.precision.text()),
        ("false alarms", f.false_positive_rate.text()),
        ("class named rightly", f.by_class.text()),
        ("not sure", bits.not_sure.to_string()),
        ("errors", bits.errors.to_string()),
    ];
    if let Some(at) = f.at_base_rate {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        rows.push((
            "precision at base rate",
            format!(
                "{} where {} of connections are intercepted; {} at worst",
                shown(at.precision),
                at.base_rate,
                shown(at.at_worst)
            ),
        ));
    }
    if let Some(spread) = f.spread {
        let alarms = format!("{}-{}", spread.false_positives_low, spread.false_positives_high);
        rows.push((
            "over the seeds",
            format!("recall {:.3}-{:.3}, false alarms {alarms}, {} seeds", spread.recall_low, spread.recall_high, spread.seeds),
        ));
    }
    if let Some(times) = f.times {
        let ms = format!("median {} ms, 95 % within {} ms, longest {} ms", times.median_ms, times.p95_ms, times.longest_ms);
        rows.push(("time to answer", ms));
    }
    rows
}

/// The matrix as cells: a head, then a row for each truth that was there.
fn table(card: &Scorecard) -> Vec<Vec<String>> {
    let matrix = &card.figures.matrix;
    let columns = matrix.columns();
    let head = std::iter::once("what was").chain(columns.iter().copied()).map(str::to_owned).collect();
    let row = |truth: &Truth| {
        let count = |column: &&str| match matrix.count(*truth, column) {
            0 => ".".to_owned(),
            n => n.to_string(),
        };
        std::iter::once(truth.as_str().to_owned()).chain(columns.iter().map(count)).collect()
    };
    std::iter::once(head).chain(Truth::ALL.iter().filter(|t| matrix.row_total(**t) > 0).map(row)).collect()
}

/// Trials that are wrong by the bit, or gave no answer.
fn wrong(card: &Scorecard) -> impl Iterator<Item = &Trial> {
    card.trials().filter(|trial| !trial.is_right())
}

/// A wrong trial in a sentence.
fn sentence(trial: &Trial) -> String {
    match &trial.said {
        Said::Answer(answer) => format!("it was {}, and it said {answer}: {}", trial.truth, trial.evidence),
        Said::Error(trouble) => {
            format!("it was {}, and there is no answer: {}: {}", trial.truth, trouble.kind.as_str(), trouble.why)
        }
    }
}

/// What changed since the baseline, a sentence each.
fn changes(card: &Scorecard) -> Vec<String> {
    let Some(changes) = &card.changes else { return Vec::new() };
    let of = |what: &'static str, all: &[super::baseline::Change]| {
        all.iter().map(move |c| format!("{what}: {} said {}, now {}", c.condition, c.then, c.now)).collect::<Vec<_>>()
    };
    let mut told = [of("worse", &changes.worse), of("better", &changes.better), of("changed", &changes.other)].concat();
    told.extend(changes.new.iter().map(|name| format!("new: {name}")));
    told.extend(changes.gone.iter().map(|name| format!("gone: {name}")));
    if told.is_empty() {
        told.push("nothing changed since the baseline".to_owned());
    }
    told
}

/// The command, as one line.
fn command(card: &Scorecard) -> String {
    card.report.command.join(" ")
}

/// How many, of what, in how long.
fn counts(card: &Scorecard) -> String {
    let run = card.report.cases.iter().filter(|case| case.not_run.is_none()).count();
    let trials = card.trials().count();
    let wrong = wrong(card).count();
    let seconds = format!("{}.{} s", card.report.ms / 1000, card.report.ms % 1000 / 100);
    format!("{run} of {} conditions, {trials} runs, {wrong} wrong or without an answer, in {seconds}", card.report.cases.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::document::{Condition, ScoreReport};
    use super::super::trial::sample::trial;
    use super::super::{Thresholds, Trial};
    use super::*;
    use crate::scenario::Suite;
    use crate::verdict::suite::VERSION;

    fn condition(trial: Trial) -> Condition {
        let (name, label) = (trial.condition.clone(), trial.truth);
        let (title, group, reason) = ("A <title>".to_owned(), "g".to_owned(), "because".to_owned());
        Condition { name, title, group, label, reason, trials: vec![trial], not_run: None, run: None }
    }

    fn card() -> Scorecard {
        let trials = [
            trial("box", Truth::StateBox, "state-box", 10),
            trial("gateway|#1", Truth::Corporate, "intercepted", 20),
            trial("dead", Truth::Blocked, "hung", 30),
        ];
        let report = ScoreReport {
            version: VERSION,
            suite: Suite::Score,
            mitmlab: "0.1.0".to_owned(),
            digest: "d".to_owned(),
            of: 3,
            shard: None,
            command: vec!["detector".to_owned(), "{url}".to_owned()],
            settings: BTreeMap::new(),
            cases: trials.into_iter().map(condition).collect(),
            ms: 1234,
        };
        Scorecard::of(report, Some(0.001), Thresholds { min_recall: None, max_false_positives: Some(0) }, None)
    }

    #[test]
    fn every_form_tells_what_is_wrong() {
        let card = card();
        let junit = junit(&card).unwrap();
        for text in [text(&card), markdown(&card), tap(&card), junit.clone(), html(&card), json(&card).unwrap()] {
            assert!(text.contains("gateway") && text.contains("hung") && text.contains("corporate"), "{text}");
        }
        assert!(tap(&card).starts_with("TAP version 14\n1..3\nok 1 - box") && tap(&card).contains("gateway|\\#1"));
        assert!(markdown(&card).contains("gateway\\|#1"), "{}", markdown(&card));
        assert!(html(&card).contains("A &lt;title&gt;") && !html(&card).contains("A <title>"));
        assert_eq!((junit.matches("<failure").count(), junit.matches("<error").count()), (1, 1), "{junit}");
        assert_eq!(card.exit_code(), 1);
    }

    #[test]
    fn the_document_is_read_back_and_has_a_schema() {
        let card = card();
        let read: Scorecard = serde_json::from_str(&json(&card).unwrap()).unwrap();
        assert_eq!(read.report, card.report);
        assert!(schema().to_value().pointer("/properties/figures").is_some());
    }
}
