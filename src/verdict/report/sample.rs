//! One synthetic run with everything that a report must show: passed, failed, undecided and skipped checks, a twin, two
//! targets, a detector, a fault, a remark, broken containment.

use crate::record::ConnectionId;
use crate::scenario::{Trust, VerdictKind};
use crate::verdict::tests::leg;
use crate::verdict::{CheckResult, Difference, Grade, LegTruth, Outcome, RunReport, TargetVerdict};

/// A run of these checks, with nothing else to tell.
pub(crate) fn run_of(checks: Vec<CheckResult>) -> RunReport {
    RunReport {
        scenario: "kazakhstan-2019".to_owned(),
        title: "Kazakhstan, July and August 2019".to_owned(),
        version: "0.1.0".to_owned(),
        network: "sealed".to_owned(),
        network_reason: "user namespaces work here".to_owned(),
        checks,
        faults: Vec::new(),
        remarks: Vec::new(),
        containment: Vec::new(),
        ms: 4321,
    }
}

/// The run.
pub(crate) fn run() -> RunReport {
    let refuses = check("a client without the root refuses", "curl", Trust::Web, &[refused()]);
    let untouched = target("www.kernel.org", VerdictKind::Untouched, "sent 82 bytes to the origin", 2);
    let twin = check("a host that is not listed stays untouched", "curl", Trust::Web, &[untouched]);
    let refuses = CheckResult { twin: Some(Box::new(twin)), ..refuses };
    let exposed = target("www.facebook.com", VerdictKind::Exposed, "sent 78 bytes to the forged server", 3);
    let video = target("www.youtube.com", VerdictKind::NotContacted, "no connection to it was seen", 0);
    let accepts = check("verification is on", "/usr/bin/wget", Trust::Web, &[exposed, video]);
    let open = target(
        "www.facebook.com",
        VerdictKind::Inconclusive,
        "closed during the handshake without an alert, but the control leg never contacted it",
        4,
    );
    let undecided = check("aiohttp refuses", "python3", Trust::Web, &[open]);
    let seen = target("www.facebook.com", VerdictKind::Exposed, "sent 61 bytes to the forged server", 5);
    let detector = check("the reference detector notices", "mitmlab", Trust::WebAuthority, &[seen]);
    let detector = CheckResult { finding: Some("intercepted".to_owned()), grade: Some(Grade::TruePositive), ..detector };
    RunReport {
        faults: vec!["the rule `forge-mail` of the phase `interception` (line 31) never fired: correct its `match`".to_owned()],
        remarks: vec!["what the box does with TLS 1.3 is a parameter, not evidence".to_owned()],
        containment: vec![
            ("no route leads out of the sealed network".to_owned(), true),
            ("no file of the host was written".to_owned(), false),
        ],
        ..run_of(vec![
            refuses,
            failed(
                accepts,
                [
                    difference("refused", "exposed", "www.facebook.com (c3): sent 78 bytes to the forged server"),
                    difference("refused", "not-contacted", "www.youtube.com: no connection to it was seen"),
                ],
            ),
            failed(
                undecided,
                [difference(
                    "refused",
                    "inconclusive",
                    "www.facebook.com (c4): closed during the handshake without an alert, but the control leg never contacted it",
                )],
            ),
            detector,
            CheckResult::skipped("firefox refuses", "halted", "`firefox` is not installed"),
        ])
    }
}

fn refused() -> TargetVerdict {
    let mut refused = target("www.facebook.com", VerdictKind::Refused, "alert 48 unknown_ca", 1);
    refused.remarks.push("after the refusal it asked for the same host in the clear (c9)".to_owned());
    refused
}

fn check(name: &str, program: &str, trust: Trust, targets: &[TargetVerdict]) -> CheckResult {
    let argv = vec![program.to_owned(), "https://www.facebook.com/".to_owned()];
    CheckResult {
        outcome: Outcome::Passed,
        targets: targets.to_vec(),
        test: Some(LegTruth { argv, trust, ..leg(Vec::new()) }),
        ..CheckResult::skipped(name, "interception", "")
    }
}

fn failed(check: CheckResult, differences: impl IntoIterator<Item = Difference>) -> CheckResult {
    CheckResult { outcome: Outcome::Failed(differences.into_iter().collect()), ..check }
}

fn target(host: &str, verdict: VerdictKind, signal: &str, id: u64) -> TargetVerdict {
    let evidence = if id == 0 { Vec::new() } else { vec![ConnectionId(id)] };
    TargetVerdict { host: host.to_owned(), verdict, signal: signal.to_owned(), evidence, remarks: Vec::new() }
}

fn difference(expected: &str, seen: &str, evidence: &str) -> Difference {
    Difference { what: "verdict".to_owned(), expected: expected.to_owned(), seen: seen.to_owned(), evidence: evidence.to_owned() }
}
