//! How good a detector is: trials in, figures and a report out. Pure arithmetic; who runs the detector is the lab's business.
//!
//! A [`Trial`] is one run of the detector in one labelled condition: what was, what it said, how long it took. [`Figures`] are
//! made of trials alone, so that shards can be merged and an old scorecard be computed again.
//!
//! An error (a hang, a crash, an output that nobody can read) is never a pass: in a positive condition it counts as missed, in a
//! negative one as neither, and any error makes the exit code 1.

pub mod baseline;
pub mod document;
pub mod figures;
pub mod interval;
pub mod judge;
pub mod matrix;
pub mod report;
pub mod threshold;
pub mod time;
mod trial;

pub use figures::Figures;
pub use matrix::Matrix;
pub use threshold::Thresholds;
pub use trial::{Said, Trial, Trouble, TroubleKind};

/// The lab's own detector, as it is scored.
pub const OWN_DETECTOR: [&str; 6] = ["mitmlab", "probe", "--json", "--max-time", "3", "{url}"];

/// How the lab's own detector speaks.
pub fn own_voice() -> crate::scenario::Voice {
    crate::scenario::Voice::of(crate::scenario::Says::Json("/class".to_owned()))
}
