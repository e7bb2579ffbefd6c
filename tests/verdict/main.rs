//! Judging, replayed from measurements: what some 35 real clients did under a forged certificate, as the events that a
//! terminating end reports, and the verdict that is right. The rows are those of the measured matrix:
//! `REJ n` an alert before the handshake was complete, `HSO` handshake done, no data, closed; `ABT` closed during the
//! handshake without an alert; `ACC` application data. `a|b` is TLS 1.2 and TLS 1.3.

mod played;
mod upgrades;

use mitmlab::record::{Bytes, LegKind, Observer};
use mitmlab::scenario::{Check, CheckClient, Detector, Expect, Says, Trust, VerdictKind, Voice};
use mitmlab::verdict::{Grade, LegTruth, Outcome, Reaction, Surroundings, judge, reaction, target};
use played::{HOST, addresses, around, check, leg, leg_with};

/// client, untrusted root, expired, wrong host (empty where it was not measured).
const MATRIX: [(&str, &str, &str, &str); 34] = [
    ("curl (OpenSSL)", "REJ 48", "REJ 45", "HSO cn"),
    ("libcurl-GnuTLS", "HSO cn", "HSO cn", "HSO cn"),
    ("libcurl-NSS", "REJ 48", "REJ 45", "REJ 42"),
    ("wget", "HSO fin|HSO rst", "HSO fin", "HSO fin"),
    ("python urllib", "REJ 48", "REJ 45", "REJ 42"),
    ("requests", "REJ 48", "REJ 45", "REJ 42"),
    ("httpx", "REJ 48", "REJ 45", "REJ 42"),
    ("aiohttp", "ABT fin", "ABT fin", "ABT fin"),
    ("curl_cffi", "HSO fin", "HSO fin", "HSO fin"),
    ("node", "HSO fin|ABT fin", "HSO fin|ABT fin", "HSO fin|ABT fin"),
    ("deno", "REJ 48", "REJ 45", "REJ 42"),
    ("bun", "ABT rst", "ABT rst", "ABT rst"),
    ("Java HttpClient", "ABT fin", "ABT fin", "ABT fin"),
    ("Java HttpsURLConnection", "REJ 46", "REJ 45|REJ 46", "REJ 46"),
    ("git", "HSO cn", "HSO cn", "HSO cn"),
    ("s_client -verify_return_error", "REJ 48", "REJ 45", "REJ 42"),
    ("gnutls-cli", "REJ 42", "REJ 42", "REJ 42"),
    ("perl LWP", "REJ 48", "REJ 45", "REJ 80"),
    ("php streams", "REJ 48", "REJ 45", "HSO cn"),
    ("php curl", "REJ 48", "REJ 45", "HSO cn"),
    ("ruby", "REJ 48", "REJ 45", "REJ 42"),
    ("go", "REJ 42", "REJ 42", "REJ 42"),
    ("aria2c", "HSO cn", "HSO cn", "HSO cn"),
    ("lynx", "HSO fin", "HSO fin", "HSO fin"),
    ("socat", "REJ 48", "REJ 45", "HSO cn"),
    ("apt", "ABT rst|ABT cn", "ABT rst", "ABT rst"),
    ("cargo", "REJ 48", "REJ 45", "HSO fin"),
    ("pip 23", "REJ 48", "REJ 45", "HSO fin"),
    ("pip 26", "REJ 48", "REJ 45", "REJ 42"),
    ("npm", "HSO fin|ABT fin", "HSO fin|ABT fin", "HSO fin|ABT fin"),
    ("uv", "REJ 48", "REJ 45", "REJ 42"),
    ("rustls + webpki-roots or native-certs", "REJ 48", "", ""),
    ("chromium", "REJ 46", "REJ 46", "REJ 46"),
    ("firefox-esr", "REJ 48", "HSREJ 45|REJ 45", "HSREJ 42|REJ 42"),
];

/// Pinned clients whose device trusts the forged root: TLS 1.2, TLS 1.3 with a wrong pin.
const PINNED: [(&str, &str); 7] = [
    ("curl --pinnedpubkey", "HSO cn|HSO cn"),
    ("wget --pinnedpubkey", "HSO fin|HSO rst"),
    ("Java, a check after connect", "HSO fin|HSO rst"),
    ("urllib3 assert_fingerprint", "HSO fin|HSO fin"),
    ("aiohttp.Fingerprint", "HSO cn|HSO cn"),
    ("node checkServerIdentity", "HSO fin|ABT fin"),
    ("Go VerifyPeerCertificate", "REJ 42|REJ 42"),
];

