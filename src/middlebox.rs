//! The middlebox: reads, decides, forwards, intercepts or blocks.
//!
//! It knows no carrier. A carrier brings an [`Arrival`] and what the first bytes said ([`sniff::Seen`]); [`Middlebox::settle`] answers
//! with a [`Course`]: forward, act, or everything that is needed to answer in the origin's place. Both carriers then carry it
//! out in their own way: [`stream`] on accepted connections, [`packets`] on the wire.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

pub(crate) mod block;
pub mod decide;
pub mod intercept;
#[cfg(target_os = "linux")]
pub mod packets;
mod pass;
pub mod relay;
pub mod sniff;
pub mod standing;
pub mod starttls;
pub mod stream;
pub mod tap;
pub mod upstream;

use decide::{Compiled, Context, Decision};
use intercept::Ready;
use sniff::Seen;
use standing::{Standing, Standings};
use starttls::Asking;
use upstream::{Dialect, Upstream};

use crate::forge::{Forger, OriginFault};
use crate::network::{Arrival, Dial, Purpose};
use crate::record::{DecisionRecord, Event, FlowKey, Half, Observer, Recorder};
use crate::scenario::{Action, OriginTrust, Plan, Serve, UpstreamFault};
use crate::tls::hello::ClientHello;
use crate::tls::{Counted, Counts, Witness, describe_chain};

/// The box of one lab.
pub struct Middlebox {
    plan: Arc<Plan>,
    compiled: RwLock<Arc<Compiled>>,
    recorder: Recorder,
    standings: Standings,
    dialect: Dialect,
    provider: Arc<CryptoProvider>,
    authorities: Box<dyn Authorities>,
    dial: Arc<dyn Dial>,
    /// Ports on which mail servers of the world speak first.
    greeting_ports: Vec<u16>,
}

/// Who forges, by the name of the profile. Making an authority's keys takes time, so it is asked for when it is needed.
pub trait Authorities: Send + Sync {
    /// The authority that forges by this profile at that moment of the scenario's clock, once its keys are made.
    fn authority<'a>(&'a self, profile: &'a str, at: time::OffsetDateTime) -> Awaited<'a, Result<Forger, String>>;
}

/// A future that is asked through a trait.
pub type Awaited<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is to be done with a connection.
#[derive(Debug)]
pub enum Course {
    /// Let it pass untouched.
    Forward,
    /// Answer in the origin's place.
    Intercept(Box<Ready>),
    /// A rule's action, other than these two.
    Act(Action),
}

impl std::fmt::Debug for Middlebox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Middlebox").field("plan", &self.plan.name).finish_non_exhaustive()
    }
}

impl Middlebox {
    /// A box that carries out a plan, trusts `roots` as the public ones, and reaches origins through `dial`.
    pub fn new(
        plan: Arc<Plan>,
        recorder: Recorder,
        everyone: Standing,
        roots: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
        authorities: Box<dyn Authorities>,
        dial: Arc<dyn Dial>,
    ) -> Result<Self, rustls::Error> {
        let services = plan.world.sites.iter().flat_map(|site| &site.services);
        let greets = |serve: &Serve| matches!(serve, Serve::Mail { service, .. } if !service.is_implicit());
        let mut greeting_ports: Vec<u16> = services.filter(|s| greets(&s.serve)).map(|s| s.port).collect();
        greeting_ports.sort_unstable();
        greeting_ports.dedup();
        Ok(Self {
            compiled: RwLock::new(Arc::new(Compiled::new(Arc::clone(&plan)))),
            dialect: Dialect::new(roots, Arc::clone(&provider), recorder.key_log())?,
            standings: Standings::new(everyone),
            plan,
            recorder,
            provider,
            authorities,
            dial,
            greeting_ports,
        })
    }

    /// What is in force for whom.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// The rules as they are now: the plan's, unless [`Self::replace_rules`] was called.
    pub fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.compiled.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the rules of another plan in force, from the next decision on. Its phases must be those of the box's own plan: world,
    /// names and profiles are read from that one.
    pub fn replace_rules(&self, plan: Arc<Plan>) {
        let compiled = Arc::new(Compiled::new(plan));
        *self.compiled.write().unwrap_or_else(PoisonError::into_inner) = compiled;
    }

