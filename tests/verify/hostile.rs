//! Clients that hang, crash, print garbage, leave children, change their own trust or go past the proxy: reported as what they are, the
//! deadline kept, the children ended.

use std::time::{Duration, Instant};

use mitmlab::verdict::verify::{Agreement, Answer};

use super::{report, there};

const TWO: &str = "genuine,untrusted-root";

fn sh(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

#[test]
fn a_client_that_hangs_is_ended_at_its_deadline_and_never_passes() {
    let began = Instant::now();
    let (report, code) = report(&["--only", TWO, "--deadline", "1"], &sh("sleep 600"));
    assert_eq!(code, 3);
    for case in &report.cases {
        assert_eq!((case.answer, case.agrees), (Answer::Inconclusive, Agreement::Open), "{case:#?}");
        assert!(case.signal.contains("ended at its deadline"), "{}", case.signal);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_client_that_crashes_has_not_refused() {
    if !there("curl") {
        return;
    }
    let after_the_first = "curl -sS -o /dev/null {url} 2>/dev/null; kill -SEGV $$";
    let (report, code) = report(&["--only", TWO], &sh(after_the_first));
    assert_eq!(code, 0, "an alert was sent before the crash: {:#?}", report.cases.iter().map(|c| &c.signal).collect::<Vec<_>>());
    assert!(report.cases.iter().all(|case| case.signal.contains("signal 11")));
    let (report, code) = super::report(&["--only", TWO], &sh("kill -SEGV $$"));
    assert_eq!(code, 3);
    assert!(report.cases.iter().all(|case| case.answer == Answer::Inconclusive && case.signal.contains("signal 11")));
}

#[test]
fn garbage_is_no_answer_and_does_no_harm() {
    let (report, code) = report(&["--only", TWO], &sh("head -c 3000000 /dev/urandom; head -c 3000000 /dev/urandom >&2; exit 7"));
    assert_eq!(code, 3);
    for case in &report.cases {
        assert_eq!((case.answer, case.exit), (Answer::Inconclusive, Some(7)));
        assert!(case.said.as_ref().is_none_or(|said| said.chars().all(|c| !c.is_control()) && said.chars().count() < 200));
    }
}

#[test]
fn children_that_are_left_behind_are_ended() {
    if !there("curl") {
        return;
    }
    let marker = "98765.4321";
    let script =
        format!("for i in 1 2 3; do (setsid sleep {marker} >/dev/null 2>&1 &) ; done; exec curl -sS -o /dev/null {{url}}");
    let (report, code) = report(&["--only", TWO], &sh(&script));
    assert_eq!(code, 0, "{:#?}", report.cases.iter().map(|c| &c.signal).collect::<Vec<_>>());
    assert_eq!(running(marker), 0, "sleepers are left");
}

/// Processes with a word among their arguments, other than those that merely tell others to use it.
fn running(word: &str) -> usize {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|b| *b == 0).any(|argument| argument == word.as_bytes())).count()
}

#[test]
fn a_client_that_trusts_whatever_it_first_sees_is_exposed() {
    if !(there("curl") && there("openssl")) {
        return;
    }
    // It makes a trust store of its own from what the server shows.
    let script = "openssl s_client -connect {host}:443 -servername {host} -showcerts </dev/null 2>/dev/null | \
                  sed -n '/BEGIN CERT/,/END CERT/p' > $TMPDIR/own.pem; curl -sS -o /dev/null --cacert $TMPDIR/own.pem {url}";
    let script = format!("TMPDIR=$(mktemp -d); {script}; rm -r $TMPDIR");
    let (report, code) = report(&["--only", "genuine,self-signed"], &sh(&script));
    assert_eq!(code, 1);
    let of = |name: &str| report.cases.iter().find(|case| case.name == name).map(|case| case.answer);
    assert_eq!(of("self-signed"), Some(Answer::Exposed));
    assert_eq!(of("genuine"), Some(Answer::Accepted));
}

#[test]
fn a_client_that_installs_what_it_is_shown_into_its_own_store_is_exposed_and_harms_nobody_else() {
    if !(there("curl") && there("openssl")) {
        return;
    }
    let hosts = || std::fs::read("/etc/ssl/certs/ca-certificates.crt").ok();
    let before = hosts();
    let script = "openssl s_client -connect {host}:443 -servername {host} -showcerts </dev/null 2>/dev/null | \
                  sed -n '/BEGIN CERT/,/END CERT/p' >> {ca}; curl -sS -o /dev/null {url}";
    let (report, code) = report(&["--only", "genuine,self-signed,wrong-host"], &sh(script));
    let answers: Vec<_> = report.cases.iter().map(|case| (case.name.as_str(), case.answer)).collect();
    let expected = [("genuine", Answer::Accepted), ("self-signed", Answer::Exposed), ("wrong-host", Answer::Refused)];
    assert_eq!((code, answers.as_slice()), (1, &expected[..]), "every leg has a store of its own, and no other leg sees it");
    assert!(before == hosts(), "the host's store was written");
}

#[test]
fn a_client_that_spoils_the_trust_it_was_given_is_not_taken_for_a_careful_one() {
    if !there("curl") {
        return;
    }
    let (report, code) = report(&["--only", TWO], &sh("echo nothing > {ca}; curl -sS -o /dev/null {url}"));
    assert_ne!(code, 0);
    let bad = report.cases.iter().find(|case| case.name == "untrusted-root").expect("it was asked for");
    assert_eq!(bad.agrees, Agreement::Open, "it refuses good chains too: {}", bad.signal);
}

#[test]
fn a_client_that_goes_past_the_proxy_was_not_tested() {
    if !there("curl") {
        return;
    }
    let (report, code) =
        report(&["--only", TWO, "--network", "proxy"], &["curl", "--noproxy", "*", "-sS", "-o", "/dev/null", "{url}"]);
    assert_eq!(code, 3);
    assert!(report.cases.iter().all(|case| case.signal.starts_with("not-contacted")), "{:#?}", report.cases[0].signal);
}
