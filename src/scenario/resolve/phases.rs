//! Phases and their rules: dates in order, names unique, actions that fit what they are applied to.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::lists::Lists;
use super::{PhaseBoth, Resolver, matcher, suggest};
use crate::scenario::diagnostic::{Kind, Spot};
use crate::scenario::library::portal_names;
use crate::scenario::plan::{Matcher, Notice, Phase, Rule, Serve, World};
use crate::scenario::words::{Action, Transport};
use crate::scenario::written::{At, PhaseWritten, RuleWritten, Scenario};

pub(super) fn resolve<'a>(r: &mut Resolver<'_>, written: &'a Scenario, lists: &Lists, world: &World) -> Vec<PhaseBoth<'a>> {
    if written.phase.is_empty() {
        let rules = rules(r, &written.rule, lists, world);
        let plan = Phase { name: ALWAYS.to_owned(), rules: plain(&rules), ..empty_phase() };
        return vec![PhaseBoth { written: None, plan, rules }];
    }
    if let Some(rule) = written.rule.first() {
        let spot = r.spot(rule);
        r.collector
            .report(Kind::Contradiction, &spot, "a rule outside of every phase, in a scenario that has phases")
            .hint("write `[[phase.rule]]` below its phase");
    }
    let mut phases: Vec<_> = written.phase.iter().map(|phase| one(r, phase, lists, world)).collect();
    names(r, &phases);
    dates(r, &mut phases);
    phases
}

fn one<'a>(r: &mut Resolver<'_>, written: &'a At<PhaseWritten>, lists: &Lists, world: &World) -> PhaseBoth<'a> {
    let name = match &written.name {
        Some(name) => name.value().clone(),
        None => {
            let spot = r.spot(written);
            r.collector.report(Kind::Missing, &spot, "a phase without a name").hint("`name = \"...\"`");
            String::new()
        }
    };
    let rules = rules(r, &written.rule, lists, world);
    let plan = Phase {
        name,
        from: written.from.as_ref().and_then(|from| r.moment(from)),
        to: written.to.as_ref().and_then(|to| r.moment(to)),
        rules: plain(&rules),
        notice: written.notice.as_ref().map(|n| Notice { from: n.from.clone(), text: n.text.clone(), source: n.source.clone() }),
        about: written.about.clone().unwrap_or_default(),
        sources: written.sources.clone().unwrap_or_default().0,
        profile: written.profile.as_ref().map(|p| r.profile(p)),
        unused_ok: written.unused_ok.as_ref().map(|u| u.value().clone()),
    };
    PhaseBoth { written: Some(written), plan, rules }
}

fn names(r: &mut Resolver<'_>, phases: &[PhaseBoth<'_>]) {
    let mut seen: HashMap<&str, Spot> = HashMap::new();
    for phase in phases {
        let Some(name) = phase.written.and_then(|w| w.name.as_ref()) else { continue };
        let spot = r.spot(name);
        match seen.get(name.value().as_str()) {
            Some(before) => r.duplicate("phases", name.value(), &spot, before),
            None => drop(seen.insert(name.value(), spot)),
        }
    }
}

/// Dates rise; a phase without an end lasts until the next one's beginning.
fn dates(r: &mut Resolver<'_>, phases: &mut [PhaseBoth<'_>]) {
    let dated = phases.iter().any(|p| p.plan.from.is_some());
    for at in 0..phases.len() {
        let Some(written) = phases[at].written else { continue };
        let here = written.from.as_ref().or(written.to.as_ref()).map_or_else(|| r.spot(written), |w| r.spot(w));
        let (from, to) = (phases[at].plan.from, phases[at].plan.to);
        if dated && at > 0 && written.from.is_none() {
            r.collector
                .report(Kind::Dates, &here, format!("the phase `{}` has no beginning, though others have", phases[at].plan.name))
                .hint("give it a date: `from = 2019-07-17`");
        }
        if let (Some(from), Some(to), Some(end)) = (from, to, &written.to)
            && to <= from
        {
            let spot = r.spot(end);
            r.collector.report(Kind::Dates, &spot, format!("the phase `{}` ends before it begins", phases[at].plan.name));
        }
        if let Some(from) = from {
            overlap(r, phases, at, from, &here);
        }
    }
    for at in 0..phases.len() {
        let next = phases.get(at + 1).and_then(|p| p.plan.from);
        let plan = &mut phases[at].plan;
        plan.to = plan.to.or(next);
    }
}

