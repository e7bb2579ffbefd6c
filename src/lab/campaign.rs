//! The campaign under a clock that runs faster or slower than the machine's: a phase begins when the clock comes to its date.
//!
//! At the machine's own speed nothing moves by itself: whoever put a phase and a time in force meant both. A clock that is set
//! (not run) stays in its phase for the same reason, unless it runs at a speed of its own besides.

use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::leg::AbortOnDrop;
use super::{Lab, Shared};
use crate::middlebox::standing::Standing;
use crate::record::{Event, LegId};
use crate::scenario::Phase;

/// The speed of a clock that keeps the machine's time.
pub(super) const AS_THE_MACHINE: f64 = 1.0;

/// Phases are entered for as long as this is held.
pub(super) type Following = AbortOnDrop;

impl Lab {
    /// Enters phases as the clock of a leg, or everyone's, comes to them.
    pub(super) fn follow_the_clock(&self, leg: Option<LegId>) -> Following {
        AbortOnDrop(tokio::spawn(follow(Arc::downgrade(&self.0), leg)))
    }

    /// Enters the phase that has begun, if one has; how long it is until the next look.
    fn go_on(&self, leg: Option<LegId>) -> Duration {
        let standing = self.middlebox().standings().of(leg);
        let (now, speed) = (standing.clock.now(), standing.clock.speed());
        if speed == AS_THE_MACHINE || speed <= 0.0 {
            return LOOK;
        }
        let phases = &self.plan().phases;
        if let Some(phase) = begun(phases, standing.phase, now) {
            self.pass_into(leg, Standing { phase, ..standing });
        }
        until_next(phases, now, speed).min(LOOK)
    }

    fn pass_into(&self, leg: Option<LegId>, standing: Standing) {
        let phase = &self.plan().phases[standing.phase];
        let clock = standing.clock.now().format(&Rfc3339).unwrap_or_default();
        self.recorder().emit_run(leg, Event::PhaseEnter { phase: phase.name.clone(), clock });
        if let Some(notice) = &phase.notice {
            self.recorder().emit_run(leg, Event::NoticeSent { from: notice.from.clone(), text: notice.text.clone() });
        }
        match leg {
            Some(leg) => self.middlebox().standings().set(leg, standing),
            None => self.middlebox().standings().set_for_everyone(standing),
        }
    }
}

async fn follow(shared: Weak<Shared>, leg: Option<LegId>) {
    while let Some(shared) = shared.upgrade() {
        let wait = Lab(shared).go_on(leg);
        tokio::time::sleep(wait).await; // until the next date, or until somebody may have moved the clock
    }
}

/// The last of the phases after the one in force that has begun.
fn begun(phases: &[Phase], current: usize, now: OffsetDateTime) -> Option<usize> {
    (current + 1..phases.len()).rev().find(|&index| phases[index].from.is_some_and(|from| from <= now))
}

fn until_next(phases: &[Phase], now: OffsetDateTime, speed: f64) -> Duration {
    let next = phases.iter().filter_map(|phase| phase.from).filter(|from| *from > now).min();
    let left = next.map_or(f64::MAX, |next| (next - now).as_seconds_f64() / speed);
    Duration::try_from_secs_f64(left).unwrap_or(LOOK)
}

/// A clock may be moved at any time.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn phase(from: Option<OffsetDateTime>) -> Phase {
        let (about, sources) = (String::new(), Vec::new());
        Phase {
            name: String::new(),
            about,
            sources,
            from,
            to: None,
            rules: Vec::new(),
            notice: None,
            profile: None,
            unused_ok: None,
        }
    }

    #[test]
    fn the_last_phase_that_has_begun_is_entered_and_none_before_the_one_in_force() {
        let dates = [None, Some(datetime!(2019-07-17 0:00 UTC)), Some(datetime!(2019-07-22 0:00 UTC)), None];
        let phases: Vec<Phase> = dates.into_iter().map(phase).collect();
        assert_eq!(begun(&phases, 0, datetime!(2019-07-16 23:59 UTC)), None);
        assert_eq!(begun(&phases, 0, datetime!(2019-07-17 0:00 UTC)), Some(1));
        assert_eq!(begun(&phases, 0, datetime!(2019-08-01 0:00 UTC)), Some(2));
        assert_eq!(begun(&phases, 2, datetime!(2019-08-01 0:00 UTC)), None);
        assert_eq!(until_next(&phases, datetime!(2019-07-21 23:59 UTC), 60.0), Duration::from_secs(1));
        assert_eq!(until_next(&phases, datetime!(2019-07-23 0:00 UTC), 60.0), LOOK);
    }
}
