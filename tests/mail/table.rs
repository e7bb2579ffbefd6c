//! The table of mail clients: each, strict and lax, against everything that the box does to STARTTLS. Runs the program itself on a
//! scenario that is put together here, and reads its report. Accept a changed table with `INSTA_UPDATE=always`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mitmlab::verdict::RunReport;
use mitmlab::verdict::report::json;

use crate::bench::have;
use crate::programs::{Client, clients};

/// A column: phase, trust, and the verdicts that can be.
struct Column {
    head: &'static str,
    phase: &'static str,
    trust: &'static str,
    can: &'static [&'static str],
}

const FORGED: &[&str] = &["exposed", "refused", "untouched"];
const HINDERED: &[&str] = &["exposed-in-clear", "refused", "untouched"];
const COLUMNS: &[Column] = &[
    Column { head: "forward", phase: "forward", trust: "web", can: &["untouched"] },
    Column { head: "intercept", phase: "intercept", trust: "web", can: FORGED },
    Column { head: "root installed", phase: "intercept", trust: "web+authority", can: FORGED },
    Column { head: "strip", phase: "strip-starttls", trust: "web", can: HINDERED },
    Column { head: "refuse", phase: "refuse-starttls", trust: "web", can: HINDERED },
    Column { head: "mangle", phase: "mangle-starttls", trust: "web", can: HINDERED },
];

#[test]
fn every_client_is_judged_right_in_the_sealed_network() {
    judged("sealed", |_| true);
}

/// Of these clients only curl speaks to a proxy. One protocol less there, for time's sake: what differs is the carrier.
#[test]
fn every_client_is_judged_right_in_the_proxy_network() {
    judged("proxy", |client| client.needs == "curl" && !client.url.starts_with("pop3"));
}

fn judged(network: &str, takes: impl Fn(&Client) -> bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let all: Vec<Client> = clients(folder.path()).into_iter().filter(&takes).collect();
    let here: Vec<&Client> = all.iter().filter(|client| have(client.needs) && client.ready).collect();
    let file = folder.path().join("mail-table.toml");
    std::fs::write(&file, scenario(&here)).expect("written");
    let Some(report) = run(&file, network) else { return };
    let table = table(&here, &report);
    println!("{table}");
    let wrong: Vec<_> = report.checks.iter().filter(|check| check.outcome != mitmlab::verdict::Outcome::Passed).collect();
    assert!(wrong.is_empty() && report.faults.is_empty(), "{wrong:#?}\n{:?}", report.faults);
    if here.len() < all.len() {
        eprintln!("not compared with the table that is kept: clients are missing");
        return;
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("table_{network}"), table));
}

pub(crate) fn run(file: &Path, network: &str) -> Option<RunReport> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.arg("run").arg(file).args(["--network", network, "--format", "json", "--jobs", "4"]);
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    match json::read(&output.stdout) {
        Ok(report) => Some(report),
        Err(_) if output.status.code() == Some(3) && std::env::var_os("CI").is_none_or(|ci| ci != "true") => {
            eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => panic!("{error}; {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// One server, a phase for each action, a check for each client and column.
fn scenario(clients: &[&Client]) -> String {
    let mut text = "title = \"Mail clients\"\nabout = \"STARTTLS.\"\n[authority]\nprofile = \"qaznet-2019\"\n\
                    [world]\nclock = 2019-07-20T12:00:00+06:00\ninclude = [\"mail\"]\n"
        .to_owned();
    let mut phases: Vec<&str> = COLUMNS.iter().map(|column| column.phase).collect();
    phases.dedup();
    for phase in phases {
        let _ = write!(
            text,
            "[[phase]]\nname = \"{phase}\"\n[[phase.rule]]\nname = \"{phase}\"\n\
             match = {{ address = \"198.51.100.25\", port = [25, 110, 143] }}\naction = \"{phase}\"\n"
        );
        if phase == "intercept" && clients.iter().any(|client| is_implicit(client)) {
            text += "[[phase.rule]]\nname = \"intercept-at-once\"\nmatch = { sni = \".example.org\", port = [465, 993, 995] }\naction = \"intercept\"\n";
        }
    }
    for client in clients {
        for column in COLUMNS.iter().filter(|column| concerns(column, client)) {
            let quoted = |word: &String| serde_json::Value::from(word.as_str()).to_string(); // JSON's strings are TOML's basic strings
            let argv: Vec<String> = client.command.iter().map(quoted).collect();
            let _ = write!(
                text,
                "[[check]]\nname = \"{} | {}\"\nphase = \"{}\"\nclient = [{}]\nurl = \"{}\"\ntrust = \"{}\"\ndeadline = \"30s\"\n\
                 expect = {{ verdict = {:?} }}\n",
                client.name,
                column.head,
                column.phase,
                argv.join(", "),
                client.url,
                column.trust,
                column.can,
            );
        }
    }
    text
}

/// TLS comes first: nothing is asked for in the clear.
fn is_implicit(client: &Client) -> bool {
    client.url.split_once("://").is_some_and(|(scheme, _)| scheme.ends_with('s'))
}

/// Where there is no upgrade, one way of taking it away is as good as another.
fn concerns(column: &Column, client: &Client) -> bool {
    !is_implicit(client) || !matches!(column.head, "refuse" | "mangle")
}

fn table(clients: &[&Client], report: &RunReport) -> String {
    let mut rows: Vec<Vec<String>> =
        vec![std::iter::once("client").chain(COLUMNS.iter().map(|c| c.head)).map(str::to_owned).collect()];
    for client in clients {
        let cell = |column: &Column| {
            let name = format!("{} | {}", client.name, column.head);
            let check = report.checks.iter().find(|check| check.name == name);
            check.and_then(|check| check.targets.first()).map_or("-".to_owned(), |target| target.verdict.as_str().to_owned())
        };
        rows.push(std::iter::once(client.name.to_owned()).chain(COLUMNS.iter().map(cell)).collect());
    }
    let wide = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=COLUMNS.len()).map(wide).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join(" | ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
