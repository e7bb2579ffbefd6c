//! One run of the program with all checks of a network, and what its report says.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use libtest_mimic::Failed;
use mitmlab::client::find;
use mitmlab::verdict::report::json;
use mitmlab::verdict::{CheckResult, Outcome, RunReport, explain};

use crate::built::built;
use crate::cases::{CASES, Case, nap};
use crate::programs::{CLIENTS, Client};

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Sealed,
    Proxy,
}

impl Network {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Proxy => "proxy",
        }
    }
}

/// What a client meets.
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    site: &'static str,
    trust: &'static str,
    /// The verdict for clients that send a request, and for those that do not.
    verdict: [&'static str; 2],
}

/// The columns of the table.
pub(crate) const SITUATIONS: &[Situation] = &[
    Situation { name: "untrusted root", site: "forged", trust: "web", verdict: ["refused", "refused"] },
    Situation { name: "wrong host", site: "wrong-host", trust: "web", verdict: ["refused", "refused"] },
    Situation { name: "expired", site: "expired", trust: "web", verdict: ["refused", "refused"] },
    Situation { name: "root installed", site: "forged", trust: "web+authority", verdict: ["exposed", "handshake-only"] },
    Situation { name: "nobody interferes", site: "free", trust: "web", verdict: ["untouched", "handshake-only"] },
];

/// Versions as sites are named after them, and as people write them.
pub(crate) const VERSIONS: [(&str, &str); 2] = [("12", "1.2"), ("13", "1.3")];

/// The name of a check of the table.
pub(crate) fn check_name(client: &str, version: &str, situation: &str) -> String {
    format!("{client} | {version} | {situation}")
}

/// A run.
pub(crate) struct Run {
    report: RunReport,
    /// Clients that are not on this machine, and why that is thought.
    missing: Vec<String>,
}

/// The network's run, made when it is first asked for. None if this machine cannot, and need not.
pub(crate) fn played(network: Network) -> Result<Option<&'static Run>, Failed> {
    static RUNS: [OnceLock<Result<Option<Run>, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let run = RUNS[network as usize].get_or_init(|| play(network)).as_ref().map_err(Failed::from)?;
    Ok(run.as_ref())
}

