//! From the scenario as written to the plan that runs. The only validator: what is not refused here, the lab runs.
//!
//! Each part reports what is wrong and goes on with the rest, so that all is told at once. The plan of a scenario with
//! mistakes is never given out (see [`super::diagnostic::Collector::finish`]).

use std::path::PathBuf;

use time::{OffsetDateTime, UtcOffset};

use super::diagnostic::{Collector, Kind, Spot};
use super::library::Home;
use super::plan::{Authority, Network, Phase, Plan, Rule, World};
use super::suggest;
use super::words::{First, UpstreamFault};
use super::written::{At, AuthorityWritten, NetworkWritten, PhaseWritten, RuleWritten, Scenario, When};

mod case;
mod checks;
mod commands;
mod lists;
mod matcher;
mod phases;
mod unused;
mod world;

/// Where a scenario comes from and what is known besides it.
pub(crate) struct Origin<'a> {
    /// Short name.
    pub(crate) name: String,
    /// Its text, by number in the collector.
    pub(crate) source: usize,
    /// Where includes and lists are looked for.
    pub(crate) home: &'a Home,
    /// Known profiles.
    pub(crate) profiles: &'a [&'a str],
}

/// Resolves a scenario. If the collector is not clean afterwards, the plan must not be used.
pub(crate) fn resolve(collector: &mut Collector, origin: &Origin<'_>, written: &Scenario) -> Plan {
    let mut r = Resolver { collector, origin, offset: UtcOffset::UTC };
    let clock = r.clock(written);
    let lists = lists::resolve(&mut r, written);
    let network = r.network(written.network.as_ref());
    let world = world::resolve(&mut r, written, network.ipv6);
    let phases = phases::resolve(&mut r, written, &lists, &world);
    let mut plan = Plan {
        name: origin.name.clone(),
        title: r.title(written),
        about: written.about.as_ref().map(|a| a.value().trim().to_owned()).unwrap_or_default(),
        sources: written.sources.clone().unwrap_or_default().0,
        file: PathBuf::from(r.collector.name(origin.source)),
        case: case::resolve(&mut r, written.case.as_ref()),
        authority: r.authority(written.authority.as_ref()),
        network,
        clock: clock
            .or_else(|| phases.iter().find_map(|p| p.plan.from))
            .unwrap_or_else(|| OffsetDateTime::now_utc().to_offset(r.offset)),
        seed: written.world.as_ref().and_then(|w| w.seed.as_ref()).map_or(0, |s| *s.value()),
        world,
        phases: phases.iter().map(|p| p.plan.clone()).collect(),
        checks: Vec::new(),
    };
    plan.checks = checks::resolve(&mut r, written, &plan);
    unused::lint(&mut r, written, &plan, &phases, &lists);
    plan
}

/// Resolves the one rule of a text against a world that is there already. None if there is none.
pub(crate) fn one_rule(collector: &mut Collector, origin: &Origin<'_>, written: &Scenario, world: &World) -> Option<Rule> {
    let mut r = Resolver { collector, origin, offset: UtcOffset::UTC };
    phases::rules(&mut r, &written.rule, &lists::Lists::new(), world).into_iter().next().map(|(_, rule)| rule)
}

/// What resolving needs at every step.
struct Resolver<'a> {
    collector: &'a mut Collector,
    origin: &'a Origin<'a>,
    /// UTC offset of dates that are written without one.
    offset: UtcOffset,
}

/// A phase as resolved, with what it was resolved from.
struct PhaseBoth<'a> {
    /// None for the phase `always` of a scenario without phases.
    written: Option<&'a At<PhaseWritten>>,
    plan: Phase,
    rules: Vec<(&'a At<RuleWritten>, Rule)>,
}

