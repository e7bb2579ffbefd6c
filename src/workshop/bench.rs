//! The client bench: what a participant can start in the lab, and what came of it in one sentence.

use std::collections::BTreeMap;

use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

mod catalogue;
mod outcome;

pub use catalogue::Switch;
pub(super) use catalogue::{Client, all_clients, by_id};
pub(super) use outcome::{of_connection, sentence};

use super::child::Up;
use super::participants::{Participant, lock};
use super::people::{Joined, start_in};
use super::relay;
use super::serve::App;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, InPath, Json};
use crate::control::words::{LegStarted, LegState, LegView, State as LabState};
use crate::scenario::{Messages, VerdictKind};
use crate::verdict::TargetVerdict;

/// What a participant has started in the lab that is up.
#[derive(Default)]
pub(super) struct Runs {
    generation: u64,
    all: BTreeMap<u32, Started>,
}

/// One start.
#[derive(Clone)]
pub(super) struct Started {
    pub(super) client: &'static Client,
    pub(super) host: String,
    pub(super) switch: Switch,
    pub(super) phase: String,
    pub(super) ended: Option<Ended>,
}

/// What is kept of a leg that has ended.
#[derive(Clone)]
pub(super) struct Ended {
    state: LegState,
    error: Option<String>,
    pub(super) verdict: Option<TargetVerdict>,
    finding: Option<String>,
    intercepted: bool,
    messages: Option<Messages>,
    connections: Vec<u64>,
    output: String,
}

/// A run, for the console.
#[derive(Serialize)]
pub(super) struct RunView {
    leg: u32,
    client: &'static str,
    title: String,
    host: String,
    trust: Switch,
    phase: String,
    state: LegState,
    verdict: Option<String>,
    sentence: Option<String>,
    evidence: Option<String>,
    connections: Vec<u64>,
    output: String,
    error: Option<String>,
    screenshot: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default)]
    trust: Switch,
    host: Option<String>,
}

/// In which language, and how long to wait.
#[derive(Default, Deserialize)]
pub(super) struct Told {
    pub(super) lang: Option<String>,
    wait_ms: Option<u64>,
}

pub(super) async fn clients(
    State(app): State<App>,
    Joined(participant): Joined,
    Asked(told): Asked<Told>,
) -> Json<serde_json::Value> {
    let words = Words::of(told.lang.as_deref());
    let world = app.world(&participant);
    let all = catalogue::ALL.iter().filter_map(|client| client.view(&world, words));
    Json(json!({ "clients": all.collect::<Vec<_>>() }))
}

pub(super) async fn start(
    State(app): State<App>,
    Joined(participant): Joined,
    InPath(id): InPath<String>,
    Asked(told): Asked<Told>,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<RunView>), Problem> {
    participant.touch();
    let client = by_id(&id).ok_or_else(|| Problem::not_found("there is no such client"))?;
    let world = app.world(&participant);
    let host = client.host(&world, order.host.as_deref())?;
    if let Some(program) = client.missing() {
        return Err(Problem::conflict(format!("`{program}` is not installed on this machine")));
    }
    if !participant.lab.is_alive() {
        let lab = app.order(participant.lab.scenario().as_deref(), None)?;
        start_in(&participant, &lab, PATIENCE).await;
    }
    participant.lab.settled(PATIENCE).await;
    let up = participant.lab.up()?;
    let phase = relay::get::<LabState>(&up, "/v1/state").await?.phase;
    let leg = json!({
        "argv": client.argv(&picture(&up, client, &host)), "url": client.url(&host), "trust": order.trust.trust(),
        "control": true, "deadline_ms": DEADLINE_MS,
    });
    let started: LegStarted = relay::ask(&up, Method::POST, "/v1/legs", &leg).await?;
    let run = Started { client, host, switch: order.trust, phase, ended: None };
    let view = run.view(started.id.0, Words::of(told.lang.as_deref()));
    let generation = participant.lab.generation();
    let mut runs = lock(&participant.runs);
    runs.of(generation).insert(started.id.0, run);
    drop(runs);
    Ok((StatusCode::ACCEPTED, Json(view)))
}

