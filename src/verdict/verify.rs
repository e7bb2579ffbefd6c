//! `verify`: does a client fail closed? What a case of that suite came to: from what a safe client must do, and what this one did.
//!
//! The evidence is a run of the case's scenario, judged as any other; nothing is judged anew here but whether a genuine server was
//! accepted, where the other commands only say that nothing decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::{self, AlertMeaning};
use super::suite::{SuiteCase, SuiteReport};
use super::{CheckResult, LegTruth, Reaction, RunReport, TargetVerdict, reaction};
use crate::record::{Connection, Request, Side};
use crate::scenario::{Case, Must, VerdictKind};

/// A report of the suite.
pub type VerifyReport = SuiteReport<VerifyCase>;

/// One case, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyCase {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What kind of fault it is.
    pub group: String,
    /// What a safe client must do.
    pub must: Must,
    /// Why.
    pub reason: String,
    /// What this client did.
    pub answer: Answer,
    /// Whether that is what it must do.
    pub agrees: Agreement,
    /// How it showed it: an alert, a close, bytes; or why nothing can be said.
    pub signal: String,
    /// The exit code of its test leg.
    pub exit: Option<i32>,
    /// The line of its standard error that says most.
    pub said: Option<String>,
    /// What an attacker would have read: kinds and lengths, never the secret.
    pub read: Vec<String>,
    /// What limits the answer.
    pub remarks: Vec<String>,
    /// The run that it rests on; none if it was not run.
    pub run: Option<RunReport>,
}

/// What a client did in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was shown a bad chain and sent nothing; or it refused a good one.
    Refused,
    /// It sent application bytes to a server that it had no reason to trust.
    Exposed,
    /// It accepted a good chain.
    Accepted,
    /// The evidence does not decide.
    Inconclusive,
    /// The case does not apply to this client, or cannot be shown here; the signal says why.
    Unsupported,
}

/// Whether a client did what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// It did.
    Yes,
    /// It did not.
    No,
    /// Nobody knows.
    Open,
    /// The case was not run.
    NotRun,
}

impl SuiteCase for VerifyCase {
    fn name(&self) -> &str {
        &self.name
    }
}

impl VerifyCase {
    /// A case that was not run, or whose run failed.
    pub fn without_run(name: &str, title: &str, case: &Case, answer: Answer, why: String) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            group: case.group.clone(),
            must: case.must.unwrap_or(Must::Maybe),
            reason: case.reason.clone(),
            answer,
            agrees: if answer == Answer::Unsupported { Agreement::NotRun } else { Agreement::Open },
            signal: why,
            exit: None,
            said: None,
            read: Vec::new(),
            remarks: Vec::new(),
            run: None,
        }
    }

    /// The case as its run shows it. `must` is what holds for this client, given what it claims.
    pub fn judged(name: &str, case: &Case, must: Must, run: RunReport) -> Self {
        let good = case.must == Some(Must::Accept);
        let case = Case { must: Some(must), ..case.clone() };
        if let Some(why) = run.checks.iter().find_map(CheckResult::not_run) {
            let unsupported = Self::without_run(name, &run.title, &case, Answer::Unsupported, why.to_owned());
            return Self { run: Some(run), ..unsupported };
        }
        let told = run.checks.iter().filter_map(|check| told(check, good)).max_by_key(|told| weight(told.answer, must));
        let Some(told) = told else {
            let why = "no check of the case has a target".to_owned();
            let open = Self::without_run(name, &run.title, &case, Answer::Inconclusive, why);
            return Self { run: Some(run), ..open };
        };
        let broken = run.containment.iter().find(|(_, held)| !held).map(|(what, _)| format!("containment broken: {what}"));
        let mut judged = Self {
            agrees: agrees(told.answer, must),
            exit: told.exit,
            said: told.said,
            read: told.read,
            remarks: told.remarks,
            ..Self::without_run(name, &run.title, &case, told.answer, told.signal)
        };
        judged.remarks.extend(broken);
        judged.run = Some(run);
        judged
    }
}

/// The exit code: 1 if a case differs, 3 if nothing differs and something is open or nothing was run, else 0.
pub fn exit_code(report: &VerifyReport) -> u8 {
    let any = |agreement| report.cases.iter().any(|case| case.agrees == agreement);
    let escaped = report.cases.iter().filter_map(|c| c.run.as_ref()).any(|run| run.containment.iter().any(|(_, held)| !held));
    match () {
        () if any(Agreement::No) || escaped => 1,
        () if any(Agreement::Open) || !any(Agreement::Yes) => 3,
        () => 0,
    }
}