    /// Where events go.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Decides at once where nothing needs to be asked; none if [`Self::settle`] has to ask the origin.
    pub fn settle_now(&self, arrival: &Arrival, seen: &Seen) -> Option<Course> {
        let case = self.case(arrival);
        if !case.standing.interference {
            self.record(arrival, case.plainly("forward", "no-interference", None));
            return Some(Course::Forward);
        }
        let compiled = self.compiled();
        let decision = compiled.decide(seen, &case.context(None));
        match decision {
            Decision::AskOrigin => None,
            Decision::Act { rule, .. } if rule.action == Action::Intercept => None,
            Decision::Act { rule, .. } => {
                let course = if rule.action == Action::Forward { Course::Forward } else { Course::Act(rule.action.clone()) };
                self.record(arrival, case.of(&decision));
                Some(course)
            }
            Decision::Forward(_) => {
                self.record(arrival, case.of(&decision));
                Some(Course::Forward)
            }
        }
    }

    /// Decides, asking the origin where a rule or an interception needs it.
    pub async fn settle(&self, arrival: &Arrival, seen: &Seen) -> Course {
        self.settle_asking(arrival, seen, None).await
    }

    /// The same for a hello that comes after an upgrade: the origin is asked for that first.
    async fn settle_asking(&self, arrival: &Arrival, seen: &Seen, upgrade: Option<&Asking>) -> Course {
        if let Some(course) = self.settle_now(arrival, seen) {
            return course;
        }
        let since = Instant::now();
        let case = self.case(arrival);
        let Some(hello) = seen.hello() else {
            self.record(arrival, case.plainly("forward", "no-hello", None));
            return Course::Forward;
        };
        let asked = self.ask_origin(arrival, hello, upgrade, since + UPSTREAM).await;
        let trust = match &asked {
            Ok((upstream, _)) if upstream.distrust.is_none() => OriginTrust::Trusted,
            _ => OriginTrust::Untrusted,
        };
        let compiled = self.compiled();
        let decision = compiled.decide(seen, &case.context(Some(trust)));
        let Decision::Act { rule, .. } = decision else {
            return self.forward_after_asking(arrival, asked, case.of(&decision)).await;
        };
        match &rule.action {
            Action::Forward => self.forward_after_asking(arrival, asked, case.of(&decision)).await,
            Action::Intercept => self.make_ready(arrival, hello, asked, &case, case.of(&decision), since).await,
            action => {
                release(asked).await;
                self.record(arrival, case.of(&decision));
                Course::Act(action.clone())
            }
        }
    }

    /// Decides on a SYN. None lets it pass.
    pub fn settle_syn(&self, arrival: &Arrival) -> Option<Action> {
        let case = self.case(arrival);
        if !case.standing.interference {
            return None;
        }
        let compiled = self.compiled();
        let decision = compiled.decide_syn(&case.context(None));
        let Decision::Act { rule, .. } = decision else { return None };
        self.record(arrival, case.of(&decision));
        Some(rule.action.clone())
    }

    /// Decides on a UDP flow, by its hello if it is QUIC and was read. None lets it pass.
    #[cfg(target_os = "linux")]
    pub(crate) fn settle_datagram(&self, arrival: &Arrival, hello: Option<&ClientHello>) -> Option<Action> {
        let case = self.case(arrival);
        if !case.standing.interference {
            self.record(arrival, case.plainly("forward", "no-interference", None));
            return None;
        }
        let compiled = self.compiled();
        let decision = compiled.decide_datagram(hello, &case.context(None));
        self.record(arrival, case.of(&decision));
        let Decision::Act { rule, .. } = decision else { return None };
        (rule.action != Action::Forward).then(|| rule.action.clone())
    }

    /// True if no hello could change what is decided on a UDP flow, and something is.
    #[cfg(target_os = "linux")]
    pub(crate) fn decides_unread(&self, arrival: &Arrival) -> bool {
        let case = self.case(arrival);
        case.standing.interference && self.compiled().decides_unread(&case.context(None))
    }

