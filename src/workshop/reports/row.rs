//! A row: what was asked of whom, what came of it, and whether that is as it should be.

use serde_json::{Value, json};

use crate::score::Trial;
use crate::verdict::verify::{Agreement, Answer, VerifyCase};
use crate::verdict::{CheckResult, Outcome};
use crate::workshop::words::Words;

/// A row. Its words are put into a language when it is shown.
#[derive(Clone, Debug)]
pub(super) struct Row {
    name: String,
    given: String,
    found: String,
    /// The mark to show beside what was found: a verdict.
    mark: &'static str,
    signal: String,
    pub(super) held: Held,
}

/// Whether it is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is.
    Yes,
    /// It differs.
    No,
    /// It was not run, or nobody can say.
    Open,
}

impl Row {
    /// Nothing came of it.
    pub(super) fn broken(name: &str, why: String) -> Self {
        let (found, given) = ("inconclusive".to_owned(), String::new());
        Self { name: name.to_owned(), given, found, mark: "unclear", signal: why, held: Held::Open }
    }

    /// A check, and its twin with it.
    pub(super) fn check(result: &CheckResult) -> Self {
        let target = result.targets.first();
        let verdict = target.map_or("inconclusive", |target| target.verdict.as_str());
        let differs = result.with_twin().find_map(|check| match &check.outcome {
            Outcome::Failed(differences) => Some(differences.iter().map(|one| one.what.clone()).collect::<Vec<_>>().join(", ")),
            _ => None,
        });
        let held = match (&differs, result.not_run()) {
            (Some(_), _) => Held::No,
            (None, Some(_)) => Held::Open,
            (None, None) => Held::Yes,
        };
        let shown = || result.not_run().map(str::to_owned).or_else(|| target.map(|target| target.signal.clone()));
        Self {
            name: result.name.clone(),
            given: result.phase.clone(),
            found: result.finding.clone().unwrap_or_else(|| verdict.to_owned()),
            mark: if held == Held::Open { "unclear" } else { verdict },
            signal: differs.or_else(shown).unwrap_or_default(),
            held,
        }
    }

    /// A case of `verify`.
    pub(super) fn case(case: &VerifyCase) -> Self {
        let (found, mark) = match case.answer {
            Answer::Refused => ("refused", "refused"),
            Answer::Exposed => ("exposed", "exposed"),
            Answer::Accepted => ("accepted", "untouched"),
            Answer::Inconclusive => ("inconclusive", "unclear"),
            Answer::Unsupported => ("unsupported", "unclear"),
        };
        let held = match case.agrees {
            Agreement::Yes => Held::Yes,
            Agreement::No => Held::No,
            Agreement::Open | Agreement::NotRun => Held::Open,
        };
        let given = format!("must.{}", case.must.as_str());
        Self { name: case.title.clone(), given, found: found.to_owned(), mark, signal: case.signal.clone(), held }
    }

    /// A condition of `score`.
    pub(super) fn trial(name: &str, trial: &Trial) -> Self {
        let held = if trial.is_right() { Held::Yes } else { Held::No };
        let found = match trial.said.answer() {
            Some(answer) => format!("truth.{}", answer.as_str()),
            None => trial.said.as_str().to_owned(),
        };
        let mark = if held == Held::Yes { "untouched" } else { "exposed" };
        let given = format!("truth.{}", trial.truth.as_str());
        Self { name: name.to_owned(), given, found, mark, signal: trial.words.clone().unwrap_or_default(), held }
    }

    /// Its cells, in the order of the columns.
    pub(super) fn cells(&self, words: Words) -> Vec<Value> {
        let word = |text: &str| {
            let keys = [format!("found.{text}"), text.to_owned()];
            keys.iter().find(|key| words.knows(key)).map_or_else(|| text.to_owned(), |key| words.say(key, &[]))
        };
        let held = match self.held {
            Held::Yes => "held.yes",
            Held::No => "held.no",
            Held::Open => "held.open",
        };
        vec![
            json!(self.name),
            json!(word(&self.given)),
            json!({ "word": word(&self.found), "verdict": self.mark }),
            json!(self.signal),
            json!(words.say(held, &[])),
        ]
    }
}
