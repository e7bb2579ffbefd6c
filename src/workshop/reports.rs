//! Reports: a participant has the checks of a scenario run, or a suite with a client of the bench, and sees the rows grow.
//!
//! Each row is a `mitmlab run` of its own, in a network of its own. A participant has one report running at a time, and the workshop runs
//! few rows side by side: a class would else be louder than its lessons. No command of a participant's own is run.

use std::sync::{Arc, LazyLock, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

mod row;
mod work;

use super::bench::{Client, Told, all_clients, by_id};
use super::participants::lock;
use super::people::Joined;
use super::serve::App;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, InPath, Json};
use crate::scenario::Listed;
use row::{Held, Row};
use work::Work;

/// What a participant has asked for, the newest last.
#[derive(Default)]
pub(super) struct Reports {
    last: u32,
    all: Vec<Arc<Report>>,
}

/// A report that grows.
struct Report {
    id: u32,
    work: Work,
    rows: Mutex<Vec<Row>>,
    task: Mutex<Option<AbortHandle>>,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Wanted {
    /// The checks of a scenario.
    Run {
        /// Which; that of the participant's lab if none.
        scenario: Option<String>,
    },
    /// The suite of `verify`, with a client of the bench.
    Verify {
        /// Which.
        client: String,
    },
    /// The suite of `score`, with the lab's own detector.
    Score,
}

#[derive(Serialize)]
struct View {
    id: u32,
    kind: &'static str,
    title: String,
    state: &'static str,
    done: usize,
    of: usize,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    summary: String,
}

pub(super) async fn list(State(app): State<App>, Joined(participant): Joined, Asked(told): Asked<Told>) -> Json<Value> {
    participant.touch();
    let words = Words::of(told.lang.as_deref());
    let reports = lock(&participant.reports).all.clone();
    let views: Vec<_> = reports.iter().rev().map(|report| report.view(words)).collect();
    let scenario = participant.lab.scenario().unwrap_or_else(|| app.settings().scenario.clone());
    let clients = all_clients().iter().filter(|client| client.missing().is_none() && work::can_verify(client));
    let clients: Vec<_> = clients.map(|client| json!({ "id": client.id, "title": client.title(words) })).collect();
    let scenarios: Vec<_> = LISTED.iter().map(|listed| json!({ "name": listed.name, "title": listed.title })).collect();
    Json(json!({ "reports": views, "offers": { "scenario": scenario, "scenarios": scenarios, "clients": clients } }))
}

pub(super) async fn start(
    State(app): State<App>,
    Joined(participant): Joined,
    Asked(told): Asked<Told>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    participant.touch();
    let words = Words::of(told.lang.as_deref());
    let work = match wanted {
        Wanted::Run { scenario } => {
            let scenario = scenario.or_else(|| participant.lab.scenario());
            Work::checks(&app.order(scenario.as_deref(), None)?.scenario)?
        }
        Wanted::Verify { client } => Work::verify(client_of(&client)?),
        Wanted::Score => Work::score(),
    };
    let report = lock(&participant.reports).add(work)?;
    let turns = Arc::clone(app.participants().reporting());
    let task = tokio::spawn(grow(app.clone(), Arc::clone(&report), turns));
    *lock(&report.task) = Some(task.abort_handle());
    Ok((StatusCode::ACCEPTED, Json(json!(report.view(words)))))
}

/// Ends one that is running; what it has is kept.
pub(super) async fn stop(Joined(participant): Joined, InPath(id): InPath<u32>) -> Result<StatusCode, Problem> {
    let report = lock(&participant.reports).all.iter().find(|report| report.id == id).cloned();
    report.ok_or_else(|| Problem::not_found(format!("you have no report {id}")))?.stop();
    Ok(StatusCode::NO_CONTENT)
}

/// Runs row after row. When the task is aborted, the process of the row ends with it.
async fn grow(app: App, report: Arc<Report>, turns: Arc<Semaphore>) {
    for at in 0..report.work.len() {
        let Ok(turn) = turns.acquire().await else { return };
        let row = report.work.row(at, app.settings()).await;
        drop(turn);
        lock(&report.rows).push(row);
    }
}

fn client_of(id: &str) -> Result<&'static Client, Problem> {
    let client = by_id(id).filter(|client| work::can_verify(client));
    let client = client.ok_or_else(|| Problem::not_found(format!("the suite has no cases for a client `{id}`")))?;
    match client.missing() {
        Some(program) => Err(Problem::conflict(format!("`{program}` is not installed on this machine"))),
        None => Ok(client),
    }
}

impl Reports {
    fn add(&mut self, work: Work) -> Result<Arc<Report>, Problem> {
        if self.all.iter().any(|report| report.is_running()) {
            return Err(Problem::conflict("a report of yours is running").hint("wait for its end, or stop it"));
        }
        self.last += 1;
        let report = Arc::new(Report { id: self.last, work, rows: Mutex::default(), task: Mutex::default() });
        self.all.push(Arc::clone(&report));
        let surplus = self.all.len().saturating_sub(MOST);
        self.all.drain(..surplus);
        Ok(report)
    }

    /// Ends whatever runs: its participant has gone.
    pub(super) fn stop(&self) {
        self.all.iter().for_each(|report| report.stop());
    }
}

impl Report {
    fn is_running(&self) -> bool {
        lock(&self.task).as_ref().is_none_or(|task| !task.is_finished())
    }

    fn stop(&self) {
        if let Some(task) = &*lock(&self.task) {
            task.abort();
        }
    }

    fn view(&self, words: Words) -> View {
        let rows = lock(&self.rows).clone();
        let running = self.is_running();
        let count = |held| rows.iter().filter(|row| row.held == held).count().to_string();
        let [yes, no, open] = [Held::Yes, Held::No, Held::Open].map(count);
        let kind = self.work.kind();
        let columns = ["name", "given", "found", "signal", "held"];
        View {
            id: self.id,
            kind,
            title: self.work.title(words),
            state: match (running, rows.len() == self.work.len()) {
                (true, _) => "running",
                (false, true) => "ended",
                (false, false) => "stopped",
            },
            done: rows.len(),
            of: self.work.len(),
            columns: columns.map(|column| words.say(&format!("report.{kind}.{column}"), &[])).into(),
            summary: words.say("report.summary", &[("yes", &yes), ("no", &no), ("open", &open)]),
            rows: rows.iter().map(|row| row.cells(words)).collect(),
        }
    }
}

/// The scenarios that come with mitmlab, without the cases of suites.
static LISTED: LazyLock<Vec<Listed>> =
    LazyLock::new(|| crate::scenario::list().into_iter().filter(|listed| !listed.name.contains('/')).collect());

/// Reports that a participant keeps.
const MOST: usize = 4;
