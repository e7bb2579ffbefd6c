//! Genuine origins, tried by real clients over loopback: good chains are accepted with the root given, each fault is
//! refused, and the record tells what happened.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mitmlab::network::listen::{Dialled, Listener};
use mitmlab::origin::{self, ExecFiles, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::{CloseKind, Connection, DecisionRecord, Event, Half, Observer, Recorder, Side};
use mitmlab::scenario::{Cert, Clock, Place, Serve, Service, Site, Transport, Vantage, World};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// A world with one HTTPS server on a port of its own, and its root in a file.
struct Bench {
    recorder: Recorder,
    pki: Arc<PublicPki>,
    world: Arc<World>,
    ports: HashMap<&'static str, u16>,
    root: tempfile::NamedTempFile,
    tasks: Vec<JoinHandle<()>>,
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
        Self { recorder, pki, world, ports, root, tasks }
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

/// True if the program is here; says so if not, and the caller goes without it.
fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::path::Path::new(program).is_file() || std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("skipped: there is no `{program}` on this machine");
    }
    found
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

/// The certificate faults, with the alert by which OpenSSL refuses each (none: it completes the handshake and hangs up).
fn faults() -> Vec<(&'static str, Cert, Option<u8>)> {
    vec![
        ("expired.test", Cert::Expired, Some(45)),
        ("not-yet.test", Cert::NotYetValid, Some(42)),
        ("wrong-host.test", Cert::WrongHost, None),
        ("self-signed.test", Cert::SelfSigned, Some(48)),
        ("untrusted-root.test", Cert::UntrustedRoot, Some(48)),
        ("missing-intermediate.test", Cert::MissingIntermediate, Some(48)),
    ]
}

#[tokio::test]
async fn curl_reaches_a_good_site_and_the_record_tells_it() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let output = bench.curl("bank.lab.test", "/?token=secret", &["-i", "--http1.1", "-H", "Cookie: a=b"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = text(&output.stdout);
    assert!(page.contains("x-mitmlab-origin: genuine") && page.contains("bank.lab.test"), "{page}");
    assert!(page.contains("strict-transport-security: max-age=31536000"), "{page}");

    let connection = bench.only().await;
    let half = &connection.client_half;
    let handshake = half.handshake.as_ref().expect("a handshake");
    assert_eq!((handshake.version.as_str(), handshake.alpn.as_deref()), ("TLS1.3", Some("http/1.1")));
    assert!(!handshake.resumed && handshake.cipher.starts_with("TLS_") && handshake.group.is_some(), "{handshake:?}");
    assert_eq!(connection.hello.as_ref().and_then(|h| h.sni.as_deref()), Some("bank.lab.test"));
    assert_eq!(connection.presented.len(), 2);
    assert_eq!(connection.presented[0].names, ["bank.lab.test"]);
    assert_eq!(connection.presented[0].key, "P-256");
    let request = &connection.requests[0];
    assert_eq!((request.method.as_str(), request.target.as_str(), request.status), ("GET", "/?token=***", Some(200)));
    assert_eq!(request.secrets, ["cookie: 3 bytes"]);
    assert!(half.bytes.app_up > Some(50) && half.bytes.app_down > Some(500), "{half:?}");
    assert!(half.bytes.raw_up > half.bytes.app_up.expect("counted"));
    assert_eq!((half.closes[0].side, half.closes[0].kind), (Side::Client, CloseKind::CloseNotify));
    assert_eq!(half.alerts[0].number, 0);
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http() {
    for (more, version, alpn) in [
        (["--http2", "--tlsv1.3"], "TLS1.3", "h2"),
        (["--http1.1", "--tls-max=1.2"], "TLS1.2", "http/1.1"),
        (["--http2", "--tls-max=1.2"], "TLS1.2", "h2"),
    ] {
        let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
        let more: Vec<&str> = more.iter().flat_map(|m| m.split('=')).collect();
        let output = bench.curl("bank.lab.test", "/", &more).await;
        assert!(output.status.success(), "{more:?}: {}", text(&output.stderr));
        let handshake = bench.only().await.client_half.handshake.expect("a handshake");
        assert_eq!((handshake.version.as_str(), handshake.alpn.as_deref()), (version, Some(alpn)));
    }
}

#[tokio::test]
async fn curl_refuses_every_fault_and_the_record_tells_how() {
    for (name, cert, alert) in faults() {
        for version in ["1.2", "1.3"] {
            let bench = Bench::new(vec![(name, cert.clone())]).await;
            let output = bench.curl(name, "/", &["--tls-max", version, "--http1.1"]).await;
            assert_eq!(output.status.code(), Some(60), "{name} {version}: {}", text(&output.stderr));
            let connection = bench.only().await;
            let half = &connection.client_half;
            assert_eq!(half.bytes.app_up, Some(0), "{name} {version}");
            assert!(connection.requests.is_empty() && !connection.presented.is_empty(), "{name} {version}");
            let first = half.alerts.first().expect("an alert");
            match alert {
                Some(number) => {
                    assert_eq!(
                        (first.from, first.number, first.level),
                        (Side::Client, number, Some(2)),
                        "{name} {version}: {half:?}"
                    );
                    assert!(!first.after_handshake && half.handshake.is_none(), "{name} {version}: {half:?}");
                    assert_eq!(half.closes[0].side, Side::Client, "{name} {version}: {half:?}");
                }
                None => {
                    assert!(half.handshake.is_some() && first.number == 0, "{name} {version}: {half:?}");
                    assert_eq!((half.closes[0].side, half.closes[0].kind), (Side::Client, CloseKind::CloseNotify));
                }
            }
        }
    }
}

#[tokio::test]
async fn openssl_accepts_what_is_good_and_refuses_what_is_not() {
    let good = [("bank.lab.test", Cert::Good), ("rsa.test", Cert::GoodRsa), ("ev.test", Cert::ExtendedValidation)];
    let bad = faults().into_iter().map(|(name, cert, _)| (name, cert));
    for (name, cert) in good.clone().into_iter().chain(bad) {
        let bench = Bench::new(vec![(name, cert)]).await;
        let at = format!("{HERE}:{}", bench.ports[name]);
        let base = ["s_client", "-connect", &at, "-servername", name, "-CAfile", bench.root(), "-x509_strict"];
        let strict = ["-verify_return_error", "-verify_hostname", name, "-brief"];
        let output = run("openssl", &[&base[..], &strict[..]].concat()).await;
        let is_good = good.iter().any(|(good, _)| *good == name);
        assert_eq!(output.status.success(), is_good, "{name}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).contains("Verification: OK"), is_good, "{name}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn chains_pass_the_strict_check_of_openssl_and_of_python() {
    let long = format!("{}.{}.test", "a".repeat(60), "b".repeat(60));
    let kinds = [Cert::Good, Cert::GoodRsa, Cert::ExtendedValidation];
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let mut sites: Vec<Site> = kinds.into_iter().map(|cert| site("*.lab.test", 443, cert)).collect();
    sites.push(site(&long, 443, Cert::Good));
    sites.push(site("192.0.2.7", 443, Cert::Good));
    sites.push(site("пример.test", 443, Cert::Good));
    for site in &sites {
        let issued = bench.pki.issue(site).expect("issued");
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).expect("written");
            file.display().to_string()
        };
        let (leaf, chain) = (put("leaf.pem", &issued.leaf_pem()), put("chain.pem", &issued.chain_pem()));
        let root = bench.root();
        let output =
            run("openssl", &["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", &chain, &leaf])
                .await;
        assert!(output.status.success(), "{:?}: {}{}", site.names, text(&output.stdout), text(&output.stderr));
        let shown = text(&run("openssl", &["x509", "-in", &leaf, "-noout", "-text"]).await.stdout);
        match site.names[0].as_str() {
            name if name == long => {
                assert!(shown.contains("Subject: \n") && shown.contains("Alternative Name: critical"), "{shown}")
            }
            "192.0.2.7" => assert!(shown.contains("IP Address:192.0.2.7") && !shown.contains("DNS:"), "{shown}"),
            "пример.test" => assert!(shown.contains("DNS:xn--e1afmkfd.test"), "{shown}"),
            _ => assert!(shown.contains("DNS:*.lab.test"), "{shown}"),
        }
    }
}

/// Python's `ssl` with VERIFY_X509_STRICT: `host port cafile`.
const PYTHON: &str = "
import socket, ssl, sys
host, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(('127.0.0.1', port), 10) as tcp, context.wrap_socket(tcp, server_hostname=host) as tls:
    tls.sendall(b'GET / HTTP/1.0\\r\\nHost: ' + host.encode() + b'\\r\\n\\r\\n')
    print(tls.recv(100).decode())
";

/// Node: `host port cafile`.
const NODE: &str = "
const [host, port, ca] = process.argv.slice(1);
const options = { host: '127.0.0.1', port, servername: host, headers: { host }, agent: false, ca: require('fs').readFileSync(ca) };
require('https').get(options, (r) => { console.log(r.headers['x-mitmlab-origin']); r.resume(); }).on('error', (e) => { console.error(e.code); process.exit(1); });
";

#[tokio::test]
async fn other_clients_judge_the_same() {
    let good = [("bank.lab.test", Cert::Good), ("rsa.test", Cert::GoodRsa), ("ev.test", Cert::ExtendedValidation)];
    let bad = faults().into_iter().map(|(name, cert, _)| (name, cert));
    for (name, cert) in good.clone().into_iter().chain(bad) {
        let is_good = good.iter().any(|(good, _)| *good == name);
        let bench = Bench::new(vec![(name, cert)]).await;
        let port = bench.ports[name].to_string();
        let (root, mut clients) = (bench.root(), 0);
        for (program, more) in [("/usr/bin/python3", ["-c", PYTHON]), ("node", ["-e", NODE])] {
            if !have(program) {
                continue;
            }
            let output = run(program, &[more[0], more[1], name, &port, root]).await;
            assert_eq!(output.status.success(), is_good, "{program} {name}: {}", text(&output.stderr));
            clients += 1;
        }
        let ended = bench
            .recorder
            .wait(Instant::now() + Duration::from_secs(10), |all| all.len() == clients && all.iter().all(|c| c.ended));
        assert!(ended.await, "{name}");
        for connection in bench.recorder.connections() {
            assert_eq!(connection.client_half.bytes.app_up > Some(0), is_good, "{name}: {:?}", connection.client_half);
        }
    }
}

#[tokio::test]
async fn wget_completes_the_handshake_and_hangs_up() {
    if !have("wget") {
        return;
    }
    // wget has no --resolve: it dials the address, for which the certificate of a site named by it is good.
    for (trusts, code) in [(true, 0), (false, 5)] {
        let bench = Bench::new(vec![("127.0.0.1", Cert::Good)]).await;
        let url = format!("https://127.0.0.1:{}/", bench.ports["127.0.0.1"]);
        let ca = format!("--ca-certificate={}", if trusts { bench.root() } else { "/etc/hostname" });
        let output = run("wget", &["-q", "-O", "-", "--tries=1", "--timeout=10", "--no-hsts", "--no-config", &ca, &url]).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let half = bench.only().await.client_half;
        assert_eq!(half.bytes.app_up > Some(0), trusts, "{half:?}");
        assert!(half.handshake.is_some(), "{half:?}");
    }
}

/// Java: `url`. Reads the answer and closes.
const JAVA: &str = "
public class Get {
    public static void main(String[] args) throws Exception {
        var connection = (javax.net.ssl.HttpsURLConnection) new java.net.URL(args[0]).openConnection();
        connection.setRequestProperty(\"Connection\", \"close\");
        System.out.println(connection.getResponseCode());
        connection.getInputStream().readAllBytes();
        connection.disconnect();
    }
}
";

#[tokio::test]
async fn java_ends_an_accepted_connection_with_no_refusal() {
    if !have("java") || !have("keytool") {
        return;
    }
    for (cert, accepts) in [(Cert::Good, true), (Cert::UntrustedRoot, false)] {
        let bench = Bench::new(vec![("bank.lab.test", cert)]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
            folder.path().join(name).display().to_string()
        };
        let (program, hosts) = (put("Get.java", JAVA), put("hosts", "127.0.0.1 bank.lab.test\n"));
        let store = folder.path().join("store").display().to_string();
        let import =
            ["-importcert", "-noprompt", "-alias", "lab", "-storepass", "changeit", "-file", bench.root(), "-keystore", &store];
        assert!(run("keytool", &import).await.status.success());
        let (store, hosts) = (format!("-Djavax.net.ssl.trustStore={store}"), format!("-Djdk.net.hosts.file={hosts}"));
        let url = format!("https://bank.lab.test:{}/", bench.ports["bank.lab.test"]);
        let password = "-Djavax.net.ssl.trustStorePassword=changeit";
        let output = run("java", &[&store, password, &hosts, &program, &url]).await;
        assert_eq!(output.status.success(), accepts, "{}{}", text(&output.stdout), text(&output.stderr));
        let half = bench.only().await.client_half;
        let refusals: Vec<u8> =
            half.alerts.iter().filter(|a| a.from == Side::Client && a.level == Some(2)).map(|a| a.number).collect();
        assert_eq!(half.bytes.app_up > Some(0), accepts, "{half:?}");
        assert_eq!(refusals.is_empty(), accepts, "{half:?}");
    }
}

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

/// Sends bytes (slowly, if asked) and reads to the end.
async fn raw(port: u16, bytes: &[u8], pause: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect((HERE, port)).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    for piece in bytes.chunks(if pause.is_zero() { bytes.len().max(1) } else { 1 }) {
        stream.write_all(piece).await.expect("sent");
        tokio::time::sleep(pause).await;
    }
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    let _ = reading.await.expect("the server ends it"); // RST is an end, too
    answer
}

#[tokio::test]
async fn what_is_no_tls_ends_in_the_record() {
    let impatient = |origins: Origins| origins.with_patience(Duration::from_millis(300), Duration::from_secs(5));
    for (bytes, protocol, answer) in [
        (&b"GET / HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n"[..], "http", &b"HTTP/1.1 400"[..]),
        (&[0x55; 600], "unknown", &[21, 3]),
        (&[22, 3, 1, 0, 4, 2, 0, 0, 0], "malformed-hello", &[21, 3]),
        (&[22, 3, 1, 2, 0, 1, 0], "silence", &[]),
        (&[], "silence", &[]),
    ] {
        let bench = Bench::serving(vec![("bank.lab.test", Cert::Good)], impatient).await;
        let got = raw(bench.ports["bank.lab.test"], bytes, Duration::ZERO).await;
        assert!(got.starts_with(answer), "{protocol}: {got:?}");
        let connection = bench.only().await;
        assert_eq!(connection.first_bytes.map(|(protocol, _)| protocol).as_deref(), Some(protocol));
        assert_eq!(connection.client_half.bytes.raw_up, bytes.len() as u64, "{protocol}");
        assert!(connection.client_half.handshake.is_none() && connection.client_half.ended);
    }
}

#[tokio::test]
async fn a_hello_in_single_bytes_is_answered() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let hello = hello("bank.lab.test", &[]);
    let mut stream = TcpStream::connect((HERE, bench.ports["bank.lab.test"])).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    for byte in &hello {
        stream.write_all(&[*byte]).await.expect("sent");
    }
    let mut first = [0; 6];
    stream.read_exact(&mut first).await.expect("an answer");
    assert_eq!((first[0], first[5]), (22, 2), "a ServerHello");
    drop(stream); // with unread bytes: RST
    let connection = bench.only().await;
    assert_eq!(connection.hello.and_then(|h| h.sni).as_deref(), Some("bank.lab.test"));
    assert_eq!(connection.client_half.closes[0].side, Side::Client);
}

#[tokio::test]
async fn the_servers_own_alert_is_told() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let answer = raw(bench.ports["bank.lab.test"], &hello("bank.lab.test", &[b"nothing-we-speak"]), Duration::ZERO).await;
    assert_eq!(answer[0], 22, "a ServerHello; the alert comes behind it, encrypted");
    let connection = bench.only().await;
    let alert = &connection.client_half.alerts[0];
    assert_eq!((alert.from, alert.number, alert.plaintext), (Side::Server, 120, Some(false)));
    assert_eq!(alert.name, "no_application_protocol");
    assert_eq!(connection.client_half.closes[0].side, Side::Server);
    assert!(connection.presented.is_empty(), "no chain was shown");
}

/// A ClientHello of rustls.
fn hello(name: &'static str, alpn: &[&[u8]]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name.try_into().expect("a name")).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a hello");
    bytes
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
        let stream = dialled.dial(listening, client, (address, 443).into()).await.expect("dialled");
        let chain = chain_shown(stream, asked).await;
        let told = mitmlab::pki::describe(&chain);
        assert_eq!(told.names, [shown]);
    }
    for nobody in ["192.0.2.1:443", "203.0.113.9:443", "157.240.22.35:80"] {
        let mut stream = dialled.dial(listening, client, nobody.parse().expect("an address")).await.expect("dialled");
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

/// The leaf that a server shows; nothing is checked.
async fn chain_shown(stream: TcpStream, name: &'static str) -> Vec<u8> {
    let (connector, name) = anybody(name);
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    let leaf = stream.get_ref().1.peer_certificates().expect("a chain")[0].to_vec();
    stream.shutdown().await.expect("closed");
    let _ = stream.read(&mut [0; 1]).await;
    leaf
}

/// A client that accepts anybody and resumes nothing.
fn anybody(name: &'static str) -> (tokio_rustls::TlsConnector, ServerName<'static>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    (tokio_rustls::TlsConnector::from(Arc::new(config)), name.try_into().expect("a name"))
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
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
    let files = ExecFiles::write(&issued, &argv, behind.port()).expect("files");
    let folder = files.dir().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&folder).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o700);
    let spawn = |argv: &[String], dir: &std::path::Path| {
        Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
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
    assert!(half.bytes.raw_down > 1000 && half.bytes.app_up.is_none(), "{half:?}");
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
}

/// What the box, the wire and the origin know of one connection comes together by its addresses.
#[tokio::test]
async fn the_half_is_the_one_that_the_recorder_knows() {
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let destination = (HERE, bench.ports["bank.lab.test"]).into();
    let dial = async |name: &str, half: Half| {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((HERE, 0).into()).expect("bound");
        let key = (socket.local_addr().expect("an address"), destination);
        let client = (HERE, 1).into();
        let id = match half {
            Half::Client => bench.recorder.open_new(key, None, Transport::Tcp, Vantage::Inside, Observer::Wire, None),
            Half::Upstream => {
                let id =
                    bench.recorder.open_new((client, destination), None, Transport::Tcp, Vantage::Inside, Observer::Wire, None);
                bench.recorder.alias(key, id);
                id
            }
        };
        (socket.connect(destination).await.unwrap_or_else(|e| panic!("{name}: {e}")), id)
    };
    // The box's own connection: what it sees of the origin is the box's to tell, the truth about the half is ours.
    let (stream, id) = dial("upstream", Half::Upstream).await;
    chain_shown(stream, "bank.lab.test").await;
    let deadline = Instant::now() + Duration::from_secs(5);
    let half_ended = |all: &[Connection]| all.iter().any(|c| c.id == id && c.upstream_half.as_ref().is_some_and(|h| h.ended));
    assert!(bench.recorder.wait(deadline, half_ended).await);
    let upstream = bench.recorder.connection(id).expect("known");
    assert!(upstream.presented.is_empty() && upstream.requests.is_empty() && !upstream.ended);
    assert!(upstream.upstream_hello.is_some() && upstream.hello.is_none());
    assert!(upstream.upstream_half.expect("told").handshake.is_some());

    // A connection that the box took over before a byte reached us: nothing that we see of it is the client's doing.
    let (stream, id) = dial("shell", Half::Client).await;
    let decision = DecisionRecord {
        action: "intercept".into(),
        reason: "rule".into(),
        rule: None,
        phase: "always".into(),
        coin: None,
        clock: String::new(),
    };
    bench.recorder.emit(id, Event::Decision(decision));
    drop(stream);
    let (stream, last) = dial("last", Half::Client).await;
    drop(stream);
    let ended = |all: &[Connection]| all.iter().any(|c| c.id == last && c.ended);
    assert!(bench.recorder.wait(Instant::now() + Duration::from_secs(5), ended).await);
    let shell = bench.recorder.connection(id).expect("known");
    assert!(shell.client_half.closes.is_empty() && !shell.ended, "{shell:?}");
}

#[tokio::test]
async fn an_idle_connection_is_ended_by_its_deadline() {
    let impatient = |origins: Origins| origins.with_patience(Duration::from_secs(5), Duration::from_millis(200));
    let bench = Bench::serving(vec![("bank.lab.test", Cert::Good)], impatient).await;
    let stream = TcpStream::connect((HERE, bench.ports["bank.lab.test"])).await.expect("connected");
    let (connector, name) = anybody("bank.lab.test");
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    let begin = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 1])).await;
    assert!(ended.is_ok() && begin.elapsed() > Duration::from_millis(150));
    let half = bench.only().await.client_half;
    assert_eq!((half.closes[0].side, half.closes[0].kind), (Side::Server, CloseKind::Deadline));
    assert_eq!(half.bytes.app_up, Some(0));
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
