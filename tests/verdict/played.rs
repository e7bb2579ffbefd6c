//! Connections and legs for the tests: each shape of the measured matrix, played as the events of a terminating end.

use std::net::{IpAddr, SocketAddr};

use mitmlab::record::{
    Alert, Bytes, CloseKind, Connection, DecisionRecord, Event, Half, Handshake, Hello, LegKind, Observer, Recorder, Request,
    Side,
};
use mitmlab::scenario::{Check, CheckClient, Expect, Transport, Trust, Vantage};
use mitmlab::verdict::{LegTruth, Surroundings};
use time::OffsetDateTime;

pub(crate) const HOST: &str = "bank.lab.test";
const ADDRESS: &str = "192.0.2.10";

pub(crate) fn around() -> Surroundings<'static> {
    Surroundings::new("interception", addresses, |_| None)
}

pub(crate) fn addresses(host: &str) -> Vec<IpAddr> {
    if host.trim_end_matches('.').eq_ignore_ascii_case(HOST) { vec![ADDRESS.parse().expect("an address")] } else { vec![] }
}

pub(crate) fn check(expect: Expect) -> Check {
    Check {
        name: "a check".to_owned(),
        phase: 0,
        clock: OffsetDateTime::UNIX_EPOCH,
        vantage: Vantage::Inside,
        trust: Trust::Web,
        client: CheckClient::Command(vec!["curl".to_owned()]),
        url: None,
        targets: vec![HOST.to_owned()],
        expect,
        twin: None,
        deadline: std::time::Duration::from_secs(10),
        sealed_only: None,
        line: 1,
    }
}

pub(crate) fn leg(kind: LegKind, shapes: &[&str], forged: bool) -> LegTruth {
    let action = if forged { "intercept" } else { "forward" };
    leg_with(kind, &shapes.iter().map(|s| (*s, action)).collect::<Vec<_>>())
}

pub(crate) fn leg_with(kind: LegKind, connections: &[(&str, &str)]) -> LegTruth {
    LegTruth {
        kind,
        argv: vec!["curl".to_owned(), format!("https://{HOST}/")],
        trust: Trust::Web,
        vantage: Vantage::Inside,
        exit: Some(0),
        signal: None,
        timed_out: false,
        not_started: None,
        ms: 40,
        stdout_head: "the page".to_owned(),
        stderr_tail: String::new(),
        connections: played(connections),
        lookups: Vec::new(),
        killed_us: None,
    }
}

/// Plays each shape as events of a terminating end, and folds them.
fn played(connections: &[(&str, &str)]) -> Vec<Connection> {
    let recorder = Recorder::new();
    for (n, (shape, action)) in connections.iter().enumerate() {
        let client: SocketAddr = format!("192.0.2.2:{}", 40000 + n).parse().expect("an address");
        let port = if *shape == "HTTP" { 80 } else { 443 };
        let key = (client, format!("{ADDRESS}:{port}").parse().expect("an address"));
        let by = if *action == "intercept" { Observer::Box } else { Observer::Origin };
        let id = recorder.open_new(key, None, Transport::Tcp, Vantage::Inside, by, None);
        for event in events(shape, action, by) {
            recorder.emit(id, event);
        }
    }
    let entries = recorder.entries();
    Connection::fold(entries.iter().map(AsRef::as_ref))
}

fn events(shape: &str, action: &str, by: Observer) -> Vec<Event> {
    let half = Half::Client;
    let (word, detail) = shape.split_once(' ').unwrap_or((shape, ""));
    let action = if word == "HTTP" && action == "intercept" { "forward" } else { action };
    let number: Option<u8> = detail.parse().ok();
    let tls = !matches!(word, "HTTP" | "PLAIN" | "IDLE");
    let done = matches!(word, "HSO" | "ACC" | "HSREJ" | "RESUMED" | "DEADLINE");
    let data = matches!(word, "ACC" | "HTTP" | "RESUMED");
    let mut all = Vec::new();
    if tls {
        all.push(Event::HelloSeen { half, by, hello: Box::new(hello()) });
    } else if word != "IDLE" {
        all.push(Event::FirstBytes { protocol: "http".to_owned(), summary: "GET / HTTP/1.1".to_owned() });
    }
    all.push(Event::Decision(decision(action)));
    if done {
        all.push(Event::HandshakeDone { half, by, handshake: handshake(word == "RESUMED") });
    }
    if data {
        all.push(Event::Request { by, request: request() });
    }
    let from = if word == "NEG" { Side::Server } else { Side::Client };
    all.extend(number.map(|number| Event::Alert { half, by, alert: alert(from, number, done) }));
    let (side, kind) = match (word, detail) {
        ("LAB", _) => (Side::Server, CloseKind::Fin),
        ("DEADLINE", _) => (Side::Server, CloseKind::Deadline),
        (_, "cn") => (Side::Client, CloseKind::CloseNotify),
        (_, "rst") => (Side::Client, CloseKind::Rst),
        _ => (Side::Client, CloseKind::Fin),
    };
    if detail == "cn" {
        all.push(Event::Alert { half, by, alert: alert(Side::Client, 0, done) });
    }
    all.push(Event::Close { half, by, side, kind });
    let raw = if word == "IDLE" { 0 } else { 600 };
    let app = if data || word == "PLAIN" { 78 } else { 0 };
    let bytes = Bytes { raw_up: raw, raw_down: raw, app_up: Some(app), app_down: Some(app) };
    all.push(Event::HalfEnd { half, by, bytes, error: None });
    all.push(Event::ConnectionEnd {});
    all
}

fn hello() -> Hello {
    Hello { sni: Some(HOST.to_owned()), raw: "A".repeat(680), records: 1, ..Hello::default() }
}

fn handshake(resumed: bool) -> Handshake {
    Handshake {
        version: "TLS1.3".to_owned(),
        cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
        group: None,
        alpn: Some("http/1.1".to_owned()),
        resumed,
        us: 900,
    }
}

fn request() -> Request {
    Request {
        protocol: "http/1.1".to_owned(),
        method: "GET".to_owned(),
        host: Some(HOST.to_owned()),
        target: "/".to_owned(),
        status: Some(200),
        secrets: Vec::new(),
    }
}

fn decision(action: &str) -> DecisionRecord {
    let hit = action != "forward";
    DecisionRecord {
        action: action.to_owned(),
        reason: if hit { "rule" } else { "not-listed" }.to_owned(),
        rule: hit.then(|| "the-rule".to_owned()),
        phase: "interception".to_owned(),
        coin: None,
        clock: "2019-07-20T12:00:00+06:00".to_owned(),
    }
}

fn alert(from: Side, number: u8, after_handshake: bool) -> Alert {
    let level = Some(if matches!(number, 0 | 90) { 1 } else { 2 });
    Alert { from, level, number, name: mitmlab::verdict::alert::name(number).to_owned(), plaintext: None, after_handshake }
}
