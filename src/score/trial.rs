//! One run of a detector in one labelled condition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::{Answer, Truth};

/// One run of a detector in one labelled condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// The condition: the scenario's short name, and the check's name if it has several.
    pub condition: String,
    /// The seed of its coins.
    pub seed: u64,
    /// What was: the label, unless a coin kept the box from acting, which makes it clean.
    pub truth: Truth,
    /// What it said.
    pub said: Said,
    /// What it said in its own words.
    pub words: Option<String>,
    /// Milliseconds from its start to its end.
    pub ms: u64,
    /// How the record confirms the truth: connections, rule, chain.
    pub evidence: String,
}

/// What a detector said, or why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// An answer.
    Answer(Answer),
    /// No answer.
    Error(Trouble),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// In words.
    pub why: String,
}

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// It could not be started.
    NotStarted,
    /// It did not end before its deadline, and was killed with all that it had started.
    Hung,
    /// A signal ended it.
    Crashed,
    /// Its output or exit code means nothing that is known.
    Unreadable,
    /// It never looked at the site: it ignored the lab's proxy, or answered from memory.
    NeverLooked,
}

impl Said {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<Answer> {
        match self {
            Self::Answer(answer) => Some(*answer),
            Self::Error(_) => None,
        }
    }

    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Answer(answer) => answer.as_str(),
            Self::Error(trouble) => trouble.kind.as_str(),
        }
    }
}

impl TroubleKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Hung => "hung",
            Self::Crashed => "crashed",
            Self::Unreadable => "unreadable",
            Self::NeverLooked => "never-looked",
        }
    }
}

impl Trial {
    /// The alarm was raised where it should be, and not where it should not. An error is never right.
    pub fn is_right(&self) -> bool {
        self.said.answer().is_some_and(|answer| answer.is_alarm() == self.truth.is_interception())
    }
}

#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// A trial without a story.
    pub(crate) fn trial(condition: &str, truth: Truth, word: &str, ms: u64) -> Trial {
        let error = |kind| Said::Error(Trouble { kind, why: "for a test".to_owned() });
        let said = match word {
            "hung" => error(TroubleKind::Hung),
            "unreadable" => error(TroubleKind::Unreadable),
            word => Said::Answer(word.parse().unwrap()),
        };
        let words = Some(word.to_owned());
        Trial { condition: condition.to_owned(), seed: 0, truth, said, words, ms, evidence: "c1".to_owned() }
    }

    /// `n` trials alike.
    pub(crate) fn trials(n: usize, truth: Truth, word: &str) -> Vec<Trial> {
        (0..n).map(|at| trial(&format!("{truth}-{at}"), truth, word, 10)).collect()
    }
}
