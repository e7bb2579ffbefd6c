//! `mitmlab score` with detectors of which the figures are known beforehand, with detectors that misbehave, with real ones, and
//! with the lab's own.

mod arithmetic;
mod misbehaving;
mod real;
mod voices;

use std::process::{Command, Output, Stdio};

/// Runs `mitmlab score` with these options and this detector; the JSON report, and the exit code.
fn score(options: &[&str], detector: &[&str]) -> (serde_json::Value, i32) {
    let output = run(options, detector);
    let text = String::from_utf8_lossy(&output.stdout);
    let card = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{options:?} {detector:?}: {e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (card, output.status.code().unwrap_or(-1))
}

fn run(options: &[&str], detector: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.args(["score", "--format", "json"]).args(options);
    if !detector.is_empty() {
        command.arg("--").args(detector);
    }
    command.stdin(Stdio::null()).output().expect("mitmlab starts")
}

/// What was said in a condition.
fn said<'a>(card: &'a serde_json::Value, condition: &str) -> &'a serde_json::Value {
    let cases = card["cases"].as_array().expect("cases");
    let case = cases.iter().find(|case| case["name"] == condition).unwrap_or_else(|| panic!("{condition} in {card:#}"));
    case.pointer("/trials/0/said").unwrap_or_else(|| panic!("{condition} was not run: {case:#}"))
}

/// A detector in a line of shell that looks at the site, whatever it is shown, and then says its word.
fn sh(line: &str) -> Vec<String> {
    let look = "curl -ks -o /dev/null --max-time 5 \"$0\"; ";
    ["sh", "-c", &format!("{look}{line}"), "{url}"].map(str::to_owned).to_vec()
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// True if a program is missing; under CI that is a failure.
fn missing(program: &str) -> bool {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let missing = !there.expect("sh is everywhere").success();
    assert!(!missing || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "`{program}` is not installed");
    if missing {
        eprintln!("skipped: `{program}` is not installed");
    }
    missing
}
