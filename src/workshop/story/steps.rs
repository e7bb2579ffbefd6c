//! A connection step by step: what each side said, in plain words, with the numbers for who wants them.

use serde::Serialize;

use crate::record::{Alert, Certificate, Connection, DecisionRecord, Request, Side};
use crate::workshop::words::Words;

/// One step.
#[derive(Debug, Serialize)]
pub(in crate::workshop) struct Step {
    pub(in crate::workshop) kind: &'static str,
    pub(in crate::workshop) who: &'static str,
    pub(in crate::workshop) title: String,
    pub(in crate::workshop) text: String,
    pub(in crate::workshop) detail: Vec<(String, String)>,
}

/// The steps in the order in which they happened.
pub(super) fn of(connection: &Connection, words: Words) -> Vec<Step> {
    let mut steps = vec![opened(connection, words)];
    steps.extend(hello(connection, words));
    steps.extend(connection.decisions.iter().map(|decision| decided(decision, words)));
    steps.extend(genuine(connection, words));
    steps.extend(presented(connection, words));
    steps.extend(handshake(connection, words));
    let heard = connection.client_half.alerts.iter().filter(|alert| alert.number != CLOSE_NOTIFY);
    steps.extend(heard.map(|alert| alarm(alert, words)));
    steps.extend(connection.requests.iter().take(MOST_REQUESTS).map(|request| asked(connection, request, words)));
    steps.extend(closed(connection, words));
    let notes = connection.notes.iter().map(|note| step("note", "box", words.say("step.note", &[]), note.clone()));
    steps.extend(notes);
    steps.into_iter().map(|step| step.labelled(words)).collect()
}

fn opened(connection: &Connection, words: Words) -> Step {
    let address = connection.destination.to_string();
    let mut step =
        step("opened", "client", words.say("step.opened", &[]), words.say("step.opened.text", &[("address", &address)]));
    step.add("client", connection.client.to_string());
    step.add("vantage", connection.vantage.to_string());
    step
}

fn hello(connection: &Connection, words: Words) -> Option<Step> {
    let title = words.say("step.hello", &[]);
    let Some(hello) = &connection.hello else {
        let (protocol, summary) = connection.first_bytes.as_ref()?;
        let text = words.say("step.first.text", &[("protocol", protocol)]);
        let mut step = step("hello", "client", words.say("step.first", &[]), text);
        step.add("first bytes", summary.clone());
        return Some(step);
    };
    let text = match &hello.sni {
        Some(name) => words.say("step.hello.text", &[("host", name)]),
        None => words.say("step.hello.nameless", &[]),
    };
    let mut step = step("hello", "client", title, text);
    step.add("SNI", hello.sni.clone().unwrap_or_default());
    step.add("ALPN", hello.alpn.join(", "));
    step.add("versions", hello.versions.iter().map(|version| format!("{version:#06x}")).collect::<Vec<_>>().join(", "));
    step.add("JA4", hello.ja4.clone());
    step.add("JA3", hello.ja3.clone());
    Some(step)
}

fn decided(decision: &DecisionRecord, words: Words) -> Step {
    let rule = decision.rule.as_deref().unwrap_or_default();
    let said = [("rule", rule), ("phase", decision.phase.as_str()), ("reason", &decision.reason), ("action", &decision.action)];
    let key = match (decision.rule.is_some(), decision.reason.as_str()) {
        (true, "rule") => "step.decision.rule",
        (_, "not-listed" | "no-rules") => "step.decision.not-listed",
        (_, "origin-untrusted") => "step.decision.origin-untrusted",
        _ => "step.decision.other",
    };
    let mut step = step("decision", "box", words.say("step.decision", &said), words.say(key, &said));
    step.add("action", decision.action.clone());
    step.add("rule", rule.to_owned());
    step.add("reason", decision.reason.clone());
    step.add("clock", decision.clock.clone());
    step
}

fn genuine(connection: &Connection, words: Words) -> Option<Step> {
    let leaf = connection.origin.chain.first()?;
    let said = names(leaf);
    let said: Vec<_> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut step = step("genuine", "origin", words.say("step.genuine", &[]), words.say("step.genuine.text", &said));
    step.add("sha256", leaf.sha256.clone());
    Some(step)
}

