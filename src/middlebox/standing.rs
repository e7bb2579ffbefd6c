//! What is in force for whom: the phase, the clock and whether there is interference belong to a leg, not to the lab.
//! So the control leg of one check and the test leg of another can run side by side.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::record::LegId;
use crate::scenario::{Clock, Vantage};

/// What is in force.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The phase, by index into [`crate::scenario::Plan::phases`].
    pub phase: usize,
    /// Where the client stands.
    pub vantage: Vantage,
    /// The scenario's clock.
    pub clock: Clock,
    /// The phase's rules are in force; not on a control leg.
    pub interference: bool,
    /// Where the ordinals of its connections begin: the same in every run of the same scenario.
    pub coins: u64,
}

/// The standings of all legs.
#[derive(Debug)]
pub struct Standings {
    legs: RwLock<HashMap<LegId, Standing>>,
    ordinals: Mutex<HashMap<Option<LegId>, u64>>,
    everyone: RwLock<Standing>,
}

impl Standings {
    /// `everyone` holds for connections of no known leg.
    pub fn new(everyone: Standing) -> Self {
        Self { legs: RwLock::default(), ordinals: Mutex::default(), everyone: RwLock::new(everyone) }
    }

    /// What is in force for a leg.
    pub fn of(&self, leg: Option<LegId>) -> Standing {
        let legs = self.legs.read().unwrap_or_else(PoisonError::into_inner);
        leg.and_then(|leg| legs.get(&leg).cloned())
            .unwrap_or_else(|| self.everyone.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The ordinal of a leg's next connection. Legs count for themselves, so what runs beside a leg does not change its coins.
    pub fn next_ordinal(&self, leg: Option<LegId>) -> u64 {
        let mut ordinals = self.ordinals.lock().unwrap_or_else(PoisonError::into_inner);
        let base = leg.and_then(|leg| self.legs.read().unwrap_or_else(PoisonError::into_inner).get(&leg).map(|s| s.coins));
        let next = ordinals.entry(leg).or_insert(0);
        let ordinal = base.unwrap_or(0).wrapping_add(*next);
        *next += 1;
        ordinal
    }

    /// Puts something in force for a leg.
    pub fn set(&self, leg: LegId, standing: Standing) {
        self.legs.write().unwrap_or_else(PoisonError::into_inner).insert(leg, standing);
    }

    /// Puts something in force for everyone who has no standing of their own.
    pub fn set_for_everyone(&self, standing: Standing) {
        *self.everyone.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}
