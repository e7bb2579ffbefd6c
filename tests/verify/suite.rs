//! The suite itself: shards make the whole, jobs change nothing, cases of one's own, and every form of the report.

use std::path::PathBuf;
use std::process::Command;

use mitmlab::verdict::verify::VerifyReport;

use super::{report, root, verify};

const LAB: [&str; 3] = ["mitmlab", "client", "{url}"];

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("verify-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn answers(report: &VerifyReport) -> Vec<(String, String, String)> {
    report.cases.iter().map(|c| (c.name.clone(), c.answer.as_str().to_owned(), c.signal.clone())).collect()
}

#[test]
fn shards_make_the_whole_and_jobs_change_nothing() {
    let folder = folder("shards");
    let (whole, code) = report(&["--only", "chain,time", "--jobs", "8"], &LAB);
    assert_eq!(code, 0);
    let mut files = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let file = folder.join(shard.replace('/', "-of-")).with_extension("json");
        let words = ["--only", "chain,time", "--jobs", "1", "--shard", shard, "--json", file.to_str().expect("UTF-8")];
        assert_eq!(verify(&words, &LAB).status.code(), Some(0));
        files.push(file);
    }
    let page = folder.join("whole.html");
    let merged = merge(&files, &["--html", page.to_str().expect("UTF-8")]);
    let read: VerifyReport = serde_json::from_slice(&merged.stdout).expect("a report");
    assert_eq!((merged.status.code(), answers(&read), read.shard), (Some(0), answers(&whole), None));
    assert!(std::fs::read_to_string(page).is_ok_and(|text| text.contains("</html>")));

    let told = |files: &[PathBuf]| String::from_utf8_lossy(&merge(files, &[]).stderr).into_owned();
    assert!(told(&files[..2]).contains("shards are missing: 3/3"));
    assert!(told(&[files[0].clone(), files[0].clone(), files[2].clone()]).contains("is there twice"));
    let other = folder.join("other.json");
    let words = ["--only", "time", "--shard", "2/3", "--json", other.to_str().expect("UTF-8")];
    assert!(verify(&words, &LAB).status.success());
    assert!(told(&[files[0].clone(), other, files[2].clone()]).contains("their cases differ"));
}

fn merge(files: &[PathBuf], words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.args(["report", "merge", "--format", "json"]).args(words).args(files).output().expect("it starts")
}

#[test]
fn a_case_of_ones_own_is_a_file_in_a_folder() {
    let folder = folder("own");
    let text = std::fs::read_to_string(root().join("scenarios/verify/self-signed.toml")).expect("it is there");
    std::fs::write(folder.join("my-own.toml"), text).expect("written");
    let dir = folder.to_str().expect("UTF-8");
    let (report, code) = report(&["--suite", dir, "--only", "my-own"], &LAB);
    assert_eq!((code, answers(&report).len(), report.cases[0].answer.as_str()), (0, 1, "refused"));
    std::fs::write(folder.join("no-case.toml"), "title = \"a\"\n").expect("written");
    let refused = verify(&["--suite", dir], &LAB);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn wrong_words_are_told_and_nothing_runs() {
    for (words, client, told) in [
        (&["--only", "no-such-case"][..], &LAB[..], "no case is left to run"),
        (&["--shard", "9/8"], &LAB, "`2/8` is the second of eight"),
        (&[], &["no-such-program", "{url}"], "no-such-program"),
        (&["--suite", "/nowhere/at/all"], &LAB, "/nowhere/at/all"),
    ] {
        let output = verify(words, client);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_form_of_the_report_is_written() {
    let folder = folder("forms");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (xml, tap, page, json) = (file("a.xml"), file("a.tap"), file("a.html"), file("a.json"));
    let words = [
        "--only",
        "genuine,wrong-host",
        "--junit",
        &xml,
        "--tap",
        &tap,
        "--html",
        &page,
        "--json",
        &json,
        "--format",
        "markdown",
    ];
    let output = verify(&words, &LAB);
    let read = |path: &str| std::fs::read_to_string(path).expect("it was written");
    assert!(String::from_utf8_lossy(&output.stdout).contains("| must refuse | answer | how shown | result |"));
    assert!(read(&xml).contains("<testcase name=\"wrong-host\"") && read(&tap).contains("ok 2 - wrong-host: refused"));
    assert!(read(&page).contains("shown in the control leg"));
    let report: serde_json::Value = serde_json::from_str(&read(&json)).expect("JSON");
    assert!(report.as_object().is_some_and(|fields| fields.keys().all(|key| schema()["properties"].get(key).is_some())));
}

fn schema() -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mitmlab")).args(["verify", "--schema"]).output().expect("it starts");
    serde_json::from_slice(&output.stdout).expect("a schema")
}

#[test]
fn the_list_says_what_must_be_and_why() {
    let output = Command::new(env!("CARGO_BIN_EXE_mitmlab")).args(["verify", "--list"]).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.lines().count() >= 25 && text.lines().any(|line| line.starts_with("wrong-host") && line.contains("refuse")),
        "{text}"
    );
}
