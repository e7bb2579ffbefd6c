//! The scorecard as one HTML page that needs nothing else.

use super::super::document::{Condition, Scorecard};
use super::{changes, command, counts, figures, sentence};
use crate::scenario::Truth;
use crate::verdict::report::html::{Card, Page, Tone, page};

/// Writes the page.
pub fn html(card: &Scorecard) -> String {
    let conclusion = match card.exit_code() {
        0 => (Tone::Good, "Every run gave an answer, and all that was asked for was reached.".to_owned()),
        _ => (Tone::Bad, "Not all that was asked for was reached.".to_owned()),
    };
    let lines = figures(card).into_iter().map(|(name, value)| format!("{name}: {value}"));
    page(&Page {
        title: format!("score {}", command(card)),
        conclusion,
        summary: std::iter::once(counts(card)).chain(lines).collect(),
        groups: groups(card),
        notes: vec![
            ("What was, and what was said".to_owned(), confusion(card)),
            ("Not reached".to_owned(), card.missed.clone()),
            ("Since the baseline".to_owned(), changes(card)),
        ],
    })
}

/// Conditions by their group, in the order of first sight.
fn groups(card: &Scorecard) -> Vec<(String, Vec<Card<'_>>)> {
    let mut groups: Vec<(String, Vec<Card<'_>>)> = Vec::new();
    for case in &card.report.cases {
        match groups.iter_mut().find(|(name, _)| *name == case.group) {
            Some((_, cards)) => cards.push(one(case)),
            None => groups.push((case.group.clone(), vec![one(case)])),
        }
    }
    groups
}

fn one(case: &Condition) -> Card<'_> {
    let all = case.trials.len();
    let right = case.trials.iter().filter(|trial| trial.is_right()).count();
    let named = case.trials.iter().all(|trial| trial.said.answer().is_some_and(|a| a.is_right_for(trial.truth)));
    let tone = match (all, right) {
        (0, _) => Tone::Quiet,
        _ if right < all => Tone::Bad,
        _ if named => Tone::Good,
        _ => Tone::Noted,
    };
    let first = case.trials.first();
    let facts = vec![
        ("what was", case.label.to_string()),
        ("because", case.reason.clone()),
        ("what it said", first.map(|trial| trial.said.as_str().to_owned()).unwrap_or_default()),
        ("in its own words", first.and_then(|trial| trial.words.clone()).unwrap_or_default()),
        (
            "evidence",
            first.map(|trial| if trial.is_right() { trial.evidence.clone() } else { sentence(trial) }).unwrap_or_default(),
        ),
        ("right", if all > 1 { format!("{right} of {all} runs") } else { String::new() }),
        ("not run", case.not_run.clone().unwrap_or_default()),
    ];
    Card {
        name: case.name.clone(),
        tone,
        word: first.map_or("not run", |trial| trial.said.as_str()).to_owned(),
        about: format!("{}.", case.title),
        facts,
        checks: case.run.iter().flat_map(|run| &run.checks).collect(),
    }
}

fn confusion(card: &Scorecard) -> Vec<String> {
    let matrix = &card.figures.matrix;
    let row = |truth: &Truth| {
        let cells = matrix.columns().into_iter().filter(|column| matrix.count(*truth, column) > 0);
        let said: Vec<String> = cells.map(|column| format!("{} {column}", matrix.count(*truth, column))).collect();
        format!("{truth}: said {}", said.join(", "))
    };
    Truth::ALL.iter().filter(|truth| matrix.row_total(**truth) > 0).map(row).collect()
}
