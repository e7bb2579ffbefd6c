//! Forged leaves that are used again: bounded, oldest out first, and one maker for each at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded map whose places are locked one by one, so that two connections to one host make one leaf.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    inner: Mutex<Inner<K, V>>,
    most: usize,
}

#[derive(Debug)]
struct Inner<K, V> {
    places: HashMap<K, Place<V>>,
    order: VecDeque<K>,
}

/// A place of the cache.
pub(super) type Place<V> = Arc<Mutex<Option<V>>>;

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    pub(super) fn holding(most: usize) -> Self {
        Self { inner: Mutex::new(Inner { places: HashMap::new(), order: VecDeque::new() }), most }
    }

    /// The place for a key; made empty if there is none. Lock it to read or to fill it.
    pub(super) fn place(&self, key: &K) -> Place<V> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = inner.places.get(key) {
            return place.clone();
        }
        while inner.order.len() >= self.most {
            if let Some(oldest) = inner.order.pop_front() {
                inner.places.remove(&oldest);
            }
        }
        let place = Place::default();
        inner.places.insert(key.clone(), place.clone());
        inner.order.push_back(key.clone());
        place
    }
}

/// Serial numbers that have been given, so that none is given twice. Forgets the oldest beyond its bound.
#[derive(Debug, Default)]
pub(super) struct Serials(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    known: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Serials {
    /// Takes a number; false if it was taken already.
    pub(super) fn take(&self, serial: &[u8]) -> bool {
        let Given { known, order } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(serial.to_vec()) {
            return false;
        }
        order.push_back(serial.to_vec());
        if order.len() > MOST_SERIALS {
            order.pop_front().iter().for_each(|oldest| {
                known.remove(oldest);
            });
        }
        true
    }
}

/// Some 20 MiB at the worst; a run forges a few hundred leaves.
const MOST_SERIALS: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_goes_first() {
        let cache = Cache::holding(2);
        *cache.place(&1).lock().unwrap() = Some("one");
        *cache.place(&2).lock().unwrap() = Some("two");
        assert_eq!(*cache.place(&1).lock().unwrap(), Some("one"));
        cache.place(&3);
        assert_eq!(*cache.place(&2).lock().unwrap(), Some("two"));
        assert_eq!(*cache.place(&1).lock().unwrap(), None);
    }

    #[test]
    fn a_serial_is_given_once() {
        let serials = Serials::default();
        assert!(serials.take(&[1]) && serials.take(&[2]) && !serials.take(&[1]));
    }
}
