//! One paragraph for a failed check: what was expected, what was seen, on what evidence, and what to look at next.

use super::{CheckResult, Difference, LegTruth, Outcome, TargetVerdict};
use crate::record::Connection;
use crate::scenario::{Trust, VerdictKind};

/// The paragraph, without its heading. None if the check did not fail.
pub fn explain(check: &CheckResult) -> Option<String> {
    let Outcome::Failed(differences) = &check.outcome else { return None };
    let mut sentences: Vec<String> = differences.iter().map(sentence).collect();
    sentences.extend(check.targets.iter().flat_map(|t| t.remarks.iter().map(|remark| format!("{}: {remark}.", t.host))));
    sentences.extend(check.test.as_ref().map(ran));
    sentences.push(format!("Next: {}.", next_step(check, differences)));
    Some(sentences.join(" "))
}

fn sentence(difference: &Difference) -> String {
    let Difference { what, expected, seen, evidence } = difference;
    format!("Expected {what} {expected}, saw {seen}: {}.", evidence.trim_end_matches('.'))
}

fn ran(leg: &LegTruth) -> String {
    let ended = match (leg.exit, leg.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, _) if leg.timed_out => "was ended at its deadline".to_owned(),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not run".to_owned(),
    };
    format!("`{}` (trust {}, {}) {ended}.", leg.argv.join(" "), leg.trust, leg.vantage)
}

/// What a person would look at first, from the first difference and the evidence under it.
fn next_step(check: &CheckResult, differences: &[Difference]) -> String {
    let Some(first) = differences.first() else { return "judge the recording again".to_owned() };
    match first.what.as_str() {
        "client" | "run" => "see whether the program is installed and may be executed".to_owned(),
        "finding" => "run the detector's command in the lab by hand and compare its output with what the check reads".to_owned(),
        "exit" | "stderr" => {
            "compare the client's words with those of its control leg; exit codes differ between versions".to_owned()
        }
        "messages" => "see the frames of that connection in the recording: their kinds, lengths and looks".to_owned(),
        "alert" => {
            "alert numbers belong to a TLS library and its version: leave `alert` out unless the number itself is the claim"
                .to_owned()
        }
        "action" | "rule" => about_the_box(check),
        _ => about_the_verdict(check, differences),
    }
}

fn about_the_verdict(check: &CheckResult, differences: &[Difference]) -> String {
    let differs = |t: &&TargetVerdict| differences.iter().any(|d| d.what == "verdict" && d.evidence.starts_with(&t.host));
    let Some(target) = check.targets.iter().find(differs) else {
        return "declare a target: give the check a `url`".to_owned();
    };
    let trust = check.test.as_ref().map(|t| t.trust);
    match target.verdict {
        VerdictKind::Untouched => about_the_box(check),
        VerdictKind::Blocked => "see the rule that hindered it: an earlier rule may match before the one that was meant".to_owned(),
        VerdictKind::Exposed if trust.is_some_and(Trust::has_authority) => {
            "the authority's root is installed here: only a pin, or a detector, can make this client refuse".to_owned()
        }
        VerdictKind::Exposed => {
            "see why the client accepts a chain that it cannot verify: switched-off verification, or trust from elsewhere".to_owned()
        }
        VerdictKind::ExposedInClear => {
            "let the client demand TLS (`--ssl-reqd`, `requireTLS`, a check that `starttls` succeeded): what it takes only where it is              offered can be taken away"
                .to_owned()
        }
        VerdictKind::Refused if trust.is_some_and(Trust::has_authority) => {
            "the client may keep roots of its own and not read the store that the lab filled, or it pins".to_owned()
        }
        VerdictKind::Refused => "the client verifies: `web+authority` shows what it does when the root is installed".to_owned(),
        VerdictKind::HandshakeOnly => {
            "let the client send a request: a client that only shakes hands has nothing to lose, in any leg".to_owned()
        }
        VerdictKind::NotContacted => {
            "see the names that it looked up and the hosts in the background: it may use another host, a cache, or ignore the proxy".to_owned()
        }
        VerdictKind::Inconclusive => "run the same command without interference and make it succeed; then judge again".to_owned(),
    }
}

