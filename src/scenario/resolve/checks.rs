//! Checks: what is run, where, with what trust, and what is expected; matrices expanded, twins completed.

use std::collections::HashMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Resolver, commands, site_of};
use crate::scenario::diagnostic::{Kind, Spot};
use crate::scenario::plan::{Check, CheckClient, Phase, Plan};
use crate::scenario::suggest;
use crate::scenario::words::{Trust, Vantage};
use crate::scenario::written::{At, CheckWritten, ExpectWritten, OneOrMany, Scenario, TwinWritten, When};

mod detector;
mod expect;

pub(super) fn resolve(r: &mut Resolver<'_>, written: &Scenario, plan: &Plan) -> Vec<Check> {
    let mut seen: HashMap<&str, Spot> = HashMap::new();
    let mut checks = Vec::new();
    for check in &written.check {
        let Some(name) = &check.name else {
            let spot = r.spot(check);
            r.collector
                .report(Kind::Missing, &spot, "a check without a name")
                .hint("`name = \"a sentence that is true if it passes\"`");
            continue;
        };
        let spot = r.spot(name);
        match seen.get(name.value().as_str()) {
            Some(before) => r.duplicate("checks", name.value(), &spot, before),
            None => drop(seen.insert(name.value(), spot)),
        }
        checks.extend(expand(r, check, name.value(), plan));
    }
    checks
}

/// One check for each combination of the lists that `matrix` names.
fn expand(r: &mut Resolver<'_>, written: &At<CheckWritten>, name: &str, plan: &Plan) -> Vec<Check> {
    let clients = clients(r, written, plan);
    let trusts = many(&written.trust, Trust::default());
    let vantages = many(&written.vantage, Vantage::default());
    matrix(r, written, &[("trust", trusts.len()), ("vantage", vantages.len()), ("client", clients.len())]);
    let Some(frame) = frame(r, written, plan) else { return Vec::new() };
    let mut checks = Vec::new();
    for (client, word) in &clients {
        for trust in &trusts {
            for vantage in &vantages {
                let labels = [(clients.len(), word.as_str()), (trusts.len(), trust.as_str()), (vantages.len(), vantage.as_str())];
                let label = labels.iter().filter(|(n, _)| *n > 1).map(|(_, l)| *l).collect::<Vec<_>>().join(", ");
                let name = if label.is_empty() { name.to_owned() } else { format!("{name} [{label}]") };
                checks.extend(one(r, written, name, client.clone(), (*trust, *vantage), &frame, plan));
            }
        }
    }
    checks
}

/// What every combination of a check shares.
struct Frame {
    phase: usize,
    clock: OffsetDateTime,
    deadline: Duration,
}

fn frame(r: &mut Resolver<'_>, written: &At<CheckWritten>, plan: &Plan) -> Option<Frame> {
    let phase = phase(r, written, plan)?;
    let clock = clock(r, written.at.as_ref(), phase, plan);
    let deadline = written.deadline.as_ref().map_or(DEADLINE, |d| d.0);
    if written.expect.is_none() {
        let spot = r.spot(written);
        r.collector.report(Kind::Missing, &spot, "a check without an expectation").hint("`expect = { verdict = \"refused\" }`");
        return None;
    }
    Some(Frame { phase, clock, deadline })
}

fn one(
    r: &mut Resolver<'_>,
    written: &At<CheckWritten>,
    name: String,
    client: CheckClient,
    (trust, vantage): (Trust, Vantage),
    frame: &Frame,
    plan: &Plan,
) -> Option<Check> {
    trusted(r, trust, written.trust.as_ref().map(At::span), plan);
    let url = written.url.as_ref().map(|u| u.value().clone());
    let targets = targets(r, written, url.as_deref(), &client, plan);
    let expected = written.expect.as_ref()?;
    let expect = expect::resolve(r, expected, (&plan.phases[frame.phase], plan), &client, &targets);
    let mut check = Check {
        name,
        phase: frame.phase,
        clock: frame.clock,
        vantage,
        trust,
        client,
        url,
        targets,
        expect,
        twin: None,
        deadline: frame.deadline,
        sealed_only: written.sealed_only.as_ref().map(|why| why.value().clone()),
        line: r.line(written),
    };
    check.twin = written.twin.as_ref().and_then(|t| twin(r, t, written, &check, plan)).map(Box::new);
    Some(check)
}

