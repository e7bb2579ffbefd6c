//! The confusion matrix by class: a row for what was, a column for what was said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Said, Trial};
use crate::scenario::{Answer, Truth};

/// How often a detector said what, by what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matrix {
    /// Rows by truth; in each the answers by their word, and `error`.
    pub rows: BTreeMap<Truth, BTreeMap<String, u64>>,
}

/// The column of runs without an answer.
pub const ERROR: &str = "error";

impl Matrix {
    /// Counts.
    pub fn of(trials: &[Trial]) -> Self {
        let mut matrix = Self::default();
        for trial in trials {
            let column = match &trial.said {
                Said::Answer(answer) => answer.as_str(),
                Said::Error(_) => ERROR,
            };
            *matrix.rows.entry(trial.truth).or_default().entry(column.to_owned()).or_default() += 1;
        }
        matrix
    }

    /// How often this was said when that was.
    pub fn count(&self, truth: Truth, column: &str) -> u64 {
        self.rows.get(&truth).and_then(|row| row.get(column)).copied().unwrap_or_default()
    }

    /// How often that was.
    pub fn row_total(&self, truth: Truth) -> u64 {
        self.rows.get(&truth).map(|row| row.values().sum()).unwrap_or_default()
    }

    /// The columns that hold anything, in the order of tables.
    pub fn columns(&self) -> Vec<&'static str> {
        let used = |word: &&str| self.rows.values().any(|row| row.contains_key(*word));
        Answer::all().map(Answer::as_str).chain([ERROR]).filter(used).collect()
    }

    /// Runs whose class was named rightly.
    pub fn right(&self) -> u64 {
        let named = |truth: Truth| Answer::all().filter(move |a| a.is_right_for(truth));
        self.rows.keys().map(|truth| named(*truth).map(|a| self.count(*truth, a.as_str())).sum::<u64>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::sample::trials;
    use super::*;

    #[test]
    fn cells_are_counted_by_class_and_not_by_bit() {
        let mut all = trials(3, Truth::StateBox, "state-box");
        all.extend(trials(2, Truth::StateBox, "intercepted"));
        all.extend(trials(1, Truth::StateBox, "hung"));
        all.extend(trials(4, Truth::Corporate, "state-box"));
        all.extend(trials(5, Truth::Clean, "clean"));
        let matrix = Matrix::of(&all);
        assert_eq!(matrix.columns(), ["state-box", "clean", "intercepted", "error"]);
        assert_eq!(matrix.count(Truth::Corporate, "state-box"), 4);
        assert_eq!((matrix.row_total(Truth::StateBox), matrix.count(Truth::StateBox, ERROR)), (6, 1));
        assert_eq!(matrix.right(), 3 + 2 + 5);
    }
}
