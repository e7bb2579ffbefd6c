//! The figures of a scorecard, computed from trials alone.
//!
//! By the one bit that an alarm is: `not-sure` is no alarm, so it misses a box and accuses nobody. An error in front of a box is a
//! miss; elsewhere it is neither right nor a false alarm, and stands in a count of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interval::Share;
use super::time::Times;
use super::{Matrix, Said, Trial};

/// The figures of a scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// By the bit.
    pub bits: Bits,
    /// Alarms that were right, of all alarms.
    pub precision: Share,
    /// Boxes that raised an alarm, of all boxes.
    pub recall: Share,
    /// False alarms, of all conditions without a box that got an answer.
    pub false_positive_rate: Share,
    /// Classes named rightly, of all trials.
    pub by_class: Share,
    /// By class.
    pub matrix: Matrix,
    /// What precision would be where so large a share of connections is intercepted.
    pub at_base_rate: Option<AtBaseRate>,
    /// Lowest and highest recall and number of false alarms over the seeds, if there are several.
    pub spread: Option<Spread>,
    /// Time to answer.
    pub times: Option<Times>,
}

/// Counts by the bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bits {
    /// A box, and an alarm.
    pub true_positives: u64,
    /// No box, and an alarm.
    pub false_positives: u64,
    /// No box, and no alarm.
    pub true_negatives: u64,
    /// A box, and no alarm (errors too).
    pub false_negatives: u64,
    /// Answers `not-sure` among them.
    pub not_sure: u64,
    /// Runs without an answer.
    pub errors: u64,
}

/// Precision in a world of another make-up than the suite's (Bayes).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtBaseRate {
    /// Share of connections that are intercepted.
    pub base_rate: f64,
    /// Alarms that would be right, of all alarms; none if no alarm would ever be raised.
    pub precision: Option<f64>,
    /// The same with the pessimistic ends of both intervals.
    pub at_worst: Option<f64>,
}

/// What differs between seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// How many seeds.
    pub seeds: u64,
    /// Lowest recall.
    pub recall_low: f64,
    /// Highest.
    pub recall_high: f64,
    /// Fewest false alarms.
    pub false_positives_low: u64,
    /// Most.
    pub false_positives_high: u64,
}

impl Figures {
    /// Computes them.
    pub fn of(trials: &[Trial], base_rate: Option<f64>) -> Self {
        let bits = Bits::of(trials);
        let matrix = Matrix::of(trials);
        let recall = Share::new(bits.true_positives, bits.true_positives + bits.false_negatives);
        let false_positive_rate = Share::new(bits.false_positives, bits.false_positives + bits.true_negatives);
        Self {
            precision: Share::new(bits.true_positives, bits.true_positives + bits.false_positives),
            by_class: Share::new(matrix.right(), trials.len() as u64),
            at_base_rate: base_rate.map(|rate| AtBaseRate {
                base_rate: rate,
                precision: recall.value.zip(false_positive_rate.value).and_then(|(r, f)| bayes(rate, r, f)),
                at_worst: bayes(rate, recall.low, false_positive_rate.high),
            }),
            spread: Spread::of(trials),
            times: Times::of(trials),
            bits,
            recall,
            false_positive_rate,
            matrix,
        }
    }
}

impl Bits {
    /// Counts.
    pub fn of(trials: &[Trial]) -> Self {
        let mut bits = Self::default();
        for trial in trials {
            let alarm = trial.said.answer().map(|answer| answer.is_alarm());
            match (trial.truth.is_interception(), alarm) {
                (true, Some(true)) => bits.true_positives += 1,
                (true, Some(false) | None) => bits.false_negatives += 1,
                (false, Some(true)) => bits.false_positives += 1,
                (false, Some(false)) => bits.true_negatives += 1,
                (false, None) => {}
            }
            bits.errors += u64::from(alarm.is_none());
            bits.not_sure += u64::from(trial.said == Said::Answer(crate::scenario::Answer::NotSure));
        }
        bits
    }
}