/// The same check with one thing changed.
fn twin(r: &mut Resolver<'_>, twin: &At<TwinWritten>, written: &CheckWritten, check: &Check, plan: &Plan) -> Option<Check> {
    let spot = r.spot(twin);
    let changes = [
        twin.url.is_some(),
        twin.trust.is_some(),
        twin.vantage.is_some(),
        twin.phase.is_some(),
        twin.at.is_some() && twin.phase.is_none(),
        twin.client.is_some(),
    ];
    match changes.iter().filter(|c| **c).count() {
        1 => {}
        0 => drop(
            r.collector
                .report(Kind::Contradiction, &spot, "a twin that changes nothing")
                .hint("give it another `url`, `trust`, `vantage`, `phase`, `at` or `client`"),
        ),
        _ => drop(
            r.collector
                .report(Kind::Contradiction, &spot, "a twin that changes more than one thing")
                .hint("one thing removed tells why; write a second check for the rest"),
        ),
    }
    let Some(expected) = &twin.expect else {
        r.collector.report(Kind::Missing, &spot, "a twin without an expectation").hint("`expect = { verdict = \"untouched\" }`");
        return None;
    };
    let name = format!("{}, twin {}", check.name, change(twin));
    let mut changed = Check { name, twin: None, line: r.line(twin), ..check.clone() };
    if let Some(name) = &twin.phase {
        changed.phase = phase_named(r, name, plan)?;
    }
    if twin.phase.is_some() || twin.at.is_some() {
        changed.clock = clock(r, twin.at.as_ref(), changed.phase, plan);
    }
    changed.vantage = twin.vantage.as_ref().map_or(check.vantage, |v| *v.value());
    if let Some(trust) = &twin.trust {
        changed.trust = *trust.value();
        trusted(r, changed.trust, Some(trust.span()), plan);
    }
    change_command(r, twin, written, &mut changed, plan);
    changed.expect = expect::resolve(r, expected, (&plan.phases[changed.phase], plan), &changed.client, &changed.targets);
    Some(changed)
}

/// The one thing that is changed, in words.
fn change(twin: &TwinWritten) -> String {
    let url = twin.url.as_ref().map(|url| format!("with {}", url.value()));
    let trust = twin.trust.as_ref().map(|trust| format!("with trust {}", trust.value()));
    let vantage = twin.vantage.as_ref().map(|vantage| format!("from {}", vantage.value()));
    let phase = twin.phase.as_ref().map(|phase| format!("in phase {}", phase.value()));
    let client = twin.client.as_ref().map(|_| "with another command".to_owned());
    url.or(trust).or(vantage).or(phase).or(client).unwrap_or_else(|| "at another time".to_owned())
}

fn change_command(r: &mut Resolver<'_>, twin: &At<TwinWritten>, written: &CheckWritten, changed: &mut Check, plan: &Plan) {
    if let Some(url) = &twin.url {
        let spot = r.spot(url);
        changed.url = Some(url.value().clone());
        check_url(r, url);
        let hosts = commands::targets(changed.url.as_deref(), &[]);
        known_targets(r, &hosts, &spot, plan);
        if written.targets.is_none() {
            changed.targets = hosts;
        }
        if written.url.is_none() {
            r.collector
                .report(Kind::Contradiction, &spot, "a twin with another `url`, though the check has none")
                .hint("give the check a `url` and write `{url}` among the client's words");
        }
    }
    if let Some(argv) = &twin.client {
        let spot = r.spot(argv);
        changed.client = CheckClient::Command(commands::fill_in(r, argv.value(), changed.url.as_deref(), &spot, &plan.world));
        let argv = changed.client.argv().to_vec();
        if written.targets.is_none() {
            let found = commands::targets(changed.url.as_deref(), &argv);
            changed.targets = if found.is_empty() { changed.targets.clone() } else { found };
            known_targets(r, &changed.targets, &spot, plan);
        }
    }
}