    /// True if a rule in force is about UDP packets; without one, a datagram is nobody's connection.
    #[cfg(target_os = "linux")]
    pub(crate) fn has_say_in_udp(&self, from: std::net::SocketAddr, to: std::net::SocketAddr) -> bool {
        let standing = self.standings.of(self.recorder.leg_of(from.ip()).or_else(|| self.recorder.leg_of(to.ip())));
        standing.interference && self.compiled().plan().phases[standing.phase].rules.iter().any(decide::is_about_datagrams)
    }

    /// A connection passes that the box meant to do something with.
    pub(crate) fn passed_after_all(&self, arrival: &Arrival, reason: &str) {
        self.record(arrival, self.case(arrival).plainly("forward", reason, None));
    }

    /// A connection is swallowed because of an earlier one.
    pub(crate) fn residual(&self, arrival: &Arrival) {
        self.record(arrival, self.case(arrival).plainly("drop", "residual", None));
    }

    /// Answers the client in the origin's place, to the end of the conversation.
    pub async fn serve<S>(&self, arrival: &Arrival, ready: Ready, stream: S, first: Vec<u8>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        intercept::serve(&self.recorder, &self.provider, arrival, ready, stream, first).await;
    }

    async fn ask_origin(&self, arrival: &Arrival, hello: &ClientHello, upgrade: Option<&Asking>, deadline: Instant) -> Asked {
        let dialled = tokio::time::timeout_at(deadline.into(), self.dial.dial(arrival, Purpose::Intercept)).await;
        let mut tcp = match dialled {
            Err(_) => return Err("the origin did not answer in time".to_owned()),
            Ok(Err(error)) => return Err(format!("could not connect to the origin: {error}")),
            Ok(Ok(tcp)) => tcp,
        };
        let key: FlowKey = (tcp.local_addr().unwrap_or(arrival.client), arrival.destination);
        let witness = Witness::of(&self.recorder, key, arrival.id, Half::Upstream, Observer::Box);
        if let Some(upgrade) = upgrade {
            match tokio::time::timeout_at(deadline.into(), upgrade.ask(&mut tcp)).await {
                Ok(Ok(())) => {}
                failed => {
                    witness.end(Counts::Tls);
                    let error = failed.map_or_else(|_| "no answer in time".to_owned(), |r| format!("{:?}", r.err()));
                    return Err(format!("could not upgrade with the origin: {error}"));
                }
            }
        }
        self.shake_hands(arrival, hello, tcp, witness, deadline).await
    }

    async fn shake_hands(
        &self,
        arrival: &Arrival,
        hello: &ClientHello,
        tcp: tokio::net::TcpStream,
        witness: Witness,
        deadline: Instant,
    ) -> Asked {
        let raw = witness.below_tls(tcp, Vec::new());
        match self.dialect.open(raw, hello, arrival.destination.ip(), deadline).await {
            Ok(upstream) => {
                witness.handshake(crate::tls::handshake(upstream.stream.get_ref().1, upstream.us));
                self.tell_chain(arrival, &upstream);
                Ok((Box::new(upstream), witness))
            }
            Err(error) => {
                witness.end(Counts::Tls);
                Err(error.to_string())
            }
        }
    }

    fn tell_chain<S>(&self, arrival: &Arrival, upstream: &Upstream<S>) {
        let reason = upstream.distrust.as_ref().map(|distrust| distrust.reason.clone());
        let event = Event::UpstreamChain { chain: describe_chain(&upstream.chain), trusted: reason.is_none(), reason };
        self.recorder.emit(arrival.id, event);
    }

    async fn forward_after_asking(&self, arrival: &Arrival, asked: Asked, decision: DecisionRecord) -> Course {
        if let Err(error) = &asked {
            self.recorder.emit(arrival.id, Event::UpstreamFailed { error: error.clone() });
        }
        release(asked).await;
        self.record(arrival, decision);
        Course::Forward
    }

