//! The library as somebody else's tests use it: in a multi-threaded runtime, leg by leg, many at once.

use std::collections::HashSet;

use mitmlab::lab::Lab;
use mitmlab::scenario::{Trust, Vantage, VerdictKind};

const FORGED: &str = "client-that-checks-nothing-is-exposed";
const HOST: &str = "www.facebook.com";

/// A box whose keys are made in no time: thirty-two roots of 4096 bits would keep two cores busy for a minute.
const BLIND: &str = r#"
title = "A box that copies nothing"
[authority]
profile = "blind"
[world]
include = ["web-2019"]
[[rule]]
name = "forge"
match = { sni = "www.facebook.com", port = 443 }
action = "intercept"
[[check]]
name = "refused"
client = ["mitmlab", "client", "{url}"]
url = "https://www.facebook.com/"
expect = { verdict = "refused" }
"#;

fn own_client(more: &[&str]) -> Vec<String> {
    ["client", "{url}"].iter().chain(more).fold(vec![env!("CARGO_BIN_EXE_mitmlab").to_owned()], |mut argv, word| {
        argv.push((*word).to_owned());
        argv
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leg_by_leg() {
    let lab = Lab::builder().scenario(FORGED).start().await.expect("the lab starts");
    let url = format!("https://{HOST}/");
    let careful = || lab.client(own_client(&[])).url(&url);
    careful().run().await.expect("it runs").assert_refused(HOST);
    careful().trust(Trust::WebAuthority).run().await.expect("it runs").assert_exposed(HOST);
    careful().vantage(Vantage::Outside).run().await.expect("it runs").assert_untouched(HOST);
    let careless = lab.client(own_client(&["--insecure"])).url(&url).run().await.expect("it runs");
    careless.assert_exposed(HOST).assert_not_contacted("www.google.com");
    assert_eq!((careless.exit(), careless.connections().len()), (Some(0), 1));
    assert!(lab.connections().iter().any(|c| c.intercepted()));
    let told = std::panic::catch_unwind(|| careless.assert_refused(HOST).exit()).expect_err("it was exposed");
    let told = told.downcast_ref::<String>().expect("a text");
    for part in
        ["expected `refused` for www.facebook.com, saw `exposed`", "--insecure", "intercept (rule: forge)", "exited with 0"]
    {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_without_starttls_is_told_from_one_that_stays() {
    if mitmlab::client::find("curl", None).is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "curl is not on this machine; .ci/run installs it");
        return eprintln!("skipped: curl is not on this machine");
    }
    let lab = Lab::builder().scenario("mail-starttls-stripped").start().await.expect("the lab starts");
    let host = "imap.example.org";
    let curl = |tls: &str| {
        let client = lab.client(["curl", "-sS", "-o", "/dev/null", tls, "--user", "alice:wonderland", "{url}"]);
        client.url("imap://imap.example.org/INBOX;MAILINDEX=1").run()
    };
    let lax = curl("--ssl").await.expect("it runs");
    lax.assert_exposed_in_clear(host);
    curl("--ssl-reqd").await.expect("it runs").assert_refused(host);
    let told = std::panic::catch_unwind(|| lax.assert_exposed(host).exit()).expect_err("in the clear is another verdict");
    let told = told.downcast_ref::<String>().expect("a text");
    assert!(told.contains("expected `exposed` for imap.example.org, saw `exposed-in-clear`"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_program_and_a_missing_phase_are_told() {
    let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await.expect("the lab starts");
    let outcome = lab.client(["no-such-program-here"]).run().await.expect("an outcome");
    assert_eq!(outcome.verdict("good.badtls.test").verdict, VerdictKind::Inconclusive);
    let error = lab.client(["true"]).phase("no-such").run().await.expect_err("no such phase");
    assert!(error.to_string().contains("it has `always`"), "{error}");
    let error = Lab::builder().scenario("no-such-scenario").start().await.expect_err("no such scenario");
    assert!(error.to_string().contains("no-such-scenario"), "{error}");
    assert!(Lab::builder().start().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_labs_at_once_never_meet() {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..32 {
        running.spawn(async {
            let lab = Lab::builder().scenario_text("blind", BLIND).start().await.expect("the lab starts");
            let entrance = lab.open(Vantage::Inside, 0).await.expect("an entrance");
            let outcome = lab
                .client(own_client(&["--insecure"]))
                .url(format!("https://{HOST}/"))
                .without_control()
                .run()
                .await
                .expect("it runs");
            outcome.assert_exposed(HOST);
            let root = outcome.connections()[0].presented.last().expect("a chain").sha256.clone();
            (entrance.address(), root, lab.connections().len())
        });
    }
    let all = running.join_all().await;
    let roots: HashSet<_> = all.iter().map(|(_, root, _)| root).collect();
    assert_eq!(roots.len(), 32, "two labs share a root");
    assert!(all.iter().all(|(_, _, connections)| *connections == 1), "a lab saw another's connection");
}
