//! The resolver, asked by `dig` and with bytes of every kind.

use std::process::Stdio;

use proptest::prelude::*;
use simple_dns::{Name, Packet, PacketFlag, QCLASS, QTYPE, RCODE, TYPE};
use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::network::listen::Listener;
use crate::scenario::{Cert, Place, Site};

mod bindings;

fn site(names: &[&str], addresses: &[&str]) -> Site {
    Site {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        addresses: addresses.iter().map(|a| a.parse().expect("an address")).collect(),
        asn: None,
        place: Place::Outside,
        services: Vec::new(),
        cert: Cert::Good,
        ech: None,
    }
}

fn world() -> World {
    let many: Vec<String> = (1..=120).map(|n| format!("198.18.1.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let sites = vec![
        site(&["bank.lab.test", "www.bank.lab.test"], &["192.0.2.7", "2001:db8::7"]),
        site(&["*.wild.test"], &["192.0.2.8"]),
        site(&["own.wild.test"], &["192.0.2.9"]),
        site(&["many.test"], &many),
    ];
    World { sites: sites.into_iter().chain(bindings::sites()).collect(), ..World::default() }
}

fn resolver() -> Resolver {
    Resolver::new(Arc::new(world()), Recorder::new())
}

fn tricked(trick: DnsTrick) -> Resolver {
    resolver().with_hook(Arc::new(move |question: &Question| {
        let changed = Changed { trick: trick.clone(), rule: Some("a-rule".to_owned()), phase: None };
        question.name.ends_with("bank.lab.test").then_some(changed)
    }))
}

fn ask(resolver: &Resolver, message: &[u8], transport: Transport) -> Answer {
    let client = "192.0.2.100:4000".parse().expect("an address");
    let asked = "8.8.8.8:53".parse().expect("an address");
    resolver.answer(message, Way { client, resolver: asked, transport, within: None })
}

fn query(name: &str, kind: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new_unchecked(name);
    packet.questions.push(simple_dns::Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(simple_dns::CLASS::IN), false));
    packet.build_bytes_vec().expect("a query")
}

/// Code, and the answers as the record tells them.
fn outcome(resolver: &Resolver, name: &str, kind: TYPE) -> (RCODE, Vec<String>) {
    let answer = ask(resolver, &query(name, kind), Transport::Udp);
    let reply = Packet::parse(&answer.replies[0]).expect("a reply that parses");
    assert_eq!(reply.id(), 7);
    assert!(reply.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE));
    let Some(Event::DnsQuery { answer, .. }) = answer.event else { panic!("no event") };
    if reply.rcode() == RCODE::NoError && reply.answers.is_empty() {
        assert_eq!(reply.name_servers.len(), 1, "a negative answer has a SOA");
    }
    (reply.rcode(), answer)
}

#[test]
fn what_the_world_knows() {
    let resolver = resolver();
    let found = |name, kind| outcome(&resolver, name, kind);
    let text = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    assert_eq!(found("bank.lab.test", TYPE::A), (RCODE::NoError, text(&["A 192.0.2.7"])));
    assert_eq!(found("BANK.Lab.TEST", TYPE::AAAA), (RCODE::NoError, text(&["AAAA 2001:db8::7"])));
    assert_eq!(found("any.wild.test", TYPE::A), (RCODE::NoError, text(&["A 192.0.2.8"])));
    assert_eq!(found("own.wild.test", TYPE::A), (RCODE::NoError, text(&["A 192.0.2.9"])));
    assert_eq!(found("7.2.0.192.in-addr.arpa", TYPE::PTR), (RCODE::NoError, text(&["PTR bank.lab.test"])));
    for kind in [TYPE::HTTPS, TYPE::SRV, TYPE::CAA, TYPE::MX, TYPE::TXT] {
        assert_eq!(found("bank.lab.test", kind).0, RCODE::NoError);
    }
    assert_eq!(found("lab.test", TYPE::A).0, RCODE::NoError, "a name above another exists");
    assert_eq!(found("_https._tcp.bank.lab.test", TYPE::SRV).0, RCODE::NoError);
    for unknown in ["unknown.test", "nobank.lab.test", "a.b.wild.test", "8.8.8.8.in-addr.arpa", "_x.unknown.test"] {
        assert_eq!(found(unknown, TYPE::A), (RCODE::NameError, text(&["NXDOMAIN"])), "{unknown}");
    }
}

