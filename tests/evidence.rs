//! The record on disk: written, lost, cut short, read back and judged again; captures that another program can decrypt.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mitmlab::record::{
    Alert, Bytes, Capture, CloseKind, Connection, DecisionRecord, Event, Half, Hello, KeyLog, LegId, LegKind, Limits, Observer,
    RecordFolder, Recorder, Request, Side, Tapped, TlsMeter, har, read,
};
use mitmlab::scenario::{Transport, Trust, Vantage, VerdictKind};
use mitmlab::verdict::{Surroundings, legs_of, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_recording_is_read_back_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::new();
    recorded_run(&recorder);
    let folder = RecordFolder::create(dir.path().join("new/folder"), &recorder);
    recorder.emit_run(None, Event::RunEnd {});
    assert_eq!(folder.finish().to_string(), "nothing was lost");
    let recording = read(folder.dir()).expect("a recording");
    assert!(!recording.cut && recording.unread.is_empty());
    let entries: Vec<_> = recorder.entries().iter().map(|e| (**e).clone()).collect();
    assert_eq!(recording.entries, entries);
    let lines = std::fs::read_to_string(folder.dir().join("connections.jsonl")).expect("written at the end");
    let connections: Vec<Connection> = lines.lines().map(|l| serde_json::from_str(l).expect("a connection")).collect();
    assert_eq!(connections, recorder.connections());
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.dir().join("run.json")).expect("written")).expect("JSON");
    assert_eq!(run["lost_lines"], 0);
}

#[test]
fn an_old_recording_is_judged_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::new();
    recorded_run(&recorder);
    drop(RecordFolder::create(dir.path(), &recorder));
    let entries = read(dir.path()).expect("dropping wrote it").entries;
    let legs = legs_of(&entries);
    let [(_, name, control), (_, _, test)] = legs.as_slice() else { panic!("two legs, not {}", legs.len()) };
    assert_eq!((name.as_deref(), test.exit, control.exit), (Some("refuses"), Some(60), Some(0)));
    let around = Surroundings::new("interception", |_| vec!["192.0.2.10".parse().expect("an address")], |_| None);
    let verdict = target("bank.lab.test", &around, Some(control), test);
    assert_eq!((verdict.verdict, verdict.signal.as_str()), (VerdictKind::Refused, "alert 48 unknown_ca"));
}

#[test]
fn a_run_that_was_cut_short_is_read_as_far_as_it_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::new();
    recorded_run(&recorder);
    drop(RecordFolder::create(dir.path(), &recorder));
    let path = dir.path().join("events.jsonl");
    let whole = std::fs::read_to_string(&path).expect("text");
    let lines = whole.lines().count();
    std::fs::write(&path, &whole[..whole.len() - 10]).expect("writable");
    let cut = read(dir.path()).expect("a recording");
    assert_eq!((cut.entries.len(), cut.cut, cut.unread.len()), (lines - 1, true, 0));
    let odd = "{\"seq\":1,\"t_us\":1,\"event\":\"tomorrow:thing\"}\n\nnot JSON\n";
    std::fs::write(&path, format!("{odd}{whole}")).expect("writable");
    let odd = read(dir.path()).expect("a recording");
    assert_eq!((odd.entries.len(), odd.unread.iter().map(|u| u.line).collect::<Vec<_>>()), (lines, vec![1, 3]));
    std::fs::write(&path, "PK\u{3}\u{4}\n").expect("writable");
    assert!(read(dir.path()).expect_err("no recording").to_string().contains("holds no entry"));
    assert!(read(dir.path().join("nowhere")).expect_err("no file").to_string().contains("cannot be read"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_never_breaks_a_run_and_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["events.jsonl", "run.json"] {
        std::os::unix::fs::symlink("/dev/full", dir.path().join(file)).expect("a link");
    }
    let recorder = Recorder::new();
    let folder = RecordFolder::create(dir.path(), &recorder);
    recorded_run(&recorder);
    let losses = folder.finish();
    assert_eq!(losses.lines as usize, recorder.entries().len());
    assert!(losses.to_string().contains("No space left on device"), "{losses}");
    assert_eq!(recorder.connections().len(), 2);
}

/// Nobody reads what is written: the pipe fills, and the run goes on.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_stops_reading_never_holds_a_run_up_and_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let pipe = dir.path().join("events.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it is everywhere").success());
    // Open for both, and never read: opening it to write does not wait, writing does.
    let idle = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("a pipe");
    let recorder = Recorder::new();
    let folder = RecordFolder::create(dir.path(), &recorder);
    let text = "z".repeat(1000);
    for _ in 0..20_000 {
        recorder.emit_run(None, Event::Note { text: text.clone() });
    }
    recorded_run(&recorder);
    let losses = folder.finish();
    assert!(losses.to_string().contains("the disk is too slow"), "{losses}");
    assert_eq!(recorder.connections().len(), 2, "and what was recorded is there");
    drop((folder, idle));
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("writable");
    let recorder = Recorder::new();
    let folder = RecordFolder::create(file.join("folder"), &recorder);
    recorded_run(&recorder);
    let losses = folder.finish();
    assert_eq!(losses.lines as usize, recorder.entries().len());
    assert!(losses.to_string().contains("cannot be written"), "{losses}");
}

