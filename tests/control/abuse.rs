//! Abuse: what is too much is refused, readers that do not read cost nothing, and a leg beside all this is not disturbed.

use mitmlab::record::Event;
use serde_json::json;

use crate::api::{Api, TOKEN, read_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_ten_mebibytes_is_refused() {
    let api = Api::of("untrusted-root-is-refused").await;
    let huge = format!("{{\"phase\":\"{}\"}}", "x".repeat(10 << 20));
    let answer = api.ask("PUT", "/v1/phase", &huge).await;
    assert_eq!(answer.status, 413, "{}", answer.head);
    let long = format!("/v1/{}", "y".repeat(20_000));
    assert!(matches!(api.ask("GET", &long, "").await.status, 404 | 414 | 431));
    assert_eq!(api.ask("GET", "/v1/state", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_that_nobody_reads_disturb_nobody() {
    if !enough_files(3000) {
        assert!(std::env::var("CI").is_err(), "this machine lets a process open too few files");
        eprintln!("skipped: this machine lets a process open too few files");
        return;
    }
    let api = Api::of("untrusted-root-is-refused").await;
    let mut streams = Vec::new();
    for _ in 0..1000 {
        streams.push(api.stream("/v1/events", "").await);
    }
    let last = streams.last_mut().expect("a thousand");
    read_until(last, |text| text.contains("id: 0\n")).await; // all are accepted
    let own = env!("CARGO_BIN_EXE_mitmlab");
    let order = json!({ "argv": [own, "client", "{url}"], "url": "https://good.badtls.test/", "control": true });
    let id = api.ask("POST", "/v1/legs", &order.to_string()).await.json()["id"].as_u64().expect("a leg");
    let before = resident();
    let padding = "z".repeat(500);
    for _ in 0..5000 {
        api.running.lab().recorder().emit_run(None, Event::Note { text: padding.clone() });
    }
    let leg = api.ask("GET", &format!("/v1/legs/{id}?wait_ms=60000"), "").await.json();
    assert_eq!(leg["verdict"]["verdict"], "untouched", "{leg}");
    // 3 MB of events, once; what was written ahead for each of a thousand readers is some chunks at most
    let grown = resident().saturating_sub(before);
    assert!(grown < 400 << 20, "{grown} bytes more");
    let mut fresh = api.stream("/v1/events", &format!("X: {TOKEN}\r\n")).await;
    read_until(&mut fresh, |text| text.contains("id: 4000\n")).await;
}

/// A reader that stops in the middle of the stream and comes back after more than is kept has passed: it is told how many it missed, and
/// goes on with what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_told_what_it_missed_and_goes_on() {
    let api = Api::of("untrusted-root-is-refused").await;
    let recorder = api.running.lab().recorder().clone();
    recorder.keep_at_most(1000);
    let mut slow = api.stream("/v1/events", "").await;
    let begun = read_until(&mut slow, |text| text.contains("id: 0\n")).await;
    let padding = "z".repeat(1000);
    // Far more than its socket, its chunks and the record hold.
    for _ in 0..20_000 {
        recorder.emit_run(None, Event::Note { text: padding.clone() });
    }
    let last = recorder.next_seq() - 1;
    assert_eq!(api.ask("GET", "/v1/state", "").await.status, 200, "nobody waits for it");
    let told = begun + &read_until(&mut slow, |text| text.contains(&format!("id: {last}\n"))).await;
    let number = |line: &str| line.strip_prefix("id: ").and_then(|id| id.parse::<u64>().ok());
    let ids: Vec<u64> = told.lines().filter_map(number).collect();
    let missed: u64 =
        told.lines().filter_map(|line| line.strip_prefix("data: {\"lost\":")?.trim_end_matches('}').parse::<u64>().ok()).sum();
    assert!(missed > 10_000, "{missed}");
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(ids.len() as u64 + missed, last + 1, "every event was shown or counted");
}

/// Raises the soft limit of open files if need be.
#[cfg(unix)]
fn enough_files(wanted: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    limits.current.is_none_or(|now| now >= wanted)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limits.maximum }).is_ok()
}

#[cfg(not(unix))]
fn enough_files(_wanted: u64) -> bool {
    true // sockets are no files there
}

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