pub(super) async fn list(Joined(participant): Joined, Asked(told): Asked<Told>) -> Json<serde_json::Value> {
    let words = Words::of(told.lang.as_deref());
    let runs = refreshed(&participant).await;
    Json(json!({ "runs": runs.iter().map(|(leg, run)| run.view(*leg, words)).collect::<Vec<_>>() }))
}

pub(super) async fn one(
    Joined(participant): Joined,
    InPath(leg): InPath<u32>,
    Asked(told): Asked<Told>,
) -> Result<Json<RunView>, Problem> {
    let run = known(&participant, leg)?;
    let run = match run.ended {
        Some(_) => run,
        None => look(&participant, leg, told.wait_ms.unwrap_or(0).min(LONGEST_WAIT_MS)).await?,
    };
    Ok(Json(run.view(leg, Words::of(told.lang.as_deref()))))
}

pub(super) async fn stop(Joined(participant): Joined, InPath(leg): InPath<u32>) -> Result<StatusCode, Problem> {
    known(&participant, leg)?;
    let up = participant.lab.up()?;
    relay::ask::<serde_json::Value>(&up, Method::DELETE, &format!("/v1/legs/{leg}"), &()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a browser's picture is kept: with the record, but not a part of it.
fn picture(up: &Up, client: &Client, host: &str) -> std::path::PathBuf {
    catalogue::picture(up.record.path(), client, host)
}

/// The picture that a browser kept.
pub(super) async fn screenshot(
    Joined(participant): Joined,
    InPath(leg): InPath<u32>,
) -> Result<axum::response::Response, Problem> {
    use axum::response::IntoResponse as _;
    let run = known(&participant, leg)?;
    if !run.has_picture() {
        return Err(Problem::not_found("this client kept no picture"));
    }
    let up = participant.lab.up()?;
    let bytes = tokio::fs::read(picture(&up, run.client, &run.host)).await;
    let bytes = bytes.map_err(|_| Problem::not_found("this client kept no picture"))?;
    Ok(([(axum::http::header::CONTENT_TYPE, "image/png")], bytes).into_response())
}

/// The newest run of each client, host, trust and phase.
pub(super) async fn verdicts(Joined(participant): Joined, Asked(told): Asked<Told>) -> Json<serde_json::Value> {
    let words = Words::of(told.lang.as_deref());
    let mut newest = BTreeMap::new();
    for (leg, run) in refreshed(&participant).await {
        newest.insert((run.client.id, run.host.clone(), run.switch, run.phase.clone()), run.view(leg, words));
    }
    Json(json!({ "rows": newest.into_values().collect::<Vec<_>>() }))
}

/// Every run, those that have ended meanwhile included.
pub(super) async fn refreshed(participant: &Participant) -> BTreeMap<u32, Started> {
    let generation = participant.lab.generation();
    let open: Vec<u32> =
        lock(&participant.runs).of(generation).iter().filter(|(_, run)| run.ended.is_none()).map(|(leg, _)| *leg).collect();
    for leg in open {
        let _ = look(participant, leg, 0).await; // a lab that has ended tells no more
    }
    lock(&participant.runs).of(generation).clone()
}

fn known(participant: &Participant, leg: u32) -> Result<Started, Problem> {
    let run = lock(&participant.runs).of(participant.lab.generation()).get(&leg).cloned();
    run.ok_or_else(|| Problem::not_found(format!("you have started no client as leg {leg}")))
}

/// Asks the lab how far a leg is, and keeps its end.
async fn look(participant: &Participant, leg: u32, wait_ms: u64) -> Result<Started, Problem> {
    let generation = participant.lab.generation();
    let up = participant.lab.up()?;
    let view: LegView = relay::get(&up, &format!("/v1/legs/{leg}?wait_ms={wait_ms}")).await?;
    let mut runs = lock(&participant.runs);
    let Some(run) = runs.of(generation).get_mut(&leg) else {
        return Err(Problem::not_found(format!("you have started no client as leg {leg}")));
    };
    if view.state != LegState::Running {
        run.ended = Some(Ended::of(view));
    }
    Ok(run.clone())
}

impl Runs {
    /// Those of the lab that is up; what an earlier one had is forgotten.
    pub(super) fn of(&mut self, generation: u64) -> &mut BTreeMap<u32, Started> {
        if self.generation != generation {
            (self.generation, self.all) = (generation, BTreeMap::new());
        }
        while self.all.len() > MOST_RUNS {
            self.all.pop_first();
        }
        &mut self.all
    }
}

impl Ended {
    fn of(view: LegView) -> Self {
        let truth = view.truth;
        let connections = truth.iter().flat_map(|truth| &truth.connections);
        let output = truth.as_ref().map(|truth| format!("{}{}", truth.stdout_head, truth.stderr_tail)).unwrap_or_default();
        let json = truth.as_ref().and_then(|truth| serde_json::from_str::<serde_json::Value>(&truth.stdout_head).ok());
        Self {
            state: view.state,
            error: view.error.or_else(|| truth.as_ref().and_then(|truth| truth.not_started.clone())),
            verdict: view.verdict,
            finding: json.and_then(|json| json.get("finding")?.as_str().map(str::to_owned)),
            messages: connections.clone().find_map(crate::record::Connection::messages),
            intercepted: connections.clone().any(crate::record::Connection::intercepted),
            connections: connections.map(|connection| connection.id.0).collect(),
            output: output.chars().take(MOST_OUTPUT).collect(),
        }
    }
}

impl Started {
    /// True if the browser kept a picture in this run: of the page, or of its warning.
    fn has_picture(&self) -> bool {
        let verdict = self.ended.as_ref().and_then(|ended| ended.verdict.as_ref()).map(|verdict| verdict.verdict);
        self.client.keeps_picture()
            && matches!(verdict, Some(VerdictKind::Exposed | VerdictKind::Untouched | VerdictKind::Refused))
    }

    fn view(&self, leg: u32, words: Words) -> RunView {
        let ended = self.ended.as_ref();
        let verdict = ended.and_then(|ended| ended.verdict.as_ref());
        RunView {
            leg,
            client: self.client.id,
            title: self.client.title(words),
            host: self.host.clone(),
            trust: self.switch,
            phase: self.phase.clone(),
            state: ended.map_or(LegState::Running, |ended| ended.state),
            verdict: verdict.map(|verdict| verdict.verdict.to_string()),
            sentence: ended.map(|ended| sentence(self, ended, words)),
            evidence: verdict.map(|verdict| verdict.signal.clone()),
            connections: ended.map(|ended| ended.connections.clone()).unwrap_or_default(),
            output: ended.map(|ended| ended.output.clone()).unwrap_or_default(),
            error: ended.and_then(|ended| ended.error.clone()),
            screenshot: self.has_picture().then(|| format!("api/runs/{leg}/screenshot.png")),
        }
    }
}

/// A lab comes up in a second or a few; thirty at once, on a busy machine, wait for each other.
const PATIENCE: Duration = Duration::from_secs(180);
/// Milliseconds that a client may take.
const DEADLINE_MS: u64 = 25_000;
const LONGEST_WAIT_MS: u64 = 60_000;
/// Runs that are kept.
const MOST_RUNS: usize = 400;
/// Characters of what a client said.
const MOST_OUTPUT: usize = 2000;

/// The lab that answers, for who needs it and what is known of its runs.
pub(super) async fn with_lab(participant: &Participant) -> Result<(std::sync::Arc<Up>, BTreeMap<u32, Started>), Problem> {
    let up = participant.lab.up()?;
    Ok((up, refreshed(participant).await))
}
