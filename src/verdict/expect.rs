//! Comparing what was expected with what was seen. Only what an expectation names is compared, with one exception:
//! a target that was not contacted, or of which nothing can be told, passes no expectation that does not say so.

use super::detector::Unreadable;
use super::{Difference, LegTruth, TargetVerdict, alert};
use crate::record::{Connection, Side};
use crate::scenario::{Expect, Messages, VerdictKind};

/// Everything that differs. Empty if the expectation holds.
pub fn differences(
    expect: &Expect,
    targets: &[TargetVerdict],
    finding: Option<&Result<String, Unreadable>>,
    test: &LegTruth,
) -> Vec<Difference> {
    let mut all: Vec<Difference> = started(test).into_iter().collect();
    if let Some(named) = &expect.finding {
        all.extend(found(named, finding));
    }
    all.extend(verdicts(expect, targets));
    for target in targets {
        if let Some(action) = &expect.action {
            all.extend(decided("action", action, target, test, |c| c.decision().map(|d| d.action.clone())));
        }
        if let Some(rule) = &expect.rule {
            all.extend(decided("rule", rule, target, test, |c| c.decision().and_then(|d| d.rule.clone())));
        }
        if let Some(wanted) = expect.messages {
            all.extend(messages(wanted, target, test));
        }
        if let Some(number) = expect.alert {
            all.extend(alerted(number, target, test));
        }
    }
    all.extend(process(expect, test));
    all
}

fn started(test: &LegTruth) -> Option<Difference> {
    let why = test.not_started.as_ref()?;
    Some(difference("client", "a program that starts", why, command(test)))
}

fn verdicts(expect: &Expect, targets: &[TargetVerdict]) -> Vec<Difference> {
    if !expect.verdict.is_empty() && targets.is_empty() {
        return vec![difference("verdict", any_of(&expect.verdict), "no target", "the check declares no target host".to_owned())];
    }
    let unmet = |t: &&TargetVerdict| match t.verdict {
        kind if !expect.verdict.is_empty() => !expect.verdict.contains(&kind),
        VerdictKind::NotContacted => true,
        VerdictKind::Inconclusive => expect.finding.is_none(), // a finding is judged on its own
        _ => false,
    };
    let wanted = if expect.verdict.is_empty() { "evidence".to_owned() } else { any_of(&expect.verdict) };
    let as_difference = |t: &TargetVerdict| difference("verdict", wanted.clone(), t.verdict.as_str(), seen_at(t));
    targets.iter().filter(unmet).map(as_difference).collect()
}

/// The decision that the target's verdict rests on; every connection that decided must agree.
fn decided(
    what: &str,
    wanted: &str,
    target: &TargetVerdict,
    test: &LegTruth,
    of: impl Fn(&Connection) -> Option<String>,
) -> Option<Difference> {
    let seen: Vec<Option<String>> = evidence(target, test).map(of).collect();
    let by_name = || test.lookups.iter().any(|l| l.rule.as_deref() == Some(wanted) || (wanted == "dns" && l.rule.is_some()));
    let agrees = if seen.is_empty() { by_name() } else { seen.iter().all(|s| s.as_deref() == Some(wanted)) };
    let other = seen.into_iter().find(|s| s.as_deref() != Some(wanted)).flatten();
    (!agrees)
        .then(|| difference(what, format!("`{wanted}`"), other.map_or("none".to_owned(), |o| format!("`{o}`")), seen_at(target)))
}

fn alerted(number: u8, target: &TargetVerdict, test: &LegTruth) -> Option<Difference> {
    let from_client =
        |c: &Connection| c.client_half.alerts.iter().filter(|a| a.from == Side::Client).map(|a| a.number).collect::<Vec<_>>();
    let seen: Vec<u8> = evidence(target, test).flat_map(from_client).collect();
    if seen.contains(&number) {
        return None;
    }
    let say = |number: &u8| format!("{number} {}", alert::name(*number));
    let seen = if seen.is_empty() { "no alert".to_owned() } else { seen.iter().map(say).collect::<Vec<_>>().join(", ") };
    Some(difference("alert", say(&number), seen, seen_at(target)))
}

/// What the box could make of the messages; every connection that carried some must agree.
fn messages(wanted: Messages, target: &TargetVerdict, test: &LegTruth) -> Option<Difference> {
    let seen: Vec<Messages> = evidence(target, test).filter_map(Connection::messages).collect();
    let other = seen.iter().find(|seen| **seen != wanted);
    (seen.is_empty() || other.is_some())
        .then(|| difference("messages", wanted.as_str(), other.map_or("no message", |other| other.as_str()), seen_at(target)))
}

fn found(named: &str, finding: Option<&Result<String, Unreadable>>) -> Option<Difference> {
    let (seen, evidence) = match finding {
        Some(Ok(finding)) if finding == named => return None,
        Some(Ok(finding)) => (format!("`{finding}`"), "the detector's own words".to_owned()),
        Some(Err(unreadable)) => ("unreadable".to_owned(), unreadable.to_string()),
        None => ("none".to_owned(), "the check runs no detector".to_owned()),
    };
    Some(difference("finding", format!("`{named}`"), seen, evidence))
}

fn process(expect: &Expect, test: &LegTruth) -> Vec<Difference> {
    let mut all = Vec::new();
    let ended = match (test.exit, test.signal) {
        (Some(code), _) => code.to_string(),
        (None, _) if test.timed_out => "ended at the deadline".to_owned(),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    };
    if expect.exit.is_some_and(|wanted| test.exit != Some(wanted)) {
        let wanted = expect.exit.unwrap_or_default().to_string();
        all.push(difference("exit", wanted, ended.clone(), last_words(test)));
    }
    if let Some(nonzero) = expect.exit_nonzero
        && test.exit.is_none_or(|code| (code != 0) != nonzero)
    {
        all.push(difference("exit", if nonzero { "not 0" } else { "0" }, ended, last_words(test)));
    }
    if let Some(words) = &expect.stderr
        && !test.stderr_tail.contains(words.as_str())
    {
        all.push(difference("stderr", format!("`{words}`"), "other words", last_words(test)));
    }
    all
}

pub(super) fn evidence<'a>(target: &'a TargetVerdict, test: &'a LegTruth) -> impl Iterator<Item = &'a Connection> {
    test.connections.iter().filter(|c| target.evidence.contains(&c.id))
}

fn seen_at(target: &TargetVerdict) -> String {
    let connections = target.evidence.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let place = if connections.is_empty() { String::new() } else { format!(" ({connections})") };
    format!("{}{place}: {}", target.host, target.signal)
}

/// The last line that the client wrote on standard error, or its command.
fn last_words(test: &LegTruth) -> String {
    match test.stderr_tail.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("standard error: {}", line.trim().chars().take(LINE).collect::<String>()),
        None => format!("{} wrote nothing on standard error", command(test)),
    }
}

fn command(test: &LegTruth) -> String {
    format!("`{}`", test.argv.join(" "))
}

fn any_of(kinds: &[VerdictKind]) -> String {
    kinds.iter().map(|k| k.as_str()).collect::<Vec<_>>().join(" or ")
}

fn difference(what: &str, expected: impl Into<String>, seen: impl Into<String>, evidence: String) -> Difference {
    Difference { what: what.to_owned(), expected: expected.into(), seen: seen.into(), evidence }
}

/// Characters of a line of output that a difference quotes.
const LINE: usize = 200;
