//! Several at once: each sees only their own, the trainer sees all, and nothing stays behind.

use serde_json::json;

use crate::bench::{Workshop, wait_until};

#[test]
fn each_has_a_lab_of_their_own_and_all_end_with_the_workshop() {
    let mut workshop = Workshop::start(&["untrusted-root-is-refused", "--participants", "3", "--idle", "10m"]);
    let all = ["Asel", "Dias", "Timur"].map(|name| workshop.participant(name));
    let trainer = workshop.trainer();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = all.iter().map(|one| scope.spawn(|| one.run("own", &json!({})))).collect();
        started.into_iter().map(|one| one.join().expect("it ran")).collect()
    });
    for (one, run) in all.iter().zip(&runs) {
        assert_eq!(run["state"], "ended", "{run}");
        let seen = one.get("/api/connections");
        assert_eq!(seen["connections"].as_array().map(Vec::len), Some(1), "only their own: {seen}");
    }
    let roots: std::collections::BTreeSet<_> =
        all.iter().map(|one| one.ask("GET", "/api/lab/v1/certificates/web.pem", None).body).collect();
    assert_eq!(roots.len(), 3, "each lab has keys of its own");

    let view = trainer.get("/api/trainer");
    assert_eq!((view["labs_up"].as_u64(), view["participants"][1]["name"].as_str()), (Some(3), Some("Dias")), "{view}");
    assert_eq!(all[0].ask("GET", "/api/trainer", None).status, 401);
    trainer.send("POST", "/api/trainer/participants/p2/end-lab", &json!({}));
    wait_until("the lab ends", || all[1].get("/api/lab")["ended_by"] == "trainer");
    assert_eq!(all[1].ask("GET", "/api/connections", None).status, 503);
    assert_eq!(all[0].get("/api/lab")["state"], "up");
    let link = trainer.send("POST", "/api/trainer/participants/p2/link", &json!({}));
    assert!(link["link"].as_str().expect("a link").contains("#join="), "{link}");

    let labs = workshop.labs();
    assert_eq!(labs.len(), 2, "{labs:?}");
    assert_eq!(workshop.end(), 0);
    wait_until("the labs are gone", || labs.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}/stat")).exists()));
}

#[test]
fn a_lab_that_nobody_uses_is_ended_and_comes_back() {
    let workshop = Workshop::start(&["untrusted-root-is-refused", "--idle", "1s"]);
    let one = workshop.participant("One");
    assert_eq!(one.send("POST", "/api/lab?wait_ms=60000", &json!({}))["state"], "up");
    wait_until("it is ended", || one.get("/api/lab")["ended_by"] == "idle");
    assert_eq!(one.send("POST", "/api/lab?wait_ms=60000", &json!({}))["state"], "up");
}

#[test]
fn a_spare_lab_serves_whoever_comes_and_ends_with_the_workshop() {
    let mut workshop = Workshop::start(&["untrusted-root-is-refused", "--spare", "1"]);
    wait_until("a spare is up", || workshop.labs().len() == 1);
    let spare = workshop.labs();
    let one = workshop.participant("One");
    assert_eq!(one.get("/api/lab")["state"], "none", "it is nobody's yet");
    wait_until("one for the newcomer, one for the next", || workshop.labs().len() == 2);
    assert_eq!(one.send("POST", "/api/lab?wait_ms=60000", &json!({}))["state"], "up");
    assert_eq!(one.run("own", &json!({}))["state"], "ended");
    assert!(workshop.labs().contains(&spare[0]) && workshop.labs().len() == 2, "no third was started: {:?}", workshop.labs());
    let labs = workshop.labs();
    assert_eq!(workshop.end(), 0);
    wait_until("all are gone", || labs.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}/stat")).exists()));
}