/// The commands or the detector, each with a word for matrix names.
fn clients(r: &mut Resolver<'_>, written: &At<CheckWritten>, plan: &Plan) -> Vec<(CheckClient, String)> {
    let url = written.url.as_ref().map(|u| u.value().as_str());
    match (&written.client, &written.detector) {
        (Some(client), None) => {
            let spot = r.spot(client);
            if client.0.is_empty() {
                r.collector.report(Kind::Missing, &spot, "no program is named");
            }
            let filled = client.0.iter().map(|argv| commands::fill_in(r, argv, url, &spot, &plan.world));
            let filled: Vec<Vec<String>> = filled.collect();
            filled.iter().map(|argv| (CheckClient::Command(argv.clone()), label(argv, &filled))).collect()
        }
        (None, Some(detector)) => {
            detector::detector(r, detector, url, plan).into_iter().map(|d| (CheckClient::Detector(d), String::new())).collect()
        }
        (Some(_), Some(detector)) => {
            let spot = r.spot(detector);
            r.collector.report(Kind::Contradiction, &spot, "a check runs a client or a detector, not both");
            Vec::new()
        }
        (None, None) => {
            let spot = r.spot(written);
            r.collector
                .report(Kind::Missing, &spot, "a check that runs nothing")
                .hint("`client = [\"curl\", \"{url}\"]`, or a `detector`");
            Vec::new()
        }
    }
}

/// What tells a command of a matrix from the others: its program if no other has it, else the whole command.
fn label(argv: &[String], all: &[Vec<String>]) -> String {
    let program = argv.first();
    let alone = all.iter().filter(|other| other.first() == program).count() == 1;
    if alone { program.cloned().unwrap_or_default() } else { argv.join(" ") }
}

fn matrix(r: &mut Resolver<'_>, written: &At<CheckWritten>, lengths: &[(&str, usize)]) {
    let named: Vec<String> = written.matrix.as_ref().map(|m| m.0.clone()).unwrap_or_default();
    let spot = written.matrix.as_ref().map_or_else(|| r.spot(written), |m| r.spot(m));
    for key in named.iter().filter(|key| lengths.iter().all(|(known, _)| known != key)) {
        let hint = suggest::hint(key, lengths.iter().map(|(known, _)| *known));
        r.collector.report(Kind::UnknownName, &spot, format!("`{key}` cannot be expanded")).maybe(hint);
    }
    for (key, length) in lengths {
        let is_named = named.iter().any(|n| n == key);
        if *length > 1 && !is_named {
            r.collector
                .report(Kind::Contradiction, &spot, format!("`{key}` is a list, but the check has no `matrix` for it"))
                .hint(format!("`matrix = [\"{key}\"]` runs the check once for each"));
        } else if *length < 2 && is_named {
            r.collector.report(Kind::Contradiction, &spot, format!("`matrix` names `{key}`, which is no list of several"));
        }
    }
    if lengths.iter().map(|(_, n)| n).product::<usize>() > MOST_COMBINATIONS {
        r.collector.report(Kind::BadValue, &spot, format!("more than {MOST_COMBINATIONS} combinations"));
    }
}

fn phase(r: &mut Resolver<'_>, written: &At<CheckWritten>, plan: &Plan) -> Option<usize> {
    if let Some(name) = &written.phase {
        return phase_named(r, name, plan);
    }
    if plan.phases.len() == 1 {
        return Some(0);
    }
    let by_date = written.at.as_ref().and_then(|at| r.moment(at)).and_then(|moment| plan.phase_at(moment));
    if by_date.is_none() {
        let spot = r.spot(written);
        let names = plan.phases.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>().join(", ");
        r.collector
            .report(Kind::Missing, &spot, "a check that does not say in which phase")
            .hint(format!("`phase` is one of {names}"));
    }
    by_date
}

