//! What the tests share: every mail service on a loopback port of its own, and the root that signed them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mitmlab::network::listen::Listener;
use mitmlab::origin::{self, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::{Connection, Recorder};
use mitmlab::scenario::{Cert, Clock, MailService, Place, Serve, Service, Site, World};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// A world with one site that has every mail service.
pub(crate) struct Bench {
    pub(crate) recorder: Recorder,
    ports: HashMap<MailService, u16>,
    root: tempfile::NamedTempFile,
    tasks: Vec<JoinHandle<()>>,
}

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The site's name. It is also this machine's name for itself, so that clients without a way to resolve names get here.
pub(crate) const NAME: &str = "localhost";

impl Drop for Bench {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(true, |origins| origins).await
    }

    pub(crate) async fn with(clear_login: bool, knob: impl Fn(Origins) -> Origins) -> Self {
        let pki = PublicPki::new(&Clock::of_this_machine()).expect("a PKI");
        let recorder = Recorder::new();
        let (mut ports, mut listeners, mut services) = (HashMap::new(), Vec::new(), Vec::new());
        for service in MailService::ALL {
            let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
            let port = listener.local_addr().expect("an address").port();
            services.push(Service { port, serve: Serve::Mail { service, starttls: !service.is_implicit(), clear_login } });
            ports.insert(service, port);
            listeners.push(listener);
        }
        let names = vec![NAME.to_owned()];
        let site = Site { names, addresses: vec![HERE], asn: None, place: Place::Outside, services, cert: Cert::Good, ech: None };
        let world = Arc::new(World { sites: vec![site], ..World::default() });
        let origins = Arc::new(knob(Origins::new(world, Arc::clone(&pki), recorder.clone())));
        let serve = |listener| origin::serve(Listener::transparent(listener), Arc::clone(&origins));
        let tasks = listeners.into_iter().map(serve).collect();
        let root = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(root.path(), pki.roots_pem()).expect("written");
        Self { recorder, ports, root, tasks }
    }

    pub(crate) fn port(&self, service: MailService) -> String {
        self.ports[&service].to_string()
    }

    pub(crate) fn root(&self) -> &str {
        self.root.path().to_str().expect("a path in UTF-8")
    }

    pub(crate) async fn dial(&self, service: MailService) -> TcpStream {
        let stream = TcpStream::connect((HERE, self.ports[&service])).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        stream
    }

    /// curl, at a service of the bench: `URL` stands for it.
    pub(crate) async fn curl(&self, scheme: &str, service: MailService, path: &str, more: &[&str]) -> Output {
        let url = format!("{scheme}://{NAME}:{}{path}", self.port(service));
        let mut args = vec!["-sS", "-v", "--max-time", "20", "--cacert", self.root(), &url];
        args.extend_from_slice(more);
        run("curl", &args, b"").await
    }

    /// Every connection so far, once all have ended.
    pub(crate) async fn ended(&self, count: usize) -> Vec<Connection> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let over = |all: &[Connection]| all.len() >= count && all.iter().all(|c| c.ended);
        assert!(self.recorder.wait(deadline, over).await, "{:#?}", self.recorder.connections());
        self.recorder.connections()
    }
}

/// True if the program is here; says so if not, and the caller goes without it.
pub(crate) fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("skipped: there is no `{program}` on this machine");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "`{program}` is missing");
    }
    found
}

/// Runs a program to its end, at most 30 s, without the surroundings that flip verdicts.
pub(crate) async fn run(program: &str, args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let _ = stdin.write_all(input).await; // a program need not read
    drop(stdin);
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("in time");
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// What a program wrote, both ways together.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
