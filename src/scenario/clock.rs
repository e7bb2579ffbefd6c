//! The scenario's clock: the date that the campaign is at, and what it means in the time of this machine.
//!
//! Clients cannot be told another date: they judge certificates by the machine's clock. So a certificate that was good
//! on 2019-07-20 is presented with its dates moved by the same span as "now". The record says by how much.

use std::sync::{Arc, RwLock};
use std::time::Instant;

use time::{Duration, OffsetDateTime, UtcOffset};

/// The scenario's clock. Cheap to clone; all clones move together.
#[derive(Clone, Debug)]
pub struct Clock(Arc<RwLock<Hands>>);

#[derive(Clone, Copy, Debug)]
struct Hands {
    set_to: OffsetDateTime,
    set_at: Instant,
    machine_at: OffsetDateTime,
    speed: f64,
}

impl Clock {
    /// A clock that shows `at` now and runs at the machine's speed.
    pub fn starting_at(at: OffsetDateTime) -> Self {
        let machine_at = OffsetDateTime::now_utc();
        Self(Arc::new(RwLock::new(Hands { set_to: at, set_at: Instant::now(), machine_at, speed: 1.0 })))
    }

    /// How far a moment lies from the machine's time.
    pub fn span_of(moment: OffsetDateTime) -> Duration {
        OffsetDateTime::now_utc() - moment
    }

    /// A clock that shows the machine's time.
    pub fn of_this_machine() -> Self {
        Self::starting_at(OffsetDateTime::now_utc())
    }

    /// The scenario's time, in the UTC offset that the scenario speaks.
    pub fn now(&self) -> OffsetDateTime {
        let hands = self.hands();
        hands.set_to + Duration::seconds_f64(hands.set_at.elapsed().as_secs_f64() * hands.speed)
    }

    /// Moves the clock; the speed stays.
    pub fn set(&self, at: OffsetDateTime) {
        let speed = self.hands().speed;
        self.replace(at, speed);
    }

    /// Makes the clock run faster or slower from now on; 0 stops it.
    pub fn run_at(&self, speed: f64) {
        self.replace(self.now(), speed.max(0.0));
    }

    /// How fast it runs, in seconds of the scenario for a second of the machine's.
    pub fn speed(&self) -> f64 {
        self.hands().speed
    }

    /// What a moment of the scenario is on this machine's clock.
    pub fn to_machine(&self, moment: OffsetDateTime) -> OffsetDateTime {
        (moment + self.offset()).to_offset(UtcOffset::UTC)
    }

    /// What to add to the scenario's time to get the machine's. Whole seconds.
    pub fn offset(&self) -> Duration {
        let hands = self.hands();
        let drift = hands.set_at.elapsed().as_secs_f64() * (1.0 - hands.speed);
        Duration::seconds((hands.machine_at - hands.set_to).whole_seconds()) + Duration::seconds(drift as i64)
    }

    fn replace(&self, at: OffsetDateTime, speed: f64) {
        let hands = Hands { set_to: at, set_at: Instant::now(), machine_at: OffsetDateTime::now_utc(), speed };
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = hands;
    }

    fn hands(&self) -> Hands {
        *self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_moment_keeps_its_distance_from_now() {
        let clock = Clock::starting_at(datetime!(2019-07-20 12:00 +6));
        let later = clock.to_machine(datetime!(2019-07-20 13:00 +6));
        let distance = later - OffsetDateTime::now_utc();
        assert!((distance - Duration::HOUR).abs() < Duration::seconds(5), "{distance}");
        assert_eq!(clock.now().offset(), UtcOffset::from_hms(6, 0, 0).expect("a valid offset"));
    }

    #[test]
    fn a_moved_clock_moves_certificates() {
        let clock = Clock::starting_at(datetime!(2019-07-20 12:00 UTC));
        clock.run_at(0.0);
        clock.set(datetime!(2020-12-06 00:00 UTC));
        assert_eq!(clock.now(), datetime!(2020-12-06 00:00 UTC));
        let distance = clock.to_machine(datetime!(2020-12-06 00:00 UTC)) - OffsetDateTime::now_utc();
        assert!(distance.abs() < Duration::seconds(5), "{distance}");
    }
}
