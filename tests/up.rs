//! `mitmlab up`, `env` and `down`, as a user runs them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Labs of one test find only each other: they have a runtime folder of their own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        command.args(words).env("XDG_RUNTIME_DIR", self.0.path()).env_remove("MITMLAB_LAB").env_remove("MITMLAB_NETWORK");
        command
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(words).output().expect("it starts");
        (
            status.code().unwrap_or(-1),
            String::from_utf8_lossy(&stdout).into_owned(),
            String::from_utf8_lossy(&stderr).into_owned(),
        )
    }

    fn up(&self, words: &[&str]) -> (Child, Value) {
        let mut child = self
            .command(&[&["up"], words, &["--json"]].concat())
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        (child, told)
    }
}

fn at<'a>(told: &'a Value, pointer: &str) -> &'a str {
    told.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {told}"))
}

#[test]
fn up_env_and_down() {
    let home = Home::new();
    let (mut one, told) = home.up(&["untrusted-root-is-refused"]);
    assert!(std::fs::read_to_string(at(&told, "/roots/web")).expect("the roots").contains("BEGIN CERTIFICATE"));
    let proxy = at(&told, "/proxies/inside").to_owned();
    let (code, variables, _) = home.run(&["env", "--trust", "none"]);
    assert!(code == 0 && variables.contains(&format!("export HTTPS_PROXY='http://{proxy}'")), "{variables}");
    let (mut two, other) = home.up(&["untrusted-root-is-refused"]);
    assert_ne!(
        (at(&other, "/control/url"), at(&other, "/control/token")),
        (at(&told, "/control/url"), at(&told, "/control/token"))
    );
    let (code, _, words) = home.run(&["env"]);
    assert!(code == 2 && words.contains("2 labs are up") && words.contains(&format!("--lab {}", one.id())), "{words}");
    assert_eq!(home.run(&["down", "--lab", &one.id().to_string()]).0, 0);
    assert!(one.wait().expect("its end").success());
    assert!(TcpStream::connect(&proxy).is_err() && !Path::new(at(&told, "/folder")).exists());
    assert_eq!(home.run(&["down", "--all"]).0, 0);
    assert!(two.wait().expect("its end").success());
    let (code, _, words) = home.run(&["down"]);
    assert!(code == 2 && words.contains("no lab is up"), "{words}");
}

#[test]
fn a_command_beside_it_gives_the_exit_code() {
    let home = Home::new();
    for network in ["proxy", "sealed"] {
        let script =
            "test -n \"$MITMLAB_TOKEN\" && test -S \"$MITMLAB_FOLDER/control.sock\" && test -z \"$HTTPS_PROXY\" && exit 7";
        let (code, _, words) = home.run(&["up", "untrusted-root-is-refused", "--network", network, "--", "sh", "-c", script]);
        if network == "sealed" && code == 3 {
            assert!(std::env::var("CI").is_err(), "{words}");
            eprintln!("skipped: {words}");
            continue;
        }
        assert_eq!(code, 7, "{network}: {words}");
    }
    let (code, out, _) = home.run(&["up", "untrusted-root-is-refused", "--env", "--", "sh", "-c", "echo $HTTPS_PROXY"]);
    assert!(code == 0 && out.contains("http://127.0.0.1:"), "{out}");
    assert!(
        home.run(&["up", "untrusted-root-is-refused", "--", "/no/such/program"]).2.contains("cannot start `/no/such/program`")
    );
    let left: Vec<_> = std::fs::read_dir(home.0.path().join("mitmlab")).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let home = Home::new();
    for (words, code, told) in [
        (&["up", "no-such-scenario"][..], 2, "no-such-scenario"),
        (&["up", "untrusted-root-is-refused", "--phase", "nope"], 2, "it has `always`"),
        (&["up", "untrusted-root-is-refused", "--at", "yesterday"], 2, "wants a time"),
        (&["up", "untrusted-root-is-refused", "--root", "/dev/null"], 2, "no authority"),
        (&["up", "no-such-scenario", "--", "true"], 2, "its message is above"),
        (&["env"], 2, "no lab is up"),
    ] {
        let (seen, _, words_out) = home.run(words);
        assert!(seen == code && words_out.contains(told), "{words:?}: {seen} {words_out}");
    }
}

#[test]
fn the_lab_ends_with_whoever_started_it() {
    let home = Home::new();
    let mut command = home.command(&["up", "untrusted-root-is-refused", "--json", "--until-eof"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let mut stream = TcpStream::connect(at(&told, "/control/url").trim_start_matches("http://")).expect("it listens");
    write!(stream, "GET /v1/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
}
