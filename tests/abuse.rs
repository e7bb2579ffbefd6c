//! Bad input and bad luck: what is told, with which exit code, and that nothing panics, hangs or is lost.
//!
//! Accept changed messages with `INSTA_UPDATE=always cargo test --test abuse`.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[test]
fn broken_scenarios_are_told_with_file_line_and_next_step() {
    let broken = [
        ("unknown key", "title = ", "titel = "),
        ("bad date", "2019-07-20T12:00:00+06:00", "2019-13-40"),
        ("unknown list", "\"www.facebook.com\", port", "\"@nolist\", port"),
        ("unknown host", "sni = \"www.facebook.com\"", "sni = \"www.nowhere.test\""),
        ("port without a service", "sni = \"www.facebook.com\", port = 443", "port = 444"),
        ("missing profile", "\"blind\"", "\"qaznet-1999\""),
        ("missing part of the world", "web-2019", "web-1999"),
        ("no TOML", "[[rule]]", "[[rule]"),
        ("no expectation", "expect = { verdict = \"refused\" }", ""),
        ("verdict that never passes", "\"refused\"", "\"inconclusive\""),
    ];
    let mut told = String::new();
    for (name, from, to) in broken {
        let stage = Stage::new(&SCENARIO.replace(from, to));
        let done = stage.run(&["run", "scenario.toml", "--network", "proxy"]);
        assert_eq!(done.code, Some(2), "{name}: {done:?}");
        told += &format!("## {name}\n{}\n", done.stderr);
    }
    insta::assert_snapshot!("broken_scenarios", told);
}

#[test]
fn what_is_no_scenario_is_told_as_such() {
    let stage = Stage::new(SCENARIO);
    std::fs::create_dir(stage.dir.path().join("folder")).expect("made");
    std::fs::write(stage.dir.path().join("garbage.toml"), [0xff, 0xfe, 0, 1, 2]).expect("written");
    std::fs::write(stage.dir.path().join("zeros.toml"), [0; 4096]).expect("written");
    std::fs::write(stage.dir.path().join("empty.toml"), "").expect("written");
    std::fs::write(stage.dir.path().join("large.toml"), "# a long remark\n".repeat(10 << 16)).expect("written");
    std::fs::write(stage.dir.path().join("deep.toml"), format!("a = {}", "[".repeat(100_000))).expect("written");
    let mut told = String::new();
    for name in ["folder", "garbage.toml", "zeros.toml", "empty.toml", "large.toml", "/dev/zero", "nosuch.toml", "kazakstan-2019"]
    {
        let done = stage.run(&["run", name, "--network", "proxy"]);
        assert_eq!(done.code, Some(2), "{name}: {done:?}");
        let head: Vec<_> = done.stderr.lines().map(|line| line.chars().take(120).collect::<String>()).take(12).collect();
        told += &format!("## {name}\n{}\n\n", head.join("\n"));
    }
    insta::assert_snapshot!("no_scenarios", told.replace('\0', "(0)"));
    assert_eq!(stage.run(&["run", "deep.toml", "--network", "proxy"]).code, Some(2));
}

