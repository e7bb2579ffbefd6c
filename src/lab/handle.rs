//! A lab that stays up, as the control API sees it: its entrances, the legs that were started by hand, the way to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{Notify, watch};

use super::{Entrance, Lab};
use crate::client::TrustStore;
use crate::control::words::{LegOrder, LegState, LegView, Proxies, State};
use crate::control::{Awaited, Handle, Material, Problem};
use crate::error::Error;
use crate::middlebox::Authorities as _;
use crate::record::{LegId, Recorder};
use crate::scenario::{Clock, Plan, Rule, Trust, Vantage};

/// A lab with its entrances and the legs that were started in it by hand. It ends when dropped.
pub struct Running {
    lab: Lab,
    inside: Option<Entrance>,
    outside: Option<Entrance>,
    legs: Arc<Mutex<BTreeMap<u32, Started>>>,
    end: Notify,
    _campaign: super::campaign::Following,
}

/// A leg that was started by hand.
struct Started {
    view: LegView,
    task: Option<tokio::task::AbortHandle>,
    over: watch::Sender<bool>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("lab", &self.lab)
            .field("inside", &self.inside)
            .field("outside", &self.outside)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// Opens the entrances (on the proxy network; `port` is the inside one's, 0 for a free one).
    ///
    /// # Errors
    /// A port is taken.
    pub async fn new(lab: Lab, port: u16) -> Result<Self, Error> {
        let proxy = lab.network() == "proxy";
        if !proxy && port != 0 {
            return Err(Error::Usage("a proxy port is a thing of the proxy network\nhint: `--network proxy`".to_owned()));
        }
        let inside = if proxy { Some(lab.open(Vantage::Inside, port).await?) } else { None };
        let outside = if proxy { Some(lab.open(Vantage::Outside, 0).await?) } else { None };
        lab.recorder().keep_at_most(MOST_ENTRIES);
        let campaign = lab.follow_the_clock(None);
        Ok(Self { lab, inside, outside, legs: Arc::default(), end: Notify::new(), _campaign: campaign })
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The explicit proxies.
    pub fn proxies(&self) -> Proxies {
        let address = |entrance: &Option<Entrance>| entrance.as_ref().map(|e| e.address().to_string());
        Proxies { inside: address(&self.inside), outside: address(&self.outside) }
    }

    /// Completes when somebody asked for the end.
    pub async fn asked_to_end(&self) {
        self.end.notified().await;
    }

    fn started(&self) -> MutexGuard<'_, BTreeMap<u32, Started>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn root_store(&self) -> Result<TrustStore, Problem> {
        let root = self.root().await?;
        let folder = self.lab.0.folder.path().join("root");
        TrustStore::write(&folder, &[], Some(&root)).map_err(|e| Problem::failed(e.to_string()))
    }

