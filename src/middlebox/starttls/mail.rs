//! The prelude of SMTP, IMAP and POP3: lines of commands and replies.
//!
//! What it cannot follow passes unread and unchanged: a line longer than [`MOST_LINE`], content (messages, literals), and
//! everything after them until commands come again. A reply is matched to its command by order (SMTP, POP3) or by tag (IMAP), so
//! pipelined commands get their answers, the box's own among them, in the right order.

use std::collections::VecDeque;

use super::mangle::Mangler;
use super::strip::Stripper;
use super::{Manner, Next, Step, Told};
use crate::middlebox::tap::mail::MailTap;
use crate::record::UpgradeStage;
use crate::scenario::MailProtocol;

/// Both directions.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    protocol: MailProtocol,
    manner: Manner,
    up: Line,
    down: Line,
    /// A client's line that may become the command: kept until it is known (not in place).
    held: Vec<u8>,
    /// The beginning of the client's line is on its way: the line cannot be answered any more.
    begun: bool,
    stripper: Stripper,
    mangler: Mangler,
    /// Commands without a reply yet, in order.
    expected: VecDeque<Expected>,
    /// The tag of an upgrade that IMAP has not answered.
    tag: Option<Vec<u8>>,
    /// POP3 sends an answer of several lines; true if they are capabilities.
    listing: Option<bool>,
    tap: MailTap,
    told_clear: usize,
    told_offer: bool,
}

/// A reply that will come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// One reply.
    Reply,
    /// POP3: lines up to a dot, if it begins with `+OK`; true if they are capabilities.
    Listing(bool),
    /// The upgrade's.
    Upgrade,
    /// The box's own, to be said in its turn.
    Ours(Vec<u8>),
}