impl Spread {
    fn of(trials: &[Trial]) -> Option<Self> {
        let seeds: std::collections::BTreeSet<u64> = trials.iter().map(|t| t.seed).collect();
        let each: Vec<Bits> =
            seeds.iter().map(|seed| Bits::of(&trials.iter().filter(|t| t.seed == *seed).cloned().collect::<Vec<_>>())).collect();
        if each.len() < 2 {
            return None;
        }
        let recalls = each.iter().filter_map(|b| Share::new(b.true_positives, b.true_positives + b.false_negatives).value);
        let (low, high) = recalls.fold((1.0_f64, 0.0_f64), |(low, high), r| (low.min(r), high.max(r)));
        let false_alarms = || each.iter().map(|b| b.false_positives);
        Some(Self {
            seeds: each.len() as u64,
            recall_low: low.min(high),
            recall_high: high,
            false_positives_low: false_alarms().min()?,
            false_positives_high: false_alarms().max()?,
        })
    }
}

/// Share of alarms that are right where `rate` of all connections are intercepted.
fn bayes(rate: f64, recall: f64, false_positive_rate: f64) -> Option<f64> {
    let (right, wrong) = (rate * recall, (1.0 - rate) * false_positive_rate);
    (right + wrong > 0.0).then(|| right / (right + wrong))
}

#[cfg(test)]
mod tests {
    use super::super::trial::sample::{trial, trials};
    use super::*;
    use crate::scenario::Truth::{Blocked, Clean, Corporate, StateBox};

    /// 8 boxes and 12 others; hand-computed: TP 6, FN 2 (one not-sure, one error), FP 3, TN 8, one error among the others.
    fn mixed() -> Vec<Trial> {
        let mut all = trials(5, StateBox, "state-box");
        all.extend(trials(1, StateBox, "intercepted"));
        all.extend(trials(1, StateBox, "not-sure"));
        all.extend(trials(1, StateBox, "unreadable"));
        all.extend(trials(3, Corporate, "intercepted"));
        all.extend(trials(6, Clean, "clean"));
        all.extend(trials(2, Blocked, "clean"));
        all.extend(trials(1, Blocked, "hung"));
        all
    }

    #[test]
    fn counts_are_those_of_the_table() {
        let bits = Bits { true_positives: 6, false_positives: 3, true_negatives: 8, false_negatives: 2, not_sure: 1, errors: 2 };
        let figures = Figures::of(&mixed(), None);
        assert_eq!(figures.bits, bits);
        assert_eq!(figures.precision.value, Some(6.0 / 9.0));
        assert_eq!(figures.recall.value, Some(6.0 / 8.0));
        assert_eq!(figures.false_positive_rate.value, Some(3.0 / 11.0));
        assert_eq!((figures.by_class.hits, figures.by_class.of), (12, 20), "5 + 1 boxes, 6 clean");
    }

    #[test]
    fn a_rare_evil_makes_most_alarms_false() {
        // recall 0.75, false alarms 3/11: at one in a thousand 0.00075 / (0.00075 + 0.999 * 0.272727) = 0.002745
        let at = Figures::of(&mixed(), Some(0.001)).at_base_rate.unwrap();
        assert!((at.precision.unwrap() - 0.002_745).abs() < 1e-6, "{at:?}");
        assert!(at.at_worst.unwrap() < at.precision.unwrap());
        let perfect = Figures::of(&trials(4, StateBox, "state-box"), Some(0.5)).at_base_rate.unwrap();
        assert_eq!(perfect.precision, None, "without a negative nothing is known of false alarms");
    }

    #[test]
    fn yes_sayers_and_nay_sayers_are_told_by_their_figures() {
        let says = |word| [trials(10, StateBox, word), trials(30, Clean, word)].concat();
        let yes = Figures::of(&says("intercepted"), Some(0.25));
        assert_eq!((yes.precision.value, yes.recall.value), (Some(0.25), Some(1.0)));
        assert_eq!(yes.at_base_rate.unwrap().precision, Some(0.25), "an alarm says nothing");
        let no = Figures::of(&says("clean"), Some(0.25));
        assert_eq!((no.precision.value, no.recall.value, no.false_positive_rate.value), (None, Some(0.0), Some(0.0)));
        assert_eq!(no.at_base_rate.unwrap().precision, None);
    }

    #[test]
    fn seeds_are_told_apart() {
        let of = |seed, word: &str| Trial { seed, ..trial("c", StateBox, word, 1) };
        let spread = Figures::of(&[of(1, "state-box"), of(1, "clean"), of(2, "state-box")], None).spread.unwrap();
        assert_eq!((spread.seeds, spread.recall_low, spread.recall_high), (2, 0.5, 1.0));
        assert_eq!(Figures::of(&[of(1, "clean")], None).spread, None);
    }
}
