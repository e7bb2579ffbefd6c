//! The trust stores of a run: one for each thing that a leg may trust, written when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use super::authorities::profile_of;
use super::{Lab, Order};
use crate::client::TrustStore;
use crate::error::Error;
use crate::forge::Forger;
use crate::middlebox::Authorities as _;
use crate::record::LegKind;
use crate::scenario::{Action, Trust};

/// Certificates, DER.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// What has been written: for each trust, and for the authorities' roots that it holds.
#[derive(Debug, Default)]
pub(super) struct Stores(Mutex<HashMap<Key, Cell>>);

/// The trust, and the roots of authorities whose keys the vendors blocked: they differ where the others do.
type Key = (Trust, Roots);

type Cell = Arc<OnceCell<Arc<TrustStore>>>;

impl Lab {
    /// The store of a leg: what it trusts, with the roots of the authority that forges on its day.
    pub(super) async fn trust_store(&self, order: &Order) -> Result<Arc<TrustStore>, Error> {
        let forging = profile_of(self.plan(), order.phase);
        if let Some(profile) = forging.as_ref().filter(|_| self.will_forge(order)) {
            // The box's keys are made before the client starts: it would have to wait for them.
            self.forger(profile, order.clock).await?;
        }
        self.store_of(order.trust, forging.into_iter().collect(), order.clock).await
    }

    /// The store of clients that outlast a phase: with the roots of every profile that the plan names.
    pub(super) async fn lasting_store(&self, trust: Trust) -> Result<Arc<TrustStore>, Error> {
        self.0.authorities.pin(self.plan().clock);
        self.store_of(trust, self.plan().needs().profiles, self.plan().clock).await
    }

    /// The interception authority's root, once its keys are made; none if the plan has no authority.
    ///
    /// # Errors
    /// The authority cannot be made.
    pub async fn authority_root(&self) -> Result<Option<CertificateDer<'static>>, Error> {
        let Some(profile) = self.plan().needs().profiles.into_iter().next() else { return Ok(None) };
        self.0.authorities.pin(self.plan().clock);
        Ok(Some(self.forger(&profile, self.plan().clock).await?.root().clone()))
    }

    /// The roots that subscribers were told to install, of each of these profiles: the first one and those of its family that are
    /// known. And those that the vendors' list names: the first one of each, not its namesakes.
    pub(super) async fn authority_roots(&self, profiles: Vec<String>, at: OffsetDateTime) -> Result<(Roots, Roots), Error> {
        let of_profile = |profile: String| {
            let lab = self.clone();
            tokio::spawn(async move {
                let forger = lab.forger(&profile, at).await?;
                let first = forger.root().clone();
                let family = tokio::task::spawn_blocking(move || forger.roots()).await.map_err(|e| Error::Bug(e.to_string()))?;
                Ok((first, family.map_err(|e| Error::Usage(format!("authority `{profile}`: {e}")))?))
            })
        };
        let making: Vec<_> = profiles.into_iter().map(of_profile).collect();
        let (mut installed, mut listed) = (Vec::new(), Vec::new());
        for made in making {
            let made: Result<(_, Roots), Error> = made.await.map_err(|e| Error::Bug(e.to_string()))?;
            let (first, family) = made?;
            listed.push(first);
            installed.extend(family);
        }
        Ok((installed, listed))
    }

    async fn forger(&self, profile: &str, at: OffsetDateTime) -> Result<Forger, Error> {
        let made = self.0.authorities.authority(profile, at).await;
        made.map_err(|e| Error::Usage(format!("authority `{profile}`: {e}")))
    }

    fn will_forge(&self, order: &Order) -> bool {
        let rules = self.plan().phases.get(order.phase).map(|phase| phase.rules.as_slice()).unwrap_or_default();
        order.kind != LegKind::Control && rules.iter().any(|rule| rule.action == Action::Intercept)
    }

    async fn store_of(&self, trust: Trust, profiles: Vec<String>, at: OffsetDateTime) -> Result<Arc<TrustStore>, Error> {
        let (installed, listed) =
            if trust.has_authority() { self.authority_roots(profiles, at).await? } else { Default::default() };
        let (cell, number) = {
            let mut stores = self.0.trust.0.lock().unwrap_or_else(PoisonError::into_inner);
            let number = stores.len();
            (Arc::clone(stores.entry((trust, listed.clone())).or_default()), number)
        };
        cell.get_or_try_init(|| self.write(trust, &installed, &listed, number)).await.cloned()
    }

    async fn write(&self, trust: Trust, installed: &Roots, listed: &Roots, number: usize) -> Result<Arc<TrustStore>, Error> {
        let folder = self.0.folder.path().join(format!("{}-{number}", trust.as_str().replace('+', "-")));
        let store = TrustStore::for_authorities(&folder, trust, &self.0.roots, installed, listed)
            .map_err(|e| Error::machine("write a trust store", e))?;
        Ok(Arc::new(store))
    }
}
