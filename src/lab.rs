//! The lab: starts the world, the network and the box, runs legs in it, and stops in reverse order.
//!
//! A [`Lab`] runs one plan. What is in force belongs to a leg, not to the lab, so legs may run side by side. Dropping it leaves
//! nothing: no process, no namespace, no mount, no file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;

mod authorities;
mod builder;
mod campaign;
mod check;
mod client;
mod clients;
mod containment;
mod entrance;
mod evidence;
mod exports;
mod folder;
mod front;
mod handle;
mod leg;
mod live;
mod loopback;
mod old_tls;
mod outcome;
mod own_files;
mod programs;
mod reach;
mod run;
#[cfg(target_os = "linux")]
mod sealed;
mod trust;

pub use builder::Builder;
pub use client::Client;
pub use entrance::Entrance;
pub use evidence::{Evidence, SCENARIO, Wanted};
pub use exports::EXPORTS;
pub use folder::remove_folders_of;
pub use handle::Running;
pub use leg::{Ended, Order};
pub use outcome::Outcome;
pub use run::{Filter, Progress, Replacement};

use authorities::OfPlan;
use folder::Folder;
use loopback::Loopback;

use crate::error::Error;
use crate::middlebox::decide::{Context, Decision};
use crate::middlebox::standing::Standing;
use crate::middlebox::{Authorities as _, Middlebox};
use crate::network::Dial;
use crate::network::resolver::{Changed, Hook, Question, Resolver};
#[cfg(target_os = "linux")]
use crate::network::sealed::Entered;
use crate::origin::{self, Origins};
use crate::pki::{self, PublicPki};
use crate::record::{Event, Keep, LegId, Limits, Mask, Recorder};
use crate::scenario::{Action, Clock, Direction, DnsTrick, Place, Plan, Rule, Vantage, World};

/// Which network a lab is to stand on.
#[derive(Debug)]
pub enum On<'a> {
    /// The sealed network, in namespaces that were entered before any thread existed.
    #[cfg(target_os = "linux")]
    Sealed(&'a Entered),
    /// The explicit proxy on loopback.
    Proxy(std::marker::PhantomData<&'a ()>),
}

impl On<'_> {
    /// The explicit proxy.
    pub fn proxy() -> Self {
        Self::Proxy(std::marker::PhantomData)
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Sealed(_) => "sealed",
            Self::Proxy(_) => "proxy",
        }
    }
}

/// A running lab. Cheap to clone; it ends with its last clone.
#[derive(Clone, Debug)]
pub struct Lab(Arc<Shared>);

/// What all parts of a lab share.
#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    recorder: Recorder,
    pki: Arc<PublicPki>,
    /// What everybody trusts: the public root, and the scenario's own.
    roots: Vec<CertificateDer<'static>>,
    authorities: Arc<OfPlan>,
    middlebox: Arc<Middlebox>,
    ground: Ground,
    folder: Folder,
    trust: trust::Stores,
    names: Names,
    versions: reach::Versions,
    exports: tokio::sync::Mutex<std::collections::HashSet<PathBuf>>,
    legs: AtomicU32,
    /// Held while rules are changed, so that no change undoes another.
    changing: std::sync::Mutex<()>,
    network: &'static str,
    /// The checks that were chosen, as they were run.
    ran: std::sync::OnceLock<Vec<crate::scenario::Check>>,
    _tasks: Tasks,
    _programs: programs::Programs,
}

/// What the lab stands on.
#[derive(Debug)]
enum Ground {
    Loopback(Arc<Loopback>),
    #[cfg(target_os = "linux")]
    Sealed(Arc<sealed::SealedGround>),
}

/// What the phase's rules do to names.
struct Names(Hook);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

