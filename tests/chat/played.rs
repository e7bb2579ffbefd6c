//! One run of the program with every row as checks, and what its report says.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use mitmlab::verdict::report::json;
use mitmlab::verdict::{CheckResult, Outcome, RunReport};

use crate::rows::{ROWS, Row};

/// A run.
pub(crate) struct Run {
    report: RunReport,
    rows: Vec<&'static Row>,
    whole: bool,
}

/// What a client meets: the trust, and the rule that is in force at its site.
const TRUSTS: [&str; 2] = ["web", "web+authority"];

/// None if this machine cannot, and need not.
pub(crate) fn play(network: &str) -> Option<Run> {
    let (rows, missing): (Vec<&Row>, Vec<&Row>) = ROWS.iter().partition(|row| row.needs.iter().all(|argv| runs(argv)));
    let missing: Vec<_> = missing.iter().map(|row| row.name).collect();
    assert!(missing.is_empty() || !is_ci(), "under CI=true every client must be here: {missing:?}");
    missing.iter().for_each(|name| eprintln!("left out: {name}"));
    let servers = ["dovecot", "prosody"].into_iter().filter(|name| has(name)).collect::<Vec<_>>();
    assert!(servers.len() == 2 || !is_ci(), "under CI=true Dovecot and Prosody must be here");
    let served = |row: &&Row| servers.iter().any(|name| row.name.contains(name)) || !row.name.contains(" at ");
    let rows: Vec<&Row> = rows.into_iter().filter(served).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chat-table.toml");
    std::fs::write(&file, scenario(&rows, &servers)).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.arg("run").arg(&file).args(["--network", network, "--format", "json", "--jobs", "3"]);
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let report = match json::read(&output.stdout) {
        Ok(report) => report,
        Err(_) if output.status.code() == Some(3) && !is_ci() => {
            eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Err(error) => panic!("{error}; {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    };
    let whole = missing.is_empty() && servers.len() == 2;
    Some(Run { report, rows, whole })
}

fn scenario(rows: &[&Row], servers: &[&str]) -> String {
    let mut text = format!("{HEAD}include = {:?}\n{RULE}", [&["chat"], servers].concat());
    for row in rows {
        for trust in TRUSTS {
            let verdict = if trust == "web" { row.verdict } else { "exposed" };
            let read = row.messages.filter(|_| verdict == "exposed").map(|word| format!(", messages = {word:?}"));
            let _ = write!(
                text,
                "\n[[check]]\nname = {:?}\nclient = {:?}\nurl = {:?}\ntrust = {trust:?}\nexpect = {{ verdict = {verdict:?}, action = \"intercept\"{} }}\n",
                name(row, trust),
                row.argv,
                row.url,
                read.unwrap_or_default(),
            );
        }
    }
    text
}

fn name(row: &Row, trust: &str) -> String {
    format!("{} | {trust}", row.name)
}

impl Run {
    /// Every client and server was there.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) fn table(&self) -> String {
        let widest = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for row in &self.rows {
            let cells: Vec<String> = TRUSTS.iter().map(|trust| self.cell(&name(row, trust))).collect();
            let _ = writeln!(out, "{:widest$}  {:28}  {}", row.name, cells[0], cells[1]);
        }
        out
    }

    pub(crate) fn all_as_expected(&self) {
        for row in &self.rows {
            for trust in TRUSTS {
                let check = self.check(&name(row, trust));
                let out_of_reach = matches!(check.outcome, Outcome::OutOfReach(_)) && !row.proxied;
                assert!(matches!(check.outcome, Outcome::Passed) || out_of_reach, "{}: {:#?}", check.name, check.outcome);
            }
        }
    }

    fn cell(&self, name: &str) -> String {
        let check = self.check(name);
        if check.not_run().is_some() {
            return "past the proxy".to_owned();
        }
        let verdict = check.targets.first().map_or("none", |target| target.verdict.as_str());
        let connections = check.test.iter().flat_map(|leg| &leg.connections);
        let read = connections.filter_map(mitmlab::record::Connection::messages).next();
        read.map_or_else(|| verdict.to_owned(), |messages| format!("{verdict}, messages {}", messages.as_str()))
    }

    fn check(&self, name: &str) -> &CheckResult {
        self.report.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check `{name}`"))
    }
}

fn runs(argv: &[&str]) -> bool {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.into_iter().any(|folder: std::path::PathBuf| folder.join(program).is_file())
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

const HEAD: &str = r#"
title = "The chat table"
about = "Every client of a chat or of a real server, strict and lax, without the root and with it."
[authority]
profile = "qaznet-2019"
[world]
clock = 2019-07-20T12:00:00+06:00
"#;

const RULE: &str = r#"
[[rule]]
name = "forge"
match = { sni = ".example.org", port = [443, 993, 995, 5223] }
action = "intercept"
"#;