#[test]
fn many_events_from_many_threads_arrive() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::new();
    let folder = RecordFolder::create(dir.path(), &recorder);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recorder = &recorder;
            scope.spawn(move || (0..500).for_each(|n| recorder.emit_run(None, Event::Note { text: format!("{thread} {n}") })));
        }
    });
    assert_eq!(folder.finish().lines, 0);
    let entries = read(dir.path()).expect("a recording").entries;
    assert!(entries.iter().enumerate().all(|(n, e)| e.seq == n as u64) && entries.len() == 2000);
}

#[test]
fn readable_requests_become_a_har() {
    let recorder = Recorder::new();
    recorded_run(&recorder);
    let entries = recorder.entries();
    let har = har::har(entries.iter().map(AsRef::as_ref), recorder.started());
    let [entry] = har.log.entries.as_slice() else { panic!("one request, not {}", har.log.entries.len()) };
    assert_eq!(entry.request.url, "https://bank.lab.test/login?user=***");
    assert_eq!((entry.response.status, entry.server_ip_address.as_str()), (200, "192.0.2.10"));
    let json = serde_json::to_value(&har).expect("plain data");
    for pointer in [
        "/log/creator/name",
        "/log/entries/0/startedDateTime",
        "/log/entries/0/request/headers",
        "/log/entries/0/response/content/mimeType",
        "/log/entries/0/timings/wait",
        "/log/entries/0/_mitmlab/read_by",
    ] {
        assert!(json.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(serde_json::from_value::<har::Har>(json).expect("its own shape"), har);
}

/// A TLS exchange over a real socket, both versions; tshark must decrypt it with nothing but the file.
#[tokio::test]
async fn a_capture_is_decrypted_by_another_program() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let dir = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::new();
        let (capture, keys) = (Capture::new(&recorder, Limits::default()), KeyLog::new());
        exchange(&recorder, &capture, &keys, version).await;
        let path = dir.path().join("capture.pcapng");
        let names = [("192.0.2.10".parse().expect("an address"), "bank.lab.test".to_owned())];
        let summary = capture.write(&path, &names, Some(&keys.lines())).expect("writable");
        assert!(summary.rebuilt > 10 && summary.cut == 0, "{summary:?}");
        assert_eq!(keys.counts().0, 1);
        let Some(seen) = tshark(&path, &["-Y", "http.request", "-T", "fields", "-e", "http.host", "-e", "http.request.uri"])
        else {
            eprintln!("tshark is not installed: the capture was written, not read");
            return;
        };
        assert_eq!(seen.trim(), "bank.lab.test\t/secret");
        let answer = tshark(&path, &["-Y", "http.response", "-T", "fields", "-e", "http.file_data"]).expect("it ran");
        assert!(answer.contains("hello") || answer.contains("68656c6c6f"), "{answer}");
        let odd = tshark(&path, &["-Y", "tcp.analysis.flags || tcp.checksum.status == Bad || _ws.malformed"]).expect("it ran");
        assert_eq!(odd, "", "no packet looks wrong to an analyser");
        let comments = tshark(&path, &["-T", "fields", "-e", "frame.comment"]).expect("it ran");
        assert!(comments.contains("c1, client half: rebuilt from its byte stream"), "{comments}");
        let named = tshark(&path, &["-N", "n", "-c", "1", "-T", "fields", "-e", "ip.dst_host"]).expect("it ran");
        assert_eq!(named.trim(), "bank.lab.test");
    }
}

