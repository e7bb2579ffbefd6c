//! The keys of a run that several authorities have in common: one profile may have an authority for each day of a campaign, and a
//! state does not change its root's key from day to day. What differs are the certificates.
//!
//! A key is made when it is first asked for, once, and lives in memory until the last forger of the run is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::supply::KeySupply;
use crate::x509::key::{Key, KeyError, KeyKind};

/// The keys of a run. Cheap to clone; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Keys(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lasting: Mutex<HashMap<Holder, Place>>,
    shelves: Mutex<Vec<Arc<KeySupply>>>,
}

/// Locked while its key is made, so that whoever asks meanwhile waits for that one.
type Place = Arc<Mutex<Option<Key>>>;

/// Whose key it is, whatever the day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    /// Name of the profile.
    pub(super) profile: String,
    /// Which of its certificates.
    pub(super) of: Of,
}

/// A certificate of an authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    /// The root, or one of its twins by their id.
    Root(Option<String>),
    /// The intermediate of a window (or the only one).
    Intermediate(Option<usize>),
}

impl Keys {
    /// The holder's key.
    pub(super) fn lasting(&self, holder: Holder, kind: KeyKind) -> Result<Key, KeyError> {
        let place = {
            let mut lasting = self.0.lasting.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lasting.entry(holder).or_default())
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Some(key) => Ok(key.clone()),
            None => Ok(place.insert(Key::generate(kind)?).clone()),
        }
    }

    /// The shelf of fresh keys of a kind, at most so deep.
    pub(super) fn shelf(&self, kind: KeyKind, depth: usize) -> Arc<KeySupply> {
        let mut shelves = self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.iter().find(|shelf| shelf.kind() == kind && shelf.depth() == depth) {
            return Arc::clone(shelf);
        }
        let shelf = Arc::new(KeySupply::start(kind, depth, SUPPLY_THREADS));
        shelves.push(Arc::clone(&shelf));
        shelf
    }
}

/// More would take the machine from the clients under test.
const SUPPLY_THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_keeps_its_key_and_shares_it_with_nobody() {
        let keys = Keys::default();
        let id = |profile: &str, of| keys.lasting(Holder { profile: profile.to_owned(), of }, KeyKind::P256).unwrap().id();
        let root = id("one", Of::Root(None));
        assert_eq!(id("one", Of::Root(None)), root);
        assert_ne!(id("two", Of::Root(None)), root);
        assert_ne!(id("one", Of::Root(Some("twin".to_owned()))), root);
        assert_ne!(id("one", Of::Intermediate(None)), root);
        assert_ne!(
            Keys::default().lasting(Holder { profile: "one".to_owned(), of: Of::Root(None) }, KeyKind::P256).unwrap().id(),
            root
        );
    }

    #[test]
    fn one_kind_has_one_shelf() {
        let keys = Keys::default();
        assert!(Arc::ptr_eq(&keys.shelf(KeyKind::P256, 4), &keys.shelf(KeyKind::P256, 4)));
        assert!(!Arc::ptr_eq(&keys.shelf(KeyKind::P256, 4), &keys.shelf(KeyKind::P384, 4)));
    }
}