fn overlap(r: &mut Resolver<'_>, phases: &[PhaseBoth<'_>], at: usize, from: OffsetDateTime, here: &Spot) {
    let Some(before) = phases[..at].iter().rev().map(|p| &p.plan).find(|p| p.from.is_some()) else { return };
    let name = &phases[at].plan.name;
    let told = match (before.from, before.to) {
        (Some(earlier), _) if from <= earlier => format!("the phase `{name}` does not begin after `{}`", before.name),
        (_, Some(end)) if from < end => format!("the phase `{name}` begins before `{}` ends", before.name),
        _ => return,
    };
    r.collector.report(Kind::Dates, here, told).hint("phases are written in the order of their dates and do not overlap");
}

pub(super) fn rules<'a>(
    r: &mut Resolver<'_>,
    written: &'a [At<RuleWritten>],
    lists: &Lists,
    world: &World,
) -> Vec<(&'a At<RuleWritten>, Rule)> {
    let mut seen: HashMap<String, Spot> = HashMap::new();
    let mut rules: Vec<(&At<RuleWritten>, Rule)> = Vec::new();
    for rule in written {
        let Some(resolved) = rule_of(r, rule, lists, world) else { continue };
        let spot = rule.name.as_ref().map_or_else(|| r.spot(rule), |n| r.spot(n));
        match seen.get(&resolved.name) {
            Some(before) => r.duplicate("rules of a phase", &resolved.name, &spot, before),
            None => drop(seen.insert(resolved.name.clone(), spot.clone())),
        }
        if let Some((_, earlier)) = rules.iter().find(|(_, earlier)| matcher::covers(&earlier.when, &resolved.when)) {
            let message =
                format!("the rule `{}` is never reached: `{}` matches all that it matches", resolved.name, earlier.name);
            let hint = format!("first match wins; put it before `{}` on line {}", earlier.name, earlier.line);
            r.collector.report(Kind::Unreachable, &spot, message).hint(hint);
        }
        rules.push((rule, resolved));
    }
    rules
}

fn rule_of(r: &mut Resolver<'_>, written: &At<RuleWritten>, lists: &Lists, world: &World) -> Option<Rule> {
    let here = r.spot(written);
    let Some(name) = &written.name else {
        r.collector.report(Kind::Missing, &here, "a rule without a name").hint("`name = \"...\"`");
        return None;
    };
    let meant = written.unused_ok.is_some();
    let when = written.when.as_ref().map_or_else(Matcher::default, |when| matcher::resolve(r, when, lists, world, meant));
    let Some(action) = &written.action else {
        r.collector
            .report(Kind::Missing, &here, format!("the rule `{}` has no action", name.value()))
            .hint("`action = \"intercept\"`, or another word");
        return None;
    };
    let spot = r.spot(action);
    fits(r, &action.0, &when, &spot);
    if !meant && action.0.is_about_upgrades() {
        upgrades(r, &action.0, &when, world, &spot);
    }
    let does = with_page(r, &action.0, &spot);
    Some(Rule {
        name: name.value().clone(),
        when,
        action: does,
        sources: written.sources.clone().unwrap_or_default().0,
        unused_ok: written.unused_ok.as_ref().map(|u| u.value().clone()),
        line: r.line(written),
    })
}

