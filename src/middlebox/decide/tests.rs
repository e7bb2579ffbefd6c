//! Each condition with its negative twin, the order of rules, and every reason to forward.

use proptest::prelude::*;
use time::macros::{datetime, time};

use super::*;
use crate::middlebox::sniff::{HttpHead, Protocol, Sniffed, sniff};
use crate::scenario::{Action, Chance, DnsTrick, First, Matcher, Network, ResidualPer, Schedule, World};
use crate::tls::hello::build::Build;

pub(super) fn context() -> Context {
    Context {
        phase: 0,
        now: datetime!(2019-07-20 12:00 +6),
        client: "192.0.2.7:40000".parse().expect("an address"),
        destination: "157.240.22.35:443".parse().expect("an address"),
        asn: Some(32934),
        direction: Direction::Outbound,
        transport: Transport::Tcp,
        origin: None,
        nonce: 1,
    }
}

pub(super) fn rule(name: &str) -> Rule {
    acting(name, Matcher::default(), Action::Intercept)
}

pub(super) fn acting(name: &str, when: Matcher, action: Action) -> Rule {
    Rule { name: name.to_owned(), when, action, sources: Vec::new(), unused_ok: None, line: 1 }
}

pub(super) fn plan(rules: Vec<Rule>) -> Plan {
    let network = Network { hops_inside: 0, hops_outside: 0, first: First::Stream, ipv6: false };
    let phase = Phase {
        name: "always".into(),
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
        name: "test".into(),
        title: String::new(),
        about: String::new(),
        sources: Vec::new(),
        file: "test.toml".into(),
        case: None,
        authority: None,
        world: World::default(),
        network,
        clock: context().now,
        seed: 7,
        phases: vec![phase],
        checks: Vec::new(),
    }
}

pub(super) fn hello(sni: &str) -> Seen {
    Seen::Hello(Box::new(Build::new().ciphers(&[0x1301]).sni(sni).alpn(&[b"h2", b"http/1.1"]).hello()))
}

fn http(host: &str) -> Seen {
    match sniff(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), First::Stream) {
        Sniffed::Seen(seen) => seen,
        Sniffed::More(_) => panic!("a whole head"),
    }
}

fn strings(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|&s| s.to_owned()).collect())
}

/// What was decided, in a few words; that the compiled plan decides the same is checked on the way.
fn say(plan: &Plan, seen: &Seen, context: &Context) -> String {
    let compiled = Compiled::new(Arc::new(plan.clone()));
    let word = |decision: Decision<'_>| {
        let record = decision.record(plan, context);
        format!("{} {} {}", record.action, record.reason, record.rule.unwrap_or("-".into()))
    };
    let said = word(decide(plan, seen, context));
    assert_eq!(said, word(compiled.decide(seen, context)));
    said
}

/// True if a rule with this matcher acts on what was seen.
fn acts(when: &Matcher, seen: &Seen, context: &Context) -> bool {
    say(&plan(vec![acting("r", when.clone(), Action::Drop { residual_s: 0, residual: ResidualPer::default() })]), seen, context)
        == "drop rule r"
}

#[test]
fn sni_of_every_form() {
    let when = |pattern: &str| Matcher { sni: strings(&[pattern, "unrelated.test"]), ..Matcher::default() };
    let holds = |pattern: &str, name: &str| acts(&when(pattern), &hello(name), &context());
    assert!(holds("google.com", "google.com") && !holds("google.com", "www.google.com"));
    assert!(holds("google.com", "Google.COM.") && !holds("google.com", "google.com.kz"));
    assert!(holds(".mit.edu", "web.mit.edu") && !holds(".mit.edu", "kermit.edu"));
    assert!(holds("*.mit.edu", "web.mit.edu") && !holds("*.mit.edu", "a.web.mit.edu"));
    assert!(holds("~mit.edu", "kermit.edu") && !holds("~mit.edu", "mit.test"));
    assert!(!acts(&when("google.com"), &http("google.com"), &context()));
    assert!(!acts(&when("google.com"), &Seen::NoHello(NoHello::Silence), &context()));
}

