//! Lesson one, from its start to its end, as a participant does it; then what they take home.

use serde_json::{Value, json};

use crate::bench::{Browser, Workshop, wait_until};

const LESSON: &str = "/api/lessons/what-is-a-certificate";

fn answer(browser: &Browser, question: &str, answer: &Value) -> Value {
    browser.send("POST", &format!("{LESSON}/answers"), &json!({ "question": question, "answer": answer }))
}

#[test]
fn lesson_one_from_start_to_end() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed");
        println!("skipped: curl is not installed");
        return;
    }
    let workshop = Workshop::start(&["what-is-a-certificate"]);
    let one = workshop.participant("Aigerim");
    assert_eq!(one.get("/api/me")["workshop"]["lesson"], "what-is-a-certificate");
    let lesson = one.get(LESSON);
    assert_eq!(lesson["trainer_html"], Value::Null);
    assert_eq!(lesson["steps"].as_array().expect("steps").len(), 4);
    assert_eq!(answer(&one, "genuine", &Value::Null)["right"], false, "there is no lab yet");
    assert_eq!(one.send("POST", "/api/lab?wait_ms=60000", &json!({}))["state"], "up");

    one.send("PUT", "/api/lab/v1/phase", &json!({ "phase": "before" }));
    assert_eq!(answer(&one, "genuine", &Value::Null)["right"], false, "nothing was done yet");
    let untouched = one.run("curl", &json!({ "host": "www.facebook.com" }));
    assert_eq!(untouched["verdict"], "untouched", "{untouched}");
    assert_eq!(answer(&one, "genuine", &Value::Null)["right"], true);

    let there = one.send("PUT", "/api/timeline", &json!({ "at": "2019-07-20T12:00:00+06:00" }));
    assert_eq!(there["phase"], "interception");
    let refused = one.run("curl", &json!({ "host": "www.facebook.com" }));
    assert_eq!(refused["verdict"], "refused", "{refused}");
    assert!(refused["sentence"].as_str().expect("a sentence").contains("sent nothing"), "{refused}");
    let wrong = answer(&one, "forged", &json!(0));
    assert!(wrong["right"] == false && wrong["hint_html"].is_string(), "{wrong}");
    assert_eq!(answer(&one, "forged", &json!(1))["tries"], 2);

    let id = refused["connections"][0].as_u64().expect("a connection");
    let story = one.get(&format!("/api/connections/{id}/story?lang=ru"));
    let rows = story["certificates"][0]["differences"].as_array().expect("rows");
    let issuer = rows.iter().find(|row| row["field"] == "issuer").expect("an issuer");
    assert!(issuer["same"] == false && issuer["label"] == "Издатель", "{issuer}");
    for (field, right) in [("subject", false), ("public key", false), ("issuer", true), ("Издатель", false)] {
        assert_eq!(answer(&one, "seal", &json!(field))["right"], right, "{field}");
    }
    assert_eq!(answer(&one, "who", &json!("security certificate"))["right"], true);
    let end = answer(&one, "list", &json!(1));
    assert_eq!(
        end["progress"]["lessons"]["what-is-a-certificate"],
        json!({ "step": 0, "right": 5, "questions": 5, "done": true })
    );

    let page = one.ask("GET", "/api/takeaway.html?lang=ru", None);
    assert!(page.head.contains("attachment") && page.body.contains("Aigerim") && page.body.contains("Security Certificate"));
    assert!(!page.body.contains("<script") && !page.body.contains("src="), "it holds everything itself");
    let files = one.get("/api/recording");
    assert!(files["files"].as_array().is_some_and(|files| files.iter().any(|file| file["name"] == "events.jsonl")), "{files}");
    assert_eq!(one.ask("GET", "/api/recording/events.jsonl", None).status, 200);

    one.ask("DELETE", "/api/lab", None);
    wait_until("the lab ends", || one.get("/api/lab")["state"] == "ended");
    let files = one.get("/api/recording");
    let names: Vec<_> = files["files"].as_array().expect("files").iter().filter_map(|file| file["name"].as_str()).collect();
    assert!(names.contains(&"capture.pcapng") && names.contains(&"chains/index.json"), "packets and folders too: {files}");
    assert_eq!(one.ask("GET", "/api/recording/chains/index.json", None).status, 200);
    assert!(
        one.ask("GET", "/api/takeaway.html", None).body.contains("Security Certificate"),
        "the page keeps what the lab showed"
    );
}

#[test]
fn a_translation_is_checked_against_the_original_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/workshop/after-the-halt");
    let [english, russian] = [".md", ".ru.md"].map(|ending| std::fs::read_to_string(format!("{own}{ending}")).expect("a lesson"));
    std::fs::write(folder.path().join("mine.md"), english).expect("written");
    let check = |text: &str| {
        std::fs::write(folder.path().join("mine.ru.md"), text).expect("written");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        let done =
            command.args(["lesson", "check", "mine.md", "mine.ru.md"]).current_dir(folder.path()).output().expect("it runs");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert_eq!(check(&russian), (Some(0), String::new()));
    let (code, told) = check(&russian.replacen("id = \"kept\"", "id = \"left\"", 1));
    assert!(code == Some(2) && told.starts_with("mine.ru.md:1: its questions are not those of the English lesson"), "{told}");
    let (code, told) = check(&russian.replacen("right = 1", "right = 0", 1));
    assert!(code == Some(2) && told.contains("which of them are right"), "{told}");
}
