//! Genuine origins, tried by real clients over loopback: good chains are accepted with the root given, each fault is
//! refused, and the record tells what happened.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mitmlab::network::listen::Listener;
use mitmlab::origin::{self, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::{CloseKind, Connection, Recorder, Side};
use mitmlab::scenario::{Cert, Clock, Place, Serve, Service, Site, World};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// A world with one HTTPS server on a port of its own, and its root in a file.
struct Bench {
    recorder: Recorder,
    pki: Arc<PublicPki>,
    ports: HashMap<&'static str, u16>,
    root: tempfile::NamedTempFile,
    tasks: Vec<JoinHandle<()>>,
    world: Arc<World>,
}

/// Every site of the bench has this address.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Drop for Bench {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bench {
    /// Serves each site on its own port (they share an address), so that no name has to be resolved.
    async fn new(sites: Vec<(&'static str, Cert)>) -> Self {
        Self::serving(sites, |origins| origins).await
    }

    async fn serving(sites: Vec<(&'static str, Cert)>, knob: impl Fn(Origins) -> Origins) -> Self {
        let clock = Clock::of_this_machine();
        let pki = PublicPki::new(&clock).expect("a PKI");
        let recorder = Recorder::new();
        let mut world = World::default();
        let (mut ports, mut listeners) = (HashMap::new(), Vec::new());
        for (name, cert) in sites {
            let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
            let port = listener.local_addr().expect("an address").port();
            world.sites.push(site(name, port, cert));
            ports.insert(name, port);
            listeners.push(listener);
        }
        let world = Arc::new(world);
        let origins = Arc::new(knob(Origins::new(Arc::clone(&world), Arc::clone(&pki), recorder.clone())));
        let serve = |listener| origin::serve(Listener::transparent(listener), Arc::clone(&origins));
        let tasks = listeners.into_iter().map(serve).collect();
        let root = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(root.path(), pki.roots_pem()).expect("written");
        Self { recorder, pki, ports, root, tasks, world }
    }

    fn root(&self) -> &str {
        self.root.path().to_str().expect("a path in UTF-8")
    }

    /// curl with the root given, its name resolved to the bench.
    async fn curl(&self, name: &str, path: &str, more: &[&str]) -> Output {
        let port = self.ports[name];
        let (url, resolve) = (format!("https://{name}:{port}{path}"), format!("{name}:{port}:{HERE}"));
        let mut args = vec!["-sS", "--max-time", "20", "--cacert", self.root(), "--resolve", &resolve];
        args.extend_from_slice(more);
        args.push(&url);
        run("curl", &args).await
    }

    /// The only connection, once it has ended.
    async fn only(&self) -> Connection {
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(self.recorder.wait(deadline, |all| all.len() == 1 && all[0].ended).await, "{:#?}", self.recorder.connections());
        self.recorder.connections().remove(0)
    }
}

fn site(name: &str, port: u16, cert: Cert) -> Site {
    let alpn = vec!["h2".to_owned(), "http/1.1".to_owned()];
    Site {
        names: vec![name.to_owned()],
        addresses: vec![HERE],
        asn: None,
        place: Place::Outside,
        services: vec![Service { port, serve: Serve::Https { pages: Some("bank".into()), alpn, hsts: true } }],
        cert,
    }
}

/// Runs a program to its end, at most 30 s, without the surroundings that flip verdicts.
async fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.expect("in time");
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn curl_reaches_a_good_site_and_the_record_tells_it() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let output = bench.curl("bank.lab.test", "/", &["-i"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = text(&output.stdout);
    assert!(page.contains("x-mitmlab-origin: genuine") && page.contains("bank.lab.test"), "{page}");
    assert!(page.contains("strict-transport-security: max-age=31536000"), "{page}");

    let connection = bench.only().await;
    let half = &connection.client_half;
    let handshake = half.handshake.as_ref().expect("a handshake");
    assert_eq!((handshake.version.as_str(), handshake.alpn.as_deref(), handshake.resumed), ("TLS1.3", Some("h2"), false));
    assert_eq!(connection.hello.as_ref().and_then(|h| h.sni.as_deref()), Some("bank.lab.test"));
    assert_eq!(connection.presented.len(), 2);
    assert_eq!(connection.presented[0].names, ["bank.lab.test"]);
    assert_eq!((connection.requests[0].method.as_str(), connection.requests[0].status), ("GET", Some(200)));
    assert!(half.bytes.app_up > Some(0) && half.bytes.app_down > Some(500), "{half:?}");
    assert!(half.bytes.raw_up > half.bytes.app_up.expect("counted"));
    assert_eq!(half.closes[0].side, Side::Client);
    assert_eq!(half.closes[0].kind, CloseKind::CloseNotify);
    assert_eq!(bench.world.sites.len(), 1);
    let _ = SocketAddr::new(HERE, 1);
    let _ = &bench.pki;
}

#[tokio::test]
async fn scratch() {
    for more in [&["--http1.1"][..], &["--http2"], &["--http1.1", "--tls-max", "1.2"]] {
        let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
        bench.curl("bank.lab.test", "/", more).await;
        let c = bench.only().await;
        println!(
            "{more:?} {:?} {:?} {:?}",
            c.client_half,
            c.requests,
            bench.recorder.entries().iter().map(|e| e.t_us).collect::<Vec<_>>()
        );
    }
}