#[test]
fn host_is_for_plain_http_only() {
    let when = Matcher { host: strings(&["twitter.com"]), ..Matcher::default() };
    assert!(acts(&when, &http("Twitter.com:80"), &context()));
    assert!(!acts(&when, &http("www.twitter.com"), &context()) && !acts(&when, &hello("twitter.com"), &context()));
}

#[test]
fn a_missing_name_is_a_condition_too() {
    let nameless = Seen::Hello(Box::new(Build::new().ciphers(&[1]).hello()));
    let when = |no_sni| Matcher { no_sni: Some(no_sni), ..Matcher::default() };
    assert!(acts(&when(true), &nameless, &context()) && !acts(&when(true), &hello("a.test"), &context()));
    assert!(acts(&when(false), &hello("a.test"), &context()) && !acts(&when(false), &nameless, &context()));
    assert!(!acts(&when(true), &http("a.test"), &context()));
}

#[test]
fn alpn_and_ech() {
    let alpn = |p: &str| Matcher { alpn: strings(&[p]), ..Matcher::default() };
    assert!(acts(&alpn("h2"), &hello("a.test"), &context()) && !acts(&alpn("h3"), &hello("a.test"), &context()));
    let ech = |wanted| Matcher { ech: Some(wanted), ..Matcher::default() };
    let with = Seen::Hello(Box::new(Build::new().sni("a.test").extension(0xfe0d, &[0]).hello()));
    assert!(acts(&ech(true), &with, &context()) && !acts(&ech(true), &hello("a.test"), &context()));
    assert!(acts(&ech(false), &hello("a.test"), &context()) && !acts(&ech(false), &with, &context()));
}

#[test]
fn addresses_ports_and_ways() {
    let holds = |when: Matcher| acts(&when, &hello("a.test"), &context());
    let prefix = |text: &str, length| Some(vec![(text.parse().expect("an address"), length)]);
    assert!(holds(Matcher { port: Some(vec![80, 443]), ..Matcher::default() }));
    assert!(!holds(Matcher { port: Some(vec![8443]), ..Matcher::default() }));
    assert!(holds(Matcher { client: prefix("192.0.2.0", 24), ..Matcher::default() }));
    assert!(!holds(Matcher { client: prefix("198.51.100.0", 24), ..Matcher::default() }));
    assert!(holds(Matcher { address: prefix("157.240.0.0", 16), ..Matcher::default() }));
    assert!(!holds(Matcher { address: prefix("192.0.2.0", 24), ..Matcher::default() }));
    assert!(holds(Matcher { asn: Some(vec![9198, 32934]), ..Matcher::default() }));
    assert!(!holds(Matcher { asn: Some(vec![9198]), ..Matcher::default() }));
    assert!(holds(Matcher { transport: Some(Transport::Tcp), ..Matcher::default() }));
    assert!(!holds(Matcher { transport: Some(Transport::Udp), ..Matcher::default() }));
    assert!(holds(Matcher { direction: Some(Direction::Outbound), ..Matcher::default() }));
    assert!(!holds(Matcher { direction: Some(Direction::Inbound), ..Matcher::default() }));
    let unknown = Context { asn: None, ..context() };
    assert!(!acts(&Matcher { asn: Some(vec![32934]), ..Matcher::default() }, &hello("a.test"), &unknown));
}

