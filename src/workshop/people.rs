//! Joining, being known again, leaving; and the two kinds of people that routes ask for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::child::Order;
use super::identity::{Role, carried, given, taken};
use super::lab::{EndedBy, LabView};
use super::participants::{Opened, Participant};
use super::serve::App;
use super::takeaway;
use crate::control::Problem;
use crate::control::body::{Asked, Json};

/// The participant who asks.
pub(super) struct Joined(pub(super) Arc<Participant>);

impl FromRequestParts<App> for Joined {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        participant(app, &parts.headers).map(Self).ok_or_else(|| unknown("you have not joined the workshop"))
    }
}

/// Whoever asks, and at least one of the two.
pub(super) struct Seen {
    pub(super) participant: Option<Arc<Participant>>,
    pub(super) trainer: bool,
}

impl FromRequestParts<App> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let participant = participant(app, &parts.headers);
        let trainer = Trainer::from_request_parts(parts, app).await.is_ok();
        if participant.is_none() && !trainer {
            return Err(unknown("you have not joined the workshop"));
        }
        Ok(Self { participant, trainer })
    }
}

/// The trainer asks.
pub(super) struct Trainer;

impl FromRequestParts<App> for Trainer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let here = parts.extensions.get::<ConnectInfo<SocketAddr>>().is_some_and(|peer| app.is_here(peer.0));
        if here && is_trainer(app, &parts.headers) { Ok(Self) } else { Err(unknown("this is the trainer's")) }
    }
}

/// Who a browser is, and what the workshop is.
#[derive(Serialize)]
pub(super) struct Me {
    participant: Option<Known>,
    trainer: bool,
    version: &'static str,
    workshop: About,
}

#[derive(Serialize)]
struct Known {
    id: String,
    name: String,
}

#[derive(Serialize)]
struct About {
    lesson: Option<String>,
    scenario: String,
    participants_most: usize,
    address: String,
    loopback: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    code: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    #[serde(default)]
    scenario: Option<String>,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize)]
pub(super) struct Wait {
    wait_ms: Option<u64>,
}

pub(super) async fn join(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(join): Json<Join>,
) -> Result<Response, Problem> {
    let (known, trainer) = (participant(&app, &headers), is_trainer(&app, &headers));
    if known.is_some() && join.code == app.participants().class_code().reveal() {
        return Ok(Json(me_of(&app, known, trainer)).into_response());
    }
    let (role, token, me) = match app.participants().open(&join.code, join.name.as_deref(), app.is_here(peer), trainer)? {
        Opened::Trainer(token) => (Role::Trainer, token, me_of(&app, known, true)),
        Opened::Participant(participant, token) => (Role::Participant, token, me_of(&app, Some(participant), trainer)),
    };
    let mut response = Json(me).into_response();
    given(&token, role, app.port()).map(|cookie| response.headers_mut().append(header::SET_COOKIE, cookie));
    Ok(response)
}

pub(super) async fn me(State(app): State<App>, headers: HeaderMap) -> Json<Me> {
    Json(me_of(&app, participant(&app, &headers), is_trainer(&app, &headers)))
}

pub(super) async fn rename(
    State(app): State<App>,
    Joined(participant): Joined,
    headers: HeaderMap,
    Json(to): Json<Rename>,
) -> Json<Me> {
    participant.touch();
    participant.rename(&to.name);
    Json(me_of(&app, Some(participant), is_trainer(&app, &headers)))
}

pub(super) async fn leave(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for role in [Role::Participant, Role::Trainer] {
        if let Some(secret) = carried(&headers, role, app.port()) {
            app.participants().forget(secret);
            taken(role, app.port()).map(|cookie| response.headers_mut().append(header::SET_COOKIE, cookie));
        }
    }
    response
}

pub(super) async fn lab(Joined(participant): Joined) -> Json<LabView> {
    Json(participant.lab.view())
}

pub(super) async fn start_lab(
    State(app): State<App>,
    Joined(participant): Joined,
    Asked(wait): Asked<Wait>,
    Json(start): Json<Start>,
) -> Result<(StatusCode, Json<LabView>), Problem> {
    participant.touch();
    let order = app.order(start.scenario.as_deref(), start.phase)?;
    if start.restart {
        takeaway::keep(&participant).await;
        participant.lab.end(EndedBy::Participant);
        participant.lab.gone().await;
    }
    let started = start_in(&participant, &order, Duration::from_millis(wait.wait_ms.unwrap_or(0))).await;
    Ok((if started { StatusCode::ACCEPTED } else { StatusCode::OK }, Json(participant.lab.view())))
}

pub(super) async fn end_lab(Joined(participant): Joined) -> StatusCode {
    participant.touch();
    takeaway::keep(&participant).await;
    participant.lab.end(EndedBy::Participant);
    StatusCode::NO_CONTENT
}

/// Starts a lab and waits for it, but not for ever. True if it was not up before.
pub(super) async fn start_in(participant: &Participant, order: &Order, patience: Duration) -> bool {
    if participant.lab.scenario().is_some_and(|before| before != order.scenario) {
        takeaway::keep(participant).await;
    }
    let started = participant.lab.start(order);
    if !patience.is_zero() {
        participant.lab.settled(patience.min(LONGEST_WAIT)).await;
    }
    started
}

fn participant(app: &App, headers: &HeaderMap) -> Option<Arc<Participant>> {
    app.participants().by_secret(carried(headers, Role::Participant, app.port())?)
}

fn is_trainer(app: &App, headers: &HeaderMap) -> bool {
    carried(headers, Role::Trainer, app.port()).is_some_and(|secret| app.participants().is_trainer(secret))
}

fn me_of(app: &App, participant: Option<Arc<Participant>>, trainer: bool) -> Me {
    let settings = app.settings();
    Me {
        participant: participant.map(|known| Known { id: known.word(), name: known.name() }),
        trainer,
        version: env!("CARGO_PKG_VERSION"),
        workshop: About {
            lesson: app.lesson(),
            scenario: settings.scenario.clone(),
            participants_most: settings.most,
            address: app.address().to_string(),
            loopback: app.address().ip().is_loopback(),
        },
    }
}

fn unknown(told: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, told).hint("open the link that you were given")
}

/// A start takes less; a browser gives up later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