/// Why the box did what it did.
fn about_the_box(check: &CheckResult) -> String {
    let evidence = check.targets.iter().flat_map(|t| &t.evidence);
    let connections = check.test.as_ref().map(|t| t.connections.as_slice()).unwrap_or_default();
    let mut decisive = evidence.filter_map(|id| connections.iter().find(|c| c.id == *id));
    let Some(connection) = decisive.next() else {
        return "see the box's decisions in the recording".to_owned();
    };
    match connection.decision() {
        None => format!(
            "{} did not cross the box: see where the client and the site stand, and which ports the rules divert",
            connection.id
        ),
        Some(decision) => format!(
            "the box decided `{}` on {} because of `{}`{}: compare the rule's `match` with {}",
            decision.action,
            connection.id,
            decision.reason,
            decision.rule.as_ref().map(|rule| format!(" (rule `{rule}`)")).unwrap_or_default(),
            what_the_box_saw(connection),
        ),
    }
}

fn what_the_box_saw(connection: &Connection) -> String {
    let port = connection.destination.port();
    match connection.hello.as_ref().map(|hello| hello.sni.as_deref()) {
        Some(Some(sni)) => format!("SNI `{sni}`, port {port}"),
        Some(None) => format!("a hello without SNI, port {port}"),
        None => format!("no hello, port {port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ConnectionId, DecisionRecord, Observer, Recorder};
    use crate::scenario::{Transport, Vantage};
    use crate::verdict::tests::leg;

    fn failed(trust: Trust, verdict: VerdictKind, connections: Vec<Connection>) -> CheckResult {
        let evidence = connections.iter().map(|c| c.id).collect();
        let target = TargetVerdict {
            host: "bank.lab.test".to_owned(),
            verdict,
            signal: "a signal".to_owned(),
            evidence,
            remarks: vec!["a remark".to_owned()],
        };
        let difference = Difference {
            what: "verdict".to_owned(),
            expected: "something".to_owned(),
            seen: verdict.as_str().to_owned(),
            evidence: "bank.lab.test: a signal".to_owned(),
        };
        CheckResult {
            outcome: Outcome::Failed(vec![difference]),
            targets: vec![target],
            test: Some(LegTruth { trust, ..leg(connections) }),
            ..CheckResult::skipped("c", "p", "")
        }
    }

    #[test]
    fn a_paragraph_tells_expected_seen_evidence_and_the_next_step() {
        let told = explain(&failed(Trust::Web, VerdictKind::Exposed, Vec::new())).expect("it failed");
        assert_eq!(
            told,
            "Expected verdict something, saw exposed: bank.lab.test: a signal. bank.lab.test: a remark. \
             `client https://bank.lab.test/` (trust web, inside) exited with 0. \
             Next: see why the client accepts a chain that it cannot verify: switched-off verification, or trust from elsewhere."
        );
        assert_eq!(explain(&CheckResult::skipped("c", "p", "no curl")), None);
    }

    #[test]
    fn every_verdict_has_a_next_step_of_its_own() {
        use VerdictKind::{Blocked, Exposed, HandshakeOnly, Inconclusive, NotContacted, Refused, Untouched};
        let mut steps = Vec::new();
        for trust in [Trust::Web, Trust::WebAuthority] {
            for verdict in [Exposed, Refused, HandshakeOnly, Untouched, Blocked, NotContacted, Inconclusive] {
                let told = explain(&failed(trust, verdict, Vec::new())).expect("it failed");
                steps.push(told.split("Next: ").last().expect("a step").to_owned());
            }
        }
        steps.sort();
        steps.dedup();
        assert_eq!(steps.len(), 9, "trust matters for two verdicts: {steps:#?}");
    }

    #[test]
    fn an_untouched_connection_is_explained_by_the_box() {
        let recorder = Recorder::new();
        let key = (([192, 0, 2, 2], 40000).into(), ([192, 0, 2, 10], 443).into());
        let id = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Origin).0;
        assert_eq!(id, ConnectionId(1));
        let uncrossed = failed(Trust::Web, VerdictKind::Untouched, recorder.connections());
        assert!(explain(&uncrossed).expect("it failed").contains("c1 did not cross the box"));
        let decision = DecisionRecord {
            action: "forward".to_owned(),
            reason: "not-listed".to_owned(),
            rule: None,
            phase: "p".to_owned(),
            coin: None,
            clock: String::new(),
        };
        recorder.emit(id, crate::record::Event::Decision(decision));
        let told = explain(&failed(Trust::Web, VerdictKind::Untouched, recorder.connections())).expect("it failed");
        assert!(
            told.contains("decided `forward` on c1 because of `not-listed`: compare the rule's `match` with no hello, port 443"),
            "{told}"
        );
    }
}
