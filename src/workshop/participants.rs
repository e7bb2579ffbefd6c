//! Who takes part: a bounded number of people, each with a secret, a lab and what they have done so far.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::bench::Runs;
use super::identity::{Print, print};
use super::lab::Slot;
use super::progress::Progress;
use super::reports::Reports;
use super::settings::Settings;
use super::spares::Spares;
use super::takeaway::Kept;
use crate::control::{Problem, Token};

/// One participant.
pub(super) struct Participant {
    pub(super) id: u32,
    /// The trainer's own, which takes no place of the class.
    trainers: bool,
    pub(super) lab: Slot,
    pub(super) joined: Instant,
    pub(super) runs: Mutex<Runs>,
    pub(super) progress: Mutex<Progress>,
    pub(super) reports: Mutex<Reports>,
    pub(super) kept: Mutex<Kept>,
    name: Mutex<String>,
    seen: Mutex<Instant>,
}

impl Participant {
    /// `p1`, `p2` ...
    pub(super) fn word(&self) -> String {
        format!("p{}", self.id)
    }

    pub(super) fn name(&self) -> String {
        lock(&self.name).clone()
    }

    /// Gives a name; what cannot be shown is left out.
    pub(super) fn rename(&self, name: &str) {
        *lock(&self.name) = plain(name);
    }

    /// Something was done.
    pub(super) fn touch(&self) {
        *lock(&self.seen) = Instant::now();
    }

    pub(super) fn idle(&self) -> Duration {
        lock(&self.seen).elapsed()
    }
}

/// All of them, and the secrets that open the door.
pub(super) struct Participants {
    settings: Arc<Settings>,
    starting: Arc<Semaphore>,
    spares: Arc<Spares>,
    reporting: Arc<Semaphore>,
    class: Token,
    trainer: Token,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    all: BTreeMap<u32, Arc<Participant>>,
    secrets: HashMap<Print, u32>,
    once: HashMap<Print, u32>,
    trainers: HashSet<Print>,
    last: u32,
}

/// What a code opened.
pub(super) enum Opened {
    Participant(Arc<Participant>, Token),
    Trainer(Token),
}

impl Participants {
    pub(super) fn new(settings: Arc<Settings>) -> Result<Self, String> {
        let starting = Arc::new(Semaphore::new(at_once()));
        let spares = Arc::new(Spares::default());
        let reporting = Arc::new(Semaphore::new(ROWS_AT_ONCE));
        Ok(Self {
            settings,
            starting,
            spares,
            reporting,
            class: Token::fresh()?,
            trainer: Token::fresh()?,
            inner: Mutex::default(),
        })
    }

    /// The code of the link for everybody.
    pub(super) fn class_code(&self) -> &Token {
        &self.class
    }

    /// The code of the trainer's link.
    pub(super) fn trainer_code(&self) -> &Token {
        &self.trainer
    }

    /// Opens with a code. Only `here`, on the workshop's own machine, may somebody become the trainer; `trainer` says that it is one already.
    pub(super) fn open(&self, code: &str, name: Option<&str>, here: bool, trainer: bool) -> Result<Opened, Problem> {
        let code = print(code);
        let token = Token::fresh().map_err(Problem::failed)?;
        let mut inner = self.inner();
        if code == print(self.trainer.reveal()) {
            if !here {
                return Err(Problem::new(StatusCode::FORBIDDEN, "the trainer sits at the machine of the workshop"));
            }
            inner.trainers.insert(print(token.reveal()));
            return Ok(Opened::Trainer(token));
        }
        let participant = match inner.once.remove(&code).and_then(|id| inner.all.get(&id).cloned()) {
            Some(known) => known,
            None if code == print(self.class.reveal()) => self.newcomer(&mut inner, name, trainer)?,
            None => {
                let told = "this link is not of this workshop, or was used already";
                return Err(Problem::new(StatusCode::FORBIDDEN, told).hint("ask the trainer for a new one"));
            }
        };
        inner.secrets.insert(print(token.reveal()), participant.id);
        Ok(Opened::Participant(participant, token))
    }

    /// A link's code that signs a browser in as a participant who is there already, once.
    pub(super) fn once(&self, id: u32) -> Result<Token, Problem> {
        let token = Token::fresh().map_err(Problem::failed)?;
        let mut inner = self.inner();
        if !inner.all.contains_key(&id) {
            return Err(unknown(id));
        }
        inner.once.retain(|_, of| *of != id);
        inner.once.insert(print(token.reveal()), id);
        Ok(token)
    }

    /// Turns for the starts of labs.
    pub(super) fn starting(&self) -> &Arc<Semaphore> {
        &self.starting
    }

    /// Labs that are up before anybody asks.
    pub(super) fn spares(&self) -> &Spares {
        &self.spares
    }

    /// Labs that may be started yet.
    pub(super) fn free_labs(&self) -> usize {
        let alive = self.inner().all.values().filter(|participant| participant.lab.is_alive()).count();
        (self.settings.most + MOST_OF_THE_TRAINER).saturating_sub(alive)
    }

    /// Turns for the rows of reports.
    pub(super) fn reporting(&self) -> &Arc<Semaphore> {
        &self.reporting
    }