/// Real clients through a relay that holds no key: what the meter says is what they did.
#[tokio::test]
async fn real_clients_are_told_apart_by_their_records() {
    let rows: [(&[&str], &str); 8] = [
        (&["curl", "-sk", "--max-time", "5", "URL"], "data"),
        (&["curl", "-s", "--max-time", "5", "URL"], "nothing"),
        (&["wget", "-qO-", "--tries=1", "--timeout=5", "--no-check-certificate", "URL"], "data"),
        (&["wget", "-qO-", "--tries=1", "--timeout=5", "URL"], "handshake"),
        (&["python3", "-c", "import urllib.request as u; u.urlopen('URL', timeout=5)"], "nothing"),
        (&["openssl", "s_client", "-connect", "AT"], "handshake"),
        (&["git", "ls-remote", "URL"], "handshake"),
        (&["node", "-e", "fetch('URL').catch(()=>0)"], "silence"),
    ];
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (argv, did) in rows {
            let Some(meter) = metered(argv, version).await else { continue };
            let sent = meter.bytes().app_up.unwrap_or_default() > 0;
            let seen = if sent {
                "data"
            } else if meter.is_done() {
                "handshake"
            } else {
                "nothing"
            };
            let right = did == seen || did == "silence" && !sent;
            assert!(right, "{argv:?} {version:?}: {seen}: {meter:?}");
        }
    }
}

/// Runs one client against a server with a certificate that it does not trust. None if the client is not installed.
async fn metered(argv: &[&str], version: &'static rustls::SupportedProtocolVersion) -> Option<TlsMeter> {
    let (server, _) = tls_ends(version);
    let origin = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let (there, here) = (origin.local_addr().expect("an address"), relay.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        let (socket, _) = origin.accept().await.expect("the relay");
        let Ok(mut tls) = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(socket).await else { return };
        if tls.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {
            let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
        let _ = tls.shutdown().await;
    });
    let relaying = tokio::spawn(async move {
        let (mut client, _) = relay.accept().await.expect("a client");
        let mut server = tokio::net::TcpStream::connect(there).await.expect("the origin");
        let (mut meter, mut up, mut down) = (TlsMeter::new(), [0; 900], [0; 900]);
        loop {
            let (from, read) = tokio::select! {
                read = client.read(&mut up) => (Side::Client, read),
                read = server.read(&mut down) => (Side::Server, read),
            };
            let Ok(read @ 1..) = read else { return meter };
            let bytes = if from == Side::Client { &up[..read] } else { &down[..read] };
            meter.sent(from, bytes);
            let passed = if from == Side::Client { server.write_all(bytes).await } else { client.write_all(bytes).await };
            if passed.is_err() {
                return meter;
            }
        }
    });
    let fill = |arg: &&str| arg.replace("URL", &format!("https://{here}/")).replace("AT", &here.to_string());
    let mut command = tokio::process::Command::new(argv[0]);
    command.args(argv[1..].iter().map(fill)).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let Ok(mut child) = command.kill_on_drop(true).spawn() else {
        eprintln!("{} is not installed", argv[0]);
        return None;
    };
    let limit = std::time::Duration::from_secs(20);
    let meter = tokio::time::timeout(limit, relaying).await.expect("the client connects").expect("no panic");
    let _ = tokio::time::timeout(limit, child.wait()).await;
    serving.abort();
    Some(meter)
}

#[test]
fn a_capture_keeps_within_its_limits_and_says_where_it_was_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::new();
    let capture = Capture::new(&recorder, Limits { per_half: 100, total: 150 });
    let key = (address("192.0.2.2:40000"), address("192.0.2.10:443"));
    let id = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Box).0;
    let tap = capture.tap(id, Half::Client, Observer::Box, key).expect("nobody else listens");
    tap.sent(Side::Client, &[1; 90]);
    tap.sent(Side::Client, &[2; 90]);
    tap.sent(Side::Client, &[3; 5]);
    capture.packet(7, "wire", mitmlab::record::pcapng::Link::Ip, &[0x45; 40]);
    capture.packet(7, "wire", mitmlab::record::pcapng::Link::Ip, &[0x45; 40]);
    let path = dir.path().join("capture.pcapng");
    let summary = capture.write(&path, &[], None).expect("writable");
    assert_eq!((summary.cut, summary.packets, summary.dropped), (1, 1, 1));
    let bytes = std::fs::read(&path).expect("written");
    let said = b"85 further bytes of this stream were not kept";
    assert!(bytes.windows(said.len()).any(|w| w == said));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("there").permissions()) & 0o777, 0o600);
}

