//! `mitmlab up`: a lab that stays up for clients and test suites that are started elsewhere.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::exec::when;
use super::network::{Chosen, interrupted, runtime};
use super::scenario::load;
use super::standing::{Control, Place, Roots, Standing};
use super::{NetworkChoice, Up, env};
use crate::control::{self, Handle as _, Material, Token};
use crate::error::{AS_EXPECTED, Error};
use crate::lab::{Lab, Running};
use crate::scenario::{Plan, Trust, Vantage};

/// Keeps a lab up until the user has had enough; or runs a command beside it, and ends with its exit code.
pub(super) fn up(options: &Up) -> Result<u8, Error> {
    if !options.command.is_empty() {
        return beside(options);
    }
    let plan = load(&options.scenario)?;
    when(options.phase.as_deref(), options.at.as_deref(), &plan)?; // wrong words are told before anything is started
    let place = Place::make()?;
    // Made before the sealed network is entered: a socket belongs to where it was made, so this one serves the host.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| Error::machine("listen on loopback", e))?;
    let socket = unix_socket(place.path());
    let chosen = Chosen::choose(network(options))?;
    let runtime = runtime()?;
    let code = runtime.block_on(stay_up(options, plan, &chosen, &place, listener, socket));
    runtime.shutdown_timeout(Duration::from_millis(500));
    code
}

async fn stay_up(
    options: &Up,
    plan: Plan,
    chosen: &Chosen,
    place: &Place,
    listener: TcpListener,
    socket: Option<Socket>,
) -> Result<u8, Error> {
    let (phase, clock) = when(options.phase.as_deref(), options.at.as_deref(), &plan)?;
    let wanted = options.record.wanted();
    let lab = Lab::start_keeping(plan, chosen.on(), wanted.mask()).await?;
    let evidence = lab.evidence(wanted);
    lab.enter(&lab.plan().phases[phase].name.clone())?;
    lab.clock().set(clock);
    if let Some(speed) = options.speed {
        lab.clock().run_at(speed);
    }
    let running = Arc::new(Running::new(lab, options.proxy_port).await?);
    let token = Token::fresh().map_err(Error::Machine)?;
    let listener = into_tokio(listener)?;
    let address = listener.local_addr().map_err(|e| Error::machine("listen on loopback", e))?;
    let router = control::router(Arc::clone(&running) as Arc<dyn control::Handle>, token.clone());
    let standing = Standing {
        pid: std::process::id(),
        scenario: running.lab().plan().name.clone(),
        title: running.lab().plan().title.clone(),
        network: running.lab().network().to_owned(),
        network_reason: chosen.why.clone(),
        phase: running.lab().phase(),
        proxies: running.proxies(),
        folder: place.path().to_owned(),
        roots: write_roots(&running, place.path(), options.root.as_deref()).await?,
        control: Control {
            url: format!("http://{address}"),
            token: token.reveal().to_owned(),
            socket: socket.as_ref().map(|_| place.path().join(SOCKET)),
        },
    };
    let mut servers = Servers::new();
    servers.spawn(control::serve(listener, router.clone()));
    serve_socket(&mut servers, socket, router);
    standing.write().map_err(|e| Error::machine("write the file by which the lab is found", e))?;
    tell(&standing, options.json);
    tokio::select! {
        () = interrupted() => {}
        () = running.asked_to_end() => {}
        () = end_of_input(), if options.until_eof => {}
    }
    for remark in evidence.finish(None).await {
        super::print::err(format_args!("mitmlab: {remark}"));
    }
    // What was asked for the end gets its answer first.
    let _ = tokio::time::timeout(LAST_ANSWERS, std::future::pending::<()>()).await;
    servers.shutdown().await;
    Ok(AS_EXPECTED)
}

/// The lab in a process of its own, the command beside it on the host; the lab ends when this process does, however that comes.
fn beside(options: &Up) -> Result<u8, Error> {
    let own = std::env::current_exe().map_err(|e| Error::machine("find this program", e))?;
    let mut command = Command::new(own);
    command.args(["up", &options.scenario, "--json", "--until-eof", "--network", network_word(options)]);
    command.arg("--proxy-port").arg(options.proxy_port.to_string());
    for (option, value) in [("--phase", &options.phase), ("--at", &options.at)] {
        if let Some(value) = value {
            command.args([option, value]);
        }
    }
    if let Some(speed) = options.speed {
        command.arg("--speed").arg(speed.to_string());
    }
    if let Some(root) = &options.root {
        command.arg("--root").arg(root);
    }
    command.args(options.record.arguments());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0); // Ctrl-C is for the command; the lab outlives it
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut lab = Beside(started.map_err(|e| Error::machine("start the lab", e))?);
    let standing = lab.standing()?;
    let mut command = Command::new(&options.command[0]);
    command.args(&options.command[1..]).envs(env::of_lab(&standing));
    if options.env {
        command.envs(env::variables(&standing, options.trust, Vantage::Inside)?);
    }
    let ended = command.status().map_err(|e| Error::Usage(format!("cannot start `{}`: {e}", options.command[0])))?;
    drop(lab);
    Ok(code_of(ended))
}