#[test]
fn every_measured_refusal_is_a_refusal() {
    let mut seen = 0;
    for (client, untrusted, expired, wrong_host) in MATRIX {
        for shape in [untrusted, expired, wrong_host].into_iter().flat_map(|cell| cell.split('|')).filter(|s| !s.is_empty()) {
            let verdict = differential("ACC", shape);
            assert_eq!(verdict.verdict, VerdictKind::Refused, "{client}: {shape}: {}", verdict.signal);
            seen += 1;
        }
    }
    for (client, shapes) in PINNED {
        for shape in shapes.split('|') {
            assert_eq!(differential("ACC", shape).verdict, VerdictKind::Refused, "{client}: {shape}");
            seen += 1;
        }
    }
    assert!(seen >= 72, "{seen} refusals were measured");
}

#[test]
fn every_measured_acceptance_is_an_exposure() {
    for (client, ..) in MATRIX {
        let verdict = differential("ACC", "ACC");
        assert_eq!(verdict.verdict, VerdictKind::Exposed, "{client}");
        assert_eq!(verdict.signal, "sent 78 bytes to the forged server");
    }
    for shape in ["ACC 90", "ACC 48", "ACC 42"] {
        assert_eq!(differential("ACC", shape).verdict, VerdictKind::Exposed, "{shape}: data outweighs a later alert");
    }
}

#[test]
fn look_alikes_are_neither() {
    // control, test, verdict
    let rows = [
        ("ABT fin", "ABT fin", VerdictKind::Inconclusive), // curl --cacert /nonexistent: fails in both legs
        ("NEG 70", "NEG 70", VerdictKind::Inconclusive),   // the lab's TLS settings
        ("ACC", "NEG 70", VerdictKind::Inconclusive),      //
        ("ACC", "CNEG 40", VerdictKind::Inconclusive),     // a cipher or a version was not agreed
        ("ACC", "CNEG 120", VerdictKind::Inconclusive),    //
        ("HSO cn", "HSO cn", VerdictKind::HandshakeOnly),  // s_client </dev/null, nmap ssl-cert, sslscan, check_http -C
        ("HSO fin", "HSO rst", VerdictKind::HandshakeOnly), //
        ("HSO cn", "REJ 48", VerdictKind::Refused),        // s_client -verify_return_error </dev/null
        ("HSO cn", "ABT fin", VerdictKind::Inconclusive),  //
        ("REJ 48", "REJ 48", VerdictKind::Inconclusive),   // refuses everything: its trust was never set up
        ("REJ 48", "HSO cn", VerdictKind::Inconclusive),   //
        ("none", "HSO cn", VerdictKind::Inconclusive),     // the control leg never came
        ("none", "ABT fin", VerdictKind::Inconclusive),    //
        ("none", "REJ 48", VerdictKind::Refused),          // an alert speaks for itself; the report says what is missing
        ("ACC", "none", VerdictKind::NotContacted),        //
        ("ACC", "IDLE", VerdictKind::Inconclusive),        // a speculative socket and nothing else
        ("ACC", "LAB", VerdictKind::Inconclusive),         // the lab hung up
        ("ACC", "DEADLINE", VerdictKind::Inconclusive),    // still open when the leg ended
        ("ACC", "RESUMED", VerdictKind::Inconclusive),     // no certificate was shown
        ("ACC", "PLAIN", VerdictKind::Inconclusive),       // curl http://host:443
        ("ACC", "ABT cn", VerdictKind::Refused),           // apt: a close_notify before completion is no alert
        ("ACC", "ABT 90", VerdictKind::Refused),           // user_canceled is an ordinary end
    ];
    for (control, test, right) in rows {
        let verdict = differential(control, test);
        assert_eq!(verdict.verdict, right, "control {control}, test {test}: {}", verdict.signal);
        assert!(!verdict.signal.is_empty());
    }
    let verdict = target(HOST, &around(), None, &leg(LegKind::Test, &["HSO cn"], true));
    assert_eq!(verdict.verdict, VerdictKind::HandshakeOnly, "{}", verdict.signal);
    let verdict = target(HOST, &around(), None, &leg(LegKind::Test, &["ABT fin"], true));
    assert_eq!(verdict.verdict, VerdictKind::Inconclusive, "{}", verdict.signal);
}

