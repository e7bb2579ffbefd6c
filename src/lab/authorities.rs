//! The authorities of a run: made when they are first needed, or ahead of it, on threads of their own (an RSA-4096 root takes long).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::forge::{Forger, Options, Profile};
use crate::middlebox::{Authorities, Awaited};
use crate::scenario::{Clock, Plan};

/// Every profile that the plan names, and its authority once made.
#[derive(Debug)]
pub(crate) struct OfPlan {
    cells: HashMap<String, OnceCell<Result<Forger, String>>>,
    options: Options,
    clock: Clock,
}

impl OfPlan {
    /// The authorities that a plan names. No key is made yet.
    pub(crate) fn new(plan: &Plan, clock: Clock) -> Self {
        let of_phases = plan.phases.iter().filter_map(|phase| phase.profile.clone());
        let names = of_phases.chain(plan.authority.iter().map(|a| a.profile.clone()));
        let hosts = plan.world.sites.iter().flat_map(|site| site.names.clone()).collect();
        let addresses: Vec<IpAddr> = plan.world.sites.iter().flat_map(|site| site.addresses.clone()).collect();
        let exact = plan.authority.as_ref().is_some_and(|a| a.exact);
        let fault = plan.authority.as_ref().map(|a| a.upstream_fault).unwrap_or_default();
        Self {
            cells: names.map(|name| (name, OnceCell::new())).collect(),
            options: Options { exact, hosts, addresses, upstream_fault: fault, ..Options::default() },
            clock,
        }
    }

    async fn make(&self, name: &str) -> Result<Forger, String> {
        let profile = Profile::load(name).map_err(|error| error.to_string())?;
        let (clock, options) = (self.clock.clone(), self.options.clone());
        let made = tokio::task::spawn_blocking(move || Forger::new(profile, clock, options)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

impl Authorities for Arc<OfPlan> {
    fn authority<'a>(&'a self, profile: &'a str) -> Awaited<'a, Result<Forger, String>> {
        Box::pin(async move {
            let cell =
                self.cells.get(profile).ok_or_else(|| format!("profile `{profile}` is not one that the scenario names"))?;
            cell.get_or_init(|| self.make(profile)).await.clone()
        })
    }
}