#[test]
fn the_origin_is_asked_only_if_all_else_holds() {
    let when = |chance| Matcher { sni: strings(&["a.test"]), origin: Some(OriginTrust::Trusted), chance, ..Matcher::default() };
    let never = Some(Chance { probability: 0.0, per_path: true });
    let plan = |chance| plan(vec![acting("r", when(chance), Action::Intercept)]);
    let knowing = |origin| Context { origin: Some(origin), ..context() };
    assert!(matches!(decide(&plan(None), &hello("a.test"), &context()), Decision::AskOrigin));
    assert_eq!(say(&plan(None), &hello("b.test"), &context()), "forward not-listed -");
    assert_eq!(say(&plan(never), &hello("a.test"), &context()), "forward coin r");
    assert_eq!(say(&plan(None), &hello("a.test"), &knowing(OriginTrust::Trusted)), "intercept rule r");
    assert_eq!(say(&plan(None), &hello("a.test"), &knowing(OriginTrust::Untrusted)), "forward origin-untrusted r");
}

#[test]
fn a_coin_is_recorded_whichever_way_it_falls() {
    let with = |probability| {
        let when = Matcher { chance: Some(Chance { probability, per_path: false }), ..Matcher::default() };
        plan(vec![acting("r", when, Action::Intercept)])
    };
    let record = |probability| {
        let plan = with(probability);
        decide(&plan, &hello("a.test"), &context()).record(&plan, &context())
    };
    let (always, never) = (record(1.0), record(0.0));
    assert_eq!((always.action.as_str(), never.action.as_str()), ("intercept", "forward"));
    assert_eq!(always.coin.map(|c| c.0), never.coin.map(|c| c.0));
    assert_eq!((always.coin.map(|c| c.1), never.coin.map(|c| c.1)), (Some(1.0), Some(0.0)));
    let half = with(0.5);
    let hits = (0..1000).filter(|&nonce| say(&half, &hello("a.test"), &Context { nonce, ..context() }).starts_with("inter"));
    assert!((440..560).contains(&hits.count()));
}

#[test]
fn hours() {
    let schedule = Some(Schedule { daily: vec![(time!(9:00), time!(13:00))] });
    let plan = plan(vec![acting("r", Matcher { schedule, ..Matcher::default() }, Action::Intercept)]);
    let at = |now| say(&plan, &hello("a.test"), &Context { now, ..context() });
    assert_eq!(at(datetime!(2019-07-20 12:00 +6)), "intercept rule r");
    assert_eq!(at(datetime!(2019-07-20 12:00 UTC).to_offset(time::macros::offset!(+6))), "forward out-of-schedule r");
}

#[test]
fn the_first_match_wins_and_a_later_match_outdoes_a_near_miss() {
    let sni = |name: &str| Matcher { sni: strings(&[name]), ..Matcher::default() };
    let never = Matcher { chance: Some(Chance { probability: 0.0, per_path: true }), ..Matcher::default() };
    let rules = vec![
        acting("unlucky", never, Action::Intercept),
        acting("spared", sni("a.test"), Action::Forward),
        acting("listed", sni(".test"), Action::Reset { to: Default::default() }),
    ];
    let plan = plan(rules);
    assert_eq!(say(&plan, &hello("a.test"), &context()), "forward rule spared");
    assert_eq!(say(&plan, &hello("b.test"), &context()), "reset rule listed");
    assert_eq!(say(&plan, &hello("b.example"), &context()), "forward coin unlucky");
}

#[test]
fn forwarding_always_has_a_reason() {
    let listed = plan(vec![acting("r", Matcher { sni: strings(&["a.test"]), ..Matcher::default() }, Action::Intercept)]);
    assert_eq!(say(&plan(vec![]), &hello("a.test"), &context()), "forward no-rules -");
    assert_eq!(say(&listed, &hello("a.test"), &Context { phase: 9, ..context() }), "forward no-rules -");
    assert_eq!(say(&listed, &hello("b.test"), &context()), "forward not-listed -");
    assert_eq!(say(&listed, &Seen::NoHello(NoHello::Split), &context()), "forward no-hello -");
    let anything = plan(vec![rule("r")]);
    assert_eq!(say(&anything, &http("a.test"), &context()), "forward cannot-act r");
    assert_eq!(say(&anything, &Seen::NoHello(NoHello::Silence), &context()), "forward no-hello -");
    assert_eq!(say(&anything, &Seen::Plain { protocol: Protocol::Smtp }, &context()), "intercept rule r");
    let quic = Context { transport: Transport::Udp, ..context() };
    assert_eq!(say(&anything, &hello("a.test"), &quic), "forward cannot-act r");
    let page = plan(vec![acting("r", Matcher::default(), Action::Page { file: "p".into(), status: 403, body: String::new() })]);
    assert_eq!(say(&page, &hello("a.test"), &context()), "forward cannot-act r");
    assert_eq!(say(&page, &http("a.test"), &context()), "page rule r");
}