fn presented(connection: &Connection, words: Words) -> Option<Step> {
    let leaf = connection.presented.first()?;
    let profile = connection.forged_by.as_deref().unwrap_or_default();
    let names = names(leaf);
    let said: Vec<_> = names.iter().map(|(n, v)| (*n, v.as_str())).chain([("profile", profile)]).collect();
    let (key, who) = match connection.forged_by {
        Some(_) => ("step.presented.forged", "box"),
        None => ("step.presented.genuine", "origin"),
    };
    let mut step = step("presented", who, words.say("step.presented", &[]), words.say(key, &said));
    step.add("sha256", leaf.sha256.clone());
    step.add("chain", connection.presented.iter().map(|one| one.subject.clone()).collect::<Vec<_>>().join(" <- "));
    Some(step)
}

fn handshake(connection: &Connection, words: Words) -> Option<Step> {
    let shook = connection.client_half.handshake.as_ref()?;
    let key = if connection.intercepted() { "step.handshake.box" } else { "step.handshake.text" };
    let text = words.say(key, &[("version", &shook.version), ("cipher", &shook.cipher)]);
    let mut step = step("handshake", "client", words.say("step.handshake", &[]), text);
    step.add("group", shook.group.clone().unwrap_or_default());
    step.add("ALPN", shook.alpn.clone().unwrap_or_default());
    step.add("microseconds", shook.us.to_string());
    Some(step)
}

fn alarm(alert: &Alert, words: Words) -> Step {
    let (who, side) = side(alert.from, words);
    let why = words.first(&[&format!("alert.{}", alert.number), "alert.other"], &[]);
    let number = alert.number.to_string();
    let title = words.say("step.alert", &[("who", &side), ("name", &alert.name)]);
    let mut step = step("alert", who, title, words.say("step.alert.text", &[("number", &number), ("why", &why)]));
    step.add("after the handshake", alert.after_handshake.to_string());
    step
}

fn asked(connection: &Connection, request: &Request, words: Words) -> Step {
    let (key, who) = if connection.intercepted() { ("step.request", "box") } else { ("step.request.origin", "origin") };
    let text = format!("{} {}{}", request.method, request.host.as_deref().unwrap_or_default(), request.target);
    let mut step = step("request", who, words.say(key, &[]), text);
    step.add("protocol", request.protocol.clone());
    step.add("status", request.status.map(|status| status.to_string()).unwrap_or_default());
    step.add("secrets", request.secrets.join(", "));
    step
}

fn closed(connection: &Connection, words: Words) -> Option<Step> {
    let first = connection.client_half.closes.first()?;
    let (who, side) = side(first.side, words);
    let bytes = connection.client_half.bytes.app_up.unwrap_or(0).to_string();
    let mut step =
        step("close", who, words.say("step.close", &[("who", &side)]), words.say("step.close.text", &[("bytes", &bytes)]));
    step.add("how", serde_json::to_value(first.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default());
    Some(step)
}

fn names(leaf: &Certificate) -> [(&'static str, String); 2] {
    [("subject", leaf.subject.clone()), ("issuer", leaf.issuer.clone())]
}

fn side(side: Side, words: Words) -> (&'static str, String) {
    match side {
        Side::Client => ("client", words.say("who.client", &[])),
        Side::Server => ("box", words.say("who.server", &[])),
    }
}

fn step(kind: &'static str, who: &'static str, title: String, text: String) -> Step {
    Step { kind, who, title, text, detail: Vec::new() }
}

impl Step {
    /// A number for who wants it; what is empty is not said.
    fn add(&mut self, label: &str, value: String) {
        if !value.is_empty() {
            self.detail.push((label.to_owned(), value));
        }
    }

    /// Its labels as people call them; what has no word of its own is a word of the protocol, such as `SNI`.
    fn labelled(mut self, words: Words) -> Self {
        for (label, _) in &mut self.detail {
            let key = format!("detail.{label}");
            if words.knows(&key) {
                *label = words.say(&key, &[]);
            }
        }
        self
    }
}

/// It ends every orderly connection (RFC 8446 section 6.1).
const CLOSE_NOTIFY: u8 = 0;
/// Requests that a story tells.
const MOST_REQUESTS: usize = 20;