#[test]
fn the_lab_asks_for_itself() {
    let world = world();
    let text = |name| addresses(&world, name).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(text("Bank.lab.test."), Some(vec!["192.0.2.7".into(), "2001:db8::7".into()]));
    assert_eq!((text("lab.test"), text("unknown.test")), (Some(Vec::new()), None));
}

#[test]
fn the_question_comes_back_letter_for_letter() {
    let message = query("BaNk.LaB.tEsT", TYPE::A);
    let answer = ask(&resolver(), &message, Transport::Udp);
    assert_eq!(answer.replies[0][12..message.len()], message[12..]);
}

#[test]
fn every_trick() {
    let forged = "203.0.113.1".parse().expect("an address");
    let of = |trick| outcome(&tricked(trick), "bank.lab.test", TYPE::A);
    assert_eq!(of(DnsTrick::Nxdomain).0, RCODE::NameError);
    assert_eq!(of(DnsTrick::Refused).0, RCODE::Refused);
    assert_eq!(of(DnsTrick::Servfail).0, RCODE::ServerFailure);
    assert_eq!(of(DnsTrick::Forge { address: forged }).1, ["A 203.0.113.1"]);
    assert_eq!(of(DnsTrick::StripHttpsRecord).1, ["A 192.0.2.7"]);
    assert_eq!(of(DnsTrick::Duplicate { address: forged }).1, ["A 203.0.113.1", "A 192.0.2.7"]);
    let forge = tricked(DnsTrick::Forge { address: forged });
    assert_eq!(outcome(&forge, "bank.lab.test", TYPE::AAAA), (RCODE::NoError, vec!["(no such record)".to_owned()]));

    let silent = ask(&tricked(DnsTrick::Timeout), &query("bank.lab.test", TYPE::A), Transport::Udp);
    assert!(silent.replies.is_empty());
    assert!(
        matches!(silent.event, Some(Event::DnsQuery { answer, rule, .. }) if answer == ["(silence)"] && rule.as_deref() == Some("a-rule"))
    );
    let double = ask(&tricked(DnsTrick::Duplicate { address: forged }), &query("bank.lab.test", TYPE::A), Transport::Udp);
    assert_eq!(double.replies.len(), 2);
    assert_eq!(outcome(&forge, "own.wild.test", TYPE::A).1, ["A 192.0.2.9"], "another name is left alone");
}

#[test]
fn a_large_answer_is_cut_over_udp_only() {
    let message = query("many.test", TYPE::A);
    let udp = ask(&resolver(), &message, Transport::Udp).replies.remove(0);
    let cut = Packet::parse(&udp).expect("parses");
    assert!(udp.len() <= 512 && cut.has_flags(PacketFlag::TRUNCATION) && cut.answers.is_empty());
    let tcp = ask(&resolver(), &message, Transport::Tcp).replies.remove(0);
    let whole = Packet::parse(&tcp).expect("parses");
    assert_eq!((whole.answers.len(), whole.has_flags(PacketFlag::TRUNCATION)), (120, false));
}