#[test]
fn a_syn_is_decided_by_rules_that_need_no_bytes() {
    let sni = Matcher { sni: strings(&["a.test"]), ..Matcher::default() };
    let port = |p| Matcher { port: Some(vec![p]), ..Matcher::default() };
    let plan = plan(vec![
        acting("named", sni, Action::Refuse),
        acting("spared", port(25), Action::Forward),
        acting("later", port(80), Action::Cut),
        acting("refused", Matcher::default(), Action::Refuse),
    ]);
    let at = |port| {
        let context = Context { destination: ([192, 0, 2, 1], port).into(), ..context() };
        let record = decide_syn(&plan, &context).record(&plan, &context);
        format!("{} {} {}", record.action, record.reason, record.rule.unwrap_or_default())
    };
    assert_eq!([at(443), at(25), at(80)], ["refuse rule refused", "forward rule spared", "forward later later"]);
    // a rule for the SYN is never asked on the first bytes
    assert_eq!(say(&plan, &hello("a.test"), &context()), "forward not-listed -");
}

#[test]
fn queries_are_decided_by_name() {
    let name = Matcher { name: strings(&[".facebook.com"]), ..Matcher::default() };
    let plan = plan(vec![rule("intercept"), acting("lie", name, Action::Dns(DnsTrick::Nxdomain))]);
    let ask = |name: &str| decide_dns(&plan, name, &context()).record(&plan, &context());
    assert_eq!((ask("WWW.Facebook.com.").action.as_str(), ask("WWW.Facebook.com.").rule.as_deref()), ("dns", Some("lie")));
    assert_eq!(ask("notfacebook.com").reason, "not-listed");
    let compiled = Compiled::new(Arc::new(plan.clone()));
    assert!(matches!(compiled.decide_dns("facebook.com", &context()), Decision::Act { .. }));
    assert_eq!(say(&plan, &http("www.facebook.com"), &context()), "forward cannot-act intercept");
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let head = |host| HttpHead { method: "GET".into(), target: "/".into(), host, minor: 1, headers: Vec::new(), length: 0 };
    prop_oneof![
        "[ab.~*\\PC]{0,12}".prop_map(|name| hello(&name)),
        proptest::option::of("[ab.]{0,6}").prop_map(move |host| Seen::Http(head(host))),
        Just(Seen::Plain { protocol: Protocol::Imap }),
        Just(Seen::NoHello(NoHello::Timeout)),
    ]
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_compiling_changes_nothing(
        seen in any_seen(),
        sni in proptest::option::of(prop::collection::vec("[~*]?[.]?[ab.]{0,4}", 0..4)),
        host in proptest::option::of(prop::collection::vec("[.]?[ab.]{0,4}", 0..4)),
        length: u8,
        probability in -1.0..2.0f64,
        nonce: u64,
    ) {
        let chance = Some(Chance { probability, per_path: false });
        let client = Some(vec![("192.0.2.0".parse().expect("an address"), length)]);
        let plan = plan(vec![
            acting("a", Matcher { sni, client, ..Matcher::default() }, Action::Intercept),
            acting("b", Matcher { host, chance, ..Matcher::default() }, Action::Cut),
        ]);
        say(&plan, &seen, &Context { nonce, ..context() });
        decide_syn(&plan, &context());
        decide_dns(&plan, "a.b", &context());
    }
}