/// A block page with what is in its file.
fn with_page(r: &mut Resolver<'_>, action: &Action, spot: &Spot) -> Action {
    let Action::Page { file, status, .. } = action else { return action.clone() };
    match r.origin.home.portal(file) {
        Ok(found) => Action::Page { file: file.clone(), status: *status, body: found.text },
        Err(told) => {
            let hint = suggest::hint(file, portal_names());
            r.collector.report(Kind::Unreadable, spot, told).maybe(hint).hint("a file beside the scenario, or of `lab/portal`");
            action.clone()
        }
    }
}

/// An action must fit what the rule matches: no certificate is forged in UDP, no page sent into TLS.
fn fits(r: &mut Resolver<'_>, action: &Action, when: &Matcher, spot: &Spot) {
    let udp = when.transport == Some(Transport::Udp);
    let tls = when.sni.is_some() || when.no_sni.is_some() || when.alpn.is_some() || when.ech.is_some() || when.origin.is_some();
    let (http, dns) = (when.host.is_some(), when.name.is_some());
    let before_data = matches!(action, Action::DropSyn | Action::Refuse | Action::Unreachable);
    let told = match action {
        Action::Intercept if udp => "UDP cannot be intercepted: the box has no QUIC end of its own",
        Action::Intercept if http || dns => "only TLS is intercepted: plain HTTP and DNS are readable as they are",
        Action::Page { .. } | Action::Redirect { .. } | Action::Cut if tls || dns || udp => {
            "only plain HTTP can be answered by the box"
        }
        Action::Dns(_) if tls || http => "a DNS action for something that is no DNS query",
        Action::Alert { .. } if udp || http || dns => "a TLS alert for something that is no TLS over TCP",
        Action::Reset { .. } | Action::Close | Action::DropSyn | Action::Refuse | Action::Unreachable if udp => {
            "UDP has no connection to end: `drop` it"
        }
        Action::Throttle { .. } | Action::Stall { .. } if udp => "UDP is dropped (`drop`, `drop-after`) or passes",
        _ if action.is_about_upgrades() && (tls || http || dns || udp) => {
            "decided before the ClientHello, when no name is known yet: match by `port`, `address`, `asn` or `client`"
        }
        _ if before_data && (tls || http || dns) => "decided at the first packet, when no name is known yet",
        _ => return,
    };
    let message = format!("`{}` does not fit what the rule matches: {told}", action.name());
    r.collector.report(Kind::Contradiction, spot, message);
}

/// An upgrade can be hindered where a connection begins in the clear and may turn to TLS: a mail server's, or a program's.
fn upgrades(r: &mut Resolver<'_>, action: &Action, when: &Matcher, world: &World, spot: &Spot) {
    let may = |serve: &Serve| match serve {
        Serve::Mail { service, .. } => !service.is_implicit(),
        Serve::Exec { .. } | Serve::Loopback { .. } => true,
        _ => false,
    };
    let of_port = |port: u16| when.port.as_ref().is_none_or(|ports| ports.contains(&port));
    let services = world.sites.iter().flat_map(|site| &site.services);
    if !services.into_iter().any(|service| of_port(service.port) && may(&service.serve)) {
        let message = format!("`{}` has nothing to act on: no service that the rule matches can turn to TLS", action.name());
        r.collector.report(Kind::CannotMatch, spot, message).hint("`include = [\"mail\"]` brings servers with STARTTLS");
    }
}

fn plain(rules: &[(&At<RuleWritten>, Rule)]) -> Vec<Rule> {
    rules.iter().map(|(_, rule)| rule.clone()).collect()
}

fn empty_phase() -> Phase {
    Phase {
        name: String::new(),
        from: None,
        to: None,
        rules: Vec::new(),
        notice: None,
        about: String::new(),
        sources: Vec::new(),
        profile: None,
        unused_ok: None,
    }
}

/// The phase of a scenario that has none.
const ALWAYS: &str = "always";