    async fn root(&self) -> Result<rustls::pki_types::CertificateDer<'static>, Problem> {
        let root = self.lab.authority_root().await.map_err(problem)?;
        root.ok_or_else(|| {
            Problem::not_found(format!("scenario `{}` has no authority, so there is no root", self.lab.plan().name))
        })
    }

    async fn ct_logs(&self) -> Result<Vec<u8>, Problem> {
        let mut logs = Vec::new();
        for profile in self.lab.plan().needs().profiles {
            let forger = self.lab.0.authorities.authority(&profile, self.lab.plan().clock).await.map_err(Problem::failed)?;
            let told = |log: &crate::x509::sct::Log| serde_json::json!({ "profile": profile, "log_id": STANDARD.encode(log.id()), "key": STANDARD.encode(log.spki()) });
            logs.extend(forger.logs().iter().map(told));
        }
        Ok(serde_json::Value::Array(logs).to_string().into_bytes())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for leg in self.started().values() {
            leg.task.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

impl Handle for Running {
    fn plan(&self) -> Arc<Plan> {
        Arc::new(self.lab.plan_in_force())
    }

    fn recorder(&self) -> &Recorder {
        self.lab.recorder()
    }

    fn state(&self) -> State {
        let plan = self.lab.plan();
        let clock = self.clock().now();
        State {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: plan.name.clone(),
            title: plan.title.clone(),
            network: self.lab.network().to_owned(),
            phase: self.lab.phase(),
            clock: clock.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| clock.to_string()),
            up_ms: self.recorder().elapsed_us() / 1000,
            proxies: self.proxies(),
            connections: self.lab.connections().len(),
            running_legs: self.started().values().filter(|leg| leg.view.state == LegState::Running).count(),
            next_seq: self.recorder().next_seq(),
        }
    }

    fn clock(&self) -> Clock {
        self.lab.clock()
    }

    fn enter(&self, phase: &str) -> Result<(), Problem> {
        self.lab.enter(phase).map_err(|error| Problem::not_found(error.to_string()))
    }

    fn add_rule(&self, phase: Option<&str>, position: Option<usize>, toml: &str) -> Result<(String, Rule, Vec<String>), Problem> {
        let count: usize = self.plan().phases.iter().map(|phase| phase.rules.len()).sum();
        if count >= MOST_RULES {
            return Err(Problem::conflict(format!("{MOST_RULES} rules are in force already")));
        }
        phase.map_or(Ok(()), |phase| known(&self.lab, phase))?;
        self.lab.add_rule(phase, position, toml).map_err(|error| match error.to_string() {
            told if told.contains("is in force already") => Problem::conflict(told),
            told => Problem::unprocessable(told),
        })
    }

    fn remove_rule(&self, phase: Option<&str>, name: &str) -> Result<(), Problem> {
        self.lab.remove_rule(phase, name).map_err(|error| Problem::not_found(error.to_string()))
    }

    fn reset_rules(&self) {
        self.lab.reset_rules();
    }

    fn material(&self, of: Material) -> Awaited<'_, Result<Vec<u8>, Problem>> {
        Box::pin(async move {
            let path = match of {
                Material::Bundle(trust) => self.lab.lasting_store(trust).await.map_err(problem)?.bundle.clone(),
                Material::Pkcs12(trust) => self.lab.lasting_store(trust).await.map_err(problem)?.pkcs12.clone(),
                Material::Blocklist => {
                    self.lab.lasting_store(Trust::WebAuthorityBlocklist).await.map_err(problem)?.blocklist.clone()
                }
                Material::RootPem => return Ok(crate::x509::pem::write(&self.root().await?).into_bytes()),
                Material::RootDer => return Ok(self.root().await?.to_vec()),
                Material::RootPkcs12 => self.root_store().await?.pkcs12,
                Material::CtLogs => return self.ct_logs().await,
            };
            std::fs::read(&path).map_err(|e| Problem::failed(format!("cannot read `{}`: {e}", path.display())))
        })
    }

    fn environment(&self, trust: Trust, vantage: Vantage) -> Awaited<'_, Result<Vec<(String, String)>, Problem>> {
        Box::pin(async move {
            let entrance = if vantage == Vantage::Inside { &self.inside } else { &self.outside };
            let told = "the sealed network has no way in from the host: no variable leads there";
            let entrance =
                entrance.as_ref().ok_or_else(|| Problem::unprocessable(told).hint("start clients with `POST /v1/legs`"))?;
            self.lab.environment(entrance, trust).await.map_err(problem)
        })
    }

    fn start_leg(&self, order: LegOrder) -> Result<LegId, Problem> {
        order.phase.as_deref().map_or(Ok(()), |phase| known(&self.lab, phase))?;
        let mut legs = self.started();
        if legs.values().filter(|leg| leg.view.state == LegState::Running).count() >= MOST_LEGS {
            return Err(Problem::too_many(format!("{MOST_LEGS} legs run already")).hint("wait for one to end, or end one"));
        }
        while legs.len() >= MOST_KEPT {
            let oldest = legs.iter().find(|(_, leg)| leg.view.state != LegState::Running).map(|(id, _)| *id);
            oldest.map(|id| legs.remove(&id));
        }
        let id = self.lab.next_leg();
        let view = LegView { id, state: LegState::Running, error: None, truth: None, control: None, verdict: None };
        let task = tokio::spawn(run(self.lab.clone(), order, id, Arc::downgrade(&self.legs)));
        legs.insert(id.0, Started { view, task: Some(task.abort_handle()), over: watch::Sender::new(false) });
        Ok(id)
    }

    fn leg(&self, id: LegId) -> Option<LegView> {
        self.started().get(&id.0).map(|leg| leg.view.clone())
    }

    fn legs(&self) -> Vec<LegView> {
        self.started().values().map(|leg| leg.view.clone()).collect()
    }

    fn leg_ended(&self, id: LegId) -> Awaited<'_, ()> {
        let over = self.started().get(&id.0).map(|leg| leg.over.subscribe());
        Box::pin(async move {
            if let Some(mut over) = over {
                let _ = over.wait_for(|over| *over).await; // no longer kept: it has ended
            }
        })
    }

    fn stop_leg(&self, id: LegId) -> bool {
        let mut legs = self.started();
        let Some(leg) = legs.get_mut(&id.0) else { return false };
        leg.task.take().iter().for_each(tokio::task::AbortHandle::abort);
        if leg.view.state == LegState::Running {
            leg.view.state = LegState::Stopped;
            leg.over.send_replace(true);
        }
        true
    }

    fn doors(&self) -> (Option<LegId>, Option<LegId>) {
        let leg = |entrance: &Option<Entrance>| entrance.as_ref().map(Entrance::leg);
        (leg(&self.inside), leg(&self.outside))
    }

    fn stop(&self) {
        self.end.notify_one();
    }
}