    async fn make_ready(
        &self,
        arrival: &Arrival,
        hello: &ClientHello,
        asked: Asked,
        case: &Case<'_>,
        decision: DecisionRecord,
        since: Instant,
    ) -> Course {
        let rule = decision.rule.clone();
        let (upstream, witness) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                self.recorder.emit(arrival.id, Event::UpstreamFailed { error });
                self.record(arrival, case.plainly("forward", "upstream-failed", rule));
                return Course::Forward;
            }
        };
        let fault = self.plan.authority.as_ref().map_or(UpstreamFault::Pass, |a| a.upstream_fault);
        if upstream.distrust.is_some() && matches!(fault, UpstreamFault::Pass | UpstreamFault::Refuse) {
            release(Ok((upstream, witness))).await;
            let refused = fault == UpstreamFault::Refuse;
            self.record(arrival, case.plainly(if refused { "close" } else { "forward" }, "origin-untrusted", rule));
            return if refused { Course::Act(Action::Close) } else { Course::Forward };
        }
        let genuine = (upstream.chain.clone(), upstream.distrust.as_ref().map(|distrust| distrust.fault));
        match self.forge(arrival, hello, genuine, case).await {
            Ok((forged, profile)) => {
                self.record(arrival, decision);
                let ready = Ready { upstream: *upstream, upstream_witness: witness, forged, profile, since, spoken: None };
                Course::Intercept(Box::new(ready))
            }
            Err(error) => {
                release(Ok((upstream, witness))).await;
                self.recorder.emit(arrival.id, Event::Note { text: format!("could not forge: {error}") });
                self.record(arrival, case.plainly("forward", "forge-failed", rule));
                Course::Forward
            }
        }
    }

    async fn forge(
        &self,
        arrival: &Arrival,
        hello: &ClientHello,
        (chain, fault): (Vec<CertificateDer<'static>>, Option<OriginFault>),
        case: &Case<'_>,
    ) -> Result<(Arc<crate::forge::Forged>, String), String> {
        let phase = &self.plan.phases[case.standing.phase];
        let profile = phase
            .profile
            .clone()
            .or_else(|| self.plan.authority.as_ref().map(|a| a.profile.clone()))
            .ok_or("the scenario names no authority")?;
        let forger = self.authorities.authority(&profile, case.now).await?;
        let address = arrival.destination.ip();
        if let Some(forged) = forger.forged_already(&chain, hello.sni(), address, fault) {
            return Ok((forged, profile));
        }
        let sni = hello.sni().map(str::to_owned);
        // A fresh RSA key takes tens of milliseconds when none is kept ready.
        let forging = tokio::task::spawn_blocking(move || forger.forge(&chain, sni.as_deref(), address, fault));
        let forged = forging.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok((forged, profile))
    }

    fn record(&self, arrival: &Arrival, decision: DecisionRecord) {
        self.recorder.emit(arrival.id, Event::Decision(decision));
    }

    fn case<'a>(&'a self, arrival: &'a Arrival) -> Case<'a> {
        let standing = self.standings.of(arrival.leg);
        let name = arrival.asked.as_deref();
        let asn = self.plan.world.site(arrival.destination.ip(), name).and_then(|site| site.asn);
        Case { plan: &self.plan, arrival, now: standing.clock.now(), standing, asn }
    }
}

/// The origin's answer, or why there is none.
type Asked = Result<(Box<Upstream<Counted<tokio::net::TcpStream>>>, Witness), String>;

async fn release(asked: Asked) {
    if let Ok((mut upstream, witness)) = asked {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut upstream.stream).await; // it may be gone already
        witness.end(Counts::Tls);
    }
}

/// One connection's circumstances.
struct Case<'a> {
    plan: &'a Plan,
    arrival: &'a Arrival,
    standing: Standing,
    now: time::OffsetDateTime,
    asn: Option<u32>,
}

impl Case<'_> {
    fn context(&self, origin: Option<OriginTrust>) -> Context {
        Context {
            phase: self.standing.phase,
            now: self.now,
            client: self.arrival.client,
            destination: self.arrival.destination,
            asn: self.asn,
            direction: self.arrival.direction,
            transport: self.arrival.transport,
            origin,
            nonce: self.arrival.ordinal,
        }
    }

    fn of(&self, decision: &Decision<'_>) -> DecisionRecord {
        decision.record(self.plan, &self.context(None))
    }

    fn plainly(&self, action: &str, reason: &str, rule: Option<String>) -> DecisionRecord {
        DecisionRecord {
            action: action.to_owned(),
            reason: reason.to_owned(),
            rule,
            phase: self.plan.phases[self.standing.phase].name.clone(),
            coin: None,
            clock: self.now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default(),
        }
    }
}

/// How long the origin may take before the connection is let pass.
const UPSTREAM: Duration = Duration::from_secs(8);