#[test]
fn whoever_was_killed_has_not_refused() {
    let control = leg(LegKind::Control, &["ACC"], false);
    for shape in ["HSO fin", "ABT fin", "ABT rst"] {
        let test = leg(LegKind::Test, &[shape], true);
        let closed = test.connections[0].closed_us.expect("it was closed");
        let judged = |test: &LegTruth| target(HOST, &around(), Some(&control), test);
        let crashed = judged(&LegTruth { exit: None, signal: Some(11), ..test.clone() });
        assert_eq!(crashed.verdict, VerdictKind::Inconclusive, "{shape}");
        assert!(crashed.signal.contains("signal 11"), "{}", crashed.signal);
        let at_the_deadline = LegTruth { timed_out: true, signal: Some(9), killed_us: Some(closed), ..test.clone() };
        assert_eq!(judged(&at_the_deadline).verdict, VerdictKind::Inconclusive, "{shape}");
        // hung up first, and then did not end: a program with a window
        let before_that = LegTruth { killed_us: Some(closed + 1), ..at_the_deadline };
        assert_eq!(judged(&before_that).verdict, VerdictKind::Refused, "{shape}");
    }
    let told = LegTruth { exit: None, signal: Some(11), ..leg(LegKind::Test, &["REJ 48"], true) };
    let told = target(HOST, &around(), Some(&control), &told);
    assert_eq!(told.verdict, VerdictKind::Refused, "an alert is the client's own word");
}

#[test]
fn a_control_that_only_spoke_in_the_clear_proves_nothing() {
    let control = leg(LegKind::Control, &["HTTP", "HSO cn"], false);
    let verdict = target(HOST, &around(), Some(&control), &leg(LegKind::Test, &["HSO cn"], true));
    assert_eq!(verdict.verdict, VerdictKind::HandshakeOnly, "{}", verdict.signal);
}

#[test]
fn reactions_are_named_for_what_the_client_did() {
    let rows = [
        ("ACC", Reaction::SentData { bytes: 78 }),
        ("ACC 90", Reaction::SentData { bytes: 78 }),
        ("REJ 48", Reaction::Alert { number: 48, after_handshake: false }),
        ("HSREJ 45", Reaction::Alert { number: 45, after_handshake: true }),
        ("HSO cn", Reaction::HungUp),
        ("HSO rst", Reaction::HungUp),
        ("HSO 90", Reaction::HungUp),
        ("ABT rst", Reaction::ClosedSilently),
        ("ABT cn", Reaction::ClosedSilently),
        ("IDLE", Reaction::Silent),
        ("NEG 70", Reaction::Hindered),
        ("LAB", Reaction::Hindered),
        ("DEADLINE", Reaction::Hindered),
        ("CNEG 40", Reaction::Unclear),
        ("CNEG 47", Reaction::Unclear),
    ];
    for (shape, right) in rows {
        assert_eq!(reaction(&leg(LegKind::Test, &[shape], true).connections[0]), right, "{shape}");
    }
}

#[test]
fn an_http2_preface_is_data_and_is_said_to_be_no_request() {
    let mut test = leg(LegKind::Test, &["ACC"], true);
    let connection = &mut test.connections[0];
    connection.requests.clear();
    connection.client_half.handshake.as_mut().expect("done").alpn = Some("h2".to_owned());
    let verdict = target(HOST, &around(), None, &test);
    assert_eq!(verdict.verdict, VerdictKind::Exposed);
    assert!(verdict.remarks[0].contains("HTTP/2 preface and no request"), "{:?}", verdict.remarks);
}