async fn exchange(recorder: &Recorder, capture: &Capture, keys: &KeyLog, version: &'static rustls::SupportedProtocolVersion) {
    let (mut server, client) = tls_ends(version);
    server.key_log = Arc::new(keys.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let at = listener.local_addr().expect("an address");
    let flow = (address("192.0.2.2:40000"), address("192.0.2.10:443"));
    let id = recorder.open(flow, Transport::Tcp, Vantage::Inside, Observer::Box).0;
    let tap = capture.tap(id, Half::Client, Observer::Box, flow).expect("nobody else listens");
    let serve = async move {
        let (socket, _) = listener.accept().await.expect("a client");
        let socket = Tapped::new(socket, Some(tap), Side::Client);
        let mut tls = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(socket).await.expect("a handshake");
        let mut request = [0; 512];
        let read = tls.read(&mut request).await.expect("a request");
        assert!(read > 0);
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello").await.expect("open");
        tls.shutdown().await.expect("open");
        let _ = tls.read(&mut request).await;
    };
    let ask = async move {
        let socket = tokio::net::TcpStream::connect(at).await.expect("a server");
        let name = "bank.lab.test".try_into().expect("a name");
        let mut tls = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, socket).await.expect("trusted");
        tls.write_all(b"GET /secret HTTP/1.1\r\nHost: bank.lab.test\r\n\r\n").await.expect("open");
        let mut answer = Vec::new();
        tls.read_to_end(&mut answer).await.expect("an answer");
        tls.shutdown().await.expect("open");
        assert!(answer.ends_with(b"hello"));
    };
    tokio::join!(serve, ask);
}

/// A server with a certificate of its own making, and a client that trusts it.
fn tls_ends(version: &'static rustls::SupportedProtocolVersion) -> (rustls::ServerConfig, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["bank.lab.test".to_owned()]).expect("a certificate");
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, client)
}

/// What tshark prints; none if there is none. No name is looked up and no file but this one is read.
fn tshark(path: &Path, more: &[&str]) -> Option<String> {
    let run = Command::new("tshark").args(["-n", "-o", "tcp.check_checksum:TRUE", "-r"]).arg(path).args(more).output().ok()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some(String::from_utf8_lossy(&run.stdout).into_owned())
}

/// A control leg that is answered and a test leg that refuses.
fn recorded_run(recorder: &Recorder) {
    for (n, kind) in [(1, LegKind::Control), (2, LegKind::Test)] {
        let leg = LegId(n);
        let test = kind == LegKind::Test;
        let start = Event::LegStart {
            check: Some("refuses".to_owned()),
            kind,
            argv: vec!["curl".to_owned()],
            trust: Trust::Web,
            vantage: Vantage::Inside,
            environment: Vec::new(),
            phase: "interception".to_owned(),
        };
        recorder.emit_run(Some(leg), start);
        connection(recorder, leg, test);
        let end = Event::LegEnd {
            exit: Some(if test { 60 } else { 0 }),
            signal: None,
            timed_out: false,
            ms: 30,
            output_bytes: 5,
            stderr_tail: String::new(),
            stdout_head: "hello".to_owned(),
            not_started: None,
        };
        recorder.emit_run(Some(leg), end);
    }
}

fn connection(recorder: &Recorder, leg: LegId, test: bool) {
    let key = (address(&format!("192.0.2.2:4000{}", leg.0)), address("192.0.2.10:443"));
    let (half, by) = (Half::Client, if test { Observer::Box } else { Observer::Origin });
    let id = recorder.open_new(key, None, Transport::Tcp, Vantage::Inside, by, Some(leg));
    let hello = Hello { sni: Some("bank.lab.test".to_owned()), records: 1, ..Hello::default() };
    recorder.emit(id, Event::HelloSeen { half, by, hello: Box::new(hello) });
    if test {
        let decision = DecisionRecord {
            action: "intercept".to_owned(),
            reason: "rule".to_owned(),
            rule: Some("forge".to_owned()),
            phase: "interception".to_owned(),
            coin: Some((0.25, 0.5)),
            clock: "2019-07-20T12:00:00+06:00".to_owned(),
        };
        recorder.emit(id, Event::Decision(decision));
        let name = "unknown_ca".to_owned();
        let alert = Alert { from: Side::Client, level: Some(2), number: 48, name, plaintext: Some(true), after_handshake: false };
        recorder.emit(id, Event::Alert { half, by, alert });
    } else {
        let request = Request {
            protocol: "http/1.1".to_owned(),
            method: "GET".to_owned(),
            host: Some("bank.lab.test".to_owned()),
            target: "/login?user=***".to_owned(),
            status: Some(200),
            secrets: vec!["authorization: 24 bytes".to_owned()],
        };
        recorder.emit(id, Event::Request { by, request });
    }
    recorder.emit(id, Event::Close { half, by, side: Side::Client, kind: CloseKind::Fin });
    let app = if test { 0 } else { 78 };
    let bytes = Bytes { raw_up: 600, raw_down: 900, app_up: Some(app), app_down: Some(app) };
    recorder.emit(id, Event::HalfEnd { half, by, bytes, error: None });
    recorder.emit(id, Event::ConnectionEnd {});
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
