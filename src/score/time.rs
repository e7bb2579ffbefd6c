//! Time to answer: median and 95th percentile, by nearest rank, of the runs that gave an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Trial;

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// Half of the answers came within this time.
    pub median_ms: u64,
    /// Nineteen of twenty did.
    pub p95_ms: u64,
    /// All did.
    pub longest_ms: u64,
}

impl Times {
    /// Of the trials with an answer; none if there is none.
    pub fn of(trials: &[Trial]) -> Option<Self> {
        let mut all: Vec<u64> = trials.iter().filter(|t| t.said.answer().is_some()).map(|t| t.ms).collect();
        all.sort_unstable();
        Some(Self { median_ms: rank(&all, 50)?, p95_ms: rank(&all, 95)?, longest_ms: *all.last()? })
    }
}

/// The smallest value that at least so many percent do not exceed.
fn rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let at = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(at - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::super::trial::sample::trial;
    use super::*;
    use crate::scenario::Truth;

    #[test]
    fn ranks_are_nearest_and_errors_do_not_count() {
        let mut trials: Vec<_> = (1..=20).map(|ms| trial("c", Truth::Clean, "clean", ms)).collect();
        trials.push(trial("c", Truth::Clean, "hung", 30_000));
        assert_eq!(Times::of(&trials), Some(Times { median_ms: 10, p95_ms: 19, longest_ms: 20 }));
        assert_eq!(Times::of(&trials[20..]), None);
        assert_eq!(Times::of(&trials[6..7]), Some(Times { median_ms: 7, p95_ms: 7, longest_ms: 7 }));
    }
}
