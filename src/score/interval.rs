//! How sure a share is: Wilson's score interval (E. B. Wilson, JASA 22, 1927), which stays within 0 and 1 and says something at
//! 0 of n and n of n, where the textbook interval is empty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of successes, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// Successes.
    pub hits: u64,
    /// Of so many.
    pub of: u64,
    /// Hits by all; none if there is nothing to divide by.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// A share with its interval.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
    pub fn new(hits: u64, of: u64) -> Self {
        if of == 0 {
            return Self { hits, of, value: None, low: 0.0, high: 1.0 };
        }
        let (n, p) = (of as f64, hits as f64 / of as f64);
        let z2 = Z * Z;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if hits == of { 1.0 } else { (centre + half).min(1.0) };
        Self { hits, of, value: Some(p), low, high }
    }

    /// `0.900 (18/20, 0.699-0.972)`.
    pub fn text(&self) -> String {
        match self.value {
            None => "- (0/0)".to_owned(),
            Some(value) => format!("{value:.3} ({}/{}, {:.3}-{:.3})", self.hits, self.of, self.low, self.high),
        }
    }
}

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(share: Share, low: f64, high: f64) {
        assert!((share.low - low).abs() < 5e-4 && (share.high - high).abs() < 5e-4, "{share:?}");
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        near(Share::new(18, 20), 0.6990, 0.9721); // Brown, Cai, DasGupta 2001 give the formula; computed by hand
        near(Share::new(5, 10), 0.2366, 0.7634);
        near(Share::new(0, 20), 0.0, 0.1611); // z^2 / (n + z^2) = 3.8415 / 23.8415
        near(Share::new(20, 20), 0.8389, 1.0);
        near(Share::new(1, 1), 0.2065, 1.0);
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        let share = Share::new(0, 0);
        assert_eq!((share.value, share.low, share.high), (None, 0.0, 1.0));
        assert_eq!(share.text(), "- (0/0)");
        assert_eq!(Share::new(18, 20).text(), "0.900 (18/20, 0.699-0.972)");
    }
}
