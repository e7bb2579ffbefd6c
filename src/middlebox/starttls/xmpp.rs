//! The prelude of XMPP: a stream of tags (RFC 6120 sections 4 and 5). Only tags are told apart; what is between them is counted.
//!
//! `<starttls` cannot stand in text (XML escapes it) nor in CDATA, which XMPP forbids (RFC 6120 section 11.1).

use super::strip::find;
use super::{Manner, Next, Step, Told};
use crate::record::UpgradeStage;

/// Both directions.
#[derive(Clone, Debug)]
pub(super) struct Xmpp {
    manner: Manner,
    domain: String,
    up: Tags,
    down: Tags,
    /// Bytes that may be the beginning of the element, or are the beginning and not the end of it.
    held: [Vec<u8>; 2],
    /// Bytes of `<starttls` at the end of what went by, for overwriting in place.
    matched: [usize; 2],
    asked: bool,
    told_offer: bool,
    told_clear: usize,
}

/// Reads tags.
#[derive(Clone, Debug, Default)]
pub(in crate::middlebox) struct Tags {
    /// The tag that is being read, without its bracket, cut.
    tag: Option<Vec<u8>>,
    /// The element whose text is counted, and how much there was of it.
    counting: Option<(&'static str, usize)>,
}

const WORD: &[u8] = b"<starttls";

impl Xmpp {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            domain: String::new(),
            up: Tags::default(),
            down: Tags::default(),
            held: Default::default(),
            matched: [0; 2],
            asked: false,
            told_offer: false,
            told_clear: 0,
        }
    }

    pub(super) fn manner(&self) -> Manner {
        self.manner
    }

    /// The domain that the client asked for; empty before it did.
    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    pub(super) fn up(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        let mut removed = 0;
        match self.manner {
            Manner::Watch | Manner::Intercept => step.onward.extend_from_slice(bytes),
            Manner::Mangle => self.overwrite(0, bytes, &mut step),
            Manner::Strip | Manner::Refuse => removed = self.remove(0, bytes, &mut step),
        }
        for byte in bytes {
            if let Some(tag) = self.up.push(*byte) {
                self.client_tag(&tag, &mut step);
            }
        }
        if removed > 0 {
            self.answer(&mut step);
        }
        step
    }

    pub(super) fn down(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        match self.manner {
            Manner::Strip => drop(self.remove(1, bytes, &mut step)),
            Manner::Mangle => self.overwrite(1, bytes, &mut step),
            _ => step.onward.extend_from_slice(bytes),
        }
        for (at, byte) in bytes.iter().enumerate() {
            let Some(tag) = self.down.push(*byte) else { continue };
            self.server_tag(&tag, &mut step);
            if step.next == Next::Agreed {
                let rest = bytes.len() - at - 1;
                step.told.extend((rest > 0).then_some(Told::Injected(rest)));
                break;
            }
        }
        step
    }

    fn client_tag(&mut self, tag: &[u8], step: &mut Step) {
        match name(tag) {
            b"stream:stream" if self.domain.is_empty() => self.domain = attribute(tag, b"to").unwrap_or_default(),
            b"starttls" => {
                self.asked = true;
                step.told.push(Told::Stage(UpgradeStage::Asked));
                step.told.extend((self.manner == Manner::Mangle).then_some(Told::Stage(UpgradeStage::Mangled)));
            }
            _ => {
                let secret = self.up.counted(tag);
                if let Some(secret) = secret.filter(|_| self.told_clear < MOST_CLEAR) {
                    self.told_clear += 1;
                    step.told.push(Told::Clear(secret));
                }
            }
        }
    }

    fn server_tag(&mut self, tag: &[u8], step: &mut Step) {
        match name(tag) {
            b"starttls" if !std::mem::replace(&mut self.told_offer, true) => {
                step.told.push(Told::Stage(UpgradeStage::Offered));
                let changed = match self.manner {
                    Manner::Strip => Some(UpgradeStage::Stripped),
                    Manner::Mangle => Some(UpgradeStage::Mangled),
                    _ => None,
                };
                step.told.extend(changed.map(Told::Stage));
            }
            b"proceed" if self.asked => {
                step.told.push(Told::Stage(UpgradeStage::Agreed));
                step.next = Next::Agreed;
            }
            b"failure" if std::mem::take(&mut self.asked) => step.told.push(Told::Stage(UpgradeStage::Declined)),
            _ => {}
        }
    }

    /// In the server's name: it knows no such stanza (RFC 6120 section 4.9.3.24), or it cannot (section 5.4.2.2). Both end the stream.
    fn answer(&mut self, step: &mut Step) {
        let (stage, words) = match self.manner {
            Manner::Strip => (UpgradeStage::Stripped, UNSUPPORTED),
            _ => (UpgradeStage::Refused, FAILURE),
        };
        step.told.push(Told::Stage(stage));
        step.back.extend_from_slice(words);
        step.next = Next::Close;
    }

    /// Passes bytes on without the element. How many there were.
    fn remove(&mut self, side: usize, bytes: &[u8], step: &mut Step) -> usize {
        let mut waiting = std::mem::take(&mut self.held[side]);
        waiting.extend_from_slice(bytes);
        let (mut removed, mut from) = (0, 0);
        while let Some(begin) = find(&waiting[from..], WORD).map(|at| from + at) {
            let shown = &waiting[begin..];
            match element(&shown[..shown.len().min(MOST_HELD)]) {
                Some(length) => {
                    step.onward.extend(waiting.drain(..begin + length).take(begin));
                    (removed, from) = (removed + 1, 0);
                }
                None if shown.len() < MOST_HELD => {
                    self.held[side] = waiting.split_off(begin);
                    break;
                }
                None => from = begin + WORD.len(), // no element of the upgrade is that long
            }
        }
        if self.held[side].is_empty() {
            let keep = (1..WORD.len()).rev().find(|&n| waiting.ends_with(&WORD[..n])).unwrap_or(0);
            self.held[side] = waiting.split_off(waiting.len() - keep);
        }
        step.onward.append(&mut waiting);
        removed
    }

    /// Overwrites the element's name in place, in both of its tags.
    fn overwrite(&mut self, side: usize, bytes: &[u8], step: &mut Step) {
        let matched = &mut self.matched[side];
        for &byte in bytes {
            step.onward.push(byte);
            *matched = match (byte, *matched) {
                (b'<', _) => 1,
                (b'/', 1) => 1, // the closing tag
                (_, n) if n > 0 && WORD.get(n) == Some(&byte) => n + 1,
                _ => 0,
            };
            if *matched == WORD.len() {
                let from = step.onward.len().saturating_sub(WORD.len() - 1);
                step.onward[from..].fill(b'X');
                *matched = 0;
            }
        }
    }
}