#[test]
fn many_connections_make_one_verdict() {
    let rows: [(&[&str], VerdictKind, &str); 7] = [
        (&["REJ 48", "ACC"], VerdictKind::Exposed, "fails open"),
        (&["ACC", "HSO cn", "IDLE"], VerdictKind::Exposed, ""),
        (&["REJ 46", "REJ 46", "REJ 46", "IDLE"], VerdictKind::Refused, ""),
        (&["REJ 46", "HTTP"], VerdictKind::Refused, "in the clear"),
        (&["HTTP", "REJ 46"], VerdictKind::Refused, ""),
        (&["HTTP", "DEADLINE"], VerdictKind::Inconclusive, ""), // what went in the clear does not speak for TLS
        (&["HTTP"], VerdictKind::Untouched, ""),
    ];
    for (shapes, right, remark) in rows {
        let verdict = target(HOST, &around(), Some(&leg(LegKind::Control, &["ACC"], false)), &leg(LegKind::Test, shapes, true));
        assert_eq!(verdict.verdict, right, "{shapes:?}: {}", verdict.signal);
        let remarks = verdict.remarks.join(" / ");
        assert_eq!(remarks.is_empty(), remark.is_empty(), "{shapes:?}: {remarks}");
        assert!(remarks.contains(remark), "{shapes:?}: {remarks}");
    }
}

#[test]
fn a_genuine_server_is_untouched_or_hindered() {
    let rows = [
        ("ACC", "forward", VerdictKind::Untouched),
        ("HTTP", "forward", VerdictKind::Untouched),
        ("PLAIN", "forward", VerdictKind::Inconclusive), // curl http://host:443
        ("HTTP", "page", VerdictKind::Blocked),
        ("HTTP", "redirect", VerdictKind::Blocked),
        ("HTTP", "cut", VerdictKind::Blocked),
        ("ABT rst", "reset", VerdictKind::Blocked),
        ("ABT fin", "alert", VerdictKind::Blocked),
        ("LAB", "close", VerdictKind::Blocked),
        ("IDLE", "drop", VerdictKind::Blocked),
        ("IDLE", "drop-syn", VerdictKind::Blocked),
        ("IDLE", "refuse", VerdictKind::Blocked),
        ("ACC", "stall", VerdictKind::Blocked),
        ("ACC", "drop-after", VerdictKind::Blocked),
        ("HSO cn", "forward", VerdictKind::HandshakeOnly),
        ("REJ 48", "forward", VerdictKind::Inconclusive), // a client that does not trust the lab's public roots
        ("ABT fin", "forward", VerdictKind::Inconclusive),
    ];
    for (shape, action, right) in rows {
        let mut test = LegTruth { exit: Some(28), ..leg_with(LegKind::Test, &[(shape, action)]) };
        let control = leg(LegKind::Control, &["ACC"], false);
        let verdict = target(HOST, &around(), Some(&control), &test);
        assert_eq!(verdict.verdict, right, "{shape} {action}: {}", verdict.signal);
        if matches!(action, "stall" | "drop-after") {
            test.exit = Some(0);
            let verdict = target(HOST, &around(), Some(&control), &test);
            assert_eq!(
                verdict.verdict,
                VerdictKind::Untouched,
                "{shape} {action}: the limit was not reached: {}",
                verdict.signal
            );
            assert!(verdict.remarks[0].contains("finished as in its control leg"), "{:?}", verdict.remarks);
        }
    }
}

#[test]
fn a_bad_genuine_chain_is_judged_like_a_forged_one() {
    let around = Surroundings::new("always", addresses, |_| Some("the genuine certificate has expired".to_owned()));
    let control = leg(LegKind::Control, &["ACC"], false);
    for (shape, right) in [("REJ 45", VerdictKind::Refused), ("HSO cn", VerdictKind::Refused), ("ACC", VerdictKind::Exposed)] {
        let verdict = target(HOST, &around, Some(&control), &leg_with(LegKind::Test, &[(shape, "forward")]));
        assert_eq!(verdict.verdict, right, "{shape}");
    }
    let trusts_nothing = LegTruth { trust: Trust::None, ..leg_with(LegKind::Test, &[("ACC", "forward")]) };
    let verdict = target(HOST, &played::around(), Some(&control), &trusts_nothing);
    assert_eq!(
        (verdict.verdict, verdict.signal.as_str()),
        (VerdictKind::Exposed, "sent 78 bytes although the client trusts no root")
    );
}

#[test]
fn another_address_is_not_the_target() {
    let elsewhere = Surroundings::new("always", |_| vec!["198.51.100.7".parse().expect("an address")], |_| None);
    let control = leg(LegKind::Control, &["ACC"], false);
    let verdict = |shape| target(HOST, &elsewhere, Some(&control), &leg_with(LegKind::Test, &[(shape, "forward")]));
    assert_eq!(verdict("ACC").verdict, VerdictKind::Exposed, "TLS with whoever stands at the forged address");
    assert_eq!(verdict("REJ 42").verdict, VerdictKind::Refused);
    assert_eq!(verdict("HTTP").verdict, VerdictKind::Blocked, "led to a portal");
}

