//! Tables that grow: the checks of a scenario, and a suite with a client of the bench, started from the console.

use serde_json::{Value, json};

use crate::bench::{Workshop, wait_until};

#[test]
fn a_scenario_and_a_suite_grow_row_by_row() {
    let workshop = Workshop::start(&["untrusted-root-is-refused"]);
    let one = workshop.participant("One");
    let newest = || one.get("/api/reports?lang=ru")["reports"][0].clone();
    let refused = |order: &Value| one.ask("POST", "/api/reports", Some(order)).status;
    assert_eq!(refused(&json!({ "kind": "verify", "client": "sh" })), 404);
    assert_eq!(refused(&json!({ "kind": "run", "scenario": "/etc/passwd" })), 404);

    let started = one.send("POST", "/api/reports", &json!({ "kind": "run" }));
    assert_eq!((started["state"].as_str(), started["done"].as_u64()), (Some("running"), Some(0)), "{started}");
    assert_eq!(refused(&json!({ "kind": "score" })), 409, "one at a time");
    wait_until("the run ends", || newest()["state"] == "ended");
    let run = newest();
    assert_eq!(run["done"], run["of"], "{run}");
    let rows = run["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row[2]["verdict"] == "refused" && row[2]["word"] == "отказ"), "{run}");
    assert!(rows.iter().all(|row| row[4] == "✓ да"), "{run}");

    let verify = one.send("POST", "/api/reports", &json!({ "kind": "verify", "client": "careless" }));
    wait_until("a row of the suite", || newest()["done"].as_u64() > Some(0));
    one.ask("DELETE", &format!("/api/reports/{}", verify["id"]), None);
    wait_until("it is stopped", || newest()["state"] == "stopped");
    assert_eq!(workshop.participant("Two").get("/api/reports")["reports"], json!([]), "another's are not seen");
}
