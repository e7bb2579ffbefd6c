//! What origins serve, where, and how quickly.

use std::collections::HashMap;
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mitmlab::network::listen::{Dialled, Listener};
use mitmlab::origin::{self, ExecFiles, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::Recorder;
use mitmlab::scenario::{Cert, Clock, Place, Serve, Service, Site, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::bench::{Bench, HERE, anybody, chain_shown, run, site, text};

#[tokio::test]
async fn pages_for_lessons() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let get = async |path: &str, more: &[&str]| {
        let output = bench.curl("bank.lab.test", path, more).await;
        assert!(output.status.success(), "{path}: {}", text(&output.stderr));
        output.stdout
    };
    assert_eq!(get("/bytes/300000", &[]).await.len(), 300_000);
    assert_eq!(get("/bytes/1000", &["--http1.1", "-I"]).await.windows(20).filter(|w| w == b"content-length: 1000").count(), 1);
    assert_eq!(text(&get("/bytes/9999999999", &["-o", "/dev/null", "-w", "%{http_code}"]).await), "400");
    assert!(text(&get("/echo", &["-d", "hello there"]).await).contains("hello there"));
    assert!(text(&get("/login", &[]).await).contains("<form"));
    assert!(text(&get("/login", &["-d", "name=a&password=b"]).await).contains("signed in"));
    assert_eq!(text(&get("/nothing", &["-o", "/dev/null", "-w", "%{http_code}"]).await), "404");
    let facts: serde_json::Value = serde_json::from_slice(&get("/.well-known/mitmlab", &[]).await).expect("JSON");
    assert_eq!((&facts["origin"], &facts["tls"]["version"]), (&"genuine".into(), &"TLS1.3".into()));
    assert_eq!(facts["tls"]["sni"], "bank.lab.test");
    let forms =
        bench.recorder.connections().into_iter().flat_map(|c| c.requests).find(|r| r.method == "POST" && r.target == "/login");
    assert_eq!(forms.expect("the form").secrets, ["form: 17 bytes"]);
}

#[tokio::test]
async fn the_dialled_address_and_the_name_select_the_site() {
    let clock = Clock::of_this_machine();
    let (pki, recorder) = (PublicPki::new(&clock).expect("a PKI"), Recorder::new());
    let address: IpAddr = "157.240.22.35".parse().expect("an address");
    let at = |name: &str, address: IpAddr| Site { addresses: vec![address], ..site(name, 443, Cert::Good) };
    let inside = Site { place: Place::Inside, ..at("inside.test", "192.0.2.1".parse().expect("an address")) };
    let world = World { sites: vec![at("one.test", address), at("two.test", address), inside], ..World::default() };
    let socket = TcpListener::bind((HERE, 0)).await.expect("a listener");
    let (dialled, listening) = (Dialled::default(), socket.local_addr().expect("an address"));
    let origins = Origins::new(Arc::new(world), Arc::clone(&pki), recorder.clone()).at(Place::Outside);
    let server = origin::serve(Listener::loopback(socket, dialled.clone()), Arc::new(origins));
    let client = "10.0.0.5:40000".parse().expect("an address");

    for (asked, shown) in [("two.test", "two.test"), ("one.test", "one.test"), ("other.test", "one.test")] {
        let stream = dialled.dial(listening, Some(client), (address, 443).into(), |_| {}).await.expect("dialled");
        let chain = chain_shown(stream, asked).await;
        let told = mitmlab::tls::describe(&chain);
        assert_eq!(told.names, [shown]);
    }
    for nobody in ["192.0.2.1:443", "203.0.113.9:443", "157.240.22.35:80"] {
        let mut stream =
            dialled.dial(listening, Some(client), nobody.parse().expect("an address"), |_| {}).await.expect("dialled");
        let error = stream.read_u8().await.expect_err("reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{nobody}");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    assert!(recorder.wait(deadline, |all| all.len() == 6 && all.iter().all(|c| c.ended)).await);
    let all = recorder.connections();
    assert!(all.iter().all(|c| c.client == client));
    assert!(all[3].notes[0].contains("no site of the world has the address 192.0.2.1"), "{:?}", all[3].notes);
    server.abort();
}

#[tokio::test]
async fn plain_http_serves_or_leads_to_https() {
    let (pki, recorder) = (PublicPki::new(&Clock::of_this_machine()).expect("a PKI"), Recorder::new());
    let mut world = World::default();
    let mut listeners = Vec::new();
    for to_https in [false, true] {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let serve = Serve::Http { pages: Some("news".into()), to_https };
        world.sites.push(Site { services: vec![Service { port, serve }], ..site("news.test", port, Cert::Good) });
        listeners.push((port, listener));
    }
    let origins = Arc::new(Origins::new(Arc::new(world), pki, recorder.clone()));
    let mut urls = Vec::new();
    for (port, listener) in listeners {
        urls.push(format!("http://127.0.0.1:{port}/a?b=c"));
        origin::serve(Listener::transparent(listener), Arc::clone(&origins));
    }
    let served = run("curl", &["-sS", "-i", "-H", "Host: news.test", &urls[0].replace("/a?b=c", "/")]).await;
    assert!(text(&served.stdout).contains("Plain Reporter"), "{}", text(&served.stdout));
    assert!(!text(&served.stdout).contains("strict-transport-security"));
    let led = run("curl", &["-sS", "-i", "-H", "Host: news.test", &urls[1]]).await;
    assert!(text(&led.stdout).contains("location: https://news.test/a?b=c"), "{}", text(&led.stdout));
    let deadline = Instant::now() + Duration::from_secs(10);
    assert!(recorder.wait(deadline, |all| all.len() == 2 && all.iter().all(|c| c.ended)).await);
    let half = recorder.connections().remove(0).client_half;
    assert_eq!(Some(half.bytes.raw_up), half.bytes.app_up);
}

/// A program whose output goes to nobody.
struct Server(tokio::process::Child);

impl origin::Started for Server {
    async fn ended(&mut self) -> String {
        format!("{:?}", self.0.wait().await)
    }

    fn said(&self) -> String {
        String::new()
    }
}

#[tokio::test]
async fn a_program_serves_behind_a_relay() {
    let (pki, recorder) = (PublicPki::new(&Clock::of_this_machine()).expect("a PKI"), Recorder::new());
    let behind = { std::net::TcpListener::bind((HERE, 0)).expect("a port").local_addr().expect("an address") };
    let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
    let dialled = listener.local_addr().expect("an address");
    let argv: Vec<String> = [
        "openssl",
        "s_server",
        "-accept",
        "127.0.0.1:{port}",
        "-cert",
        "{cert}",
        "-key",
        "{key}",
        "-cert_chain",
        "{chain}",
        "-www",
        "-quiet",
    ]
    .map(str::to_owned)
    .to_vec();
    let serve = Serve::Exec { argv: argv.clone(), ready_within: Duration::from_secs(10) };
    let site = Site { services: vec![Service { port: dialled.port(), serve }], ..site("program.test", 0, Cert::Good) };
    let issued = pki.issue(&site).expect("issued");
    let files = ExecFiles::write(&issued, &argv, behind.port(), &[]).expect("files");
    let folder = files.dir().to_owned();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&folder).expect("there").permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
    let spawn = |argv: &[String], dir: &std::path::Path| {
        Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map(Server)
    };
    let child = files.start(spawn, behind, Duration::from_secs(10)).await.expect("ready");
    let world = Arc::new(World { sites: vec![site], ..World::default() });
    let programs = HashMap::from([(dialled, behind)]);
    let origins = Origins::new(world, Arc::clone(&pki), recorder.clone()).with_programs(programs);
    let server = origin::serve(Listener::transparent(listener), Arc::new(origins));
    let root = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(root.path(), pki.roots_pem()).expect("written");
    let (resolve, url) = (format!("program.test:{}:{HERE}", dialled.port()), format!("https://program.test:{}/", dialled.port()));
    let output =
        run("curl", &["-sS", "--max-time", "10", "--cacert", root.path().to_str().expect("UTF-8"), "--resolve", &resolve, &url])
            .await;
    assert!(text(&output.stdout).contains("s_server"), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(recorder.wait(Instant::now() + Duration::from_secs(10), |all| all.len() == 1 && all[0].ended).await);
    let half = recorder.connections().remove(0).client_half;
    assert!(half.handshake.is_some() && half.bytes.raw_down > 1000 && half.bytes.app_up.is_some_and(|up| up > 0), "{half:?}");
    drop((child, files));
    assert!(!folder.exists(), "the key is gone");
    server.abort();
}

#[tokio::test]
async fn a_site_is_issued_once_and_quickly() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let first = bench.pki.issue(&bench.world.sites[0]).expect("issued");
    assert!(Arc::ptr_eq(&first, &bench.pki.issue(&bench.world.sites[0]).expect("issued")));
    let begin = Instant::now();
    for n in 0..100 {
        bench.pki.issue(&site(&format!("s{n}.test"), 443, Cert::Good)).expect("issued");
    }
    let each = begin.elapsed() / 100;
    println!("issue: {each:?} each");
    assert!(each < Duration::from_millis(20), "{each:?}");
    for which in ["first", "second"] {
        let begin = Instant::now();
        bench.pki.issue(&site(which, 443, Cert::GoodRsa)).expect("issued");
        println!("issue, {which} RSA: {:?}", begin.elapsed());
    }
}

/// Not a test of speed: it prints what a handshake costs here, and fails only if something is badly wrong.
#[tokio::test]
async fn handshakes_are_quick() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let (connector, name) = anybody("bank.lab.test");
    let begin = Instant::now();
    for _ in 0..100 {
        let stream = TcpStream::connect((HERE, bench.ports["bank.lab.test"])).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        let mut stream = connector.connect(name.clone(), stream).await.expect("a handshake");
        stream.shutdown().await.expect("closed");
    }
    let each = begin.elapsed() / 100;
    println!("handshake: {each:?} each, client included");
    assert!(each < Duration::from_millis(100), "{each:?}");
}
