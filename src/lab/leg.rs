//! One leg: a client is started in the lab, watched to its end, and what it connected to is waited for.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::campaign::AS_THE_MACHINE;
use super::own_files::{self, OwnFiles};
use super::{Ground, Lab};
use crate::client::presets::Home;
use crate::client::{self, Feed, Kind, Outcome, PlainChild, Surroundings, TrustStore, Vars, fill, find, preset_for, watch};
use crate::error::Error;
use crate::middlebox::standing::Standing;
use crate::record::{Event, LegId, LegKind};
use crate::scenario::{Clock, Trust, Vantage};
use crate::verdict::{LegTruth, killed_us, lookups_of};

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name of the check that it belongs to.
    pub check: Option<String>,
    /// Control, test, or free.
    pub kind: LegKind,
    /// Program and arguments, with placeholders.
    pub argv: Vec<String>,
    /// What stands for `{url}`.
    pub url: Option<String>,
    /// What the client trusts.
    pub trust: Trust,
    /// Where it stands.
    pub vantage: Vantage,
    /// Phase in force, by index.
    pub phase: usize,
    /// The scenario's clock at the start.
    pub clock: time::OffsetDateTime,
    /// Seconds of the scenario's clock in a second of the machine. At another speed than 1 the leg goes on through the phases of the
    /// campaign as their dates come.
    pub speed: f64,
    /// How long it may take.
    pub deadline: Duration,
    /// The terminal is the client's: nothing is captured.
    pub terminal: bool,
    /// Where its connections' coins begin.
    pub coins: u64,
}

/// A leg that has ended: its truth, and all that it wrote on standard output (up to a cap).
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its number.
    pub id: LegId,
    /// What happened.
    pub truth: LegTruth,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// What it wrote into the file that stood for `{out}`, up to a cap.
    pub out: Option<Vec<u8>>,
}

impl Lab {
    /// Runs one leg to its end.
    pub async fn leg(&self, order: Order) -> Result<Ended, Error> {
        self.leg_as(self.next_leg(), order).await
    }

    /// The same, under a number that was taken before.
    pub(super) async fn leg_as(&self, id: LegId, order: Order) -> Result<Ended, Error> {
        let clock = Clock::starting_at(order.clock);
        if order.speed != AS_THE_MACHINE {
            clock.run_at(order.speed);
            self.0.authorities.pin(order.clock); // a root that is installed stays the same over days
        }
        let standing = Standing {
            phase: order.phase,
            vantage: order.vantage,
            clock: clock.clone(),
            interference: order.kind != LegKind::Control,
            coins: order.coins,
        };
        self.middlebox().standings().set(id, standing);
        // What a client is given besides roots (configuration with its proxy's port, profiles, caches) is its leg's alone.
        let own = LegFolder(self.0.folder.path().join(format!("leg-{}", id.0)));
        let store = self.trust_store(&order).await?.in_leg(own.0.clone());
        let exports = self.exports_for(&order).await?;
        let files = self.leg_files(&order, &own.0)?;
        let argv = self.fill_in(&order, &store, exports.clone(), &files)?;
        clock.set(order.clock); // what was prepared took time that is not the client's
        let _campaign = (order.speed != AS_THE_MACHINE).then(|| self.follow_the_clock(Some(id)));
        let mut ended = self.run_in(id, order, argv, store, exports).await;
        if let (Ok(ended), Some(out)) = (&mut ended, &files.out) {
            ended.out = own_files::read(out);
        }
        let _ = tokio::task::spawn_blocking(move || drop(own)).await; // a leg that is given up drops it too
        ended
    }

