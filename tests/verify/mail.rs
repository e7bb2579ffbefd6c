//! Mail clients, as people set them up: each is caught at the cases that its carelessness is about, and at no others.

use std::sync::atomic::{AtomicUsize, Ordering};

use mitmlab::verdict::verify::Answer;

use super::{report, there};

/// A client of mail, what it speaks, and the cases in which it must be caught.
struct Setup {
    name: &'static str,
    speaks: &'static [&'static str],
    client: Vec<String>,
    needs: &'static str,
    caught: &'static [&'static str],
}

/// Wherever a certificate is bad; the path leaves STARTTLS alone.
const CERTIFICATES: &[&str] = &["mail-expired", "mail-forged", "mail-self-signed", "mail-untrusted-root", "mail-wrong-host"];
/// Wherever the path takes STARTTLS away.
const UPGRADES: &[&str] = &["mail-starttls-mangled", "mail-starttls-refused", "mail-starttls-stripped"];
/// Python raises an error where the command itself is refused.
const NEARLY_ALL: &[&str] = &[
    "mail-expired",
    "mail-forged",
    "mail-self-signed",
    "mail-starttls-mangled",
    "mail-starttls-stripped",
    "mail-untrusted-root",
    "mail-wrong-host",
];

fn setups() -> Vec<Setup> {
    let of = |name, speaks, client: &[&str], needs, caught| Setup {
        name,
        speaks,
        client: client.iter().map(|word| (*word).to_owned()).collect(),
        needs,
        caught,
    };
    let curl = |more: &'static str| ["curl", "-sS", "-o", "/dev/null", more, "--user", "alice:wonderland", "{url}"];
    let strict = "s = smtplib.SMTP('{host}', 587); s.starttls(context=ssl.create_default_context()); s.login('alice', 'wonderland'); s.quit()";
    let lax = "s = smtplib.SMTP('{host}', 587); s.ehlo(); s.has_extn('starttls') and s.starttls(); s.login('alice', 'wonderland'); s.quit()";
    let (strict, lax) = (format!("import smtplib, ssl; {strict}"), format!("import smtplib; {lax}"));
    let imap = |context: &str| {
        format!("import imaplib, ssl; m = imaplib.IMAP4_SSL('{{host}}'{context}); m.login('alice', 'wonderland'); m.logout()")
    };
    let (careful, careless) = (imap(", ssl_context=ssl.create_default_context()"), imap(""));
    let s_client = |verify: &str| {
        format!(
            "(printf 'a login alice wonderland\\r\\nb logout\\r\\n'; sleep 1) | \
             openssl s_client -quiet -starttls imap {verify} -connect {{host}}:143 -servername {{host}}"
        )
    };
    let (verifies, verifies_not) = (s_client("-verify_return_error -verify_hostname {host}"), s_client(""));
    vec![
        of("curl", &["imaps", "smtps", "pop3s"], &curl("--ssl-reqd"), "curl", &[]),
        of("curl --ssl-reqd", &["imap", "submission", "pop3"], &curl("--ssl-reqd"), "curl", &[]),
        of("curl --ssl", &["imap", "smtp"], &curl("--ssl"), "curl", UPGRADES),
        of("curl -k", &["pop3s"], &curl("-k"), "curl", CERTIFICATES),
        of("smtplib, strict", &["submission"], &["python3", "-c", &strict], "python3", &[]),
        of("smtplib, lax", &["submission"], &["python3", "-c", &lax], "python3", NEARLY_ALL),
        of("imaplib, strict", &["imaps"], &["python3", "-c", &careful], "python3", &[]),
        of("imaplib, lax", &["imaps"], &["python3", "-c", &careless], "python3", CERTIFICATES),
        of("openssl s_client, careful", &["imap"], &["sh", "-c", &verifies], "openssl", &[]),
        of("openssl s_client", &["imap"], &["sh", "-c", &verifies_not], "openssl", CERTIFICATES),
    ]
}

#[test]
fn every_careless_mail_client_is_caught_and_no_careful_one_is_accused() {
    let setups: Vec<Setup> = setups().into_iter().filter(|setup| there(setup.needs)).collect();
    let all: Vec<_> = setups.iter().flat_map(|setup| setup.speaks.iter().map(move |speaks| (setup, *speaks))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some((setup, speaks)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(misjudged(setup, speaks));
        }
        wrong
    };
    // Most of the time of each goes by waiting.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn misjudged(setup: &Setup, speaks: &str) -> Option<String> {
    let client: Vec<&str> = setup.client.iter().map(String::as_str).collect();
    let (report, code) = report(&["--speaks", speaks, "--deadline", "20"], &client);
    let exposed = report.cases.iter().filter(|case| case.answer == Answer::Exposed);
    let caught: Vec<&str> = exposed.map(|case| case.name.as_str()).collect();
    let open: Vec<_> = report.cases.iter().filter(|case| case.answer == Answer::Inconclusive).collect();
    let right = caught == setup.caught && code == i32::from(!setup.caught.is_empty()) && open.is_empty();
    (!right).then(|| format!("{}, {speaks}: exit {code}, caught at {caught:?}, open {open:#?}", setup.name))
}

#[test]
fn a_client_that_never_uses_tls_tells_everybody() {
    if !there("curl") {
        return;
    }
    let client = ["curl", "-sS", "-o", "/dev/null", "--user", "alice:wonderland", "{url}"];
    let (report, code) = report(&["--speaks", "imap", "--only", "mail-genuine,mail-starttls-stripped"], &client);
    assert_eq!(code, 1);
    for case in &report.cases {
        assert_eq!(
            (case.answer, case.read.as_slice()),
            (Answer::Exposed, &["sasl response: 24 bytes".to_owned()][..]),
            "{case:#?}"
        );
    }
}
