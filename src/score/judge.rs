//! From the run of a case to a trial: what was, by the record; what the detector said, by its voice.
//!
//! A label is a promise of the scenario, and the record has to confirm it: where the scenario forges, the detector must have been
//! shown a forged chain. If a coin kept the box from acting, nothing was the matter in this trial. If the detector never
//! looked, nothing that it says counts.

use super::{Said, Trial, Trouble, TroubleKind};
use crate::record::Connection;
use crate::scenario::{Action, Plan, Truth, Voice};
use crate::verdict::detector::read;
use crate::verdict::{CheckResult, LegTruth, Lookup, RunReport};

/// A case as its label and plan state it.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its label.
    pub label: Truth,
    /// Its plan.
    pub plan: &'a Plan,
}

/// The trials of a run; a check that was not run is told with the reason.
pub fn trials(case: Labelled<'_>, seed: u64, voice: &Voice, run: &RunReport) -> Vec<Result<Trial, String>> {
    let alone = run.checks.len() == 1;
    let name = |check: &CheckResult| if alone { case.name.to_owned() } else { format!("{}: {}", case.name, check.name) };
    run.checks.iter().map(|check| trial(case, name(check), seed, voice, check)).collect()
}

fn trial(case: Labelled<'_>, condition: String, seed: u64, voice: &Voice, check: &CheckResult) -> Result<Trial, String> {
    if let Some(why) = check.not_run() {
        return Err(why.to_owned());
    }
    let leg = check.test.as_ref().ok_or_else(|| "the run has no leg".to_owned())?;
    let looked = looked(leg, &case.plan.checks);
    let (truth, shown) = truth(case, check, &looked);
    let said = match trouble(leg).or_else(|| shown.err()) {
        Some(trouble) => Err(trouble),
        None => answer(voice, leg),
    };
    let (said, words) = match said {
        Ok((answer, words)) => (Said::Answer(answer), Some(words)),
        Err(trouble) => (Said::Error(trouble), None),
    };
    Ok(Trial { condition, seed, truth, said, words, ms: leg.ms, evidence: evidence(&looked) })
}

/// What concerns the target in a leg.
struct Looked<'a> {
    connections: Vec<&'a Connection>,
    lookups: Vec<&'a Lookup>,
}

fn looked<'a>(leg: &'a LegTruth, checks: &[crate::scenario::Check]) -> Looked<'a> {
    let targets: Vec<&String> = checks.iter().flat_map(|check| &check.targets).collect();
    let meant = |name: &str| targets.iter().any(|target| target.eq_ignore_ascii_case(name));
    let lookups: Vec<&Lookup> = leg.lookups.iter().filter(|lookup| meant(&lookup.name)).collect();
    let resolved = |address: std::net::IpAddr| lookups.iter().any(|l| l.answer.iter().any(|a| a.parse() == Ok(address)));
    let concerns = |c: &&Connection| {
        let tls_or_web = !matches!(c.destination.port(), DNS);
        tls_or_web && (meant(&c.host()) || c.asked.as_deref().is_some_and(meant) || resolved(c.destination.ip()))
    };
    Looked { connections: leg.connections.iter().filter(concerns).collect(), lookups }
}

/// What was, and whether the detector could have known.
fn truth(case: Labelled<'_>, check: &CheckResult, looked: &Looked<'_>) -> (Truth, Result<(), Trouble>) {
    let never = |why: &str| Err(Trouble { kind: TroubleKind::NeverLooked, why: why.to_owned() });
    if looked.connections.is_empty() && looked.lookups.is_empty() {
        return (
            case.label,
            never("it asked for no such name and opened no connection to the site: it ignores the lab, or answers from memory"),
        );
    }
    let phase = case.plan.phases.iter().find(|phase| phase.name == check.phase);
    let forges = phase.is_some_and(|phase| phase.rules.iter().any(|rule| rule.action == Action::Intercept));
    let was_shown = |c: &&&Connection| c.intercepted() || c.forged_by.is_some();
    if !forges || !promises_a_forgery(case.label) || looked.connections.iter().any(|c| was_shown(&c)) {
        return (case.label, Ok(()));
    }
    let coin = looked.connections.iter().any(|c| c.decisions.iter().any(|d| d.reason == "coin"));
    match coin {
        true => (Truth::Clean, Ok(())),
        false => {
            (case.label, never("none of its connections was one that the box forges: no TLS, no server name, or another address"))
        }
    }
}

/// Labels that only a forged chain makes true.
fn promises_a_forgery(label: Truth) -> bool {
    matches!(label, Truth::StateBox | Truth::Corporate | Truth::Antivirus | Truth::Parental | Truth::CaptivePortal)
}

/// How it ended, if that is no way to end.
fn trouble(leg: &LegTruth) -> Option<Trouble> {
    let told = |kind, why: String| Some(Trouble { kind, why });
    match leg {
        LegTruth { not_started: Some(why), .. } => told(TroubleKind::NotStarted, why.clone()),
        LegTruth { timed_out: true, ms, .. } => {
            told(TroubleKind::Hung, format!("killed at its deadline after {ms} ms, with all that it had started"))
        }
        LegTruth { signal: Some(signal), .. } => {
            told(TroubleKind::Crashed, format!("ended by signal {signal}{}", last_words(leg)))
        }
        _ => None,
    }
}

fn answer(voice: &Voice, leg: &LegTruth) -> Result<(crate::scenario::Answer, String), Trouble> {
    let unreadable = |why: String| Trouble { kind: TroubleKind::Unreadable, why };
    let words = read(voice, leg).map_err(|error| unreadable(format!("{error}{}", last_words(leg))))?;
    let answer = words.parse().map_err(|error| unreadable(format!("{error}; `--word {words}=CLASS` says what it means")))?;
    Ok((answer, words))
}

/// The exit code, and the last line on standard error.
fn last_words(leg: &LegTruth) -> String {
    let line = leg.stderr_tail.lines().rev().find(|line| !line.trim().is_empty());
    let exit = leg.exit.map(|exit| format!("; exit code {exit}")).unwrap_or_default();
    exit + &line.map(|line| format!("; stderr: {}", line.trim().chars().take(LINE).collect::<String>())).unwrap_or_default()
}

/// The connections in words.
fn evidence(looked: &Looked<'_>) -> String {
    let one = |c: &&Connection| {
        let did = c.decision().map_or("the box had no say".to_owned(), |d| match &d.rule {
            Some(rule) => format!("{} (rule `{rule}`)", d.action),
            None => format!("{} ({})", d.action, d.reason),
        });
        let shown = c.presented.first().map(|leaf| format!(", shown `{}` from `{}`", leaf.subject, leaf.issuer));
        format!("c{} {}: {did}{}", c.id.0, c.destination, shown.unwrap_or_default())
    };
    let names =
        looked.lookups.iter().filter_map(|l| l.rule.as_ref().map(|rule| format!("`{}` answered by rule `{rule}`", l.name)));
    let mut told: Vec<String> = names.chain(looked.connections.iter().map(one)).collect();
    told.dedup();
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    told.join("; ") + &if more > 0 { format!("; {more} more") } else { String::new() }
}

/// Port of resolvers (RFC 1035 section 4.2).
const DNS: u16 = 53;
/// Connections that evidence names.
const TOLD: usize = 3;
/// Characters of a line of standard error.
const LINE: usize = 160;
