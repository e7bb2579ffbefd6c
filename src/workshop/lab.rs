//! A participant's lab: none, starting, up, failed or ended; started on demand, ended when nobody uses it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::child::{self, Order, Up};
use super::settings::Settings;
use super::spares::Spares;
use crate::control::Problem;

/// The place of one lab. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slot(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    /// Labs that may start at the same time, in the whole workshop.
    starting: Arc<Semaphore>,
    spares: Arc<Spares>,
    state: watch::Sender<State>,
    generation: AtomicU64,
    /// Tells the lab's keeper to end it.
    end: Mutex<Option<watch::Sender<Option<EndedBy>>>>,
}

/// How a lab is.
#[derive(Clone, Debug, Default)]
pub(super) enum State {
    /// None was started.
    #[default]
    None,
    /// It is coming up.
    Starting(Order),
    /// It is up.
    Up(Arc<Up>),
    /// It did not come up.
    Failed(Order, String),
    /// It has ended. What it was is kept, for its recording, until another one comes.
    Ended(Order, EndedBy, Option<Arc<Up>>),
}

/// Who ended a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EndedBy {
    Participant,
    Trainer,
    Idle,
    Died,
    Workshop,
}

/// How a lab is, for the console.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct LabView {
    state: &'static str,
    scenario: Option<String>,
    title: Option<String>,
    network: Option<String>,
    network_reason: Option<String>,
    error: Option<String>,
    ended_by: Option<EndedBy>,
    started_ms: Option<u64>,
    generation: u64,
}

impl Slot {
    pub(super) fn new(settings: Arc<Settings>, starting: Arc<Semaphore>, spares: Arc<Spares>) -> Self {
        let (state, generation) = (watch::Sender::new(State::None), AtomicU64::new(0));
        Self(Arc::new(Inner { settings, starting, spares, state, generation, end: Mutex::new(None) }))
    }

    /// The lab, if it is up.
    pub(super) fn up(&self) -> Result<Arc<Up>, Problem> {
        match &*self.0.state.borrow() {
            State::Up(up) => Ok(Arc::clone(up)),
            State::Starting(_) => Err(coming()),
            _ => Err(no_lab()),
        }
    }

    /// The lab whose recording there is: the one that is up, or the last one. Packets and keys are in it when it has ended.
    pub(super) fn recorded(&self) -> Result<Arc<Up>, Problem> {
        match &*self.0.state.borrow() {
            State::Up(up) | State::Ended(.., Some(up)) => Ok(Arc::clone(up)),
            State::Starting(_) => Err(coming()),
            _ => Err(no_lab()),
        }
    }

    /// Which lab of this place it is: numbers of events and connections begin anew with each.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }

    /// Starts a lab, unless the same is up or coming up. True if it was started.
    pub(super) fn start(&self, order: &Order) -> bool {
        let begun = self.0.state.send_if_modified(|state| {
            let same = match state {
                State::Starting(coming) => coming.scenario == order.scenario,
                State::Up(up) => up.order.scenario == order.scenario,
                _ => false,
            };
            if !same {
                *state = State::Starting(order.clone());
            }
            !same
        });
        if begun {
            let before = self.let_go(EndedBy::Participant);
            let generation = self.0.generation.fetch_add(1, Ordering::Relaxed) + 1;
            let (end, asked) = watch::channel(None);
            *self.0.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
            tokio::spawn(keep(self.clone(), generation, order.clone(), asked, before));
        }
        begun
    }

    /// Ends the lab. False if there is none.
    pub(super) fn end(&self, by: EndedBy) -> bool {
        self.let_go(by).is_some()
    }

    /// Waits until it is up, has failed or has ended.
    pub(super) async fn settled(&self, patience: Duration) {
        let mut state = self.0.state.subscribe();
        let over = state.wait_for(|state| !matches!(state, State::Starting(_)));
        let _ = tokio::time::timeout(patience, over).await; // the caller looks at the state anyway
    }

    /// Waits until there is no process any more.
    pub(super) async fn gone(&self) {
        let mut state = self.0.state.subscribe();
        let _ = state.wait_for(|state| !matches!(state, State::Starting(_) | State::Up(_))).await;
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(&*self.0.state.borrow(), State::Up(_) | State::Starting(_))
    }

