//! What changed since a stored scorecard, condition by condition and by the figures.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Figures, Trial};

/// What changed since a stored scorecard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Conditions that were right and are wrong now.
    pub worse: Vec<Change>,
    /// Conditions that were wrong and are right now.
    pub better: Vec<Change>,
    /// Conditions whose answer changed and is as right or wrong as before.
    pub other: Vec<Change>,
    /// Conditions that the baseline does not have.
    pub new: Vec<String>,
    /// Conditions that only the baseline has.
    pub gone: Vec<String>,
    /// Recall now, less recall then.
    pub recall: Option<f64>,
    /// False alarms now, less those then.
    pub false_positives: i64,
    /// Median time now, by the one then.
    pub median_ratio: Option<f64>,
}

/// One condition that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The condition.
    pub condition: String,
    /// Its seed.
    pub seed: u64,
    /// What it said then.
    pub then: String,
    /// What it says now.
    pub now: String,
}

impl Changes {
    /// Compares.
    pub fn between(then: &[Trial], now: &[Trial]) -> Self {
        let (old, new) = (by_key(then), by_key(now));
        let mut changes = Self::default();
        for (key, trial) in &new {
            let Some(before) = old.get(key) else {
                changes.new.push(trial.condition.clone());
                continue;
            };
            if before.said.as_str() == trial.said.as_str() {
                continue;
            }
            let (then, now) = (before.said.as_str().to_owned(), trial.said.as_str().to_owned());
            let change = Change { condition: trial.condition.clone(), seed: trial.seed, then, now };
            match (before.is_right(), trial.is_right()) {
                (true, false) => changes.worse.push(change),
                (false, true) => changes.better.push(change),
                _ => changes.other.push(change),
            }
        }
        changes.gone = old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|(_, t)| t.condition.clone()).collect();
        changes.compare_figures(&Figures::of(then, None), &Figures::of(now, None));
        changes
    }

    #[expect(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "counts of trials and milliseconds are small")]
    fn compare_figures(&mut self, then: &Figures, now: &Figures) {
        self.recall = now.recall.value.zip(then.recall.value).map(|(now, then)| now - then);
        self.false_positives = now.bits.false_positives as i64 - then.bits.false_positives as i64;
        let medians = now.times.zip(then.times);
        self.median_ratio = medians.map(|(now, then)| now.median_ms as f64 / then.median_ms.max(1) as f64);
    }
}

fn by_key(trials: &[Trial]) -> BTreeMap<(&str, u64), &Trial> {
    trials.iter().map(|trial| ((trial.condition.as_str(), trial.seed), trial)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::trial::sample::trial;
    use super::*;
    use crate::scenario::Truth::{Clean, Corporate, StateBox};

    #[test]
    fn each_condition_is_better_worse_other_new_or_gone() {
        let then = [
            trial("a", StateBox, "state-box", 10),
            trial("b", StateBox, "not-sure", 10),
            trial("c", Corporate, "clean", 10),
            trial("d", Clean, "clean", 10),
        ];
        let now = [
            trial("a", StateBox, "hung", 20),
            trial("b", StateBox, "intercepted", 20),
            trial("c", Corporate, "corporate", 20),
            trial("e", Clean, "state-box", 20),
        ];
        let changes = Changes::between(&then, &now);
        let names = |of: &[Change]| of.iter().map(|c| c.condition.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&changes.worse), names(&changes.better), names(&changes.other)),
            (vec!["a".into()], vec!["b".into()], vec!["c".into()])
        );
        assert_eq!((changes.new, changes.gone), (vec!["e".to_owned()], vec!["d".to_owned()]));
        assert_eq!((changes.recall, changes.false_positives, changes.median_ratio), (Some(0.0), 1, Some(2.0)));
    }
}