impl Tags {
    /// A whole tag, without its brackets.
    pub(in crate::middlebox) fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        match (byte, &mut self.tag) {
            (b'<', _) => self.tag = Some(Vec::new()),
            (b'>', Some(_)) => return self.begin(),
            (_, Some(tag)) => tag.extend((tag.len() < MOST_TAG).then_some(byte)),
            (_, None) => {
                if let Some((_, count)) = &mut self.counting {
                    *count += 1;
                }
            }
        }
        None
    }

    fn begin(&mut self) -> Option<Vec<u8>> {
        let tag = self.tag.take()?;
        let secret = match name(&tag) {
            b"auth" | b"response" => Some("sasl response"),
            b"body" => Some("message"),
            b"password" => Some("password"),
            _ => None,
        };
        if !tag.ends_with(b"/") && secret.is_some() {
            self.counting = secret.map(|kind| (kind, 0));
        }
        Some(tag)
    }

    /// What was counted, if this tag closes it.
    pub(in crate::middlebox) fn counted(&mut self, tag: &[u8]) -> Option<String> {
        if !matches!(name(tag), b"/auth" | b"/response" | b"/body" | b"/password") {
            return None;
        }
        let (kind, count) = self.counting.take()?;
        (count > 0).then(|| format!("{kind}: {count} bytes"))
    }
}

/// The length of the element that these bytes begin with, if its end is here.
fn element(bytes: &[u8]) -> Option<usize> {
    let tag_end = bytes.iter().position(|&byte| byte == b'>')?;
    if bytes[..tag_end].ends_with(b"/") {
        return Some(tag_end + 1);
    }
    find(bytes, b"</starttls>").map(|at| at + b"</starttls>".len())
}

fn name(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(tag.len());
    let name = &tag[..end];
    if name.len() > 1 { name.strip_suffix(b"/").unwrap_or(name) } else { name }
}

/// An attribute's value, if it is plain.
fn attribute(tag: &[u8], wanted: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(tag).ok()?;
    let wanted = std::str::from_utf8(wanted).ok()?;
    text.split_ascii_whitespace().find_map(|word| {
        let value = word.strip_prefix(wanted)?.strip_prefix('=')?;
        let value = value.trim_end_matches('/').trim_matches(['"', '\'']);
        value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).then(|| value.to_owned())
    })
}

const UNSUPPORTED: &[u8] =
    b"<stream:error><unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
const FAILURE: &[u8] = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>";
/// A tag is read so far.
const MOST_TAG: usize = 1024;
/// An element that is kept is at most so long.
const MOST_HELD: usize = 4096;
/// Secrets of one connection that the record keeps.
const MOST_CLEAR: usize = 64;