#[test]
fn names_decide_whose_connection_it_is() {
    let test = leg(LegKind::Test, &["ACC"], true);
    for host in ["bank.lab.test", "BANK.lab.test."] {
        assert_eq!(target(host, &around(), None, &test).verdict, VerdictKind::Exposed, "{host}");
    }
    assert_eq!(target("other.lab.test", &around(), None, &test).verdict, VerdictKind::NotContacted);
    let mut nameless = test.clone();
    nameless.connections[0].hello.as_mut().expect("a hello").sni = None;
    nameless.connections[0].requests.clear();
    assert_eq!(target(HOST, &around(), None, &nameless).verdict, VerdictKind::Exposed, "by its address");
    assert_eq!(target("192.0.2.99", &around(), None, &nameless).verdict, VerdictKind::NotContacted);
}

#[test]
fn a_name_that_the_box_answered_is_blocked_not_absent() {
    let mut test = leg(LegKind::Test, &[], true);
    test.lookups.push(mitmlab::verdict::Lookup {
        name: HOST.to_owned(),
        kind: "A".to_owned(),
        answer: vec!["NXDOMAIN".to_owned()],
        rule: Some("no-name".to_owned()),
    });
    let verdict = target(HOST, &around(), None, &test);
    assert_eq!(verdict.verdict, VerdictKind::Blocked);
    assert_eq!(verdict.signal, "its name was answered with NXDOMAIN by rule `no-name`");
}

#[test]
fn nothing_seen_passes_nothing() {
    let expect_exit = Expect { exit: Some(0), ..Expect::default() };
    let vacuous = judge(&check(expect_exit), &around(), None, &leg(LegKind::Test, &[], true));
    assert!(matches!(&vacuous.outcome, Outcome::Failed(all) if all[0].seen == "not-contacted"), "{:?}", vacuous.outcome);
    let failing = |client| {
        let control = leg(LegKind::Control, &["ABT fin"], false);
        let check = Check { client, ..check(Expect { exit: Some(0), ..Expect::default() }) };
        judge(&check, &around(), Some(&control), &leg(LegKind::Test, &["ABT fin"], true)).outcome
    };
    let outcome = failing(CheckClient::Command(vec!["curl".to_owned()]));
    assert!(matches!(&outcome, Outcome::Failed(all) if all[0].seen == "inconclusive"), "{outcome:?}");
    let said = Expect { verdict: vec![VerdictKind::NotContacted], ..Expect::default() };
    assert_eq!(judge(&check(said), &around(), None, &leg(LegKind::Test, &[], true)).outcome, Outcome::Passed);
}

#[test]
fn only_what_is_named_is_compared() {
    let control = leg(LegKind::Control, &["ACC"], false);
    let test = LegTruth {
        exit: Some(60),
        stderr_tail: "curl: (60) no local issuer\n".to_owned(),
        ..leg(LegKind::Test, &["REJ 48"], true)
    };
    let outcome = |expect| judge(&check(expect), &around(), Some(&control), &test).outcome;
    let all = Expect {
        verdict: vec![VerdictKind::Refused],
        action: Some("intercept".to_owned()),
        rule: Some("the-rule".to_owned()),
        exit: Some(60),
        exit_nonzero: Some(true),
        alert: Some(48),
        stderr: Some("(60)".to_owned()),
        finding: None,
        messages: None,
    };
    assert_eq!(outcome(all.clone()), Outcome::Passed);
    let wrong = [
        ("verdict", Expect { verdict: vec![VerdictKind::Exposed], ..all.clone() }),
        ("action", Expect { action: Some("reset".to_owned()), ..all.clone() }),
        ("rule", Expect { rule: Some("other".to_owned()), ..all.clone() }),
        ("exit", Expect { exit: Some(0), ..all.clone() }),
        ("exit", Expect { exit_nonzero: Some(false), exit: None, ..all.clone() }),
        ("alert", Expect { alert: Some(42), ..all.clone() }),
        ("stderr", Expect { stderr: Some("(90)".to_owned()), ..all.clone() }),
        ("finding", Expect { finding: Some("intercepted".to_owned()), ..all.clone() }),
    ];
    for (what, expect) in wrong {
        let Outcome::Failed(differences) = outcome(expect) else { panic!("{what} was not compared") };
        assert_eq!(differences.iter().map(|d| d.what.as_str()).collect::<Vec<_>>(), [what]);
        assert!(!differences[0].evidence.is_empty());
    }
}