    pub(super) fn view(&self) -> LabView {
        let generation = self.generation();
        let of =
            |state, order: &Order| LabView { state, scenario: Some(order.scenario.clone()), generation, ..LabView::default() };
        match &*self.0.state.borrow() {
            State::None => LabView { state: "none", generation, ..LabView::default() },
            State::Starting(order) => of("starting", order),
            State::Up(up) => LabView {
                title: Some(up.title.clone()),
                network: Some(up.network.clone()),
                network_reason: Some(up.network_reason.clone()),
                started_ms: u64::try_from(up.took.as_millis()).ok(),
                ..of("up", &up.order)
            },
            State::Failed(order, error) => LabView { error: Some(error.clone()), ..of("failed", order) },
            State::Ended(order, by, _) => LabView { ended_by: Some(*by), ..of("ended", order) },
        }
    }

    /// The scenario of the lab that is there, or was.
    pub(super) fn scenario(&self) -> Option<String> {
        match &*self.0.state.borrow() {
            State::None => None,
            State::Up(up) => Some(up.order.scenario.clone()),
            State::Starting(order) | State::Failed(order, _) | State::Ended(order, ..) => Some(order.scenario.clone()),
        }
    }

    /// Resident memory of the lab's process, in kB. Not that of its clients.
    pub(super) fn memory_kb(&self) -> Option<u64> {
        let pid = self.up().ok()?.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
    }

    fn let_go(&self, by: EndedBy) -> Option<watch::Sender<Option<EndedBy>>> {
        let end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        end.send_replace(Some(by));
        Some(end)
    }

    /// Says how the lab is, unless another one has taken its place.
    fn tell(&self, generation: u64, told: State) {
        self.0.state.send_if_modified(|state| {
            let mine = self.generation() == generation;
            if mine {
                *state = told;
            }
            mine
        });
    }
}

/// Starts a lab and stays with it until its end. The one before in this place ends first.
async fn keep(
    slot: Slot,
    generation: u64,
    order: Order,
    mut asked: watch::Receiver<Option<EndedBy>>,
    before: Option<watch::Sender<Option<EndedBy>>>,
) {
    if let Some(before) = before {
        before.closed().await;
    }
    let start = async {
        if let Some(spare) = slot.0.spares.take(&order) {
            return Ok(spare);
        }
        let _turn = slot.0.starting.acquire().await.map_err(|_| "the workshop has ended".to_owned())?;
        match slot.0.spares.take(&order) {
            Some(spare) => Ok(spare), // it became ready while this one stood in line
            None => child::start(&slot.0.settings, order.clone()).await,
        }
    };
    let started = tokio::select! {
        started = start => started,
        by = asked_to_end(&mut asked) => return slot.tell(generation, State::Ended(order, by, None)),
    };
    let (up, mut process) = match started {
        Ok(started) => started,
        Err(told) => return slot.tell(generation, State::Failed(order, told)),
    };
    let up = Arc::new(up);
    slot.tell(generation, State::Up(Arc::clone(&up)));
    let held = process.stdin.take(); // `wait` would close it, and the lab would end
    let by = tokio::select! {
        _ = process.wait() => EndedBy::Died,
        by = asked_to_end(&mut asked) => by,
    };
    drop(held);
    child::end(process).await;
    slot.tell(generation, State::Ended(order, by, Some(up)));
}

async fn asked_to_end(asked: &mut watch::Receiver<Option<EndedBy>>) -> EndedBy {
    match asked.wait_for(Option::is_some).await.map(|by| *by) {
        Ok(Some(by)) => by,
        _ => EndedBy::Workshop, // the place itself is gone
    }
}

fn coming() -> Problem {
    let told = "your lab is still coming up: many are started at once";
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, told).hint("wait a little, and try again");
    "no lab".clone_into(&mut problem.title);
    problem
}

fn no_lab() -> Problem {
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "your lab is not up").hint("start it");
    "no lab".clone_into(&mut problem.title);
    problem
}
