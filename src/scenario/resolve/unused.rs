//! What nothing uses: phases that no check enters, lists that no rule names, rules that no check can hit.
//!
//! This is the part that the file alone can tell. A rule that could be hit and was not fails the run, elsewhere.

use super::lists::Lists;
use super::{PhaseBoth, Resolver, matcher, site_of};
use crate::scenario::diagnostic::Kind;
use crate::scenario::plan::{Check, Matcher, Plan, Rule, Site, World};
use crate::scenario::words::{Action, Direction, Place, Vantage};
use crate::scenario::written::{At, MatchWritten, OneOrMany, Scenario};

pub(super) fn lint(r: &mut Resolver<'_>, written: &Scenario, plan: &Plan, phases: &[PhaseBoth<'_>], lists: &Lists) {
    if written.check.is_empty() {
        let top = r.top();
        r.collector
            .report(Kind::Missing, &top, "the scenario has no check")
            .hint("a scenario is a claim: add a `[[check]]` that tests it");
        return;
    }
    let runs: Vec<&Check> = plan.checks.iter().flat_map(|c| [Some(c), c.twin.as_deref()]).flatten().collect();
    for (at, phase) in phases.iter().enumerate() {
        let runs: Vec<_> = runs.iter().copied().filter(|c| c.phase == at).collect();
        if runs.is_empty() && plan.phases[at].unused_ok.is_none() {
            unentered(r, phase);
            continue;
        }
        for (rule_written, rule) in phase.rules.iter().filter(|(_, rule)| rule.unused_ok.is_none() && !runs.is_empty()) {
            if !runs.iter().any(|check| can_hit(check, rule, &plan.world)) {
                let spot = rule_written.name.as_ref().map_or_else(|| r.spot(rule_written), |n| r.spot(n));
                let message = format!("no check of the phase `{}` can hit the rule `{}`", phase.plan.name, rule.name);
                r.collector.report(Kind::Unused, &spot, message).hint(UNUSED_OK);
            }
        }
    }
    unused_lists(r, written, lists);
    unused_authority(r, written, &runs);
}

fn unentered(r: &mut Resolver<'_>, phase: &PhaseBoth<'_>) {
    let Some(written) = phase.written else { return };
    let spot = written.name.as_ref().map_or_else(|| r.spot(written), |n| r.spot(n));
    r.collector.report(Kind::Unused, &spot, format!("no check enters the phase `{}`", phase.plan.name)).hint(UNUSED_OK);
}

fn unused_lists(r: &mut Resolver<'_>, written: &Scenario, lists: &Lists) {
    let rules = written.phase.iter().flat_map(|p| &p.rule).chain(&written.rule);
    let used: Vec<String> = rules.filter_map(|rule| rule.when.as_ref()).flat_map(|when| named_lists(when)).collect();
    for name in lists.keys().filter(|name| !used.contains(name)) {
        let Some(list) = written.lists.get(name).filter(|l| l.unused_ok.is_none()) else { continue };
        let spot = r.spot(list);
        r.collector
            .report(Kind::Unused, &spot, format!("no rule uses the list `{name}`"))
            .hint(format!("`sni = \"@{name}\"` in a rule, or `{name} = {{ file = \"{}\", unused_ok = \"why\" }}`", list.file));
    }
}

fn named_lists(when: &MatchWritten) -> Vec<String> {
    let names = |given: &Option<At<OneOrMany<String>>>| given.as_ref().map(|g| g.0.clone()).unwrap_or_default();
    let all = [names(&when.sni), names(&when.host), names(&when.name)].concat();
    all.iter().filter_map(|name| name.strip_prefix('@')).map(str::to_owned).collect()
}

fn unused_authority(r: &mut Resolver<'_>, written: &Scenario, runs: &[&Check]) {
    let rules = written.phase.iter().flat_map(|p| &p.rule).chain(&written.rule);
    let intercepting = rules.filter_map(|rule| rule.action.as_ref()).find(|a| a.0 == Action::Intercept);
    match (&written.authority, intercepting) {
        (Some(authority), None) if !runs.iter().any(|c| c.trust.has_authority()) => {
            let spot = r.spot(authority);
            let message = "no rule intercepts and no check trusts the authority";
            r.collector.report(Kind::Unused, &spot, message).hint("take `[authority]` out");
        }
        (None, Some(action)) => {
            let spot = r.spot(action);
            let message = "a rule intercepts, and the scenario has no authority";
            r.collector.report(Kind::Missing, &spot, message).hint("`[authority]` with a `profile`");
        }
        _ => {}
    }
}

/// True if a connection of the check might match the rule. Sure when it says no.
fn can_hit(check: &Check, rule: &Rule, world: &World) -> bool {
    let when = &rule.when;
    let words = check.client.argv();
    let names: Vec<String> = check.targets.iter().cloned().chain(words.iter().map(|w| w.to_ascii_lowercase())).collect();
    let sites: Vec<&Site> = names.iter().filter_map(|name| site_of(world, name)).collect();
    let named = [&when.sni, &when.host, &when.name].into_iter().flatten().all(|p| names.iter().any(|n| matcher::fits(p, n)));
    named && (sites.is_empty() || when.name.is_some() || sites.iter().any(|site| reaches(check.vantage, site, when)))
}

fn reaches(vantage: Vantage, site: &Site, when: &Matcher) -> bool {
    let direction = match (vantage, site.place) {
        (Vantage::Inside, Place::Outside) => Direction::Outbound,
        (Vantage::Outside, Place::Inside) => Direction::Inbound,
        _ => return false,
    };
    when.direction.is_none_or(|d| d == direction)
        && when.asn.as_ref().is_none_or(|asns| site.asn.is_some_and(|asn| asns.contains(&asn)))
        && when.port.as_ref().is_none_or(|ports| ports.contains(&53) || site.services.iter().any(|s| ports.contains(&s.port)))
        && when
            .address
            .as_ref()
            .is_none_or(|prefixes| site.addresses.iter().any(|a| prefixes.iter().any(|p| matcher::inside(*a, *p))))
}

const UNUSED_OK: &str = "add a check for it, or `unused_ok = \"why\"`";
