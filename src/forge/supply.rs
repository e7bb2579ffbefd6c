//! Key supply: a few fresh keys kept ready, so that the first connection to a host does not wait for one.
//!
//! Threads of low priority refill the shelf; a key that is taken is never given twice. When the shelf is empty the
//! taker makes its own. One key is kept ready at first and twice as many after each taking, up to the shelf's depth: a run of one
//! client costs two keys, a browser soon finds a full shelf. Elliptic keys cost microseconds and are always made on the spot.
//! Dropping the supply tells the threads to stop; each does after the key that it is making.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::x509::key::{Key, KeyError, KeyKind};

/// A shelf of fresh keys of one kind.
#[derive(Debug)]
pub struct KeySupply {
    shelf: Arc<Shelf>,
}

/// Where a key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It lay ready.
    Shelf,
    /// It was made while the taker waited.
    OnTheSpot,
}

#[derive(Debug)]
struct Shelf {
    kind: KeyKind,
    depth: usize,
    state: Mutex<State>,
    changed: Condvar,
}

/// What changes.
#[derive(Debug, Default)]
struct State {
    keys: VecDeque<Key>,
    /// How many are to lie ready.
    wanted: usize,
    /// Keys that threads are making.
    coming: usize,
    stopped: bool,
}

impl KeySupply {
    /// Begins to make keys of a kind, `depth` of them, with at most `threads` threads (two is the most that is used).
    /// No thread is started for kinds that are made in no time.
    pub fn start(kind: KeyKind, depth: usize, threads: usize) -> Self {
        let state = Mutex::new(State { wanted: depth.min(1), ..State::default() });
        let shelf = Arc::new(Shelf { kind, depth, state, changed: Condvar::new() });
        if matches!(kind, KeyKind::Rsa { .. }) && depth > 0 {
            for _ in 0..threads.clamp(1, MOST_THREADS) {
                let shelf = shelf.clone();
                // Without a thread every key is made on the spot: slower, not wrong.
                let _ = thread::Builder::new().name("key-supply".to_owned()).spawn(move || shelf.fill());
            }
        }
        Self { shelf }
    }

    /// The kind that it keeps.
    pub fn kind(&self) -> KeyKind {
        self.shelf.kind
    }

    /// The most keys that lie ready.
    pub fn depth(&self) -> usize {
        self.shelf.depth
    }

    /// How many keys lie ready.
    pub fn ready(&self) -> usize {
        self.shelf.lock().keys.len()
    }

    /// A key that nobody else has or will have.
    pub fn take(&self) -> Result<(Key, Origin), KeyError> {
        let taken = {
            let mut state = self.shelf.lock();
            state.wanted = (2 * state.wanted).min(self.shelf.depth);
            state.keys.pop_front()
        };
        self.shelf.changed.notify_all();
        match taken {
            Some(key) => Ok((key, Origin::Shelf)),
            None => Ok((Key::generate(self.shelf.kind)?, Origin::OnTheSpot)),
        }
    }

    /// Waits until `count` keys lie ready (the depth, if that is less) or the time is over. True if they do.
    pub fn wait_for(&self, count: usize, at_most: std::time::Duration) -> bool {
        let wanted = count.min(self.shelf.depth);
        let mut guard = self.shelf.lock();
        guard.wanted = guard.wanted.max(wanted);
        self.shelf.changed.notify_all();
        let waited = self.shelf.changed.wait_timeout_while(guard, at_most, |state| state.keys.len() < wanted);
        let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        guard.keys.len() >= wanted
    }
}

impl Drop for KeySupply {
    fn drop(&mut self) {
        self.shelf.lock().stopped = true;
        self.shelf.changed.notify_all();
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: make keys while there is room, wait while there is none.
    fn fill(&self) {
        lower_priority();
        let mut state = self.lock();
        loop {
            let full = |state: &mut State| !state.stopped && state.keys.len() + state.coming >= state.wanted;
            state = self.changed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            state.coming += 1;
            drop(state);
            let made = Key::generate(self.kind);
            state = self.lock();
            state.coming -= 1;
            // A kind that cannot be made fails for the taker too, who reports it.
            let Ok(key) = made else { return };
            if !state.stopped {
                state.keys.push_back(key);
                self.changed.notify_all();
            }
        }
    }
}

/// Linux gives each thread its own nice value, so the lab's own threads keep theirs.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let _ = rustix::process::nice(10);
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

/// Making keys must not take the machine from the clients under test.
const MOST_THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::{Duration, Instant};

    use super::*;

    const SMALL: KeyKind = KeyKind::Rsa { bits: 1024, exponent: 3 };

    #[test]
    fn a_warm_shelf_gives_at_once_and_never_twice() {
        let supply = KeySupply::start(SMALL, 4, 2);
        assert_eq!(supply.shelf.lock().wanted, 1, "nobody has asked for more");
        assert!(supply.wait_for(4, Duration::from_secs(30)));
        let began = Instant::now();
        let taken: Vec<_> = (0..4).map(|_| supply.take().unwrap()).collect();
        assert!(began.elapsed() < Duration::from_millis(20));
        assert!(taken.iter().all(|(_, origin)| *origin == Origin::Shelf));
        let more: Vec<_> = (0..4).map(|_| supply.take().unwrap()).collect();
        let distinct: HashSet<_> = taken.iter().chain(&more).map(|(key, _)| key.id()).collect();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn elliptic_keys_need_no_thread() {
        let supply = KeySupply::start(KeyKind::P256, 8, 2);
        assert_eq!(Arc::strong_count(&supply.shelf), 1);
        assert_eq!(supply.take().unwrap().1, Origin::OnTheSpot);
    }

    #[test]
    fn threads_end_with_the_supply() {
        let supply = KeySupply::start(SMALL, 2, 2);
        let shelf = Arc::downgrade(&supply.shelf);
        drop(supply);
        let deadline = Instant::now() + Duration::from_secs(10);
        while shelf.strong_count() > 0 && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(shelf.strong_count(), 0);
    }
}