/// The servers; they stop with the lab.
#[derive(Debug)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Lab {
    /// Starts a lab for a plan. Ready when it returns: every origin listens, the box is in the path.
    ///
    /// # Errors
    /// The machine cannot ([`Error::Machine`]), or the plan asks for what this network must not do ([`Error::Usage`]).
    pub async fn start(plan: Plan, on: On<'_>) -> Result<Self, Error> {
        Self::start_keeping(plan, on, None).await
    }

    /// The same, and keeps from the beginning what evidence is made from (see [`Evidence`]): secrets, exchanges, what crosses the box.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn start_keeping(plan: Plan, on: On<'_>, mask: Option<Mask>) -> Result<Self, Error> {
        let network = on.name();
        refuse_exact(&plan, network)?;
        let mut plan = plan;
        plan.world.sites.extend(pki::service_site(&plan.world));
        let plan = Arc::new(plan);
        let recorder = Recorder::new();
        if let Some(mask) = mask {
            recorder.keep(Keep::new(&recorder, Limits::default(), network == "proxy", mask));
        }
        let clock = Clock::starting_at(plan.clock);
        recorder.emit_run(None, started(&plan, network, &clock));
        let folder = Folder::make(scratch_of(&on)).map_err(|e| Error::machine("make the run's private folder", e))?;
        let pki = PublicPki::new(&clock).map_err(|e| Error::Bug(e.to_string()))?;
        let roots = public_roots(&plan, &pki)?;
        let world = Arc::new(plan.world.clone());
        let (ground, listeners) = lay(&on, &plan, &world, &recorder).await?;
        let authorities = Arc::new(OfPlan::new(&plan));
        let everyone = Standing { phase: 0, vantage: Vantage::Inside, clock, interference: true, coins: 0 };
        let middlebox = Middlebox::new(
            Arc::clone(&plan),
            recorder.clone(),
            everyone,
            &roots,
            Arc::clone(pki.provider()),
            Box::new(Arc::clone(&authorities)),
            ground.dial(),
        );
        let middlebox = Arc::new(middlebox.map_err(|e| Error::Bug(e.to_string()))?);
        let programs = programs::Programs::start(&plan, &pki, &ground, folder.path()).await?;
        let mut tasks = Tasks(Vec::new());
        let forgiving = {
            let (recorder, middlebox) = (recorder.clone(), Arc::clone(&middlebox));
            move |client: std::net::SocketAddr| {
                let leg = recorder.leg_from(client);
                leg.is_some() && !middlebox.standings().of(leg).interference
            }
        };
        let names = dns_hook(&middlebox, &recorder);
        let origins_at = |place| {
            let origins = Origins::new(Arc::clone(&world), Arc::clone(&pki), recorder.clone())
                .with_names(Resolver::new(Arc::clone(&world), recorder.clone()).with_hook(Arc::clone(&names)))
                .at(place)
                .with_forgiveness(forgiving.clone())
                .with_root(root_of(&plan, &authorities, &middlebox, &recorder))
                .with_programs(programs.addresses(place))
                .with_dial(ground.dial_program(place));
            Arc::new(origins)
        };
        for (place, listener) in listeners {
            tasks.0.push(origin::serve(listener, origins_at(place)));
        }
        #[cfg(target_os = "linux")]
        if let Ground::Sealed(sealed) = &ground {
            let resolver = Resolver::new(Arc::clone(&world), recorder.clone()).with_hook(Arc::clone(&names));
            tasks.0.extend(sealed.serve_names(&resolver)?);
            sealed.start_watch()?;
            #[cfg(feature = "http3")]
            for (place, socket) in sealed.quic_sockets(&plan)? {
                let served = origin::serve_http3(socket, origins_at(place));
                tasks.0.push(served.map_err(|e| Error::machine("serve HTTP/3", e))?);
            }
            sealed.start_wire(Arc::clone(&middlebox))?;
        }
        let lab = Self(Arc::new(Shared {
            plan,
            recorder,
            pki,
            roots,
            authorities,
            middlebox,
            ground,
            folder,
            trust: trust::Stores::default(),
            names: Names(names),
            versions: reach::Versions::default(),
            exports: tokio::sync::Mutex::default(),
            legs: AtomicU32::new(0),
            changing: std::sync::Mutex::default(),
            network,
            ran: std::sync::OnceLock::new(),
            _tasks: tasks,
            _programs: programs,
        }));
        lab.warm_up();
        Ok(lab)
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Where events come together.
    pub fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// The genuine public PKI.
    pub fn pki(&self) -> &Arc<PublicPki> {
        &self.0.pki
    }

    /// `sealed` or `proxy`.
    pub fn network(&self) -> &'static str {
        self.0.network
    }

    fn middlebox(&self) -> &Arc<Middlebox> {
        &self.0.middlebox
    }

    fn ground(&self) -> &Ground {
        &self.0.ground
    }

    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }

    fn next_leg(&self) -> LegId {
        LegId(self.0.legs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Makes the authority's keys while control legs run.
    fn warm_up(&self) {
        if !self.plan().needs().intercepts {
            return;
        }
        for (profile, at) in authorities::foreseen(self.plan()) {
            let authorities = Arc::clone(&self.0.authorities);
            tokio::spawn(async move {
                let _ = authorities.authority(&profile, at).await; // whoever needs it is told the error
            });
        }
    }
}

impl Ground {
    fn dial(&self) -> Arc<dyn Dial> {
        match self {
            Self::Loopback(ground) => Arc::clone(ground) as _,
            #[cfg(target_os = "linux")]
            Self::Sealed(ground) => Arc::clone(ground) as _,
        }
    }

    fn dial_program(&self, place: Place) -> origin::Dial {
        match self {
            Self::Loopback(_) => origin::loopback_dial(),
            #[cfg(target_os = "linux")]
            Self::Sealed(ground) => ground.dial_program(place),
        }
    }
}

/// Byte-for-byte fidelity means a root without constraints: nowhere but where nothing can get out.
fn refuse_exact(plan: &Plan, network: &str) -> Result<(), Error> {
    if network == "sealed" || !plan.needs().exact {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "scenario `{}` asks for `exact = true`: its root would carry no name constraints, so it runs in the sealed network only\n\
         hint: `mitmlab doctor` says what the sealed network needs on this machine, or leave `exact` out",
        plan.name
    )))
}