/// Held while a network's run is going on.
pub(crate) static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn play(network: Network) -> Result<Option<Run>, String> {
    let _guard = ONE_AT_A_TIME.lock().map_err(|e| e.to_string())?;
    let built = built().map_err(|e| e.to_string())?;
    let mut missing = Vec::new();
    let text = scenario(network, &built, &mut missing);
    if is_ci() && !missing.is_empty() {
        return Err(format!("under CI=true every client must be here: {}", missing.join("; ")));
    }
    missing.iter().for_each(|why| eprintln!("left out: {why}"));
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = folder.path().join("client-table.toml");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    command.arg("run").arg(&file).args(["--network", network.word(), "--format", "json", "--jobs", "3"]);
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    match json::read(&output.stdout) {
        Ok(report) => Ok(Some(Run { report, missing })),
        Err(_) if output.status.code() == Some(3) && !is_ci() => {
            eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            Ok(None)
        }
        Err(error) => Err(format!("{error}; {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// The world of tests/data with a check for every client in every situation, and for every case.
fn scenario(network: Network, built: &Path, missing: &mut Vec<String>) -> String {
    let mut text = include_str!("../data/client-table.toml").to_owned();
    // Cases first: some of them wait for a deadline, which then costs no time of its own.
    for case in CASES.iter().filter(|c| is_here(&c.client, network, missing)) {
        for version in case.versions {
            let (name, url) = (case.check_name(version), format!("https://forged-{version}.table.test/"));
            add(&mut text, &name, &case.client, built, &url, case.trust, case.expects().0, case.more);
        }
    }
    for client in CLIENTS.iter().filter(|c| is_here(c, network, missing)) {
        for (version, _) in VERSIONS {
            for s in SITUATIONS {
                let verdict = s.verdict[usize::from(!client.sends)];
                let url = format!("https://{}-{version}.table.test/", s.site);
                add(&mut text, &check_name(client.name, version, s.name), client, built, &url, s.trust, verdict, "");
            }
        }
    }
    text
}

#[expect(clippy::too_many_arguments, reason = "the parts of a check, each used once")]
fn add(text: &mut String, name: &str, client: &Client, built: &Path, url: &str, trust: &str, verdict: &str, more: &str) {
    let quoted = |word: &str| serde_json::Value::from(word).to_string(); // JSON's strings are TOML's basic strings
    let built = built.to_string_lossy();
    let argv: Vec<String> =
        client.command.iter().map(|word| quoted(&word.replace("{built}", &built).replace("{nap}", &nap()))).collect();
    let deadline = if more.contains("deadline") { "" } else { "deadline = \"60s\"" };
    let _ = writeln!(
        text,
        "\n[[check]]\nname = {}\nclient = [{}]\nurl = {}\ntrust = {}\n{deadline}\n{more}\nexpect = {{ verdict = {} }}",
        quoted(name),
        argv.join(", "),
        quoted(url),
        quoted(trust),
        quoted(verdict),
    ); // writing to a string cannot fail
}

/// False if the client is not on this machine (which is remembered), or hides from the proxy.
fn is_here(client: &Client, network: Network, missing: &mut Vec<String>) -> bool {
    let lacks = client.needs.iter().find(|need| match need.split_once(' ') {
        None => find(need, None).is_err(),
        Some(_) => !runs(need),
    });
    missing.extend(lacks.map(|need| format!("{}: `{need}` is not here", client.name)));
    lacks.is_none() && (client.proxied || network == Network::Sealed)
}

fn runs(line: &str) -> bool {
    let mut words = line.split(' ');
    let status = Command::new(words.next().unwrap_or_default()).args(words).stdin(Stdio::null()).output();
    status.is_ok_and(|output| output.status.success())
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

impl Run {
    pub(crate) fn checks(&self) -> &[CheckResult] {
        &self.report.checks
    }

    pub(crate) fn check(&self, name: &str) -> Option<&CheckResult> {
        self.report.checks.iter().find(|check| check.name == name)
    }

    /// Every check that is meant passed, or was out of the proxy's reach; and nothing is wrong with the run as a whole.
    pub(crate) fn all_passed(&self, meant: impl Fn(&str) -> bool) -> Result<(), Failed> {
        let mut wrong: Vec<String> = self.report.faults.clone();
        for check in self.report.checks.iter().filter(|check| meant(&check.name)) {
            match &check.outcome {
                Outcome::Passed | Outcome::OutOfReach(_) => {}
                Outcome::Skipped(why) => wrong.push(format!("{}: skipped: {why}", check.name)),
                Outcome::Failed(_) => {
                    let words = check.test.as_ref().map(|leg| leg.stderr_tail.as_str()).unwrap_or_default();
                    wrong.push(format!("{}: {}\n{words}", check.name, explain::explain(check).unwrap_or_default()));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    }

    /// The client of a case, if it was played, wrote `words` to its standard error.
    pub(crate) fn said(&self, case: &str, words: &str) -> Result<(), Failed> {
        let Some(check) = self.checks().iter().find(|check| check.name.contains(case)) else { return Ok(()) }; // left out
        let said = check.test.as_ref().map(|leg| leg.stderr_tail.as_str()).unwrap_or_default();
        if said.contains(words) { Ok(()) } else { Err(format!("{}: no `{words}` in {said:?}", check.name).into()) }
    }

    /// The case was given its verdict, and its check passed if a check with that verdict can.
    pub(crate) fn is_as_told(&self, case: &Case, version: &str) -> Result<(), Failed> {
        let Some(check) = self.check(&case.check_name(version)) else { return Ok(()) }; // left out
        if matches!(check.outcome, Outcome::OutOfReach(_)) {
            return Ok(());
        }
        let verdict = check.targets.first().map_or("none", |target| target.verdict.as_str());
        if verdict == case.verdict && (check.outcome == Outcome::Passed) == case.expects().1 {
            return Ok(());
        }
        let words = check.test.as_ref().map(|leg| leg.stderr_tail.as_str()).unwrap_or_default();
        let why = explain::explain(check).unwrap_or_default();
        Err(format!("{}: {} expected, {verdict} seen ({:?}). {why}\n{words}", check.name, case.verdict, check.targets).into())
    }

    /// Compares with the table that is kept, if every client is here.
    pub(crate) fn snapshot(&self, name: &str, table: &str) -> Result<(), Failed> {
        if !self.missing.is_empty() {
            eprintln!("not compared with the table that is kept: {}", self.missing.join("; "));
            return Ok(());
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, table));
        Ok(())
    }
}