    pub(super) fn by_secret(&self, secret: &str) -> Option<Arc<Participant>> {
        let inner = self.inner();
        inner.secrets.get(&print(secret)).and_then(|id| inner.all.get(id)).cloned()
    }

    pub(super) fn is_trainer(&self, secret: &str) -> bool {
        self.inner().trainers.contains(&print(secret))
    }

    /// A browser gives its secret back.
    pub(super) fn forget(&self, secret: &str) {
        let (mut inner, print) = (self.inner(), print(secret));
        inner.secrets.remove(&print);
        inner.trainers.remove(&print);
    }

    pub(super) fn by_id(&self, id: u32) -> Result<Arc<Participant>, Problem> {
        self.inner().all.get(&id).cloned().ok_or_else(|| unknown(id))
    }

    /// Sends a participant home.
    pub(super) fn remove(&self, id: u32) -> Result<Arc<Participant>, Problem> {
        let mut inner = self.inner();
        inner.secrets.retain(|_, of| *of != id);
        inner.once.retain(|_, of| *of != id);
        inner.all.remove(&id).ok_or_else(|| unknown(id))
    }

    pub(super) fn all(&self) -> Vec<Arc<Participant>> {
        self.inner().all.values().cloned().collect()
    }

    fn newcomer(&self, inner: &mut Inner, name: Option<&str>, trainers: bool) -> Result<Arc<Participant>, Problem> {
        let most = if trainers { MOST_OF_THE_TRAINER } else { self.settings.most };
        if inner.all.values().filter(|known| known.trainers == trainers).count() >= most {
            let told = format!("the workshop is full: {} participants", self.settings.most);
            return Err(Problem::too_many(told).hint("`--participants N` allows more"));
        }
        inner.last += 1;
        let id = inner.last;
        let name = name
            .map(plain)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| if trainers { "Trainer".to_owned() } else { format!("Participant {id}") });
        let now = Instant::now();
        let participant = Arc::new(Participant {
            id,
            trainers,
            lab: Slot::new(Arc::clone(&self.settings), Arc::clone(&self.starting), Arc::clone(&self.spares)),
            joined: now,
            runs: Mutex::default(),
            progress: Mutex::default(),
            reports: Mutex::default(),
            kept: Mutex::default(),
            name: Mutex::new(name),
            seen: Mutex::new(now),
        });
        inner.all.insert(id, Arc::clone(&participant));
        Ok(participant)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plain(name: &str) -> String {
    name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

fn unknown(id: u32) -> Problem {
    Problem::not_found(format!("there is no participant p{id}"))
}

/// Labs that start at the same time: each makes keys, and more than there are cores would only wait for each other.
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// Rows of reports that are made at the same time, in the whole workshop.
const ROWS_AT_ONCE: usize = 2;
/// Labs of the trainer's own, in as many browsers.
const MOST_OF_THE_TRAINER: usize = 2;
/// Characters.
const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(most: usize) -> Participants {
        let plan = crate::scenario::load("untrusted-root-is-refused", &["qaznet-2019"]).expect("a scenario");
        let settings = Settings {
            plan: Arc::new(plan),
            lessons: super::super::lesson::Lessons::built_in().expect("sound lessons"),
            program: "mitmlab".into(),
            lesson: None,
            scenario: "kazakhstan-2019".into(),
            phase: None,
            most,
            spares: 0,
            network: super::super::settings::Network::Auto,
            idle: Duration::from_secs(1),
            console: None,
        };
        Participants::new(Arc::new(settings)).unwrap()
    }

    fn join(all: &Participants, code: &str) -> Result<(Arc<Participant>, Token), u16> {
        match all.open(code, Some(" A\u{7}sel "), false, false) {
            Ok(Opened::Participant(participant, token)) => Ok((participant, token)),
            Ok(Opened::Trainer(_)) => Err(0),
            Err(problem) => Err(problem.status),
        }
    }

    #[test]
    fn the_class_link_lets_in_until_the_room_is_full() {
        let all = of(2);
        let code = all.class_code().reveal().to_owned();
        let (one, token) = join(&all, &code).unwrap();
        assert_eq!((one.word().as_str(), one.name().as_str()), ("p1", "Asel"));
        join(&all, &code).unwrap();
        assert_eq!(join(&all, &code).err(), Some(429));
        assert_eq!(join(&all, "guess").err(), Some(403));
        assert_eq!(all.by_secret(token.reveal()).map(|p| p.id), Some(1));
        assert!(all.by_secret("guess").is_none() && all.by_secret(&code).is_none());
        all.remove(1).unwrap();
        assert!(all.by_secret(token.reveal()).is_none());
        assert_eq!(join(&all, &code).unwrap().0.id, 3);
    }

    #[test]
    fn a_link_for_one_works_once_and_the_trainers_only_here() {
        let all = of(1);
        let (one, _) = join(&all, all.class_code().reveal()).unwrap();
        let again = all.once(one.id).unwrap();
        assert_eq!(join(&all, again.reveal()).unwrap().0.id, one.id);
        assert_eq!(join(&all, again.reveal()).err(), Some(403));
        let code = all.trainer_code().reveal();
        assert_eq!(join(&all, code).err(), Some(403));
        let Ok(Opened::Trainer(token)) = all.open(code, None, true, false) else { panic!("not let in") };
        assert!(all.is_trainer(token.reveal()) && !all.is_trainer(code));
    }
}