/// What one check tells.
struct Told {
    answer: Answer,
    signal: String,
    exit: Option<i32>,
    said: Option<String>,
    read: Vec<String>,
    remarks: Vec<String>,
}

/// `good` says that nothing is wrong with the server.
fn told(check: &CheckResult, good: bool) -> Option<Told> {
    let (target, test) = (check.targets.first()?, check.test.as_ref()?);
    let answer = answer(target, test, check.control.as_ref(), good);
    Some(Told {
        answer,
        signal: signal(target, test, answer),
        exit: test.exit,
        said: key_line(&test.stderr_tail),
        read: if answer == Answer::Exposed { read(target, test) } else { Vec::new() },
        remarks: target.remarks.clone(),
    })
}

fn answer(target: &TargetVerdict, test: &LegTruth, control: Option<&LegTruth>, good: bool) -> Answer {
    match (target.verdict, good) {
        (VerdictKind::Exposed | VerdictKind::ExposedInClear, _) => Answer::Exposed,
        (VerdictKind::Untouched, _) if !told_in_the_clear(target, test).is_empty() => Answer::Exposed,
        (VerdictKind::Refused, _) => Answer::Refused,
        (VerdictKind::Untouched, true) if over_tls(target, test) => Answer::Accepted,
        (VerdictKind::HandshakeOnly | VerdictKind::Inconclusive, true) if turned_away(test, control) => Answer::Refused,
        (VerdictKind::Inconclusive, _) if alarmed(test, control) => Answer::Refused,
        _ => Answer::Inconclusive,
    }
}

/// Credentials and messages that went over the path unencrypted: whoever sits there has read them, whatever the server is.
fn told_in_the_clear(target: &TargetVerdict, test: &LegTruth) -> Vec<String> {
    let evidence = test.connections.iter().filter(|c| target.evidence.contains(&c.id) && !in_tls(c));
    evidence.flat_map(in_the_clear).collect()
}

fn in_the_clear(connection: &Connection) -> Vec<String> {
    let by_the_box = connection.upgrade.iter().flat_map(|upgrade| upgrade.clear.iter().cloned());
    let by_the_server = connection.requests.iter().flat_map(|request| request.secrets.iter().cloned());
    if connection.upgrade.is_some() { by_the_box.collect() } else { by_the_server.collect() }
}

fn in_tls(connection: &Connection) -> bool {
    connection.hello.is_some() || connection.client_half.handshake.is_some()
}

/// True if what was sent was sent in TLS: bytes in the clear accept nobody.
fn over_tls(target: &TargetVerdict, test: &LegTruth) -> bool {
    let evidence = test.connections.iter().filter(|c| target.evidence.contains(&c.id));
    evidence.into_iter().any(in_tls)
}

/// True if the client broke off with a genuine server: by an alert of its own, or without a word although it does send data elsewhere.
fn turned_away(test: &LegTruth, control: Option<&LegTruth>) -> bool {
    let tls = |leg: &LegTruth| leg.connections.iter().filter(|c| c.hello.is_some()).map(reaction).collect::<Vec<_>>();
    let sends = control.is_some_and(|leg| tls(leg).iter().any(|r| matches!(r, Reaction::SentData { .. })));
    let whole = test.killed_us.is_none() && test.signal.is_none();
    tls(test).iter().any(|reaction| match reaction {
        Reaction::Alert { .. } => true,
        Reaction::HungUp | Reaction::ClosedSilently => sends && whole,
        _ => false,
    })
}

/// True if the client broke off with an alert of any number where nothing but the fault differs from the control leg, in which it sent
/// data. Some clients tell a bad signature like a broken stream (GnuTLS: 47), an old version like a failed negotiation (70).
fn alarmed(test: &LegTruth, control: Option<&LegTruth>) -> bool {
    let sent = |leg: &LegTruth| leg.connections.iter().any(|c| matches!(reaction(c), Reaction::SentData { .. }));
    let ending = |number: u8| alert::meaning(number) == AlertMeaning::Ending;
    let broke_off = |c: &Connection| c.client_half.alerts.iter().any(|a| a.from == Side::Client && !ending(a.number));
    control.is_some_and(sent) && !sent(test) && test.connections.iter().any(broke_off)
}

fn agrees(answer: Answer, must: Must) -> Agreement {
    match (answer, must) {
        (Answer::Unsupported, _) => Agreement::NotRun,
        (Answer::Inconclusive, _) => Agreement::Open,
        (Answer::Refused, Must::Refuse | Must::Maybe) | (Answer::Accepted, Must::Accept | Must::Maybe) => Agreement::Yes,
        (Answer::Exposed, Must::Maybe) => Agreement::Yes,
        _ => Agreement::No,
    }
}

