//! Programs of the user's own that serve sites (`exec`): started with the world, ended with it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Ground, old_tls};
use crate::client::{ChildHandle, LastWords, PlainChild};
use crate::error::Error;
use crate::origin::{ExecFiles, Started};
use crate::pki::PublicPki;
use crate::scenario::{Place, Plan, Serve, Site};

/// The running programs.
#[derive(Debug, Default)]
pub(super) struct Programs {
    running: Vec<(ExecFiles, Running)>,
    addresses: HashMap<Place, HashMap<SocketAddr, SocketAddr>>,
}

/// A running program; dropping it ends it. What it writes is read all the time, and its end kept.
#[derive(Debug)]
struct Running {
    child: Child,
    words: LastWords,
}

#[derive(Debug)]
enum Child {
    Plain(PlainChild),
    #[cfg(target_os = "linux")]
    Sealed(super::sealed::Client),
}

impl Running {
    fn of(mut child: Child) -> Self {
        let pipes = match &mut child {
            Child::Plain(child) => child.pipes(),
            #[cfg(target_os = "linux")]
            Child::Sealed(child) => child.pipes(),
        };
        Self { child, words: LastWords::of(pipes) }
    }
}

impl Started for Running {
    async fn ended(&mut self) -> String {
        let status = match &mut self.child {
            Child::Plain(child) => child.wait().await,
            #[cfg(target_os = "linux")]
            Child::Sealed(child) => child.wait().await,
        };
        self.words.at_the_end().await;
        match status.map(|status| status.code()) {
            Ok(Some(code)) => format!("ended with exit code {code}"),
            Ok(None) => "was ended by a signal".to_owned(),
            Err(error) => format!("could not be waited for ({error})"),
        }
    }

    fn said(&self) -> String {
        self.words.text()
    }
}

impl Programs {
    /// Starts what the plan's sites name, and waits until each one listens.
    pub(super) async fn start(plan: &Plan, pki: &Arc<PublicPki>, ground: &Ground, folder: &Path) -> Result<Self, Error> {
        let mut programs = Self::default();
        for site in &plan.world.sites {
            for service in &site.services {
                let Some((argv, ready_within)) = program(&service.serve) else { continue };
                let issued = pki.issue(site).map_err(|e| Error::Usage(e.to_string()))?;
                let port = free_port().map_err(|e| Error::machine("find a free port", e))?;
                let files = ExecFiles::write(&issued, &argv, port, &fills(site, &argv, folder)?)
                    .map_err(|e| Error::machine("prepare a program", e))?;
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                let running = match ground {
                    Ground::Loopback(_) => files.start(start_plain, address, ready_within).await,
                    #[cfg(target_os = "linux")]
                    Ground::Sealed(sealed) => {
                        let (dial, sealed) = (sealed.dial_program(site.place), Arc::clone(sealed));
                        let place = site.place;
                        files
                            .start_behind(move |argv, dir| start_sealed(&sealed, place, argv, dir), dial, address, ready_within)
                            .await
                    }
                };
                let running = running.map_err(|e| Error::machine(started(site, service.port), e))?;
                for ip in &site.addresses {
                    let dialled = SocketAddr::new(*ip, service.port);
                    programs.addresses.entry(site.place).or_default().insert(dialled, address);
                }
                programs.running.push((files, running));
            }
        }
        Ok(programs)
    }

    /// Where the programs of a place listen: address that clients dial -> loopback address.
    pub(super) fn addresses(&self, place: Place) -> HashMap<SocketAddr, SocketAddr> {
        self.addresses.get(&place).cloned().unwrap_or_default()
    }
}

/// The program behind a service, and how long it may take to listen; none if the service is the lab's own.
fn program(serve: &Serve) -> Option<(Vec<String>, Duration)> {
    match serve {
        Serve::Exec { argv, ready_within } => Some((argv.clone(), *ready_within)),
        Serve::Https { tls: Some(only), .. } if only.is_old() && old_tls::lacks(*only).is_none() => {
            Some((old_tls::server(*only), old_tls::READY_WITHIN))
        }
        _ => None,
    }
}

/// What else a command line may name: the site, and the lab's own scripts.
fn fills(site: &Site, argv: &[String], folder: &Path) -> Result<Vec<(&'static str, String)>, Error> {
    let mut fills = vec![("{name}", site.names.first().cloned().unwrap_or_default())];
    if argv.iter().any(|word| word.contains("{lab}")) {
        fills.push(("{lab}", super::clients::lab_folder(folder)?.display().to_string()));
    }
    Ok(fills)
}

fn started(site: &Site, port: u16) -> String {
    format!("start the server of `{}`, port {port}", site.names.first().map_or("a site", String::as_str))
}

fn start_plain(argv: &[String], dir: &Path) -> io::Result<Running> {
    let mut command = tokio::process::Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(dir);
    PlainChild::start(command, crate::client::Feed::Nothing).map(Child::Plain).map(Running::of)
}

#[cfg(target_os = "linux")]
fn start_sealed(sealed: &super::sealed::SealedGround, place: Place, argv: &[String], dir: &Path) -> io::Result<Running> {
    let spec = crate::network::sealed::OriginSpec {
        place,
        argv: argv.iter().map(OsString::from).collect(),
        env: std::env::vars_os().collect(),
        cwd: dir.to_owned(),
        stdio: crate::network::sealed::Stdio::Piped,
    };
    let child = sealed.network().spawn_origin(spec).map_err(io::Error::other)?;
    Ok(Running::of(Child::Sealed(child.into())))
}

/// A port that nobody has at this moment. Somebody may take it before the program does; the program's own error then tells.
fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
