//! The trust stores of a run: one for each thing that a leg may trust, written when it is first needed.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio::sync::Mutex;

use super::Lab;
use crate::client::TrustStore;
use crate::error::Error;
use crate::middlebox::Authorities as _;
use crate::scenario::{Action, Trust};

/// What has been written.
#[derive(Debug, Default)]
pub(super) struct Stores(Mutex<HashMap<Trust, Arc<TrustStore>>>);

impl Lab {
    /// The store of a trust.
    pub(super) async fn trust_store(&self, trust: Trust) -> Result<Arc<TrustStore>, Error> {
        let mut stores = self.0.trust.0.lock().await;
        if let Some(store) = stores.get(&trust) {
            return Ok(Arc::clone(store));
        }
        let authority = match self.authority_profile() {
            Some(profile) if trust.has_authority() => Some(
                self.0.authorities.authority(&profile).await.map_err(|e| Error::Usage(format!("authority `{profile}`: {e}")))?,
            ),
            _ => None,
        };
        let folder = self.0.folder.path().join(trust.as_str().replace('+', "-"));
        let root = authority.as_ref().map(|a| a.root());
        let mut store =
            TrustStore::for_trust(&folder, trust, &self.0.roots, root).map_err(|e| Error::machine("write a trust store", e))?;
        let _ = store.write_nss().await; // only browsers and only where `certutil` is; they then trust nothing of the lab's
        let store = Arc::new(store);
        stores.insert(trust, Arc::clone(&store));
        Ok(store)
    }

    /// Waits until the authority of a phase has its keys: a client must not wait for them at the box.
    pub(super) async fn authority_is_ready(&self, phase: usize) {
        let phase = &self.plan().phases[phase];
        if phase.rules.iter().all(|rule| rule.action != Action::Intercept) {
            return;
        }
        let profile = phase.profile.clone().or_else(|| self.plan().authority.as_ref().map(|a| a.profile.clone()));
        if let Some(profile) = profile {
            let _ = self.0.authorities.authority(&profile).await; // whoever forges is told the error
        }
    }

    /// The interception authority's root, once its keys are made; none if the plan has no authority.
    ///
    /// # Errors
    /// The authority cannot be made.
    pub async fn authority_root(&self) -> Result<Option<CertificateDer<'static>>, Error> {
        let Some(profile) = self.authority_profile() else { return Ok(None) };
        let forger =
            self.0.authorities.authority(&profile).await.map_err(|e| Error::Usage(format!("authority `{profile}`: {e}")))?;
        Ok(Some(forger.root().clone()))
    }

    fn authority_profile(&self) -> Option<String> {
        self.plan().needs().profiles.into_iter().next()
    }
}
