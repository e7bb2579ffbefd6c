//! The authorities of a run: made when they are first needed, or ahead of it, on threads of their own (an RSA-4096 root takes long).
//!
//! A profile states dates in the scenario's time, and a client judges them by the machine's: so an authority is made for a moment of the
//! scenario's clock, and serves legs whose clocks are within a day of it. The legs of a campaign that lasts years each see
//! an intermediate that is valid, or expired, as it was on their day.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use time::OffsetDateTime;
use tokio::sync::OnceCell;

use crate::forge::{Forger, Options, Profile};
use crate::middlebox::{Authorities, Awaited};
use crate::scenario::{Action, Clock, Plan};

/// Every authority that legs have asked for.
#[derive(Debug)]
pub(crate) struct OfPlan {
    names: Vec<String>,
    made: Mutex<Vec<OfDay>>,
    pinned: OnceLock<OffsetDateTime>,
    options: Options,
}

/// The authority of a profile around a moment.
#[derive(Clone, Debug)]
struct OfDay {
    profile: String,
    at: OffsetDateTime,
    cell: Arc<OnceCell<Result<Forger, String>>>,
}

impl OfPlan {
    /// The authorities that a plan names. No key is made yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        let hosts = plan.world.sites.iter().flat_map(|site| site.names.clone()).collect();
        let addresses: Vec<IpAddr> = plan.world.sites.iter().flat_map(|site| site.addresses.clone()).collect();
        let exact = plan.authority.as_ref().is_some_and(|a| a.exact);
        let fault = plan.authority.as_ref().map(|a| a.upstream_fault).unwrap_or_default();
        Self {
            names: plan.needs().profiles,
            made: Mutex::default(),
            pinned: OnceLock::new(),
            options: Options { exact, hosts, addresses, upstream_fault: fault, ..Options::default() },
        }
    }

    /// From now on one moment's authorities serve every day: whoever has installed a root keeps it while the lab's clock is moved.
    pub(super) fn pin(&self, at: OffsetDateTime) {
        let _ = self.pinned.set(at); // the first moment holds
    }

    fn of_day(&self, profile: &str, at: OffsetDateTime) -> Option<OfDay> {
        let at = self.pinned.get().copied().unwrap_or(at);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let found = made.iter().find(|day| day.profile == profile && (day.at - at).abs() < time::Duration::DAY);
        if found.is_some() || !self.names.iter().any(|name| name == profile) {
            return found.cloned();
        }
        made.push(OfDay { profile: profile.to_owned(), at, cell: Arc::default() });
        made.last().cloned()
    }

    async fn make(&self, day: &OfDay) -> Result<Forger, String> {
        let profile = Profile::load(&day.profile).map_err(|error| error.to_string())?;
        let (clock, options) = (Clock::starting_at(day.at), self.options.clone());
        let made = tokio::task::spawn_blocking(move || Forger::new(profile, clock, options)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

impl Authorities for Arc<OfPlan> {
    fn authority<'a>(&'a self, profile: &'a str, at: OffsetDateTime) -> Awaited<'a, Result<Forger, String>> {
        Box::pin(async move {
            let day =
                self.of_day(profile, at).ok_or_else(|| format!("profile `{profile}` is not one that the scenario names"))?;
            day.cell.get_or_init(|| self.make(&day)).await.clone()
        })
    }
}

/// The profile that forges in a phase, or would: the phase's own, else the authority's.
pub(super) fn profile_of(plan: &Plan, phase: usize) -> Option<String> {
    let own = plan.phases.get(phase).and_then(|phase| phase.profile.clone());
    own.or_else(|| plan.authority.as_ref().map(|authority| authority.profile.clone()))
}

/// The authorities that a plan's checks will need first: one for each phase that intercepts.
pub(super) fn foreseen(plan: &Plan) -> Vec<(String, OffsetDateTime)> {
    let intercepts = |phase: &usize| plan.phases[*phase].rules.iter().any(|rule| rule.action == Action::Intercept);
    let first_check = |phase: usize| plan.checks.iter().find(|check| check.phase == phase).map(|check| check.clock);
    let all = (0..plan.phases.len()).filter(intercepts);
    all.filter_map(|phase| Some((profile_of(plan, phase)?, first_check(phase)?))).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_day_has_one_authority_for_each_profile() {
        let names = vec!["mirror".to_owned(), "blind".to_owned()];
        let of = OfPlan { names, made: Mutex::default(), pinned: OnceLock::new(), options: Options::default() };
        let noon = datetime!(2019-07-20 12:00 +6);
        let cell = |profile, at| of.of_day(profile, at).map(|day| Arc::as_ptr(&day.cell));
        let first = cell("mirror", noon).unwrap();
        assert_eq!(cell("mirror", noon + time::Duration::hours(23)), Some(first));
        assert_ne!(cell("mirror", noon + time::Duration::days(3)), Some(first));
        assert_ne!(cell("blind", noon), Some(first));
        assert_eq!(cell("unheard-of", noon), None);
        of.pin(noon);
        assert_eq!(cell("mirror", noon + time::Duration::days(3)), Some(first));
    }
}
