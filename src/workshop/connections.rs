//! The connections of a participant's clients, a line each. Control legs, which the lab runs to compare with, are left out.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bench::{self, Started, Switch, of_connection};
use super::people::Joined;
use super::relay;
use super::serve::App;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, InPath, Json};
use crate::control::words::Connections;
use crate::record::Connection;
use crate::scenario::Transport;

/// A connection in a line.
#[derive(Serialize)]
pub(super) struct Line {
    id: u64,
    t_us: u64,
    host: String,
    port: u16,
    transport: Transport,
    client: Option<&'static str>,
    trust: Option<Switch>,
    leg: Option<u32>,
    action: Option<String>,
    rule: Option<String>,
    outcome: &'static str,
    sentence: String,
    ended: bool,
    us: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Which {
    lang: Option<String>,
    after: Option<u64>,
    last: Option<usize>,
    limit: Option<usize>,
}

pub(super) async fn list(Joined(participant): Joined, Asked(which): Asked<Which>) -> Result<Json<serde_json::Value>, Problem> {
    participant.touch();
    let words = Words::of(which.lang.as_deref());
    let (up, runs) = bench::with_lab(&participant).await?;
    let path = match which.last {
        Some(last) => format!("/v1/connections?last={}", last.min(MOST)),
        None => format!("/v1/connections?after={}&limit={}", which.after.unwrap_or(0), which.limit.unwrap_or(MOST).min(MOST)),
    };
    let found: Connections = relay::get(&up, &path).await?;
    // What comes from no client of the bench is the lab's own comparison. `last` tells where to go on all the same.
    let last = found.connections.last().map(|connection| connection.id.0);
    let lines: Vec<_> = found.connections.iter().filter_map(|connection| line(connection, &runs, words)).collect();
    Ok(Json(json!({ "connections": lines, "total": found.total, "last": last })))
}

pub(super) async fn story(
    State(_): State<App>,
    Joined(participant): Joined,
    InPath(id): InPath<u64>,
    Asked(which): Asked<Which>,
) -> Result<Json<super::story::Story>, Problem> {
    participant.touch();
    let words = Words::of(which.lang.as_deref());
    let (up, runs) = bench::with_lab(&participant).await?;
    let connection: Connection = relay::get(&up, &format!("/v1/connections/{id}")).await?;
    let run = connection.leg.and_then(|leg| runs.get(&leg.0));
    Ok(Json(super::story::tell(&connection, run, words)))
}

/// The line of a connection; none if no client of the bench opened it.
pub(super) fn line(connection: &Connection, runs: &BTreeMap<u32, Started>, words: Words) -> Option<Line> {
    let leg = connection.leg?.0;
    let run = runs.get(&leg)?;
    let decision = connection.decision();
    Some(Line {
        id: connection.id.0,
        t_us: connection.t_us,
        host: connection.host(),
        port: connection.destination.port(),
        transport: connection.transport,
        client: Some(run.client.id),
        trust: Some(run.switch),
        leg: Some(leg),
        action: decision.map(|decision| decision.action.clone()),
        rule: decision.and_then(|decision| decision.rule.clone()),
        outcome: of_connection(connection, Some(run)),
        sentence: sentence(connection, Some(run), words),
        ended: connection.ended,
        us: connection.closed_us.map(|closed| closed.saturating_sub(connection.t_us)),
    })
}

/// One sentence for one connection.
pub(super) fn sentence(connection: &Connection, run: Option<&Started>, words: Words) -> String {
    let rests = run
        .and_then(|run| run.ended.as_ref())
        .filter(|ended| ended.verdict.as_ref().is_some_and(|verdict| verdict.evidence.contains(&connection.id)));
    if let (Some(run), Some(ended)) = (run, rests) {
        return bench::sentence(run, ended, words);
    }
    let client = run.map_or_else(|| words.say("who.client", &[]), |run| run.client.title(words));
    words.first(&[of_connection(connection, run), "inconclusive"], &[("client", &client), ("host", &connection.host())])
}

/// Connections at once: each is some ten kilobytes on the way from the lab.
const MOST: usize = 500;