/// A line that is not whole yet.
#[derive(Clone, Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Mail {
    pub(super) fn new(protocol: MailProtocol, manner: Manner) -> Self {
        // The greeting of SMTP and POP3 looks like a reply to nothing.
        let greeting = (protocol != MailProtocol::Imap).then_some(Expected::Reply);
        Self {
            protocol,
            manner,
            up: Line::default(),
            down: Line::default(),
            held: Vec::new(),
            begun: false,
            stripper: Stripper::new(protocol),
            mangler: Mangler::new(protocol),
            expected: greeting.into_iter().collect(),
            tag: None,
            listing: None,
            tap: MailTap::new(protocol),
            told_clear: 0,
            told_offer: false,
        }
    }

    pub(super) fn protocol(&self) -> MailProtocol {
        self.protocol
    }

    pub(super) fn manner(&self) -> Manner {
        self.manner
    }

    pub(super) fn up(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        let mut rest = bytes;
        while let Some(piece) = next_piece(rest, self.tap.client_octets()) {
            rest = &rest[piece.len()..];
            self.client_piece(piece, &mut step);
        }
        step
    }

    pub(super) fn down(&mut self, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        let mut rest = bytes;
        while let Some(piece) = next_piece(rest, self.tap.server_octets()) {
            rest = &rest[piece.len()..];
            self.server_piece(piece, &mut step);
            if step.next == Next::Agreed {
                // Whatever follows was said before TLS, and is the origin's own affair.
                step.onward.extend_from_slice(rest);
                step.told.extend((!rest.is_empty()).then_some(Told::Injected(rest.len())));
                break;
            }
        }
        step
    }

    /// A piece of a client's line, up to its end or the end of what came.
    fn client_piece(&mut self, piece: &[u8], step: &mut Step) {
        if self.tap.client_octets() > 0 {
            step.onward.extend_from_slice(piece);
            return self.tap_up(piece, step);
        }
        let content = self.tap.client_sends_content();
        let whole = self.up.push(piece);
        match self.manner {
            _ if content => step.onward.extend_from_slice(piece),
            Manner::Watch | Manner::Intercept => step.onward.extend_from_slice(piece),
            Manner::Mangle => self.mangler.command(piece, step),
            Manner::Strip | Manner::Refuse => self.held.extend_from_slice(piece),
        }
        if !whole {
            self.begun |= !may_become_command(&self.held);
            if self.begun {
                step.onward.append(&mut self.held);
            }
            return self.tap_up(piece, step);
        }
        let line = self.up.take();
        let kept = !std::mem::take(&mut self.begun) && may_become_command(self.held.strip_suffix(b"\n").unwrap_or_default());
        let asks = !content && self.asks(&line);
        if asks && kept && matches!(self.manner, Manner::Strip | Manner::Refuse) {
            self.held.clear();
            self.tap_up(piece, step); // its beginning may have been read along with earlier pieces
            return self.answer(&line, step);
        }
        step.onward.append(&mut self.held);
        if asks {
            step.told.push(Told::Stage(UpgradeStage::Asked));
            if self.manner == Manner::Mangle {
                step.told.push(Told::Stage(UpgradeStage::Mangled));
            }
        } else if self.is_upgrading() && !content {
            step.told.push(Told::Injected(line.len()));
        }
        self.expect(&line, asks, content);
        self.tap_up(piece, step);
        if content && !self.tap.client_sends_content() && self.protocol == MailProtocol::Smtp {
            self.expected.push_back(Expected::Reply); // to the message
        }
    }

    /// What this line's answer will look like.
    fn expect(&mut self, line: &[u8], asks: bool, content: bool) {
        match self.protocol {
            _ if content => {}
            MailProtocol::Imap if asks => self.tag = Some(first_word(line).to_vec()),
            MailProtocol::Imap => {}
            _ if self.expected.len() >= MOST_EXPECTED => {}
            _ if asks && self.manner != Manner::Mangle => self.expected.push_back(Expected::Upgrade),
            MailProtocol::Pop3 if lists(line) => {
                let capabilities = first_word(line).eq_ignore_ascii_case(b"CAPA");
                self.expected.push_back(Expected::Listing(capabilities));
            }
            _ => self.expected.push_back(Expected::Reply),
        }
    }

    /// Answers an attempt in the origin's place, in its turn.
    fn answer(&mut self, line: &[u8], step: &mut Step) {
        let stage = if self.manner == Manner::Strip { UpgradeStage::Stripped } else { UpgradeStage::Refused };
        step.told.extend([UpgradeStage::Asked, stage].map(Told::Stage));
        let answer = self.words(line);
        if self.protocol == MailProtocol::Imap || self.expected.is_empty() {
            step.back.extend(answer);
        } else {
            self.expected.push_back(Expected::Ours(answer));
        }
    }

    /// What a server without the capability says (RFC 5321 section 4.2.4, RFC 9051 section 7.1.3, RFC 1939 section 3), or one that
    /// cannot upgrade now (RFC 3207 section 4, RFC 9051 section 7.1.2).
    fn words(&self, line: &[u8]) -> Vec<u8> {
        let strip = self.manner == Manner::Strip;
        match self.protocol {
            MailProtocol::Smtp if strip => b"502 5.5.1 Command not implemented\r\n".to_vec(),
            MailProtocol::Smtp => b"454 4.7.0 TLS not available due to temporary reason\r\n".to_vec(),
            MailProtocol::Imap => {
                let words: &[u8] = if strip { b" BAD Unknown command\r\n" } else { b" NO TLS not available\r\n" };
                [first_word(line), words].concat()
            }
            MailProtocol::Pop3 if strip => b"-ERR Unknown command\r\n".to_vec(),
            MailProtocol::Pop3 => b"-ERR TLS not available\r\n".to_vec(),
        }
    }

    fn server_piece(&mut self, piece: &[u8], step: &mut Step) {
        if self.tap.server_octets() > 0 {
            step.onward.extend_from_slice(piece);
            return self.tap_down(piece, step);
        }
        let letter = self.listing == Some(false);
        let whole = self.down.push(piece);
        match self.manner {
            Manner::Strip if !letter => self.stripper.push(piece, step),
            Manner::Mangle if !letter => self.mangler.reply(piece, step),
            _ => step.onward.extend_from_slice(piece),
        }
        self.tap_down(piece, step);
        if !whole {
            return;
        }
        let line = self.down.take();
        self.server_line(&line, step);
        while let Some(Expected::Ours(_)) = self.expected.front() {
            if let Some(Expected::Ours(words)) = self.expected.pop_front() {
                step.onward.extend(words);
            }
        }
    }

    fn server_line(&mut self, line: &[u8], step: &mut Step) {
        let letter = self.listing == Some(false);
        if !letter && offers(self.protocol, line) && !std::mem::replace(&mut self.told_offer, true) {
            step.told.push(Told::Stage(UpgradeStage::Offered));
            let changed = match self.manner {
                Manner::Strip => Some(UpgradeStage::Stripped),
                Manner::Mangle => Some(UpgradeStage::Mangled),
                _ => None,
            };
            step.told.extend(changed.map(Told::Stage));
        }
        let answered = match self.protocol {
            MailProtocol::Imap => self.tagged(line),
            MailProtocol::Smtp if is_last(line) => {
                (self.expected.pop_front() == Some(Expected::Upgrade)).then(|| line.starts_with(b"220"))
            }
            MailProtocol::Smtp => None,
            MailProtocol::Pop3 => self.status(line),
        };
        match answered {
            Some(true) => {
                step.told.push(Told::Stage(UpgradeStage::Agreed));
                step.next = Next::Agreed;
            }
            Some(false) => step.told.push(Told::Stage(UpgradeStage::Declined)),
            None => {}
        }
    }

    /// IMAP: whether the upgrade was agreed to, if this line says.
    fn tagged(&mut self, line: &[u8]) -> Option<bool> {
        let tag = self.tag.as_deref()?;
        let rest = line.strip_prefix(tag)?.strip_prefix(b" ")?;
        let agreed = rest.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(b"OK"));
        self.tag = None;
        Some(agreed)
    }

    /// POP3: the same, through listings.
    fn status(&mut self, line: &[u8]) -> Option<bool> {
        if self.listing.is_some() {
            self.listing = self.listing.filter(|_| line != b".");
            return None;
        }
        let well = line.starts_with(b"+OK");
        match self.expected.pop_front() {
            Some(Expected::Upgrade) => return Some(well),
            Some(Expected::Listing(capabilities)) => self.listing = well.then_some(capabilities),
            _ => {}
        }
        None
    }

    fn asks(&self, line: &[u8]) -> bool {
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        match self.protocol {
            MailProtocol::Smtp => words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"STARTTLS")),
            MailProtocol::Imap => words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case(b"STARTTLS")),
            MailProtocol::Pop3 => words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"STLS")),
        }
    }

    /// The upgrade was asked for and is not answered.
    fn is_upgrading(&self) -> bool {
        self.tag.is_some() || self.expected.contains(&Expected::Upgrade)
    }

    fn tap_up(&mut self, piece: &[u8], step: &mut Step) {
        let mut secrets = Vec::new();
        self.tap.up(piece, &mut |request| secrets.extend(request.secrets));
        self.tell_clear(secrets, step);
    }

    fn tap_down(&mut self, piece: &[u8], step: &mut Step) {
        let mut secrets = Vec::new();
        self.tap.down(piece, &mut |request| secrets.extend(request.secrets));
        self.tell_clear(secrets, step);
    }

    fn tell_clear(&mut self, secrets: Vec<String>, step: &mut Step) {
        for secret in secrets {
            self.told_clear += 1;
            if self.told_clear <= MOST_CLEAR {
                step.told.push(Told::Clear(secret));
            }
        }
    }
}