    async fn run_in(
        &self,
        id: LegId,
        order: Order,
        argv: Vec<String>,
        mut store: TrustStore,
        exports: Option<PathBuf>,
    ) -> Result<Ended, Error> {
        let own_env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let preset = preset_for(&argv);
        if preset.home == Home::Fresh {
            let _ = store.write_nss().await; // without it the browser trusts nothing of the lab's, and its surroundings say so
        }
        match find(&argv[0], std::env::var_os("PATH").as_deref()) {
            Err(missing) => {
                self.tell_leg(id, &order, &argv, Vec::new());
                Ok(self.not_started(id, &order, argv, missing.to_string()))
            }
            Ok(program) => match self.ground() {
                Ground::Loopback(_) => {
                    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| Error::machine("open a proxy port", e))?;
                    let address = listener.local_addr().map_err(|e| Error::machine("open a proxy port", e))?;
                    let mut surroundings = Surroundings::prepare(&Kind::Proxy { address }, order.trust, &store, preset, &own_env);
                    surroundings.tell_exports(exports.as_deref());
                    self.run_behind_proxy(id, order, argv, program, surroundings, listener).await
                }
                #[cfg(target_os = "linux")]
                Ground::Sealed(sealed) => {
                    let kind = Kind::Sealed(sealed.host_files().clone());
                    let mut surroundings = Surroundings::prepare(&kind, order.trust, &store, preset, &own_env);
                    surroundings.tell_exports(exports.as_deref());
                    self.run_sealed(id, order, argv, program, surroundings, sealed).await
                }
            },
        }
    }

    async fn run_behind_proxy(
        &self,
        id: LegId,
        order: Order,
        argv: Vec<String>,
        program: PathBuf,
        surroundings: Surroundings,
        listener: TcpListener,
    ) -> Result<Ended, Error> {
        surroundings.write_files().map_err(|e| Error::machine("write a client's configuration", e))?;
        let argv = surroundings.complete(&argv);
        let _proxy = AbortOnDrop(tokio::spawn(super::front::serve(self.shared(), listener, id, order.vantage)));
        let began_us = self.tell_start(id, &order, &argv, &surroundings);
        let command = surroundings.command(&program, &argv[1..]);
        let feed = if order.terminal { Feed::Terminal } else { Feed::Nothing };
        let ended = match PlainChild::start(command, feed) {
            Err(error) => self.not_started(id, &order, argv, format!("could not start `{}`: {error}", program.display())),
            Ok(child) => {
                let outcome = watch(child, order.deadline).await;
                self.finish(id, &order, argv, began_us, outcome).await
            }
        };
        Ok(ended)
    }

    #[cfg(target_os = "linux")]
    async fn run_sealed(
        &self,
        id: LegId,
        order: Order,
        argv: Vec<String>,
        program: PathBuf,
        surroundings: Surroundings,
        sealed: &Arc<super::sealed::SealedGround>,
    ) -> Result<Ended, Error> {
        surroundings.write_files().map_err(|e| Error::machine("write a client's configuration", e))?;
        let argv = surroundings.complete(&argv);
        let place = sealed.reserve(order.vantage);
        for address in place.all() {
            self.recorder().assign(address, id);
        }
        let began_us = self.tell_start(id, &order, &argv, &surroundings);
        let stands = (place, order.vantage);
        let ended = match sealed.start(stands, &program, &argv, &surroundings, order.terminal, &self.names_folder()?).await {
            Err(error) => self.not_started(id, &order, argv, format!("could not start `{}`: {error}", program.display())),
            Ok(child) => {
                let outcome = watch(child, order.deadline).await;
                self.finish(id, &order, argv, began_us, outcome).await
            }
        };
        Ok(ended)
    }

    async fn finish(&self, id: LegId, order: &Order, argv: Vec<String>, began_us: u64, outcome: Outcome) -> Ended {
        let drained = Instant::now() + DRAIN;
        let over = |all: &[crate::record::Connection]| all.iter().filter(|c| c.leg == Some(id)).all(|c| c.ended);
        self.recorder().wait(drained, over).await;
        self.recorder().emit_run(
            Some(id),
            Event::LegEnd {
                exit: outcome.exit,
                signal: outcome.signal,
                timed_out: outcome.timed_out,
                ms: outcome.ms,
                output_bytes: outcome.output_bytes,
                stderr_tail: outcome.stderr_tail.clone(),
                stdout_head: outcome.stdout_head.clone(),
                not_started: outcome.error.clone(),
            },
        );
        let truth = LegTruth {
            kind: order.kind,
            argv,
            trust: order.trust,
            vantage: order.vantage,
            exit: outcome.exit,
            signal: outcome.signal,
            timed_out: outcome.timed_out,
            not_started: outcome.error,
            ms: outcome.ms,
            stdout_head: outcome.stdout_head,
            stderr_tail: outcome.stderr_tail,
            connections: self.recorder().connections_of(id),
            lookups: lookups_of(&self.recorder().entries_of(id), id),
            killed_us: outcome.timed_out.then(|| killed_us(began_us, outcome.ms)),
        };
        Ended { id, truth, stdout: outcome.stdout, out: None }
    }

    fn not_started(&self, id: LegId, order: &Order, argv: Vec<String>, why: String) -> Ended {
        let event = Event::LegEnd {
            exit: None,
            signal: None,
            timed_out: false,
            ms: 0,
            output_bytes: 0,
            stderr_tail: String::new(),
            stdout_head: String::new(),
            not_started: Some(why.clone()),
        };
        self.recorder().emit_run(Some(id), event);
        let truth = LegTruth {
            kind: order.kind,
            argv,
            trust: order.trust,
            vantage: order.vantage,
            exit: None,
            signal: None,
            timed_out: false,
            not_started: Some(why),
            ms: 0,
            stdout_head: String::new(),
            stderr_tail: String::new(),
            connections: Vec::new(),
            lookups: Vec::new(),
            killed_us: None,
        };
        Ended { id, truth, stdout: Vec::new(), out: None }
    }

    /// The recorder's clock then.
    fn tell_start(&self, id: LegId, order: &Order, argv: &[String], surroundings: &Surroundings) -> u64 {
        self.tell_leg(id, order, argv, surroundings.recorded());
        self.recorder().elapsed_us()
    }

    fn tell_leg(&self, id: LegId, order: &Order, argv: &[String], environment: Vec<String>) {
        self.recorder().emit_run(
            Some(id),
            Event::LegStart {
                check: order.check.clone(),
                kind: order.kind,
                argv: argv.to_vec(),
                trust: order.trust,
                vantage: order.vantage,
                environment,
                phase: self.plan().phases[order.phase].name.clone(),
            },
        );
    }

    /// Placeholders filled in; `mitmlab` is this very program.
    fn fill_in(
        &self,
        order: &Order,
        store: &TrustStore,
        exports: Option<PathBuf>,
        files: &OwnFiles,
    ) -> Result<Vec<String>, Error> {
        let host = order.url.as_deref().and_then(host_of);
        let vars = Vars {
            url: order.url.clone(),
            pin: host.as_deref().and_then(|host| self.genuine_pin(host)),
            host,
            ca: Some(store.bundle.clone()),
            lab: Some(self.lab_folder()?),
            exports,
            control: files.control.clone(),
            out: files.out.clone(),
        };
        let mut argv = fill(&order.argv, &vars).map_err(|error| Error::Usage(error.to_string()))?;
        if argv.first().is_some_and(|program| program == "mitmlab")
            && let Some(own) = self.own_program()
        {
            argv[0] = own;
        }
        if argv.is_empty() {
            return Err(Error::Usage("no program to run".to_owned()));
        }
        Ok(argv)
    }

    fn genuine_pin(&self, host: &str) -> Option<String> {
        let site = self.plan().world.named(host)?;
        let issued = self.pki().issue(&site.before_any_fault()).ok()?;
        client::spki_pin(issued.chain.first()?).ok()
    }
}

/// What one leg's client keeps: its configuration names its own proxy port, its caches must not answer for another leg.
struct LegFolder(PathBuf);

impl Drop for LegFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // it may never have been made; what stays goes with the run's folder
    }
}

/// A task that ends with whoever waits for it: a leg that is given up must not keep its proxy port, and the lab with it, alive.
#[derive(Debug)]
pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The host of a URL, without port, lower case.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next()?.to_owned(),
            None => authority.split(':').next()?.to_owned(),
        },
    };
    (!host.is_empty()).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

/// How long the ends of a client's connections are waited for once it has ended. They come within milliseconds, except those of
/// connections that the box swallowed, which never do.
const DRAIN: Duration = Duration::from_millis(1000);

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn the_host_of_a_url() {
        for (url, host) in [
            ("https://WWW.Example.test./a?b", Some("www.example.test")),
            ("https://u:p@example.test:8443/", Some("example.test")),
            ("https://[2001:db8::1]:443/", Some("2001:db8::1")),
            ("example.test:25", Some("example.test")),
            ("https:///x", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}