impl Resolver<'_> {
    /// The place of a value of the scenario file.
    fn spot<T>(&self, at: &At<T>) -> Spot {
        Spot { source: self.origin.source, span: at.span() }
    }

    /// The beginning of the scenario file, for what is missing altogether.
    fn top(&self) -> Spot {
        Spot { source: self.origin.source, span: 0..0 }
    }

    fn line<T>(&self, at: &At<T>) -> usize {
        self.collector.line(&self.spot(at))
    }

    fn title(&mut self, written: &Scenario) -> String {
        let Some(title) = &written.title else {
            let top = self.top();
            self.collector.report(Kind::Missing, &top, "the scenario has no title").hint("begin with `title = \"...\"`");
            return String::new();
        };
        title.value().trim().to_owned()
    }

    /// The clock at the start, if it is written. Sets the offset of dates without one.
    fn clock(&mut self, written: &Scenario) -> Option<OffsetDateTime> {
        let clock = written.world.as_ref()?.clock.as_ref()?;
        if let Ok(Some(offset)) = clock.offset() {
            self.offset = offset;
        }
        self.moment(clock)
    }

    fn moment(&mut self, when: &At<When>) -> Option<OffsetDateTime> {
        match when.moment(self.offset) {
            Ok(moment) => Some(moment),
            Err(told) => {
                let spot = self.spot(when);
                self.collector.report(Kind::Dates, &spot, told);
                None
            }
        }
    }

    fn profile(&mut self, profile: &At<String>) -> String {
        let known = self.origin.profiles;
        if !known.contains(&profile.value().as_str()) {
            let spot = self.spot(profile);
            let message = format!("no profile is called `{}`", profile.value());
            self.collector.report(Kind::UnknownName, &spot, message).maybe(suggest::hint(profile.value(), known.iter().copied()));
        }
        profile.value().clone()
    }

    fn authority(&mut self, written: Option<&At<AuthorityWritten>>) -> Option<Authority> {
        let written = written?;
        let Some(profile) = &written.profile else {
            let spot = self.spot(written);
            let hint = self.origin.profiles.first().map(|p| format!("name one of `certs/`: `profile = \"{p}\"`"));
            self.collector.report(Kind::Missing, &spot, "the authority has no profile").maybe(hint);
            return None;
        };
        Some(Authority {
            profile: self.profile(profile),
            exact: written.exact.as_ref().is_some_and(|e| *e.value()),
            upstream_fault: written.upstream_fault.as_ref().map_or_else(UpstreamFault::default, |u| *u.value()),
        })
    }

    fn network(&mut self, written: Option<&At<NetworkWritten>>) -> Network {
        let empty = NetworkWritten::default();
        let written = written.map_or(&empty, At::value);
        for hops in [&written.hops_inside, &written.hops_outside].into_iter().flatten().filter(|h| *h.value() > MOST_HOPS) {
            let spot = self.spot(hops);
            self.collector.report(Kind::BadValue, &spot, format!("{} hops: at most {MOST_HOPS} are laid out", hops.value()));
        }
        let first = if written.first_segment.as_ref().is_some_and(|f| *f.value()) { First::Segment } else { First::Stream };
        Network {
            hops_inside: written.hops_inside.as_ref().map_or(0, |h| *h.value()),
            hops_outside: written.hops_outside.as_ref().map_or(0, |h| *h.value()),
            first,
            ipv6: written.ipv6.as_ref().is_some_and(|v| *v.value()),
        }
    }

    /// Two things of one kind have one name.
    fn duplicate(&mut self, what: &str, name: &str, again: &Spot, before: &Spot) {
        let first = self.collector.name_of(before);
        self.collector
            .report(Kind::Duplicate, again, format!("two {what} are called `{name}`"))
            .hint(format!("the other is at {first}"));
    }
}

/// The site of a target: by name, else by address.
fn site_of<'w>(world: &'w World, host: &str) -> Option<&'w super::plan::Site> {
    world.named(host).or_else(|| world.site(host.parse().ok()?, None))
}

/// Each hop is a network namespace with two links.
const MOST_HOPS: u8 = 8;