/// Runs a leg and keeps what came of it, if anybody still wants to know.
async fn run(lab: Lab, order: LegOrder, id: LegId, legs: std::sync::Weak<Mutex<BTreeMap<u32, Started>>>) {
    let mut client = lab.client(order.argv).trust(order.trust).vantage(order.vantage);
    client = order.url.into_iter().fold(client, |client, url| client.url(url));
    client = order.phase.into_iter().fold(client, |client, phase| client.phase(phase));
    client = client.deadline(order.deadline_ms.map_or(USUAL_DEADLINE, Duration::from_millis));
    let ran = if order.control { client.run_as(id).await } else { client.without_control().run_as(id).await };
    drop(lab);
    let Some(legs) = legs.upgrade() else { return };
    let mut legs = legs.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(leg) = legs.get_mut(&id.0) else { return };
    match ran {
        Ok(outcome) => {
            leg.view.state = LegState::Ended;
            leg.view.verdict = outcome.verdict_of_url();
            leg.view.truth = Some(outcome.truth);
            leg.view.control = outcome.control;
        }
        Err(error) => {
            leg.view.state = LegState::Failed;
            leg.view.error = Some(error.to_string());
        }
    }
    leg.over.send_replace(true);
}

fn known(lab: &Lab, phase: &str) -> Result<(), Problem> {
    super::builder::first_phase(lab.plan(), Some(phase)).map(drop).map_err(|error| Problem::not_found(error.to_string()))
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Usage(told) => Problem::unprocessable(told),
        other => Problem::failed(other.to_string()),
    }
}

/// Entries that a lab keeps which stays up: some 100 MB at most.
const MOST_ENTRIES: usize = 200_000;
/// Legs at once; each is a process.
const MOST_LEGS: usize = 64;
/// Legs whose result is kept.
const MOST_KEPT: usize = 1024;
/// Rules in force at once.
const MOST_RULES: usize = 10_000;
const USUAL_DEADLINE: Duration = Duration::from_secs(30);