fn phase_named(r: &mut Resolver<'_>, name: &At<String>, plan: &Plan) -> Option<usize> {
    let found = plan.phases.iter().position(|p| p.name == *name.value());
    if found.is_none() {
        let spot = r.spot(name);
        let hint = suggest::hint(name.value(), plan.phases.iter().map(|p| p.name.as_str()));
        r.collector.report(Kind::UnknownName, &spot, format!("no phase is called `{}`", name.value())).maybe(hint);
    }
    found
}

/// The clock during a check: as written, else the phase's beginning, else the scenario's.
fn clock(r: &mut Resolver<'_>, at: Option<&At<When>>, phase: usize, plan: &Plan) -> OffsetDateTime {
    let phase: &Phase = &plan.phases[phase];
    let Some(written) = at else { return phase.from.unwrap_or(plan.clock) };
    let Some(moment) = r.moment(written) else { return plan.clock };
    if phase.from.is_some_and(|from| moment < from) || phase.to.is_some_and(|to| moment >= to) {
        let spot = r.spot(written);
        r.collector.report(Kind::Dates, &spot, format!("the moment lies outside of the phase `{}`", phase.name));
    }
    moment
}

fn trusted(r: &mut Resolver<'_>, trust: Trust, span: Option<std::ops::Range<usize>>, plan: &Plan) {
    if trust.has_authority() && plan.authority.is_none() {
        let spot = Spot { source: r.origin.source, span: span.unwrap_or(0..0) };
        r.collector
            .report(Kind::Missing, &spot, format!("`{trust}` trusts an authority, and the scenario has none"))
            .hint("`[authority]` with a `profile`");
    }
}

fn targets(
    r: &mut Resolver<'_>,
    written: &At<CheckWritten>,
    url: Option<&str>,
    client: &CheckClient,
    plan: &Plan,
) -> Vec<String> {
    if let Some(url) = &written.url {
        check_url(r, url);
    }
    let (hosts, spot) = match &written.targets {
        Some(targets) => (targets.0.iter().map(|t| t.trim_end_matches('.').to_ascii_lowercase()).collect(), r.spot(targets)),
        None => {
            let spot = written.url.as_ref().map(At::span).or_else(|| written.client.as_ref().map(At::span));
            let spot = Spot { source: r.origin.source, span: spot.unwrap_or_else(|| written.span()) };
            (commands::targets(url, client.argv()), spot)
        }
    };
    if hosts.is_empty() && url.is_none() && !only_a_finding(written) {
        r.collector
            .report(Kind::Missing, &spot, "nothing says which host is judged")
            .hint("give the check a `url`, or `targets`");
    }
    known_targets(r, &hosts, &spot, plan);
    hosts
}

/// A detector whose finding is all that is expected may be about no host at all: it asks a resolver.
fn only_a_finding(written: &At<CheckWritten>) -> bool {
    let judges_hosts = |e: &ExpectWritten| e.verdict.is_some() || e.action.is_some() || e.rule.is_some() || e.alert.is_some();
    written.detector.is_some() && written.expect.as_ref().is_some_and(|e| e.finding.is_some() && !judges_hosts(e))
}

fn check_url(r: &mut Resolver<'_>, url: &At<String>) {
    if commands::Url::parse(url.value()).is_none() {
        let spot = r.spot(url);
        r.collector
            .report(Kind::BadValue, &spot, format!("`{}` is no URL with a host", url.value()))
            .hint("`https://www.example.test/`");
    }
}

fn known_targets(r: &mut Resolver<'_>, hosts: &[String], spot: &Spot, plan: &Plan) {
    for host in hosts.iter().filter(|host| site_of(&plan.world, host).is_none()) {
        commands::unknown_host(r, host, spot, &plan.world);
    }
}

fn many<T: Copy>(written: &Option<At<OneOrMany<T>>>, default: T) -> Vec<T> {
    written.as_ref().map(|w| w.0.clone()).filter(|list| !list.is_empty()).unwrap_or_else(|| vec![default])
}

/// Long enough for the slowest measured client (a Java start on a shared core takes 2 to 3 s), short enough for CI.
const DEADLINE: Duration = Duration::from_secs(30);

/// A matrix beyond this is a mistake, not a check.
const MOST_COMBINATIONS: usize = 256;
