//! Which time a certificate's dates are in.
//!
//! Clients judge by the machine's clock. So an authority's dates, which a profile states in the scenario's time, are
//! moved to the machine's; dates copied from a genuine leaf of the lab are the machine's already and stay.

use time::{Duration, OffsetDateTime, UtcOffset};

use crate::scenario::Clock;
use crate::x509::dates::shifted;

/// Which time the certificates' dates are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// The machine's: the scenario's dates are moved by the clock's offset. For certificates that a client is to judge.
    #[default]
    Moved,
    /// The scenario's, as written. For certificates that are compared, not used.
    AsWritten,
}

impl Dates {
    /// A moment of the scenario, in the certificates' time.
    pub fn scenario(self, clock: &Clock, moment: OffsetDateTime) -> OffsetDateTime {
        shifted(moment, self.offset(clock))
    }

    /// What to add to the scenario's time to get the certificates'.
    pub fn offset(self, clock: &Clock) -> Duration {
        match self {
            Self::Moved => clock.offset(),
            Self::AsWritten => Duration::ZERO,
        }
    }

    /// Now, in the certificates' time, whole seconds.
    pub fn now(self, clock: &Clock) -> OffsetDateTime {
        let now = match self {
            Self::Moved => OffsetDateTime::now_utc(),
            Self::AsWritten => clock.now().to_offset(UtcOffset::UTC),
        };
        now.replace_nanosecond(0).unwrap_or(now)
    }
}
