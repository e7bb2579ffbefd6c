//! The trust stores of a run: one for each thing that a leg may trust, written when it is first needed.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Lab;
use crate::client::TrustStore;
use crate::error::Error;
use crate::middlebox::Authorities as _;
use crate::scenario::Trust;

/// Certificates, DER.
pub(super) type Roots = Vec<rustls::pki_types::CertificateDer<'static>>;

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
        let (installed, listed) = if trust.has_authority() { self.authority_roots().await? } else { Default::default() };
        let roots = self.pki().roots_der();
        let folder = self.0.folder.path().join(trust.as_str().replace('+', "-"));
        let mut store = TrustStore::for_authorities(&folder, trust, &roots, &installed, &listed)
            .map_err(|e| Error::machine("write a trust store", e))?;
        let _ = store.write_nss().await; // only browsers and only where `certutil` is; they then trust nothing of the lab's
        let store = Arc::new(store);
        stores.insert(trust, Arc::clone(&store));
        Ok(store)
    }

    /// The roots that subscribers were told to install, of every profile that the plan names: the first one and those of its
    /// family that are known. And those that the vendors' list names: the first one of each, not its namesakes.
    pub(super) async fn authority_roots(&self) -> Result<(Roots, Roots), Error> {
        let making: Vec<_> = self
            .plan()
            .needs()
            .profiles
            .into_iter()
            .map(|profile| {
                let authorities = Arc::clone(&self.0.authorities);
                tokio::spawn(async move {
                    let forger = authorities.authority(&profile).await.map_err(|e| format!("authority `{profile}`: {e}"))?;
                    let first = forger.root().clone();
                    let family = tokio::task::spawn_blocking(move || forger.roots()).await.map_err(|e| e.to_string())?;
                    Ok((first, family.map_err(|e| format!("authority `{profile}`: {e}"))?))
                })
            })
            .collect();
        let (mut installed, mut listed) = (Vec::new(), Vec::new());
        for made in making {
            let made: Result<(_, Roots), String> = made.await.map_err(|e| Error::Bug(e.to_string()))?;
            let (first, family) = made.map_err(Error::Usage)?;
            listed.push(first);
            installed.extend(family);
        }
        Ok((installed, listed))
    }
}