/// Of several checks of one case the worst answer is told.
fn weight(answer: Answer, must: Must) -> u8 {
    match agrees(answer, must) {
        Agreement::No => 3,
        Agreement::Open => 2,
        Agreement::Yes => 1,
        Agreement::NotRun => 0,
    }
}

fn signal(target: &TargetVerdict, test: &LegTruth, answer: Answer) -> String {
    let ended = match (test.timed_out, test.signal) {
        (true, _) => Some("ended at its deadline".to_owned()),
        (_, Some(number)) => Some(format!("ended by signal {number}")),
        _ => None,
    };
    let how = match (answer, target.verdict) {
        (Answer::Inconclusive, VerdictKind::Inconclusive | VerdictKind::HandshakeOnly) => target.signal.clone(),
        (Answer::Inconclusive, verdict) => format!("{verdict}: {}", target.signal),
        (Answer::Refused, VerdictKind::Inconclusive | VerdictKind::HandshakeOnly) => format!("a good chain: {}", target.signal),
        _ => target.signal.clone(),
    };
    std::iter::once(how).chain(ended).collect::<Vec<_>>().join("; ")
}

/// What whoever stood in the server's place could read.
fn read(target: &TargetVerdict, test: &LegTruth) -> Vec<String> {
    let evidence = test.connections.iter().filter(|c| target.evidence.contains(&c.id));
    evidence
        .flat_map(|connection| match connection.requests.as_slice() {
            _ if !in_tls(connection) => in_the_clear(connection),
            [] => vec![unread(connection)],
            requests => telling(requests).map(|r| request(r, connection)).collect(),
        })
        .collect()
}

/// Of a conversation of many commands, those that give something away; else all.
fn telling(requests: &[Request]) -> impl Iterator<Item = &Request> {
    let any = requests.iter().any(|request| !request.secrets.is_empty());
    requests.iter().filter(move |request| !any || !request.secrets.is_empty() || request.protocol.starts_with('h'))
}

fn unread(connection: &Connection) -> String {
    let bytes = connection.client_half.bytes.app_up.unwrap_or_default();
    format!("{bytes} bytes of no known protocol")
}

fn request(request: &Request, connection: &Connection) -> String {
    if request.target.is_empty() {
        let bytes = connection.client_half.bytes.app_up.unwrap_or_default();
        return format!("{bytes} bytes of {}", request.protocol); // the box relayed it and did not take it apart
    }
    let head = format!("{} {} ({})", request.method, request.target, request.protocol);
    std::iter::once(head).chain(request.secrets.iter().cloned()).collect::<Vec<_>>().join(", ")
}

/// The line that says most: the last one that speaks of certificates or TLS, else the last one.
fn key_line(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).rev();
    let telling = |line: &&str| TELLING.iter().any(|word| line.to_ascii_lowercase().contains(word));
    let line = lines.clone().find(telling).or_else(|| lines.next())?;
    let short: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect();
    Some(if short.len() < line.len() { format!("{short} ...") } else { short })
}

/// Words of messages about certificates, lower case.
const TELLING: &[&str] =
    &["certificate", "x509", "pkix", "self-signed", "self signed", "verify", "trust", "tls", "ssl", "pin", "hostname"];
/// Characters of a line that a report shows.
const LONGEST_LINE: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_most() {
        assert_eq!(
            key_line("a\nssl.SSLCertVerificationError: certificate verify failed\n  at main\n").as_deref(),
            Some("ssl.SSLCertVerificationError: certificate verify failed")
        );
        assert_eq!(key_line("one\ntwo\n\n").as_deref(), Some("two"));
        assert_eq!(key_line(" \n"), None);
        assert!(key_line(&format!("tls{}", "x".repeat(500))).is_some_and(|line| line.ends_with(" ...") && line.len() < 200));
    }

    #[test]
    fn what_must_be_and_what_was() {
        use {Agreement as A, Answer as W, Must as M};
        for (answer, must, agreement) in [
            (W::Refused, M::Refuse, A::Yes),
            (W::Exposed, M::Refuse, A::No),
            (W::Inconclusive, M::Refuse, A::Open),
            (W::Accepted, M::Accept, A::Yes),
            (W::Refused, M::Accept, A::No),
            (W::Refused, M::Maybe, A::Yes),
            (W::Exposed, M::Maybe, A::Yes),
            (W::Unsupported, M::Refuse, A::NotRun),
        ] {
            assert_eq!(agrees(answer, must), agreement, "{answer:?} {must:?}");
        }
    }
}
