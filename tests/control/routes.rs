//! Every route that the description names is there, guarded, and answers as described.

use std::collections::BTreeMap;

use mitmlab::control::openapi;
use serde_json::Value;

use crate::api::Api;

/// Method and path of every operation, with what a body must be at least.
fn operations() -> Vec<(String, String, Value)> {
    let document = openapi();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    assert!(all.len() >= 20, "{all:?}");
    all
}

/// A path with its parameters filled in: things that are not there.
fn filled(path: &str) -> String {
    path.replace("{id}", "987654").replace("{name}", "no-such-rule").replace("{file}", "web.pem")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_there_and_answers_as_described() {
    let api = Api::of("untrusted-root-is-refused").await;
    let bodies: BTreeMap<&str, &str> = BTreeMap::from([
        ("enterPhase", r#"{"phase":"always"}"#),
        ("moveClock", r#"{"advance_s":1}"#),
        ("addRule", r#"{"rule":{"name":"cut","match":{"sni":"good.badtls.test"},"action":"close"}}"#),
        ("waitForConnections", r#"{"deadline_ms":1}"#),
        ("startLeg", r#"{"argv":["true"]}"#),
    ]);
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an operationId");
        let path = filled(&path);
        let bare = api.say(&method, &path, "", "").await;
        assert_eq!(bare.status, 401, "{method} {path} without a token");
        let foreign = format!("Authorization: Bearer {}\r\nOrigin: https://evil.example\r\n", crate::api::TOKEN);
        assert_eq!(api.say(&method, &path, &foreign, "").await.status, 403, "{method} {path} from a web page");
        let described = operation["responses"].as_object().expect("responses");
        let success = described.keys().find(|status| status.starts_with('2')).expect("a success");
        if path == "/v1/events" || path == "/v1/stop" {
            continue; // without an end, and the end
        }
        let query = if path == "/v1/verdict" { "?host=good.badtls.test" } else { "" };
        let answer = api.ask(&method, &format!("{path}{query}"), bodies.get(id).copied().unwrap_or("")).await;
        let expected = if path.contains("987654") || path.contains("no-such-rule") { "404" } else { success };
        assert_eq!(answer.status.to_string(), expected, "{method} {path}: {answer:?}");
        assert!(described.contains_key(&answer.status.to_string()), "{method} {path}: {} is not described", answer.status);
        let kind = if answer.status < 300 { "" } else { "application/problem+json" };
        assert!(answer.head.contains(kind), "{method} {path}: {}", answer.head);
    }
    assert_eq!(api.ask("POST", "/v1/stop", "").await.status, 202);
    tokio::time::timeout(crate::api::PATIENCE, api.running.asked_to_end()).await.expect("the end was asked for");
}

#[test]
fn the_description_is_whole() {
    let document = openapi();
    let text = document.to_string();
    for at in text.match_indices("\"$ref\":\"#/components/schemas/").map(|(at, found)| at + found.len()) {
        let name = &text[at..at + text[at..].find('"').expect("an end")];
        assert!(document["components"]["schemas"].get(name).is_some(), "nothing is called `{name}`");
    }
    for (method, path, operation) in operations() {
        let named = path.matches('{').count();
        let given = operation["parameters"].as_array().expect("parameters").iter().filter(|p| p["in"] == "path").count();
        assert_eq!(named, given, "{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 10), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_and_what_is_done_wrongly_is_told() {
    let api = Api::of("untrusted-root-is-refused").await;
    let wrong = api.ask("PATCH", "/v1/clock", "").await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.to_lowercase().contains("allow:"), "{}", wrong.head);
    for (method, path, body, status, told) in [
        ("GET", "/v1/nothing", "", 404, "openapi.json"),
        ("GET", "/", "", 404, "nothing is at"),
        ("PUT", "/v1/clock", "{", 400, "no JSON"),
        ("PUT", "/v1/clock", r#"{"advance_s":-1}"#, 422, "forward"),
        ("PUT", "/v1/clock", r#"{"advance_s":1e300}"#, 422, "forward"),
        ("PUT", "/v1/clock", r#"{"at":"0001-01-01T00:00:00Z"}"#, 422, "1970"),
        ("PUT", "/v1/clock", r#"{"at":"yesterday"}"#, 422, "wants a time"),
        ("PUT", "/v1/clock", r#"{"speed":-2}"#, 422, "speed"),
        ("PUT", "/v1/clock", r#"{"sped":1}"#, 422, "unknown field"),
        ("PUT", "/v1/phase", r#"{"phase":"no-such"}"#, 404, "it has `always`"),
        ("POST", "/v1/rules", r#"{"rule":7}"#, 422, "wants an object"),
        ("POST", "/v1/rules", r#"{"rule":{"name":"x","action":"explode"}}"#, 422, "explode"),
        (
            "POST",
            "/v1/rules",
            r#"{"rule":{"name":"x","match":{"sni":"good.badtls.test"},"action":"intercept"}}"#,
            422,
            "no authority",
        ),
        ("POST", "/v1/rules", r#"{"phase":"no-such","rule":{"name":"x","action":"close"}}"#, 404, "no-such"),
        ("POST", "/v1/legs", r#"{"argv":[]}"#, 422, "names no program"),
        ("POST", "/v1/legs", r#"{"argv":["a\u0000b"]}"#, 422, "zero byte"),
        ("POST", "/v1/legs", r#"{"argv":["true"],"trust":"everybody"}"#, 422, "everybody"),
        ("POST", "/v1/legs", r#"{"argv":["true"],"phase":"no-such"}"#, 404, "no-such"),
        ("GET", "/v1/connections?limit=many", "", 400, "limit"),
        ("GET", "/v1/connections/abc", "", 400, "bad request"),
        ("GET", "/v1/legs/4294967296", "", 400, "bad request"),
        ("POST", "/v1/rules", r#"{"rule":{"name":" ","action":"close"}}"#, 422, "needs a name"),
        ("GET", "/v1/certificates/root.key", "", 404, "no certificate file"),
        ("GET", "/v1/certificates/root.pem", "", 404, "no authority"),
        ("GET", "/v1/verdict", "", 400, "host"),
        ("POST", "/v1/connections/wait", r#"{"deadline_ms":999999999}"#, 422, "at most"),
    ] {
        let answer = api.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert!(answer.body.contains(told), "{method} {path} {body}: {answer:?}");
    }
}
