//! Who gets in, and what a participant may not do.

use serde_json::json;

use crate::bench::{Browser, Workshop};

#[test]
fn only_the_own_page_with_the_own_cookie_gets_in() {
    let workshop = Workshop::start(&["--participants", "2"]);
    let one = workshop.participant("One");
    let own = workshop.address.as_str();
    let status = |headers: &[(&str, &str)]| one.ask_with("GET", "/api/lab", None, headers).status;
    assert_eq!(status(&[("Host", own)]), 200);
    assert_eq!(status(&[("Host", "rebound.example")]), 403);
    assert_eq!(status(&[("Host", own), ("Origin", "https://evil.example")]), 403);
    assert_eq!(status(&[("Host", own), ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors")]), 403);
    let stranger = Browser { address: own.to_owned(), cookie: String::new() };
    let guess = Browser { cookie: one.cookie.replace('=', "=x"), ..one.clone() };
    for browser in [&stranger, &guess] {
        for path in ["/api/lab", "/api/runs", "/api/lab/v1/state", "/api/trainer", "/api/takeaway.html", "/api/lessons"] {
            assert_eq!(browser.ask("GET", path, None).status, 401, "{path}");
        }
    }
    let code = json!({ "code": "guess" });
    assert_eq!(stranger.ask("POST", "/api/join", Some(&code)).status, 403);
    workshop.participant("Two");
    assert_eq!(stranger.ask("POST", "/api/join", Some(&json!({ "code": workshop.join }))).status, 429);
}

#[test]
fn no_way_out_and_no_command_of_ones_own() {
    let workshop = Workshop::start(&["untrusted-root-is-refused"]);
    let one = workshop.participant("One");
    let page = one.ask("GET", "/", None);
    assert!(page.status == 200 && page.head.contains("default-src 'none'"), "{}", page.head);
    for path in ["/../Cargo.toml", "/..%2fCargo.toml", "/.git/config", "//etc/passwd", "/api/recording/..%2f..%2fpasswd"] {
        assert!(one.ask("GET", path, None).status >= 400, "{path}");
    }
    one.send("POST", "/api/lab?wait_ms=60000", &json!({}));
    for (method, path) in [("POST", "/v1/legs"), ("POST", "/v1/stop"), ("POST", "/v1/rules"), ("GET", "/v1/environment")] {
        assert_eq!(one.ask(method, &format!("/api/lab{path}"), Some(&json!({}))).status, 403, "{path}");
    }
    let escape = one.ask("GET", "/api/lab/v1/connections/..%2flegs", None);
    assert!(escape.status >= 400, "{escape:?}");
    assert_eq!(one.ask("POST", "/api/clients/sh", Some(&json!({}))).status, 404);
    let order = json!({ "scenario": "/etc/passwd" });
    assert_eq!(one.ask("POST", "/api/lab", Some(&order)).status, 404);
    assert_eq!(one.ask("POST", "/api/clients/own", Some(&json!({ "host": "127.0.0.1" }))).status, 404);
    let state = one.get("/api/lab/v1/state");
    assert_eq!(state["scenario"], "untrusted-root-is-refused");
}

#[test]
fn another_address_needs_a_flag_and_only_one() {
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        command.arg("workshop").args(words).stdin(std::process::Stdio::null()).output().expect("it starts")
    };
    let refused = run(&["--listen", "192.0.2.1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("read along"), "it says why");
    let all = run(&["--listen", "0.0.0.0", "--i-understand-others-can-reach-it"]);
    assert_eq!(all.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&all.stderr).contains("one-named-address"));
    assert_eq!(run(&["no-such-lesson-or-scenario"]).status.code(), Some(2));
}