impl Line {
    /// True if the line is whole now.
    fn push(&mut self, piece: &[u8]) -> bool {
        let room = MOST_LINE.saturating_sub(self.bytes.len());
        self.too_long |= piece.len() > room;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        piece.last() == Some(&b'\n')
    }

    /// The line without its end; empty if it was too long to be anything.
    fn take(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.bytes);
        if std::mem::take(&mut self.too_long) {
            return Vec::new();
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        line
    }
}

/// The next line or piece of one, up to its end, or the rest of so many octets that are no lines. None behind the last.
fn next_piece(bytes: &[u8], octets: usize) -> Option<&[u8]> {
    match octets {
        0 => bytes.split_inclusive(|&byte| byte == b'\n').next(),
        _ => bytes.get(..octets.min(bytes.len())).filter(|piece| !piece.is_empty()),
    }
}

fn first_word(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b' ').next().unwrap_or_default()
}

/// The last line of an SMTP reply (RFC 5321 section 4.2.1).
fn is_last(line: &[u8]) -> bool {
    line.len() >= 3 && line[..3].iter().all(u8::is_ascii_digit) && line.get(3).is_none_or(|&byte| byte == b' ')
}

/// POP3 commands whose good answer is a listing (RFC 1939, RFC 2449 section 5).
fn lists(line: &[u8]) -> bool {
    let alone = !line.contains(&b' ');
    let verb = first_word(line).to_ascii_uppercase();
    matches!(verb.as_slice(), b"CAPA" | b"RETR" | b"TOP") || alone && matches!(verb.as_slice(), b"LIST" | b"UIDL")
}

/// A server's line that offers the upgrade.
fn offers(protocol: MailProtocol, line: &[u8]) -> bool {
    let upper = line.to_ascii_uppercase();
    match protocol {
        MailProtocol::Smtp => upper.starts_with(b"250") && upper.get(4..).is_some_and(|rest| first_word(rest) == b"STARTTLS"),
        MailProtocol::Pop3 => upper == b"STLS",
        MailProtocol::Imap => {
            let words: Vec<&[u8]> = upper.split(|byte| matches!(byte, b' ' | b'[' | b']')).collect();
            words.contains(&&b"CAPABILITY"[..]) && words.contains(&&b"STARTTLS"[..])
        }
    }
}

/// A client's unfinished line that may still be a command of an upgrade: short, and text.
fn may_become_command(held: &[u8]) -> bool {
    held.len() <= MOST_COMMAND && held.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r'))
}

/// A line is read so far: more than RFC 5321 section 4.5.3.1.5 (512 octets a reply line) and servers of today send.
pub(super) const MOST_LINE: usize = 8192;
/// The longest command of an upgrade: a tag, the word, and an end.
const MOST_COMMAND: usize = 128;
/// Replies that are awaited at once; a client that sends more ahead is answered out of turn.
const MOST_EXPECTED: usize = 1000;
/// Secrets of one connection that the record keeps.
const MOST_CLEAR: usize = 64;
