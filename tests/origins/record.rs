//! What the record tells of a connection that an origin served, refused, or gave up on.

use std::time::{Duration, Instant};

use mitmlab::origin::Origins;
use mitmlab::record::{CloseKind, Connection, DecisionRecord, Event, Half, Observer, Side};
use mitmlab::scenario::{Cert, Transport, Vantage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::bench::{Bench, HERE, anybody, chain_shown, faults, hello, raw, text};

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
            let entries = bench.recorder.entries();
            let at = |wanted: fn(&Event) -> bool| entries.iter().position(|e| wanted(&e.event)).expect("recorded");
            assert!(
                at(|e| matches!(e, Event::ChainPresented { .. })) < at(|e| matches!(e, Event::Alert { .. })),
                "{name} {version}"
            );
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