#[test]
fn a_missing_program_is_a_skip_and_strictly_a_failure() {
    let stage = Stage::new(&SCENARIO.replace("[\"mitmlab\", \"client\", \"{url}\"]", "[\"no-such-program\", \"{url}\"]"));
    let done = stage.run(&["run", "scenario.toml", "--network", "proxy"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.stdout.contains("no program `no-such-program`"), "{done:?}");
    let strict = stage.run(&["run", "scenario.toml", "--network", "proxy", "--strict"]);
    assert_eq!(strict.code, Some(1), "{strict:?}");
    assert!(strict.stdout.replace("\n  ", " ").contains("Next: see whether the program is installed"), "{strict:?}");
    let exec = stage.run(&["exec", "scenario.toml", "--network", "proxy", "--", "no-such-program"]);
    assert_eq!(exec.code, Some(2), "{exec:?}");
}

#[test]
fn a_client_that_hangs_is_ended_with_its_children_and_the_record_is_kept() {
    for network in networks() {
        let mark = format!("{}{}", std::process::id(), if network == "sealed" { 501 } else { 502 });
        let hang =
            format!("[\"sh\", \"-c\", \"(setsid sleep {mark} &) ; trap : TERM; sleep {mark}; : {{url}}\"]\ndeadline = \"1s\"");
        let stage = Stage::new(&SCENARIO.replace("[\"mitmlab\", \"client\", \"{url}\"]", &hang));
        let done = stage.run(&["run", "scenario.toml", "--network", network, "--record", "record"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.replace("\n  ", " ").contains("was ended at its deadline"), "{done:?}");
        let events = std::fs::read_to_string(stage.dir.path().join("record/events.jsonl")).expect("a record");
        assert!(events.contains("\"timed_out\":true") && events.contains("\"run:end\""), "{events}");
        assert!(!commands().iter().any(|command| command == &format!("sleep\0{mark}\0")), "a child of the client is left");
    }
}

#[test]
fn a_client_that_prints_a_gibibyte_costs_no_memory_and_no_record() {
    let gush = "[\"sh\", \"-c\", \"head -c 1073741824 /dev/zero; : {url}\"]\ndeadline = \"50s\"";
    let stage = Stage::new(&SCENARIO.replace("[\"mitmlab\", \"client\", \"{url}\"]", gush));
    let done = stage.run(&["run", "scenario.toml", "--network", "proxy", "--record", "record"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let events = std::fs::read_to_string(stage.dir.path().join("record/events.jsonl")).expect("a record");
    assert!(events.contains("\"output_bytes\":1073741824"), "not all of it was read");
    assert!(events.len() < 1 << 20, "{} bytes of record", events.len());
}

#[test]
fn a_record_that_cannot_be_written_never_stops_a_run_and_is_told() {
    let stage = Stage::new(SCENARIO);
    std::fs::create_dir(stage.dir.path().join("full")).expect("made");
    std::os::unix::fs::symlink("/dev/full", stage.dir.path().join("full/events.jsonl")).expect("linked");
    for folder in ["/proc/nosuch", "/dev/full", "scenario.toml", "full"] {
        let done = stage.run(&["run", "scenario.toml", "--network", "proxy", "--record", folder]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let told = done.stdout.contains("the recording is incomplete") && done.stdout.contains(&format!("`{folder}"));
        assert!(told, "{done:?}");
    }
    let junit = stage.run(&["run", "scenario.toml", "--network", "proxy", "--junit", "/proc/nosuch/junit.xml"]);
    assert_eq!(junit.code, Some(2), "{junit:?}");
    assert!(junit.stderr.contains("cannot write `/proc/nosuch/junit.xml`") && junit.stdout.contains("1 passed"), "{junit:?}");
}

#[test]
fn a_full_or_closed_standard_output_is_no_panic() {
    let stage = Stage::new(SCENARIO);
    let commands: [&[&str]; 8] = [
        &["run", "scenario.toml", "--network", "proxy"],
        &["scenario", "list"],
        &["scenario", "schema"],
        &["scenario", "check", "scenario.toml"],
        &["profile", "list"],
        &["doctor"],
        &["man"],
        &["completions", "bash"],
    ];
    for arguments in commands {
        let full = stage.command(arguments).stdout(File::create("/dev/full").expect("open")).output().expect("started");
        let told = String::from_utf8_lossy(&full.stderr);
        assert_eq!(full.status.code(), Some(3), "{arguments:?}: {told}");
        assert!(told.contains("write to standard output: No space left on device"), "{arguments:?}: {told}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let gone = stage.command(arguments).stdout(writer).output().expect("started");
        let told = String::from_utf8_lossy(&gone.stderr);
        assert!(matches!(gone.status.code(), Some(0)), "{arguments:?}: {:?} {told}", gone.status);
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
    let full = stage.command(&["run", "nosuch"]).stderr(File::create("/dev/full").expect("open")).output().expect("started");
    assert_eq!(full.status.code(), Some(2));
}

#[test]
fn closed_descriptors_disturb_nothing() {
    let stage = Stage::new(SCENARIO);
    for network in networks() {
        let line = format!("exec \"$0\" run scenario.toml --network {network} <&- >&- 2>&-");
        let status = Command::new("sh").args(["-c", &line, PROGRAM]).current_dir(stage.dir.path()).env_remove("CI").status();
        assert_eq!(status.expect("started").code(), Some(0), "{network}");
    }
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let stage = Stage::new(SCENARIO);
    std::thread::scope(|scope| {
        let stage = &stage;
        let runs: Vec<_> = networks()
            .into_iter()
            .flat_map(|network| [network, network])
            .map(|network| scope.spawn(move || stage.run(&["run", "scenario.toml", "--network", network])))
            .collect();
        for run in runs {
            let done = run.join().expect("no panic");
            assert_eq!(done.code, Some(0), "{done:?}");
        }
    });
}

/// In the proxy network the kernel picks every port; in the sealed one every port is the lab's own, 443 of this machine or not.
#[test]
fn a_port_in_use_is_no_matter() {
    let taken: Vec<_> =
        [443, 80, 53].into_iter().filter_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok()).collect();
    let stage = Stage::new(SCENARIO);
    for network in networks() {
        let done = stage.run(&["run", "scenario.toml", "--network", network]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    drop(taken);
}

#[test]
fn an_ordinary_user_runs_it_too() {
    if !rustix::process::geteuid().is_root() {
        return; // every other test is that one
    }
    let stage = Stage::new(SCENARIO);
    let copy = stage.dir.path().join("mitmlab");
    std::fs::copy(PROGRAM, &copy).expect("copied");
    std::fs::set_permissions(stage.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    for network in networks() {
        let line = format!("cd {0:?} && ./mitmlab run scenario.toml --network {network}", stage.dir.path());
        let mut command = Command::new("su");
        command.args(["nobody", "-s", "/bin/sh", "-c", &line]).env_remove("CI").env("TMPDIR", "/tmp").stdin(Stdio::null());
        let done = finish(&mut command);
        assert_eq!(done.code, Some(0), "{network}: {done:?}");
    }
}

/// How a command ended.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A folder with a scenario.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new(scenario: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("scenario.toml"), scenario).expect("written");
        Self { dir }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.dir.path()).env_remove("CI").stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let done = finish(&mut self.command(arguments));
        assert!(!done.stderr.contains("panicked"), "{arguments:?}: {done:?}");
        done
    }
}

fn finish(command: &mut Command) -> Done {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.expect("a pipe").read_to_end(&mut bytes).expect("read");
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|p| Box::new(p) as _));
    let stderr = read(child.stderr.take().map(|p| Box::new(p) as _));
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("waited for") {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().expect("killed");
            panic!("no end after {DEADLINE:?}: {command:?}");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    Done { code: status.code(), stdout: stdout.join().expect("read"), stderr: stderr.join().expect("read") }
}

/// The networks that work here; under `CI=true` both must.
fn networks() -> Vec<&'static str> {
    let sealed = Command::new(PROGRAM).args(["doctor", "--json"]).output().is_ok_and(|o| o.status.success());
    assert!(
        sealed || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "the sealed network does not work here: `mitmlab doctor`"
    );
    if sealed { vec!["proxy", "sealed"] } else { vec!["proxy"] }
}

fn commands() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_mitmlab");
const DEADLINE: Duration = Duration::from_secs(90);
const SCENARIO: &str = r#"title = "Abuse"

[authority]
profile = "blind"

[world]
clock = 2019-07-20T12:00:00+06:00
include = ["web-2019"]

[[rule]]
name = "forge"
match = { sni = "www.facebook.com", port = 443 }
action = "intercept"

[[check]]
name = "own client"
client = ["mitmlab", "client", "{url}"]
url = "https://www.facebook.com/"
expect = { verdict = "refused" }
"#;