#[test]
fn odd_queries() {
    let good = query("bank.lab.test", TYPE::A);
    let rcode = |message: &[u8]| Packet::parse(&ask(&resolver(), message, Transport::Udp).replies[0]).expect("parses").rcode();
    let with = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        message
    };
    assert_eq!(rcode(&with(5, 2)), RCODE::FormatError, "two questions");
    assert_eq!(rcode(&with(5, 0)), RCODE::FormatError, "no question");
    assert_eq!(rcode(&with(2, 0x10)), RCODE::NotImplemented, "STATUS");
    assert_eq!(rcode(&with(good.len() - 1, 3)), RCODE::Refused, "class CHAOS");
    assert_eq!(rcode(&with(good.len() - 3, 252)), RCODE::Refused, "AXFR");
    assert_eq!(rcode(&good[..good.len() - 2]), RCODE::FormatError, "cut");
    assert_eq!(ask(&resolver(), &with(2, 0x80), Transport::Udp), Answer::default(), "an answer, not a query");
    assert_eq!(ask(&resolver(), &good[..11], Transport::Udp), Answer::default(), "no header");
    let mut unknown = good.clone();
    let at = unknown.len() - 4;
    unknown[at] = 0x12;
    let answer = ask(&resolver(), &unknown, Transport::Udp);
    assert_eq!(answer.replies[0][3] & 15, 0, "an unknown type of a known name is NOERROR");
    assert!(matches!(answer.event, Some(Event::DnsQuery { kind, .. }) if kind == "TYPE4609"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ask(&resolver(), &bytes, Transport::Udp);
    }

    #[test]
    fn a_query_with_any_byte_changed(at in 0usize..31, value: u8, tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut message = query("bank.lab.test", TYPE::A);
        message.extend(tail);
        message[at] = value;
        for reply in ask(&resolver(), &message, Transport::Udp).replies {
            prop_assert!(reply.len() <= 1232);
        }
    }
}

/// Runs `dig` against a resolver on two loopback addresses.
async fn dig(args: &[&str]) -> String {
    let recorder = Recorder::new();
    let resolver = Resolver::new(Arc::new(world()), recorder.clone());
    let mut tasks = Vec::new();
    let mut port = 0;
    for address in ["127.0.0.53", "127.0.0.54"] {
        let udp = UdpSocket::bind((address, port)).await.expect("a socket");
        port = udp.local_addr().expect("an address").port();
        let tcp = TcpListener::bind((address, port)).await.expect("a listener");
        tasks.push(serve_udp(FixedUdp::new(udp).expect("one address"), resolver.clone()));
        tasks.push(serve_tcp(Listener::transparent(tcp), resolver.clone()));
    }
    let mut command = tokio::process::Command::new("dig");
    command.args(["-p", &port.to_string(), "+tries=1", "+time=3"]).args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("dig runs");
    for task in tasks {
        task.abort();
    }
    assert!(!recorder.entries().is_empty(), "the queries are in the record");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn dig_is_content() {
    assert_eq!(dig(&["@127.0.0.53", "+short", "bank.lab.test"]).await, "192.0.2.7\n");
    assert_eq!(dig(&["@127.0.0.54", "+short", "+tcp", "bank.lab.test", "AAAA"]).await, "2001:db8::7\n");
    assert_eq!(dig(&["@127.0.0.53", "+short", "-x", "192.0.2.7"]).await, "bank.lab.test.\n");
    // Cut over UDP, dig asks again over TCP.
    assert_eq!(dig(&["@127.0.0.53", "+short", "+noedns", "many.test"]).await.lines().count(), 120);
    let nothing = dig(&["@127.0.0.54", "unknown.test"]).await;
    assert!(nothing.contains("status: NXDOMAIN") && nothing.contains("EDNS: version: 0") && nothing.contains("SOA"), "{nothing}");
    let plain = dig(&["@127.0.0.53", "+noedns", "bank.lab.test", "HTTPS"]).await;
    assert!(plain.contains("status: NOERROR") && plain.contains("ANSWER: 0") && !plain.contains("EDNS"), "{plain}");
    for way in ["+notcp", "+tcp"] {
        let told = dig(&["@127.0.0.53", "+short", way, "quick.test", "TYPE65"]).await;
        assert_eq!(told, "1 . alpn=\"h3,h2,http/1.1\" ech=AAb+DQACAQI=\n");
    }
    let version = dig(&["@127.0.0.53", "+edns=1", "+noednsneg", "bank.lab.test"]).await;
    assert!(version.contains("status: BADVERS"), "{version}");
    let pipelined = dig(&["@127.0.0.53", "+tcp", "+keepopen", "+short", "bank.lab.test", "own.wild.test"]).await;
    assert_eq!(pipelined, "192.0.2.7\n192.0.2.9\n");
    for odd in [&["@127.0.0.53", "bank.lab.test"][..], &["@127.0.0.53", "+tcp", "+dnssec", "+cookie", "bank.lab.test"]] {
        let answer = dig(odd).await;
        assert!(!answer.to_lowercase().contains("warning") && !answer.contains("malformed"), "{answer}");
    }
}
