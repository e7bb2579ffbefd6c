//! The trust stores of a run: one for each thing that a leg may trust, written when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::authorities::profile_of;
use super::{Lab, Order};
use crate::client::TrustStore;
use crate::error::Error;
use crate::forge::Forger;
use crate::middlebox::Authorities as _;
use crate::record::LegKind;
use crate::scenario::{Action, Trust};

/// What has been written: for each trust, and for each root that it holds.
#[derive(Debug, Default)]
pub(super) struct Stores(Mutex<HashMap<Key, Cell>>);

/// The trust, and the hash of the authority's root key, if it holds one.
type Key = (Trust, Option<[u8; 32]>);

type Cell = Arc<OnceCell<Arc<TrustStore>>>;

impl Lab {
    /// The store of a leg: what it trusts, with the root of the authority that forges on its day.
    pub(super) async fn trust_store(&self, order: &Order) -> Result<Arc<TrustStore>, Error> {
        let made = match profile_of(self.plan(), order.phase) {
            // Where the box is going to forge, its keys are made before the client starts: it would have to wait for them.
            Some(profile) if order.trust.has_authority() || self.will_forge(order) => {
                let made = self.0.authorities.authority(&profile, order.clock).await;
                Some(made.map_err(|e| Error::Usage(format!("authority `{profile}`: {e}")))?)
            }
            _ => None,
        };
        let authority = made.filter(|_| order.trust.has_authority());
        let key = (order.trust, authority.as_ref().map(Forger::root_spki_sha256));
        let (cell, number) = {
            let mut stores = self.0.trust.0.lock().unwrap_or_else(PoisonError::into_inner);
            let number = stores.len();
            (Arc::clone(stores.entry(key).or_default()), number)
        };
        cell.get_or_try_init(|| self.write(order.trust, authority, number)).await.cloned()
    }

    fn will_forge(&self, order: &Order) -> bool {
        let rules = self.plan().phases.get(order.phase).map(|phase| phase.rules.as_slice()).unwrap_or_default();
        order.kind != LegKind::Control && rules.iter().any(|rule| rule.action == Action::Intercept)
    }

    async fn write(&self, trust: Trust, authority: Option<Forger>, number: usize) -> Result<Arc<TrustStore>, Error> {
        let mut roots = self.pki().roots_der();
        if let (Some(authority), Trust::WebAuthority) = (&authority, trust) {
            roots.extend(authority.roots().into_iter().skip(1)); // a family of roots: whoever installs one installs all
        }
        let folder = self.0.folder.path().join(format!("{}-{number}", trust.as_str().replace('+', "-")));
        let root = authority.as_ref().map(Forger::root);
        let mut store =
            TrustStore::for_trust(&folder, trust, &roots, root).map_err(|e| Error::machine("write a trust store", e))?;
        let _ = store.write_nss().await; // only browsers and only where `certutil` is; they then trust nothing of the lab's
        Ok(Arc::new(store))
    }
}
