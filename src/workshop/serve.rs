//! The router, and serving it on one address until the workshop ends.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post};
use tokio::net::TcpListener;

use super::child::Order;
use super::lab::EndedBy;
use super::participants::{Participant, Participants, lock};
use super::settings::Settings;
use super::{bench, connections, files, guard, lessons, people, recording, relay, reports, spares, takeaway, timeline, trainer};
use crate::control::Problem;
use crate::scenario::Plan;

/// Where a workshop listens.
#[derive(Debug)]
pub struct Listener {
    inner: std::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Loopback, or the one other address that the user named: never all addresses of the machine.
    ///
    /// # Errors
    /// In words: the address stands for several, is not this machine's, or the port is taken.
    pub fn bind(named: Option<IpAddr>, port: u16) -> Result<Self, String> {
        let ip = named.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        if ip.is_unspecified() || ip.is_multicast() {
            return Err(format!("rule `one-named-address`: a workshop listens on one address, and `{ip}` stands for several"));
        }
        let failed = |e: io::Error| {
            let next = "`--listen` wants an address of this machine, `--port` a port that is free";
            format!("listen on {}: {e}\nhint: {next}", SocketAddr::new(ip, port))
        };
        let inner = std::net::TcpListener::bind((ip, port)).map_err(failed)?;
        inner.set_nonblocking(true).map_err(failed)?;
        let address = inner.local_addr().map_err(failed)?;
        Ok(Self { inner, address })
    }
}

/// What a workshop that is being served says of itself.
#[derive(Clone, Debug)]
pub struct Served {
    /// `http://ADDRESS`.
    pub url: String,
    /// The link for everybody.
    pub join: String,
    /// The trainer's link.
    pub trainer: String,
}

/// Serves a workshop until `over` completes, then ends every lab. `tell` is called once it listens.
///
/// # Errors
/// The listener cannot be used, or the system gives no random bytes.
pub async fn serve(
    settings: Settings,
    listener: Listener,
    tell: impl FnOnce(&Served),
    over: impl Future<Output = ()>,
) -> Result<(), String> {
    let app = App::new(settings, listener.address)?;
    let inner = TcpListener::from_std(listener.inner).map_err(|e| format!("watch the port of the console: {e}"))?;
    tell(&app.served());
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = async { axum::serve(inner, service).await } => served.map_err(|e| format!("serve the console: {e}"))?,
        () = end_idle_labs(app.clone()) => {}
        () = spares::keep(app.clone()) => {}
        () = over => {}
    }
    let all = app.participants().all();
    for participant in &all {
        lock(&participant.reports).stop();
        participant.lab.end(EndedBy::Workshop);
    }
    app.participants().spares().end().await;
    for participant in all {
        participant.lab.gone().await;
    }
    Ok(())
}

/// What every handler can reach.
#[derive(Clone)]
pub(super) struct App(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    participants: Participants,
    address: SocketAddr,
    hosts: Vec<String>,
    lesson: Mutex<Option<String>>,
    worlds: Mutex<HashMap<String, Arc<Plan>>>,
}

