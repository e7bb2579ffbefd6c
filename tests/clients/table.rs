//! The tables as text: what varies between machines (alert numbers, counts of bytes) is left out.

use std::fmt::Write as _;

use libtest_mimic::Failed;
use mitmlab::scenario::VerdictKind;
use mitmlab::verdict::{CheckResult, Outcome};

use crate::cases::CASES;
use crate::played::{Run, SITUATIONS, VERSIONS, check_name};
use crate::programs::CLIENTS;

/// A row for each client and version, a column for each situation.
pub(crate) fn of_clients(run: &Run) -> String {
    let heads = ["client", "TLS"].into_iter().chain(SITUATIONS.iter().map(|s| s.name)).map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = vec![heads];
    for client in CLIENTS {
        for (version, dotted) in VERSIONS {
            let cells = SITUATIONS.iter().map(|s| cell(run.check(&check_name(client.name, version, s.name))));
            rows.push([client.name.to_owned(), dotted.to_owned()].into_iter().chain(cells).collect());
        }
    }
    aligned(&rows)
}

/// A row for each case and version.
pub(crate) fn of_cases(run: &Run) -> String {
    let mut rows = vec![["client", "TLS", "verdict"].map(str::to_owned).to_vec()];
    for case in CASES {
        for version in case.versions {
            let found = run.check(&case.check_name(version));
            let dotted = VERSIONS.iter().find(|(v, _)| v == version).map_or("", |(_, d)| *d);
            rows.push(vec![case.client.name.to_owned(), dotted.to_owned(), cell(found)]);
        }
    }
    aligned(&rows)
}

/// Chromium ran with its own sandbox.
pub(crate) fn browser_was_sandboxed(run: &Run) -> Result<(), Failed> {
    let legs = run.checks().iter().flat_map(|check| [&check.control, &check.test]).flatten();
    match legs.into_iter().find(|leg| leg.argv.iter().any(|word| word == "--no-sandbox")) {
        Some(leg) => Err(format!("without its sandbox: {}", leg.argv.join(" ")).into()),
        None => Ok(()),
    }
}

/// The version of TLS was the one that the site forces, wherever a handshake was completed.
pub(crate) fn versions_were_forced(run: &Run) -> Result<(), Failed> {
    for check in run.checks() {
        let Some(target) = check.targets.first() else { continue };
        let forced = if target.host.contains("-12.") { "TLS1.2" } else { "TLS1.3" };
        let legs = [&check.control, &check.test].into_iter().flatten();
        for connection in legs.flat_map(|leg| &leg.connections).filter(|c| c.host() == target.host) {
            if let Some(handshake) = &connection.client_half.handshake
                && handshake.version != forced
            {
                return Err(format!("{}: {} in place of {forced}", check.name, handshake.version).into());
            }
        }
    }
    Ok(())
}

fn cell(check: Option<&CheckResult>) -> String {
    let Some(check) = check else { return "-".to_owned() };
    match (&check.outcome, check.targets.first()) {
        (Outcome::OutOfReach(_), _) => "out of reach".to_owned(),
        (_, Some(target)) => format!("{}{}", target.verdict.as_str(), how(target.verdict, &target.signal)),
        _ => "-".to_owned(),
    }
}

/// The class of what showed it.
fn how(verdict: VerdictKind, signal: &str) -> &'static str {
    match verdict {
        VerdictKind::Refused if signal.starts_with("alert ") => ": alert",
        VerdictKind::Refused if signal.starts_with("hung up") => ": hung up",
        VerdictKind::Refused if signal.starts_with("closed during") => ": closed silently",
        _ => "",
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().enumerate().map(|(n, cell)| format!("{cell:width$}", width = width(n))).collect();
        let _ = writeln!(text, "{}", cells.join(" | ").trim_end());
    }
    text
}
