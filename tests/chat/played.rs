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

/// What a client meets: the phase, and what it trusts.
const COLUMNS: [(&str, &str); 3] = [("forged", "web"), ("forged", "web+authority"), ("stripped", "web")];

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
    let mut text = format!("{HEAD}include = {:?}\n{FORGED}", [&["chat"], servers].concat());
    let addresses: Vec<_> = SERVERS.iter().filter(|(name, _)| servers.contains(name)).map(|(_, address)| *address).collect();
    let upgrades = format!("match = {{ address = {addresses:?}, port = [110, 143, 5222] }}");
    if !servers.is_empty() {
        let _ = write!(text, "\n[[phase.rule]]\nname = \"forge-upgrades\"\n{upgrades}\naction = \"intercept\"\n");
        let _ = write!(
            text,
            "\n[[phase]]\nname = \"stripped\"\n[[phase.rule]]\nname = \"strip\"\n{upgrades}\naction = \"strip-starttls\"\n"
        );
    }
    for row in rows {
        for (phase, trust) in COLUMNS {
            let Some((verdict, action)) = expected(row, phase, trust) else { continue };
            let read = row.messages.filter(|_| verdict == "exposed").map(|word| format!(", messages = {word:?}"));
            let _ = write!(
                text,
                "\n[[check]]\nname = {:?}\nphase = {phase:?}\nclient = {:?}\nurl = {:?}\ntrust = {trust:?}\n\
                 expect = {{ verdict = {verdict:?}, action = {action:?}{} }}\n",
                name(row, phase, trust),
                row.argv,
                row.url,
                read.unwrap_or_default(),
            );
        }
    }
    text
}

/// Verdict and action; none where the column does not concern the row.
fn expected(row: &Row, phase: &str, trust: &str) -> Option<(&'static str, &'static str)> {
    match (phase, trust) {
        ("stripped", _) => Some((row.stripped?, "strip-starttls")),
        (_, "web") => Some((row.verdict, "intercept")),
        _ => Some(("exposed", "intercept")),
    }
}

fn name(row: &Row, phase: &str, trust: &str) -> String {
    format!("{} | {phase}, {trust}", row.name)
}

impl Run {
    /// Every client and server was there.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) fn table(&self) -> String {
        let widest = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let mut out = format!("{:widest$}  {:28}  {:28}  {}\n", "client", "forged", "root installed", "stripped");
        for row in &self.rows {
            let cells = COLUMNS.map(|(phase, trust)| {
                expected(row, phase, trust).map_or("-".to_owned(), |_| self.cell(&name(row, phase, trust)))
            });
            let _ = writeln!(out, "{:widest$}  {:28}  {:28}  {}", row.name, cells[0], cells[1], cells[2]);
        }
        out
    }

    pub(crate) fn all_as_expected(&self) {
        for row in &self.rows {
            for (phase, trust) in COLUMNS.into_iter().filter(|(phase, trust)| expected(row, phase, trust).is_some()) {
                let check = self.check(&name(row, phase, trust));
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

const FORGED: &str = r#"
[[phase]]
name = "forged"
[[phase.rule]]
name = "forge"
match = { sni = ".example.org", port = [443, 993, 995, 5223] }
action = "intercept"
"#;

/// The real servers and where they are (`lab/world`).
const SERVERS: [(&str, &str); 2] = [("dovecot", "198.51.100.28"), ("prosody", "198.51.100.42")];
