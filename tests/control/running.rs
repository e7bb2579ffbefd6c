//! A running lab changed over the API: rules, phases, legs, certificates, events.

use serde_json::json;

use crate::api::{Api, read_until};

const SITE: &str = "good.badtls.test";

/// Runs the lab's own client against the site as a leg; its verdict's word.
async fn verdict_of_a_leg(api: &Api) -> String {
    let own = env!("CARGO_BIN_EXE_mitmlab");
    let order = json!({ "argv": [own, "client", "{url}"], "url": format!("https://{SITE}/"), "control": true });
    let started = api.ask("POST", "/v1/legs", &order.to_string()).await;
    assert_eq!(started.status, 201, "{started:?}");
    let id = started.json()["id"].as_u64().expect("a number");
    let leg = api.ask("GET", &format!("/v1/legs/{id}?wait_ms=60000"), "").await.json();
    assert_eq!(leg["state"], "ended", "{leg}");
    let listed = api.ask("GET", &format!("/v1/connections?leg={id}"), "").await.json();
    assert_eq!(listed["total"], 1, "{listed}");
    leg["verdict"]["verdict"].as_str().expect("a verdict").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_comes_into_force_and_goes_again() {
    let api = Api::of("untrusted-root-is-refused").await;
    assert_eq!(verdict_of_a_leg(&api).await, "untouched");
    let rule = json!({ "rule": { "name": "cut", "match": { "sni": SITE, "port": 443 }, "action": { "reset": {} } } });
    assert_eq!(api.ask("POST", "/v1/rules", &rule.to_string()).await.status, 201);
    assert_eq!(api.ask("POST", "/v1/rules", &rule.to_string()).await.status, 409);
    assert_eq!(verdict_of_a_leg(&api).await, "blocked");
    let rules = api.ask("GET", "/v1/rules", "").await.json();
    assert_eq!((&rules["rules"][0]["name"], &rules["rules"][0]["hits"]), (&json!("cut"), &json!(1)), "{rules}");
    assert_eq!(api.ask("DELETE", "/v1/rules/cut", "").await.status, 204);
    assert_eq!(verdict_of_a_leg(&api).await, "untouched");
    api.ask("POST", "/v1/rules", &rule.to_string()).await;
    assert_eq!(api.ask("POST", "/v1/rules/reset", "").await.json()["rules"], json!([]));
    assert_eq!(api.ask("DELETE", "/v1/connections", "").await.status, 204);
    assert_eq!(api.ask("GET", "/v1/connections", "").await.json()["total"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phases_certificates_and_variables() {
    let api = Api::of("kazakhstan-2019").await;
    let scenario = api.ask("GET", "/v1/scenario", "").await.json();
    let phases: Vec<_> =
        scenario["phases"].as_array().expect("phases").iter().map(|p| p["name"].as_str().expect("a name")).collect();
    for phase in &phases {
        let state = api.ask("PUT", "/v1/phase", &json!({ "phase": phase }).to_string()).await.json();
        assert_eq!(state["phase"], **phase);
    }
    let moved = api.ask("PUT", "/v1/clock", r#"{"at":"2019-07-22T12:00:00+06:00","speed":0}"#).await.json();
    assert_eq!(moved["now"], "2019-07-22T12:00:00+06:00");
    let pem = api.ask("GET", "/v1/certificates/root.pem", "").await.body;
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert!(api.ask("GET", "/v1/certificates/web+authority.pem", "").await.body.matches("BEGIN").count() >= 2);
    for file in ["root.der", "root.p12", "web.p12", "blocklist.txt", "ct-logs.json"] {
        let answer = api.ask("GET", &format!("/v1/certificates/{file}"), "").await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.body.contains("PRIVATE KEY"));
    }
    let proxy = api.ask("GET", "/v1/state", "").await.json()["proxies"]["outside"].as_str().expect("a proxy").to_owned();
    let variables = api.ask("GET", "/v1/environment?vantage=outside&trust=web%2Bauthority", "").await.json();
    assert_eq!(variables["variables"]["HTTPS_PROXY"], format!("http://{proxy}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_have_numbers_and_go_on_where_they_were_left() {
    let api = Api::of("untrusted-root-is-refused").await;
    let mut first = api.stream("/v1/events", "").await;
    let begun = read_until(&mut first, |text| text.contains("event: phase:enter")).await;
    assert!(begun.contains("text/event-stream") && begun.contains("id: 0\nevent: run:start\n"), "{begun}");
    drop(first);
    api.ask("PUT", "/v1/phase", r#"{"phase":"always"}"#).await;
    let mut again = api.stream("/v1/events", "Last-Event-ID: 1\r\n").await;
    let resumed = read_until(&mut again, |text| text.contains("id: 2\n")).await;
    assert!(!resumed.contains("id: 1\n") && !resumed.contains("event: gap"), "{resumed}");
    api.ask("DELETE", "/v1/connections", "").await;
    api.ask("PUT", "/v1/phase", r#"{"phase":"always"}"#).await;
    let mut late = api.stream("/v1/events?after=0", "").await;
    let told = read_until(&mut late, |text| text.contains("id: 3\n")).await;
    assert!(told.contains("event: gap\ndata: {\"lost\":2}"), "{told}");
    assert_eq!(
        api.say("GET", "/v1/events", &format!("Authorization: Bearer {}\r\nLast-Event-ID: x\r\n", crate::api::TOKEN), "")
            .await
            .status,
        400
    );
}
