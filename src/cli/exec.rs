//! `mitmlab exec`: one command in the lab. Its exit code is passed through; what happened is told on standard error.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::network::{Chosen, interrupted, runtime};
use super::scenario::load;
use super::{Exec, print};
use crate::error::Error;
use crate::lab::{Lab, Order};
use crate::record::{Connection, LegKind};
use crate::scenario::{Action, Plan};
use crate::verdict::{LegTruth, reaction};

/// Runs the command; its exit code, or 128 and the signal that ended it.
pub(super) fn exec(exec: Exec) -> Result<u8, Error> {
    let plan = load(&exec.scenario)?;
    let (phase, clock) = when(exec.phase.as_deref(), exec.at.as_deref(), &plan)?;
    let chosen = Chosen::choose(exec.network.network)?;
    let runtime = runtime()?;
    let code = runtime.block_on(in_a_lab(&exec, plan, phase, clock, &chosen));
    runtime.shutdown_timeout(Duration::from_millis(500));
    code
}

async fn in_a_lab(exec: &Exec, plan: Plan, phase: usize, clock: OffsetDateTime, chosen: &Chosen) -> Result<u8, Error> {
    let wanted = exec.record.wanted();
    let lab = Lab::start_keeping(plan, chosen.on(), wanted.mask()).await?;
    let evidence = lab.evidence(wanted);
    let order = Order {
        check: None,
        kind: LegKind::Free,
        argv: exec.command.clone(),
        url: None,
        trust: exec.trust,
        vantage: exec.vantage,
        phase,
        clock,
        speed: exec.speed.unwrap_or(1.0),
        deadline: NO_DEADLINE,
        terminal: true,
        coins: 0,
    };
    let ended = tokio::select! {
        ended = lab.leg(order) => ended?,
        () = interrupted() => return Ok(INTERRUPTED),
    };
    if let Some(why) = &ended.truth.not_started {
        return Err(Error::Usage(why.clone()));
    }
    lab.tell_end();
    tell(&lab, &ended.truth, phase);
    for remark in evidence.finish(None).await {
        print::err(format_args!("mitmlab: {remark}"));
    }
    Ok(code_of(&ended.truth))
}

/// The phase and the clock that are asked for: a named phase, a date, else the first phase that intercepts, else the first.
pub(super) fn when(phase: Option<&str>, at: Option<&str>, plan: &Plan) -> Result<(usize, OffsetDateTime), Error> {
    let at = at.map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
    let at = at.map_err(|e| Error::Usage(format!("`--at` wants a time such as 2019-07-22T12:00:00+06:00: {e}")))?;
    let names = || plan.phases.iter().map(|phase| format!("`{}`", phase.name)).collect::<Vec<_>>().join(", ");
    let phase = match (phase, at) {
        (Some(name), _) => plan
            .phase_named(name)
            .ok_or_else(|| Error::Usage(format!("scenario `{}` has no phase `{name}`; it has {}", plan.name, names())))?,
        (None, Some(at)) => plan
            .phase_at(at)
            .ok_or_else(|| Error::Usage(format!("no phase of `{}` is in force at that time; it has {}", plan.name, names())))?,
        (None, None) => {
            let intercepts = |index: &usize| plan.phases[*index].rules.iter().any(|rule| rule.action == Action::Intercept);
            (0..plan.phases.len()).find(intercepts).unwrap_or(0)
        }
    };
    Ok((phase, at.or(plan.phases[phase].from).unwrap_or(plan.clock)))
}

/// What happened, a line for each connection.
fn tell(lab: &Lab, truth: &LegTruth, phase: usize) {
    let (network, phase) = (lab.network(), &lab.plan().phases[phase].name);
    let count = truth.connections.len();
    let connections = if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") };
    print::err(format_args!("mitmlab: {connections}; {network} network, phase `{phase}`, trust `{}`", truth.trust));
    for connection in truth.connections.iter().take(MOST_LINES) {
        print::err(format_args!("mitmlab:   {}", line(connection, phase)));
    }
    if count > MOST_LINES {
        print::err(format_args!("mitmlab:   and {} more: keep them all with `--record DIR`", count - MOST_LINES));
    }
}

fn line(connection: &Connection, phase: &str) -> String {
    let (host, port) = (connection.host(), connection.destination.port());
    let decision = match connection.decision() {
        None => "not seen by the box".to_owned(),
        Some(decision) => match &decision.rule {
            Some(rule) => format!("{} ({}: {rule})", decision.action, decision.reason),
            None => format!("{} ({})", decision.action, decision.reason),
        },
    };
    // Under a clock that runs faster the campaign goes on.
    let later = connection.decision().filter(|decision| decision.phase != phase);
    let decision = later.map_or(decision.clone(), |later| format!("{decision} in phase `{}`", later.phase));
    let shown =
        connection.presented.first().map(|leaf| format!(", shown `{}` from `{}`", leaf.subject, leaf.issuer)).unwrap_or_default();
    let clear = connection.upgrade.as_ref().filter(|upgrade| !upgrade.clear.is_empty());
    let clear = clear.map(|upgrade| format!("; in the clear: {}", upgrade.clear.join(", "))).unwrap_or_default();
    format!("{} {host}:{port}: {decision}{shown}; the client {}{clear}", connection.id, reaction(connection).words())
}

fn code_of(truth: &LegTruth) -> u8 {
    match (truth.exit, truth.signal) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => 128u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
        (None, None) => crate::error::BUG,
    }
}

/// The user ends it.
const NO_DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// 128 and SIGINT, as shells say it.
const INTERRUPTED: u8 = 130;
/// Lines on standard error at most.
const MOST_LINES: usize = 40;