impl App {
    fn new(settings: Settings, address: SocketAddr) -> Result<Self, String> {
        let settings = Arc::new(settings);
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() {
            hosts.push(format!("localhost:{}", address.port()));
        }
        let lesson = Mutex::new(settings.lesson.clone());
        let worlds = Mutex::new(HashMap::from([(settings.scenario.clone(), Arc::clone(&settings.plan))]));
        let participants = Participants::new(Arc::clone(&settings))?;
        Ok(Self(Arc::new(Inner { settings, participants, address, hosts, lesson, worlds })))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn participants(&self) -> &Participants {
        &self.0.participants
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(super) fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// The names by which a browser may call this server.
    pub(super) fn hosts(&self) -> &[String] {
        &self.0.hosts
    }

    /// The lesson that everybody is pointed to now.
    pub(super) fn lesson(&self) -> Option<String> {
        lock(&self.0.lesson).clone()
    }

    /// True if the peer is this machine.
    pub(super) fn is_here(&self, peer: SocketAddr) -> bool {
        peer.ip().is_loopback() || peer.ip() == self.0.address.ip()
    }

    /// The lab that is meant: the workshop's, or one that comes with mitmlab. Not any file: a participant names no path.
    pub(super) fn order(&self, scenario: Option<&str>, phase: Option<String>) -> Result<Order, Problem> {
        let own = &self.0.settings;
        let scenario = match scenario {
            None => own.scenario.clone(),
            Some(name) if name == own.scenario => name.to_owned(),
            Some(name) if is_name(name) && crate::scenario::show(name).is_some() => name.to_owned(),
            Some(name) => {
                let name: String = name.chars().take(80).collect();
                return Err(Problem::not_found(format!("no scenario `{name}` comes with mitmlab")));
            }
        };
        let phase = phase.or_else(|| own.phase.clone().filter(|_| scenario == own.scenario));
        Ok(Order { scenario, phase })
    }

    /// The scenario of a participant's lab; the workshop's where there is none.
    pub(super) fn world(&self, participant: &Participant) -> Arc<Plan> {
        let own = &self.0.settings;
        let name = participant.lab.scenario().unwrap_or_else(|| own.scenario.clone());
        let mut worlds = lock(&self.0.worlds);
        if let Some(known) = worlds.get(&name) {
            return Arc::clone(known);
        }
        let profiles: Vec<&str> = crate::forge::profiles().iter().map(|profile| profile.name).collect();
        let plan = crate::scenario::load(&name, &profiles).map_or_else(|_| Arc::clone(&own.plan), Arc::new);
        worlds.insert(name, Arc::clone(&plan));
        plan
    }

    /// Points everybody to a lesson.
    pub(super) fn point_to(&self, lesson: &str) -> Result<(), Problem> {
        let known = self.0.settings.lessons.get(lesson, "en").ok_or_else(|| Problem::not_found("there is no such lesson"))?;
        *lock(&self.0.lesson) = Some(known.name.clone());
        Ok(())
    }

    /// The link that carries a code.
    pub(super) fn link(&self, code: &crate::control::Token) -> String {
        format!("http://{}/#join={}", self.0.address, code.reveal())
    }

    /// The link for everybody.
    pub(super) fn class_link(&self) -> String {
        self.link(self.participants().class_code())
    }

    fn served(&self) -> Served {
        let url = format!("http://{}", self.0.address);
        let link = |code: &crate::control::Token| self.link(code);
        Served {
            join: link(self.participants().class_code()),
            trainer: link(self.participants().trainer_code()),
            url: url.clone(),
        }
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/api/join", post(people::join))
        .route("/api/leave", post(people::leave))
        .route("/api/me", get(people::me).put(people::rename))
        .route("/api/lab", get(people::lab).post(people::start_lab).delete(people::end_lab))
        .route("/api/lab/{*path}", any(relay::relay))
        .route("/api/timeline", get(timeline::timeline).put(timeline::go))
        .route("/api/clients", get(bench::clients))
        .route("/api/clients/{id}", post(bench::start))
        .route("/api/runs", get(bench::list))
        .route("/api/runs/{leg}", get(bench::one).delete(bench::stop))
        .route("/api/runs/{leg}/screenshot.png", get(bench::screenshot))
        .route("/api/verdicts", get(bench::verdicts))
        .route("/api/reports", get(reports::list).post(reports::start))
        .route("/api/reports/{id}", delete(reports::stop))
        .route("/api/connections", get(connections::list))
        .route("/api/connections/{id}/story", get(connections::story))
        .route("/api/lessons", get(lessons::list))
        .route("/api/lessons/{name}", get(lessons::one))
        .route("/api/lessons/{name}/answers", post(lessons::answer))
        .route("/api/progress", get(lessons::progress).put(lessons::keep_place))
        .route("/api/takeaway.html", get(takeaway::page))
        .route("/api/recording", get(recording::list))
        .route("/api/recording/{*name}", get(recording::file))
        .route("/api/trainer", get(trainer::all))
        .route("/api/trainer/lesson", post(trainer::point))
        .route("/api/trainer/qr.svg", get(trainer::qr))
        .route("/api/trainer/participants/{id}", get(trainer::one).delete(trainer::remove))
        .route("/api/trainer/participants/{id}/end-lab", post(trainer::end_lab))
        .route("/api/trainer/participants/{id}/link", post(trainer::link))
        .route("/api/{*path}", any(unknown))
        .fallback(get(files::file))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn unknown() -> Problem {
    Problem::not_found("the workshop has no such path")
}

async fn end_idle_labs(app: App) {
    let mut ticks = tokio::time::interval(app.settings().idle.min(LOOK_AROUND));
    loop {
        ticks.tick().await;
        for participant in app.participants().all() {
            if participant.idle() >= app.settings().idle && participant.lab.is_alive() {
                takeaway::keep(&participant).await;
                participant.lab.end(EndedBy::Idle);
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Bytes of a request's body.
const MOST_BYTES: usize = 64 * 1024;
/// How often idle labs are looked for, at least.
const LOOK_AROUND: Duration = Duration::from_secs(5);