async fn lay(
    on: &On<'_>,
    plan: &Arc<Plan>,
    world: &Arc<World>,
    recorder: &Recorder,
) -> Result<(Ground, Vec<(Place, crate::network::listen::Listener)>), Error> {
    match on {
        #[cfg(target_os = "linux")]
        On::Sealed(entered) => {
            let ground = sealed::SealedGround::build(entered, plan, recorder.clone())?;
            let listeners = ground.listeners(plan)?;
            Ok((Ground::Sealed(Arc::new(ground)), listeners))
        }
        On::Proxy(_) => {
            let opened = Loopback::open(Arc::clone(world), recorder.clone()).await;
            let (ground, listeners) = opened.map_err(|e| Error::machine("open loopback ports for the origins", e))?;
            Ok((
                Ground::Loopback(Arc::new(ground)),
                listeners.into_iter().map(|(place, _, listener)| (place, listener)).collect(),
            ))
        }
    }
}

/// The roots that everybody trusts.
fn public_roots(plan: &Plan, pki: &PublicPki) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut roots = pki.roots_der();
    for file in &plan.world.extra_roots {
        let read = crate::x509::pem::read_chain(file);
        roots.extend(read.map_err(|e| Error::Usage(format!("scenario `{}`, `[world] roots`: {e}", plan.name)))?);
    }
    Ok(roots)
}

fn scratch_of(on: &On<'_>) -> Option<PathBuf> {
    match on {
        #[cfg(target_os = "linux")]
        On::Sealed(entered) => Some(entered.scratch().to_owned()),
        On::Proxy(_) => None,
    }
}

fn started(plan: &Plan, network: &str, clock: &Clock) -> Event {
    Event::RunStart {
        scenario: plan.title.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: network.to_owned(),
        clock_offset_s: clock.offset().whole_seconds(),
        seed: plan.seed,
    }
}

/// The root that the portal offers to a client: that of the authority that forges on the day of the client's leg.
fn root_of(plan: &Arc<Plan>, authorities: &Arc<OfPlan>, middlebox: &Arc<Middlebox>, recorder: &Recorder) -> origin::Root {
    let (plan, authorities) = (Arc::clone(plan), Arc::clone(authorities));
    let (middlebox, recorder) = (Arc::clone(middlebox), recorder.clone());
    Arc::new(move |client: std::net::SocketAddr| {
        let standing = middlebox.standings().of(recorder.leg_from(client));
        let (profile, authorities) = (authorities::profile_of(&plan, standing.phase), Arc::clone(&authorities));
        Box::pin(async move { Some(authorities.authority(&profile?, standing.clock.now()).await.ok()?.root().to_vec()) })
    })
}

/// What the phase's rules do to a DNS query, for the client's own leg.
fn dns_hook(middlebox: &Arc<Middlebox>, recorder: &Recorder) -> Hook {
    let (middlebox, recorder) = (Arc::clone(middlebox), recorder.clone());
    let own_resolvers = middlebox.compiled().plan().world.isp_resolver.clone();
    Arc::new(move |question: &Question| {
        let standing = middlebox.standings().of(question.leg.or_else(|| recorder.leg_of(question.client.ip())));
        let own = own_resolvers.contains(&question.resolver.ip());
        let from_abroad = standing.vantage == Vantage::Outside;
        // Nobody is between a client abroad and a resolver abroad, and nobody on the path reads what is within TLS. The operator's own
        // resolver lies in either.
        if !standing.interference || !own && (from_abroad || question.within.is_some()) {
            return None;
        }
        let context = Context {
            phase: standing.phase,
            now: standing.clock.now(),
            client: question.client,
            destination: question.resolver,
            asn: None,
            direction: if from_abroad { Direction::Inbound } else { Direction::Outbound },
            transport: question.transport,
            origin: None,
            nonce: 0,
        };
        let compiled = middlebox.compiled();
        let phase = &compiled.plan().phases[standing.phase].name;
        let changed = |trick, rule: &Rule| Changed { trick, rule: Some(rule.name.clone()), phase: Some(phase.clone()) };
        match compiled.decide_dns(&question.name, &context) {
            Decision::Act { rule, .. } => match &rule.action {
                Action::Dns(trick) => Some(changed(trick.clone(), rule)),
                // A packet that is dropped on its way: the operator's own resolver is not beyond the box.
                Action::Drop { .. } if from_abroad || !own => Some(changed(DnsTrick::Timeout, rule)),
                _ => None,
            },
            _ => None,
        }
    })
}
