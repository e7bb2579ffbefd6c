//! Legs: a client is started in the lab, asked after, and ended.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::body::{Asked, InPath, Json};
use super::problem::Problem;
use super::serve::App;
use super::words::{LegOrder, LegQuery, LegStarted, LegView, Legs};
use crate::record::LegId;

pub(super) async fn list(State(app): State<App>) -> Json<Legs> {
    Json(Legs { legs: app.lab().legs() })
}

pub(super) async fn start(
    State(app): State<App>,
    Json(order): Json<LegOrder>,
) -> Result<(StatusCode, Json<LegStarted>), Problem> {
    if order.argv.is_empty() || order.argv[0].is_empty() {
        return Err(Problem::unprocessable("`argv` names no program"));
    }
    if order.argv.iter().chain(&order.url).any(|word| word.contains('\0')) {
        return Err(Problem::unprocessable("no word of a command line can hold a zero byte"));
    }
    if order.deadline_ms.is_some_and(|ms| ms == 0 || ms > LONGEST_LEG) {
        return Err(Problem::unprocessable(format!("`deadline_ms` is 1 to {LONGEST_LEG}")));
    }
    let id = app.lab().start_leg(order)?;
    Ok((StatusCode::CREATED, Json(LegStarted { id })))
}

pub(super) async fn one(
    State(app): State<App>,
    InPath(id): InPath<u32>,
    Asked(query): Asked<LegQuery>,
) -> Result<Json<LegView>, Problem> {
    let wait = query.wait_ms.unwrap_or(0);
    if wait > LONGEST_LEG {
        return Err(Problem::unprocessable(format!("`wait_ms` is at most {LONGEST_LEG}")));
    }
    known(&app, id)?;
    if wait > 0 {
        // Its end or the deadline: either way the answer says how far it is.
        let _ = tokio::time::timeout(Duration::from_millis(wait), app.lab().leg_ended(LegId(id))).await;
    }
    known(&app, id).map(Json)
}

pub(super) async fn stop(State(app): State<App>, InPath(id): InPath<u32>) -> Result<StatusCode, Problem> {
    if app.lab().stop_leg(LegId(id)) { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(id)) }
}

fn known(app: &App, id: u32) -> Result<LegView, Problem> {
    app.lab().leg(LegId(id)).ok_or_else(|| unknown(id))
}

fn unknown(id: u32) -> Problem {
    Problem::not_found(format!("no leg {id} was started here, or it is no longer kept"))
}

/// Ten minutes.
const LONGEST_LEG: u64 = 600_000;