/// The lab's process; dropping it closes its standard input, by which it ends, and waits for it.
struct Beside(std::process::Child);

impl Beside {
    fn standing(&mut self) -> Result<Standing, Error> {
        let mut line = String::new();
        if let Some(out) = self.0.stdout.take() {
            let read = std::io::BufReader::new(out.take(LONGEST_LINE)).read_line(&mut line);
            read.map_err(|e| Error::machine("read what the lab says", e))?;
        }
        serde_json::from_str(&line).map_err(|_| match self.0.wait().ok().and_then(|status| status.code()) {
            Some(code) if code == i32::from(crate::error::USAGE) => {
                Error::Usage("the lab did not start; its message is above".to_owned())
            }
            _ => Error::Machine("the lab did not start; its message is above".to_owned()),
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait(); // it is gone already
    }
}

async fn write_roots(running: &Running, folder: &Path, root: Option<&Path>) -> Result<Roots, Error> {
    let write = async |of: Material, path: &Path| {
        let bytes = running.material(of).await.map_err(|problem| Error::Usage(problem.detail))?;
        std::fs::write(path, bytes).map_err(|e| Error::machine(format!("write `{}`", path.display()), e))
    };
    let mut roots = Roots { web: folder.join("web.pem"), ..Roots::default() };
    write(Material::Bundle(Trust::Web), &roots.web).await?;
    if let Some(root) = root {
        write(Material::RootPem, root).await?;
    }
    if !running.lab().plan().needs().profiles.is_empty() {
        let (authority, both) = (folder.join("root.pem"), folder.join("web+authority.pem"));
        write(Material::RootPem, &authority).await?;
        write(Material::Bundle(Trust::WebAuthority), &both).await?;
        (roots.authority, roots.web_authority) = (Some(authority), Some(both));
    }
    Ok(roots)
}

fn tell(standing: &Standing, json: bool) {
    let mut out = std::io::stdout().lock();
    if json {
        let line = serde_json::to_string(standing).unwrap_or_default();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush()); // whoever started it may not read
        return;
    }
    let Standing { scenario, network, phase, proxies, control, roots, pid, .. } = standing;
    let mut text = format!("scenario  {scenario}, phase `{phase}`, {network} network, process {pid}\n");
    for (word, address) in [("inside", &proxies.inside), ("outside", &proxies.outside)] {
        address.iter().for_each(|address| text.push_str(&format!("proxy     http://{address}  ({word})\n")));
    }
    let files = [("root", roots.authority.as_ref()), ("web", Some(&roots.web)), ("both", roots.web_authority.as_ref())];
    for (word, file) in files {
        file.iter().for_each(|file| text.push_str(&format!("{word:8}  {}\n", file.display())));
    }
    text.push_str(&format!("control   {}\ntoken     {}\n", control.url, control.token));
    text.push_str("Ctrl-C or `mitmlab down` ends it; `eval \"$(mitmlab env)\"` leads a shell's programs into it\n");
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn network(options: &Up) -> NetworkChoice {
    match options.network.network {
        NetworkChoice::Auto => NetworkChoice::Proxy,
        said => said,
    }
}

fn network_word(options: &Up) -> &'static str {
    if network(options) == NetworkChoice::Sealed { "sealed" } else { "proxy" }
}

fn into_tokio(listener: TcpListener) -> Result<tokio::net::TcpListener, Error> {
    let ready = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    ready.map_err(|e| Error::machine("watch the control port", e))
}

/// The API on a Unix socket too. None where the path is too long for one.
#[cfg(unix)]
fn unix_socket(folder: &Path) -> Option<Socket> {
    let listener = Socket::bind(folder.join(SOCKET)).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

/// There are none here.
#[cfg(not(unix))]
fn unix_socket(_folder: &Path) -> Option<Socket> {
    None
}

#[cfg(unix)]
fn serve_socket(servers: &mut Servers, socket: Option<Socket>, router: axum::Router) {
    if let Some(socket) = socket.and_then(|socket| tokio::net::UnixListener::from_std(socket).ok()) {
        servers.spawn(async move { axum::serve(socket, router).await });
    }
}

#[cfg(not(unix))]
fn serve_socket(_servers: &mut Servers, socket: Option<Socket>, _router: axum::Router) {
    match socket {
        None => {}
        Some(never) => match never {},
    }
}

/// What serves the API, on whatever it listens.
type Servers = tokio::task::JoinSet<std::io::Result<()>>;

#[cfg(unix)]
type Socket = std::os::unix::net::UnixListener;
#[cfg(not(unix))]
type Socket = std::convert::Infallible;

/// Completes at the end of standard input. Reading it cannot be given up, so a thread does, which ends with the process.
async fn end_of_input() {
    let (told, hears) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = told.send(()); // nobody waits any more
    });
    let _ = hears.await;
}

fn code_of(ended: std::process::ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&ended) {
        return 128u8.saturating_add(u8::try_from(signal).unwrap_or(0));
    }
    ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

const SOCKET: &str = "control.sock";
const LAST_ANSWERS: Duration = Duration::from_millis(50);
/// Some kilobytes at most.
const LONGEST_LINE: u64 = 1 << 20;
