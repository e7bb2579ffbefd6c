//! What the box costs per connection before a byte is forwarded: reading a hello, its fingerprints, and the decision.

use std::net::SocketAddr;
use std::sync::Arc;

use divan::{Bencher, black_box};
use mitmlab::middlebox::decide::{Compiled, Context, Decision, decide};
use mitmlab::middlebox::sniff::Seen;
use mitmlab::scenario::{Action, Direction, First, Matcher, Network, Phase, Plan, Rule, Transport, World};
use mitmlab::tls::fingerprint;
use mitmlab::tls::hello::{ClientHello, Outcome, read};
use time::macros::datetime;

fn main() {
    divan::main();
}

const CURL: &[u8] = include_bytes!("../tests/data/hello-curl-7.88.1-openssl-3.0.22.bin");
const CHROMIUM: &[u8] = include_bytes!("../tests/data/hello-chromium-156.0.8078.79.bin");

#[divan::bench]
fn read_curl() -> Outcome {
    read(black_box(CURL))
}

#[divan::bench]
fn read_chromium() -> Outcome {
    read(black_box(CHROMIUM))
}

#[divan::bench]
fn read_half_of_chromium() -> Outcome {
    read(black_box(&CHROMIUM[..1000]))
}

#[divan::bench]
fn ja3_of_chromium(bencher: Bencher<'_, '_>) {
    let hello = hello();
    bencher.bench(|| fingerprint::ja3(black_box(&hello)));
}

#[divan::bench]
fn ja4_of_chromium(bencher: Bencher<'_, '_>) {
    let hello = hello();
    bencher.bench(|| fingerprint::ja4(black_box(&hello), Transport::Tcp));
}

#[divan::bench]
fn record_of_chromium(bencher: Bencher<'_, '_>) {
    let hello = hello();
    bencher.bench(|| black_box(&hello).to_record(Transport::Tcp, 2));
}

/// A name that is not listed: the whole list is looked through.
#[divan::bench(args = [37, 10_000])]
fn decide_plain(bencher: Bencher<'_, '_>, names: usize) {
    let (plan, seen, context) = (plan(names), Seen::Hello(Box::new(hello())), context());
    bencher.bench(|| matches!(decide(black_box(&plan), black_box(&seen), &context), Decision::Forward(_)));
}

/// The same, with the lists taken in beforehand.
#[divan::bench(args = [37, 10_000])]
fn decide_compiled(bencher: Bencher<'_, '_>, names: usize) {
    let (compiled, seen, context) = (Compiled::new(Arc::new(plan(names))), Seen::Hello(Box::new(hello())), context());
    bencher.bench(|| matches!(black_box(&compiled).decide(black_box(&seen), &context), Decision::Forward(_)));
}

fn hello() -> ClientHello {
    match read(CHROMIUM) {
        Outcome::Hello(hello, _) => *hello,
        other => panic!("{other:?}"),
    }
}

fn context() -> Context {
    Context {
        phase: 0,
        now: datetime!(2019-07-20 12:00 +6),
        client: SocketAddr::from(([192, 0, 2, 7], 40000)),
        destination: SocketAddr::from(([157, 240, 22, 35], 443)),
        asn: None,
        direction: Direction::Outbound,
        transport: Transport::Tcp,
        origin: None,
        nonce: 1,
    }
}

/// One rule with so many names: nine in ten exact, the rest suffixes and wildcards.
fn plan(names: usize) -> Plan {
    let form = |n: usize| match n % 20 {
        0 => format!(".site-{n}.test"),
        1 => format!("*.site-{n}.test"),
        _ => format!("www.site-{n}.test"),
    };
    let when = Matcher { sni: Some((0..names).map(form).collect()), port: Some(vec![443]), ..Matcher::default() };
    let rule = Rule { name: "r".into(), when, action: Action::Intercept, sources: Vec::new(), unused_ok: None, line: 1 };
    let rules = vec![rule];
    let phase = Phase {
        name: "p".into(),
        from: None,
        to: None,
        rules,
        notice: None,
        about: String::new(),
        sources: Vec::new(),
        profile: None,
        unused_ok: None,
    };
    Plan {
        name: "bench".into(),
        title: String::new(),
        about: String::new(),
        sources: Vec::new(),
        file: "bench.toml".into(),
        case: None,
        authority: None,
        world: World::default(),
        network: Network { hops_inside: 0, hops_outside: 0, first: First::Stream, ipv6: false },
        clock: context().now,
        seed: 7,
        phases: vec![phase],
        checks: Vec::new(),
    }
}
