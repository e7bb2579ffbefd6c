//! What a detector must reach, and the exit code that says whether it does.

use super::{Figures, Said, Trial};

/// What it must reach.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Recall at least.
    pub min_recall: Option<f64>,
    /// False alarms at most.
    pub max_false_positives: Option<u64>,
}

impl Thresholds {
    /// What was not reached, a sentence each. Errors are here too: a detector that cannot be read has not passed.
    pub fn missed(&self, figures: &Figures, trials: &[Trial]) -> Vec<String> {
        let mut missed = Vec::new();
        let recall = figures.recall.value;
        if let Some(least) = self.min_recall.filter(|least| recall.is_none_or(|r| r < *least)) {
            let seen = recall.map_or("not known: no condition with a box was run".to_owned(), |r| format!("{r:.3}"));
            missed.push(format!("recall is {seen}; at least {least} was asked for"));
        }
        let false_alarms = figures.bits.false_positives;
        if let Some(most) = self.max_false_positives.filter(|most| false_alarms > *most) {
            missed.push(format!("false alarms: {false_alarms}; at most {most} were asked for"));
        }
        missed.extend(trials.iter().filter_map(|trial| match &trial.said {
            Said::Error(trouble) => Some(format!("{}: {}: {}", trial.condition, trouble.kind.as_str(), trouble.why)),
            Said::Answer(_) => None,
        }));
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::sample::trials;
    use super::*;
    use crate::scenario::Truth::{Clean, StateBox};

    fn missed(min_recall: Option<f64>, max_false_positives: Option<u64>, trials: &[Trial]) -> usize {
        Thresholds { min_recall, max_false_positives }.missed(&Figures::of(trials, None), trials).len()
    }

    #[test]
    fn each_threshold_bites_at_its_edge() {
        let trials = [trials(9, StateBox, "state-box"), trials(1, StateBox, "clean"), trials(2, Clean, "intercepted")].concat();
        assert_eq!(missed(None, None, &trials), 0);
        assert_eq!(missed(Some(0.9), Some(2), &trials), 0);
        assert_eq!(missed(Some(0.91), Some(1), &trials), 2);
    }

    #[test]
    fn an_error_is_never_a_pass_and_neither_is_nothing() {
        assert_eq!(missed(None, None, &trials(2, Clean, "unreadable")), 2);
        assert_eq!(missed(Some(0.1), None, &trials(3, Clean, "clean")), 1, "no box was shown: recall is not known");
    }
}
