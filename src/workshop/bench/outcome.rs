//! What came of it, in one sentence; and one word for each connection.

use super::catalogue::Switch;
use super::{Ended, Started};
use crate::control::words::LegState;
use crate::record::Connection;
use crate::scenario::{Messages, VerdictKind};
use crate::verdict::{Reaction, reaction};
use crate::workshop::words::Words;

/// The sentence for a run that has ended.
pub(in crate::workshop) fn sentence(run: &Started, ended: &Ended, words: Words) -> String {
    let client = run.client.title(words);
    let said = [("client", client.as_str()), ("host", run.host.as_str()), ("error", ended.error.as_deref().unwrap_or_default())];
    if ended.state == LegState::Stopped {
        return words.say("stopped", &said);
    }
    if ended.state == LegState::Failed || ended.error.is_some() {
        return words.say("failed", &said);
    }
    if let Some(finding) = &ended.finding {
        let wrong = if ended.intercepted && finding == "clean" { ".wrong" } else { "" };
        return words.first(&[&format!("finding.{finding}{wrong}"), &format!("finding.{finding}"), "inconclusive"], &said);
    }
    let Some(verdict) = &ended.verdict else { return words.say("inconclusive", &said) };
    words.first(&[&special(run, ended, verdict.verdict), verdict.verdict.as_str(), "inconclusive"], &said)
}

/// The sentence for a case that has one of its own.
fn special(run: &Started, ended: &Ended, verdict: VerdictKind) -> String {
    let careless = run.client.is_careless();
    let case = match (verdict, run.switch) {
        (VerdictKind::Exposed, _) if ended.messages == Some(Messages::Ciphertext) => "sealed",
        (VerdictKind::Exposed, _) if ended.messages == Some(Messages::Read) => "messages",
        (VerdictKind::Refused, Switch::NotInstalled) if run.client.keeps_picture() => "browser",
        (VerdictKind::Refused, Switch::Installed) if run.client.id == "pinned" => "pinned",
        (VerdictKind::Refused, Switch::Blocked) => "blocked",
        (VerdictKind::Refused, Switch::Removed) => "removed",
        (VerdictKind::Exposed, _) if careless => "careless",
        (VerdictKind::Exposed, Switch::Blocked) if !run.client.reads_blocklist() => "unblocked",
        (VerdictKind::Exposed, Switch::Installed) => "installed",
        _ => return verdict.as_str().to_owned(),
    };
    format!("{}.{case}", verdict.as_str())
}

/// One word for a connection: the verdict of its run where that rests on it, else what it shows by itself.
pub(in crate::workshop) fn of_connection(connection: &Connection, run: Option<&Started>) -> &'static str {
    let judged = run.and_then(|run| run.ended.as_ref()?.verdict.as_ref()).filter(|v| v.evidence.contains(&connection.id));
    if let Some(verdict) = judged {
        return match verdict.verdict {
            VerdictKind::Inconclusive | VerdictKind::NotContacted => "unclear",
            decided => decided.as_str(),
        };
    }
    let forged = connection.intercepted() || connection.forged_by.is_some();
    match reaction(connection) {
        Reaction::SentData { .. } if forged => "exposed",
        Reaction::Alert { .. } if forged => "refused",
        Reaction::SentData { .. } => "untouched",
        _ if !connection.ended => "open",
        Reaction::HungUp => "handshake-only",
        Reaction::Hindered => "blocked",
        _ => "unclear",
    }
}
