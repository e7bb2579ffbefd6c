//! Connections and what they mean.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;

use super::body::{Asked, InPath, Json};
use super::problem::Problem;
use super::serve::App;
use super::words::{Chains, ConnectionQuery, Connections, VerdictQuery, WaitOrder, Waited};
use crate::record::{Certificate, Connection, ConnectionId, LegId, LegKind};
use crate::scenario::{Trust, Vantage};
use crate::verdict::{LegTruth, Surroundings, TargetVerdict, lookups_of, target};

pub(super) async fn list(State(app): State<App>, Asked(query): Asked<ConnectionQuery>) -> Json<Connections> {
    let mut connections = fitting(&app, &query);
    let total = connections.len();
    if let Some(last) = query.last {
        connections.drain(..total.saturating_sub(last));
    }
    connections.truncate(query.most());
    Json(Connections { connections, total })
}

pub(super) async fn clear(State(app): State<App>) -> StatusCode {
    app.lab().recorder().clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn wait(State(app): State<App>, Json(order): Json<WaitOrder>) -> Result<Json<Waited>, Problem> {
    let patience = order.deadline_ms.map_or(USUAL_WAIT, Duration::from_millis);
    if patience > LONGEST_WAIT {
        return Err(Problem::unprocessable(format!("`deadline_ms` is at most {}", LONGEST_WAIT.as_millis())));
    }
    let wanted = order.count.unwrap_or(1);
    let enough = |all: &[Connection]| all.iter().filter(|c| order.filter.fits(c)).take(wanted).count() >= wanted;
    let met = app.lab().recorder().wait(Instant::now() + patience, enough).await;
    let mut connections = fitting(&app, &order.filter);
    connections.truncate(order.filter.most());
    Ok(Json(Waited { met, connections }))
}

pub(super) async fn one(State(app): State<App>, InPath(id): InPath<u64>) -> Result<Json<Connection>, Problem> {
    known(&app, id).map(Json)
}

pub(super) async fn chains(State(app): State<App>, InPath(id): InPath<u64>) -> Result<Json<Chains>, Problem> {
    let connection = known(&app, id)?;
    let plain = |chain: &[std::sync::Arc<Certificate>]| chain.iter().map(|one| Certificate::clone(one)).collect();
    let (presented, genuine) = (plain(&connection.presented), plain(&connection.origin.chain));
    Ok(Json(Chains { presented, genuine, forged_by: connection.forged_by }))
}

pub(super) async fn verdict(State(app): State<App>, Asked(query): Asked<VerdictQuery>) -> Result<Json<TargetVerdict>, Problem> {
    let lab = app.lab();
    let (inside, outside) = lab.doors();
    let Some(leg) = query.leg.or(inside) else {
        return Err(Problem::unprocessable("this lab has no proxy port: say which `leg` is meant"));
    };
    let plan = lab.plan();
    let phase = lab.state().phase;
    let around = Surroundings::of(&plan.world, &phase);
    let test = leg_truth(&app, leg, LegKind::Free)?;
    let control = query.control.or(outside).map(|leg| leg_truth(&app, leg, LegKind::Control)).transpose()?;
    let control = control.filter(|leg| query.control.is_some() || !leg.connections.is_empty());
    let host = query.host.trim_end_matches('.').to_ascii_lowercase();
    Ok(Json(target(&host, &around, control.as_ref(), &test)))
}

/// A leg as the record has it: one that was started here, or what came by a proxy port.
fn leg_truth(app: &App, leg: LegId, kind: LegKind) -> Result<LegTruth, Problem> {
    let lab = app.lab();
    if let Some(truth) = lab.leg(leg).and_then(|view| view.truth) {
        return Ok(truth);
    }
    let (inside, outside) = lab.doors();
    if ![inside, outside].contains(&Some(leg)) {
        return Err(Problem::not_found(format!("there is no leg {}, or it has not ended", leg.0)));
    }
    let recorder = lab.recorder();
    Ok(LegTruth {
        kind,
        argv: Vec::new(),
        trust: Trust::default(),
        vantage: if outside == Some(leg) { Vantage::Outside } else { Vantage::Inside },
        exit: None,
        signal: None,
        timed_out: false,
        killed_us: None,
        not_started: None,
        ms: 0,
        stdout_head: String::new(),
        stderr_tail: String::new(),
        connections: recorder.connections_of(leg),
        lookups: lookups_of(&recorder.entries_of(leg), leg),
    })
}

fn known(app: &App, id: u64) -> Result<Connection, Problem> {
    let found = app.lab().recorder().connection(ConnectionId(id));
    found.ok_or_else(|| Problem::not_found(format!("there is no connection c{id}, or it is no longer kept")))
}

fn fitting(app: &App, query: &ConnectionQuery) -> Vec<Connection> {
    app.lab().recorder().connections().into_iter().filter(|connection| query.fits(connection)).collect()
}

const USUAL_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