#[test]
fn every_connection_that_decides_must_agree_with_the_action() {
    let mut test = leg(LegKind::Test, &["REJ 48", "REJ 48"], true);
    let control = leg(LegKind::Control, &["ACC"], false);
    let outcome = |test: &LegTruth| {
        let expect = Expect { rule: Some("the-rule".to_owned()), ..Expect::default() };
        judge(&check(expect), &around(), Some(&control), test).outcome
    };
    assert_eq!(outcome(&test), Outcome::Passed);
    test.connections[1].decisions[0].rule = Some("another".to_owned());
    assert!(matches!(outcome(&test), Outcome::Failed(all) if all[0].seen == "`another`"));
}

#[test]
fn a_detector_is_graded_by_what_it_says_in_two_legs() {
    let rows = [
        (true, "clean", "intercepted", Grade::TruePositive),
        (true, "clean", "clean", Grade::FalseNegative),
        (false, "clean", "clean", Grade::TrueNegative),
        (false, "clean", "intercepted", Grade::FalsePositive),
    ];
    for (forged, before, after, grade) in rows {
        let says = |words: &str, leg: LegTruth| LegTruth { stdout_head: format!("{{\"finding\":\"{words}\"}}"), ..leg };
        let detector = Detector { run: vec!["detector".to_owned()], voice: Voice::of(Says::Json("/finding".to_owned())) };
        let expect = Expect { finding: Some(after.to_owned()), ..Expect::default() };
        let check = Check { client: CheckClient::Detector(detector), ..check(expect) };
        let control = says(before, leg(LegKind::Control, &["HSO cn"], false));
        // a detector that closes during the handshake: nothing can be said of its trust, and its finding stands
        let judged = judge(&check, &around(), Some(&control), &says(after, leg(LegKind::Test, &["ABT fin"], forged)));
        assert_eq!((judged.outcome, judged.grade), (Outcome::Passed, Some(grade)));
        let mute = judge(&check, &around(), Some(&control), &leg(LegKind::Test, &["ABT fin"], forged));
        assert!(matches!(&mute.outcome, Outcome::Failed(all) if all[0].seen == "unreadable"), "{:?}", mute.outcome);
        assert_eq!(mute.grade, None);
    }
}

#[test]
fn background_hosts_are_listed_and_not_judged() {
    let mut test = leg(LegKind::Test, &["REJ 46", "ACC", "ACC"], true);
    for connection in &mut test.connections[1..] {
        connection.hello.as_mut().expect("a hello").sni = Some("update.example".to_owned());
        connection.requests.clear();
    }
    let expect = Expect { verdict: vec![VerdictKind::Refused], ..Expect::default() };
    let judged = judge(&check(expect), &around(), Some(&leg(LegKind::Control, &["ACC"], false)), &test);
    assert_eq!((judged.outcome, judged.background), (Outcome::Passed, vec!["update.example".to_owned()]));
}

#[test]
fn the_wire_alone_is_a_weaker_witness() {
    let mut connection = leg(LegKind::Test, &["ACC"], true).connections.remove(0);
    connection.requests.clear();
    connection.client_half.observer = Some(Observer::Wire);
    connection.client_half.bytes = Bytes { raw_up: 700, raw_down: 4000, app_up: None, app_down: None };
    assert_ne!(reaction(&connection), Reaction::SentData { bytes: 700 }, "a hello and a second flight may be so long");
    connection.client_half.bytes.raw_up = 5000;
    assert!(matches!(reaction(&connection), Reaction::SentData { .. }));
    connection.client_half.bytes.app_up = Some(0);
    assert!(!matches!(reaction(&connection), Reaction::SentData { .. }), "records were counted: none of application data");
}

fn differential(control: &str, test: &str) -> mitmlab::verdict::TargetVerdict {
    let shapes = |shape: &'static str| if shape == "none" { vec![] } else { vec![shape] };
    let (control, test) = (leak(control), leak(test));
    target(HOST, &around(), Some(&leg(LegKind::Control, &shapes(control), false)), &leg(LegKind::Test, &shapes(test), true))
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
