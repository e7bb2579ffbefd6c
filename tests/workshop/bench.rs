//! A workshop that is up, and browsers without a window.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A workshop; ended with the test.
pub(crate) struct Workshop {
    child: Child,
    pub(crate) address: String,
    pub(crate) join: String,
    pub(crate) trainer: String,
    _home: tempfile::TempDir,
}

impl Workshop {
    pub(crate) fn start(words: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        // A spare lab costs each test its start; the test of spares asks for them.
        let spare: &[&str] = if words.contains(&"--spare") { &[] } else { &["--spare", "0"] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_mitmlab"))
            .arg("workshop")
            .args(words)
            .args(spare)
            .arg("--json")
            .env("XDG_RUNTIME_DIR", home.path())
            .env("TMPDIR", home.path())
            .env_remove("MITMLAB_NETWORK")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let text = |name: &str| told[name].as_str().expect("text").to_owned();
        let code = |name: &str| text(name).split_once("#join=").expect("a code").1.to_owned();
        let address = text("url").trim_start_matches("http://").to_owned();
        Self { child, address, join: code("join"), trainer: code("trainer"), _home: home }
    }

    /// A browser that has joined.
    pub(crate) fn participant(&self, name: &str) -> Browser {
        self.browser(&self.join, name)
    }

    pub(crate) fn trainer(&self) -> Browser {
        self.browser(&self.trainer, "")
    }

    fn browser(&self, code: &str, name: &str) -> Browser {
        let mut browser = Browser { address: self.address.clone(), cookie: String::new() };
        let answer = browser.ask("POST", "/api/join", Some(&json!({ "code": code, "name": name })));
        assert_eq!(answer.status, 200, "{answer:?}");
        browser.cookie = answer.cookie.expect("a cookie");
        browser
    }

    /// Asks it to end, as Ctrl-C would, and waits.
    pub(crate) fn end(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// The labs of this workshop, as processes.
    pub(crate) fn labs(&self) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").expect("a folder").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| parent(*pid) == Some(self.child.id())).collect()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// A browser.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) address: String,
    pub(crate) cookie: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) cookie: Option<String>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Browser {
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, Some(body));
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_with(method, path, body, &[("Host", &self.address)])
    }

    /// With headers of the test's own in place of the usual Host.
    pub(crate) fn ask_with(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let body = body.map(Value::to_string);
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if !self.cookie.is_empty() {
            head.push_str(&format!("Cookie: {}\r\n", self.cookie));
        }
        if let Some(body) = &body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        write!(stream, "{head}\r\n{}", body.unwrap_or_default()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        parsed(&answer)
    }

    /// Starts a client and waits for its end.
    pub(crate) fn run(&self, client: &str, order: &Value) -> Value {
        let started = self.send("POST", &format!("/api/clients/{client}"), order);
        self.get(&format!("/api/runs/{}?wait_ms=30000", started["leg"]))
    }
}

pub(crate) fn wait_until(told: &str, mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !met() {
        assert!(Instant::now() < deadline, "{told}: not in time");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn parsed(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    let cookie = line("set-cookie: ").and_then(|line| line.split(';').next().map(str::to_owned));
    Answer { status, head: head.to_owned(), body, cookie }
}

fn unchunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((length, rest)) = text.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 {
            break;
        }
        body.push_str(&rest[..length]);
        text = &rest[length + 2..];
    }
    body
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
