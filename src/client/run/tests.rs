//! Clients that misbehave, as real processes.

use std::time::{Duration, Instant};

use tokio::process::Command;

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

async fn run(script: &str, deadline: Duration) -> Outcome {
    watch(PlainChild::start(shell(script), Feed::Nothing).expect("a shell"), deadline).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn code_and_output_are_told() {
    let outcome = run("echo out; echo err >&2; exit 7", LONG).await;
    assert_eq!((outcome.exit, outcome.signal, outcome.timed_out), (Some(7), None, false));
    assert_eq!((outcome.stdout_head.as_str(), outcome.stderr_tail.as_str()), ("out\n", "err\n"));
    assert_eq!(outcome.output_bytes, 8);
}

#[tokio::test]
async fn a_signal_is_no_code() {
    let outcome = run("kill -TERM $$", LONG).await;
    assert_eq!((outcome.exit, outcome.signal), (None, Some(15)));
}

#[tokio::test]
async fn an_endless_output_is_counted_and_not_kept() {
    let outcome = run("head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2", LONG).await;
    assert_eq!(outcome.output_bytes, 60_000_000);
    assert_eq!((outcome.stdout.len(), outcome.stdout_head.len(), outcome.stderr_tail.len()), (STDOUT_KEPT, 4096, 4096));
}

#[tokio::test]
async fn at_the_deadline_the_whole_tree_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let script = format!("sleep 600 & echo $! >>{0}; setsid sleep 600 & echo $! >>{0}; wait", file.display());
    let began = Instant::now();
    let outcome = run(&script, Duration::from_millis(700)).await;
    assert!(outcome.timed_out && outcome.signal == Some(9), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    for pid in std::fs::read_to_string(&file).unwrap().split_whitespace() {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z"), "still there: {state}");
    }
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_lab() {
    let began = Instant::now();
    let outcome = run("sleep 600 & echo done", LONG).await;
    assert_eq!((outcome.exit, outcome.timed_out, outcome.left_open), (Some(0), false, true));
    assert_eq!(outcome.stdout_head, "done\n");
    assert!(began.elapsed() < Duration::from_secs(5) && outcome.ms < 400, "{outcome:?}");
}

#[tokio::test]
async fn input_is_fed_and_a_client_that_ignores_it_is_no_error() {
    let child = PlainChild::start(shell("cat"), Feed::Bytes(b"hello".to_vec())).unwrap();
    assert_eq!(watch(child, LONG).await.stdout, b"hello");
    let child = PlainChild::start(shell("exit 3"), Feed::Bytes(vec![0; 1 << 20])).unwrap();
    assert_eq!(watch(child, LONG).await.exit, Some(3));
}
