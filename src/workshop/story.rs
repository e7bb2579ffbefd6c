//! One connection's story, for people: what each side said, both certificates side by side, and what was readable.

use serde::Serialize;

mod differences;
mod steps;

use super::bench::{Started, of_connection};
use super::connections::sentence;
use super::words::Words;
use crate::forge::Profile;
use crate::record::{Certificate, Connection, Frame, Looks, Side};
use crate::verdict::{Reaction, reaction};

pub(super) use differences::{Difference, of_leaf};
pub(super) use steps::Step;

/// The story.
#[derive(Serialize)]
pub(super) struct Story {
    pub(super) id: u64,
    pub(super) host: String,
    pub(super) outcome: &'static str,
    pub(super) sentence: String,
    pub(super) steps: Vec<Step>,
    pub(super) certificates: Vec<Pair>,
    pub(super) forged_by: Option<ForgedBy>,
    pub(super) readable: Vec<Readable>,
    pub(super) reaction: String,
}

/// Two certificates of the same place in their chains.
#[derive(Serialize)]
pub(super) struct Pair {
    pub(super) position: &'static str,
    pub(super) genuine: Option<Certificate>,
    pub(super) presented: Option<Certificate>,
    pub(super) differences: Vec<Difference>,
}

/// The recipe of a forgery.
#[derive(Serialize)]
pub(super) struct ForgedBy {
    profile: String,
    title: String,
    sources: Vec<String>,
}

/// Something that somebody on the way could read; secrets by kind and length only.
#[derive(Serialize)]
pub(super) struct Readable {
    pub(super) what: String,
    pub(super) text: String,
}

/// Tells it.
pub(super) fn tell(connection: &Connection, run: Option<&Started>, words: Words) -> Story {
    let profile = connection.forged_by.as_deref().and_then(|name| Profile::load(name).ok());
    let forged_by = connection.forged_by.as_ref().map(|name| ForgedBy {
        profile: name.clone(),
        title: profile.as_ref().map(|profile| profile.title.clone()).unwrap_or_default(),
        sources: profile.as_ref().map(|profile| profile.sources.clone()).unwrap_or_default(),
    });
    Story {
        id: connection.id.0,
        host: connection.host(),
        outcome: of_connection(connection, run),
        sentence: sentence(connection, run, words),
        steps: steps::of(connection, words),
        certificates: pairs(connection, profile.as_ref(), words),
        forged_by,
        readable: readable(connection, words),
        reaction: reacted(&reaction(connection), words),
    }
}

/// Leaf beside leaf, issuer beside issuer.
fn pairs(connection: &Connection, profile: Option<&Profile>, words: Words) -> Vec<Pair> {
    let (genuine, presented) = (&connection.origin.chain, &connection.presented);
    let longest = genuine.len().max(presented.len());
    let pair = |at: usize| {
        let one = |chain: &[std::sync::Arc<Certificate>]| chain.get(at).map(|certificate| Certificate::clone(certificate));
        let (genuine, presented) = (one(genuine), one(presented));
        let differences = match (&genuine, &presented) {
            (Some(genuine), Some(presented)) => differences::of(genuine, presented, profile.filter(|_| at == 0), words),
            _ => Vec::new(),
        };
        Pair { position: position(at, longest), genuine, presented, differences }
    };
    (0..longest).map(pair).collect()
}

fn position(at: usize, longest: usize) -> &'static str {
    match at {
        0 => "leaf",
        at if at + 1 == longest && longest > 2 => "root",
        _ => "issuer",
    }
}

/// What was readable: the name in the hello always, requests and messages where the box ended TLS or there was none.
fn readable(connection: &Connection, words: Words) -> Vec<Readable> {
    let read = connection.intercepted() || connection.client_half.handshake.is_none();
    let mut all = Vec::new();
    if let Some(name) = connection.hello.as_ref().and_then(|hello| hello.sni.clone()) {
        all.push(Readable { what: words.say("readable.name", &[]), text: name });
    }
    for request in connection.requests.iter().filter(|_| read) {
        let host = request.host.as_deref().unwrap_or_default();
        let text = format!("{} {}{}", request.method, host, request.target);
        all.push(Readable { what: request.protocol.clone(), text });
        let secrets =
            request.secrets.iter().map(|secret| Readable { what: words.say("readable.secret", &[]), text: secret.clone() });
        all.extend(secrets);
    }
    let messages = connection.frames.iter().filter(|frame| read && frame.is_data()).take(MOST_MESSAGES);
    all.extend(messages.map(|frame| message(frame, words)));
    all
}

/// A message of a chat: how long it was, and whether the box could read it. What it said is in no record.
fn message(frame: &Frame, words: Words) -> Readable {
    let who = words.say(if frame.from == Side::Client { "who.client" } else { "who.server" }, &[]);
    let key = match frame.looks {
        Some(Looks::Text | Looks::Json | Looks::Compressed) => "readable.message.read",
        Some(Looks::Ciphertext) => "readable.message.sealed",
        Some(Looks::Unclear) | None => "readable.message.unclear",
    };
    let text = words.say(key, &[("bytes", &frame.length.to_string())]);
    Readable { what: words.say("readable.message", &[("who", &who)]), text }
}

fn reacted(reaction: &Reaction, words: Words) -> String {
    match reaction {
        Reaction::SentData { bytes } => words.say("reaction.sent", &[("bytes", &bytes.to_string())]),
        Reaction::Alert { number, .. } => {
            let name = crate::record::alert_name(*number);
            words.say("reaction.alert", &[("number", &number.to_string()), ("name", name)])
        }
        Reaction::HungUp => words.say("reaction.hung-up", &[]),
        Reaction::ClosedSilently => words.say("reaction.closed", &[]),
        Reaction::Silent => words.say("reaction.silent", &[]),
        Reaction::Hindered => words.say("reaction.hindered", &[]),
        Reaction::Unclear => words.say("reaction.unclear", &[]),
    }
}

/// Messages that a story tells of.
const MOST_MESSAGES: usize = 20;
