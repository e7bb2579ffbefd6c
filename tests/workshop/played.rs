//! Every lesson but the first, which has a test of its own, played from its start to its end: each step done, each question answered wrong
//! once and then right. A lesson that cannot be answered fails here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bench::{Browser, Workshop};

/// Lesson, question, a wrong answer, the right one. Questions that a connection or the record answers need none.
fn answers() -> Vec<(&'static str, &'static str, Value, Value)> {
    vec![
        ("install-this-or-lose-access", "learned", json!(0), json!(1)),
        ("install-this-or-lose-access", "warning", json!(0), json!(2)),
        ("reading-the-forgery", "copied", json!([1, 3]), json!([0, 2])),
        ("reading-the-forgery", "lock", json!("subject"), json!("public key")),
        ("reading-the-forgery", "key", json!("P-256"), json!("rsa-2048")),
        ("reading-the-forgery", "left-out", json!("subject"), json!("timestamps")),
        ("reading-the-forgery", "proof", json!(0), json!(1)),
        ("why-pinned-apps-survived", "when", json!(0), json!(1)),
        ("why-pinned-apps-survived", "cost", json!(0), json!(1)),
        ("mail-and-chat-under-the-box", "clear", json!(1), json!(0)),
        ("mail-and-chat-under-the-box", "learned", json!([3]), json!([0, 1, 2])),
        ("mail-and-chat-under-the-box", "envelope", json!([0, 1, 2, 3]), json!([0, 1, 2])),
        ("write-your-own-detector", "signs", json!([0]), json!([1, 2, 3])),
        ("write-your-own-detector", "benign", json!(0), json!(1)),
        ("after-the-halt", "not-all", json!(0), json!(1)),
        ("after-the-halt", "order", json!(0), json!(1)),
    ]
}

#[test]
fn every_lesson_can_be_played_to_its_end() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed");
        println!("skipped: curl is not installed");
        return;
    }
    let workshop = Workshop::start(&[]);
    let listed = workshop.participant("Reader").get("/api/lessons");
    let names: Vec<_> = listed["lessons"].as_array().expect("lessons").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names.len(), 7, "{listed}");
    // As a participant does who stays for the afternoon: one lab for all lessons that play in its scenario.
    let mut players: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for lesson in &listed["lessons"].as_array().expect("lessons")[1..] {
        players.entry(lesson["scenario"].as_str().expect("a name")).or_default().push(lesson["name"].as_str().expect("a name"));
    }
    std::thread::scope(|scope| {
        for (scenario, lessons) in &players {
            let browser = workshop.participant(scenario);
            scope.spawn(move || {
                for lesson in lessons {
                    Player { browser: browser.clone(), lesson: (*lesson).to_owned(), seen: Vec::new() }.play();
                }
            });
        }
    });
}

struct Player {
    browser: Browser,
    lesson: String,
    /// Connections of the clients that were started.
    seen: Vec<u64>,
}

impl Player {
    fn play(mut self) {
        let lesson = self.browser.get(&format!("/api/lessons/{}?lang=en", self.lesson));
        for lang in ["ru", "kk"] {
            let other = self.browser.get(&format!("/api/lessons/{}?lang={lang}", self.lesson));
            assert_eq!((other["lang"].as_str(), steps(&other).len()), (Some(lang), steps(&lesson).len()), "{}", self.lesson);
        }
        let lab = json!({ "scenario": lesson["scenario"], "phase": lesson["phase"] });
        let lab = self.browser.send("POST", "/api/lab?wait_ms=60000", &lab);
        assert_eq!(lab["state"], "up", "{}: {lab}", self.lesson);
        if lesson["phase"].is_string() {
            self.browser.send("PUT", "/api/lab/v1/phase", &json!({ "phase": lesson["phase"] }));
        }
        for step in steps(&lesson) {
            step["do"].as_array().expect("a list").iter().for_each(|deed| self.does(deed));
            step["questions"].as_array().expect("a list").iter().for_each(|question| self.answers(question));
        }
        let progress = self.browser.get("/api/progress");
        assert_eq!(progress["lessons"][&self.lesson]["done"], true, "{}: {progress}", self.lesson);
    }

    fn does(&mut self, deed: &Value) {
        match deed["kind"].as_str() {
            Some("client") => {
                let order = json!({ "trust": deed["trust"], "host": deed["host"] });
                let run = self.browser.run(deed["client"].as_str().expect("a client"), &order);
                assert_eq!(run["state"], "ended", "{}: {run}", self.lesson);
                self.seen.extend(run["connections"].as_array().into_iter().flatten().filter_map(Value::as_u64));
            }
            Some("phase") => {
                self.browser.send("PUT", "/api/lab/v1/phase", &json!({ "phase": deed["phase"] }));
            }
            Some("clock") => {
                self.browser.send("PUT", "/api/timeline", &json!({ "at": deed["at"] }));
            }
            _ => {}
        }
    }

    fn answers(&self, question: &Value) {
        let id = question["id"].as_str().expect("an id");
        match question["kind"].as_str() {
            Some("seen") => assert!(self.is_right(id, &Value::Null), "{}: {id}", self.lesson),
            Some("connection") => {
                assert!(!self.is_right(id, &json!(999_999)), "{}: {id}: a connection that is not there", self.lesson);
                let right = self.seen.iter().any(|connection| self.is_right(id, &json!(connection)));
                assert!(right, "{}: {id}: none of {:?}", self.lesson, self.seen);
            }
            _ => {
                let known = answers().into_iter().find(|(lesson, question, ..)| *lesson == self.lesson && *question == id);
                let (.., wrong, right) = known.unwrap_or_else(|| panic!("{}: no answer to `{id}` is known here", self.lesson));
                assert!(!self.is_right(id, &wrong), "{}: {id}: {wrong} is wrong", self.lesson);
                assert!(self.is_right(id, &right), "{}: {id}: {right} is right", self.lesson);
            }
        }
    }

    fn is_right(&self, question: &str, answer: &Value) -> bool {
        let path = format!("/api/lessons/{}/answers?lang=ru", self.lesson);
        let told = self.browser.send("POST", &path, &json!({ "question": question, "answer": answer }));
        told["right"] == true
    }
}

fn steps(lesson: &Value) -> &Vec<Value> {
    lesson["steps"].as_array().expect("steps")
}
