//! POP3, the server's side. RFC 1939; CAPA and PIPELINING RFC 2449; STLS RFC 2595 section 4; AUTH RFC 5034.

use super::accounts::{Account, Message};
use super::sasl::{Outcome, Sasl};
use super::{Content, Next, Reply, Session, Setting};
use crate::record::mail as told;
use crate::scenario::MailProtocol;

/// One conversation.
pub(super) struct Pop3 {
    setting: Setting,
    sasl: Sasl,
    user: Option<String>,
    open: Option<(Account, Vec<Message>)>,
    faults: u32,
}

impl Pop3 {
    pub(super) fn new(setting: Setting) -> Self {
        Self { setting, sasl: Sasl::Idle, user: None, open: None, faults: 0 }
    }

    fn command(&mut self, line: &str) -> Reply {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        match (verb.as_str(), self.open.is_some()) {
            ("CAPA", _) => self.capabilities(),
            ("QUIT", _) => self.quit(),
            ("NOOP", true) => ok("here"),
            ("STLS", false) if self.setting.may_upgrade() => ok("go ahead").then(Next::Tls),
            ("USER" | "PASS" | "AUTH", false) if !self.setting.may_log_in() => self.fault("[AUTH] start TLS first"),
            ("USER", false) => {
                self.user = Some(argument.chars().take(256).collect());
                ok("and the password?")
            }
            ("PASS", false) => self.password(argument),
            ("AUTH", false) => self.auth(argument),
            (verb, true) => self.transaction(verb, argument),
            _ => self.fault("not here, not now"),
        }
    }

    fn capabilities(&self) -> Reply {
        let mut lines = vec!["TOP", "UIDL", "PIPELINING", "RESP-CODES", "IMPLEMENTATION mitmlab"];
        if self.setting.may_upgrade() && self.open.is_none() {
            lines.push("STLS");
        }
        if self.setting.may_log_in() {
            lines.extend(["USER", "SASL PLAIN LOGIN"]);
        }
        several("capabilities", lines.into_iter().map(str::to_owned))
    }

    fn password(&mut self, password: &str) -> Reply {
        let Some(user) = self.user.take() else { return self.fault("USER comes first") };
        match self.setting.office.log_in(user.as_bytes(), password.as_bytes()) {
            Some(account) => self.opened(account),
            None => self.fault("[AUTH] wrong name or password"),
        }
    }

    fn auth(&mut self, argument: &str) -> Reply {
        if argument.is_empty() {
            return several("mechanisms", ["PLAIN".to_owned(), "LOGIN".to_owned()].into_iter());
        }
        let (mechanism, initial) = argument.split_once(' ').map_or((argument, None), |(m, i)| (m, Some(i.trim())));
        let outcome = self.sasl.begin(&self.setting.office, mechanism, initial);
        self.logged_in(outcome)
    }

    fn logged_in(&mut self, outcome: Outcome) -> Reply {
        match outcome {
            Outcome::More(challenge) => Reply::new(format!("+ {challenge}\r\n")),
            Outcome::Known(account) => self.opened(account),
            Outcome::Unknown => self.fault("[AUTH] wrong name or password"),
            Outcome::Malformed => self.fault("not the mechanism's form"),
            Outcome::Cancelled => self.fault("given up"),
            Outcome::NoMechanism => self.fault("PLAIN or LOGIN"),
        }
    }

    fn opened(&mut self, account: Account) -> Reply {
        let mut messages = self.setting.office.messages(account);
        messages.iter_mut().for_each(|message| message.deleted = false);
        let text = format!("{} messages", messages.len());
        self.open = Some((account, messages));
        ok(&text)
    }

    fn transaction(&mut self, verb: &str, argument: &str) -> Reply {
        let Some((_, messages)) = &mut self.open else { return self.fault("log in first") };
        let mut words = argument.split_ascii_whitespace();
        let number = words.next();
        match (verb, number) {
            ("STAT", None) => {
                let left = messages.iter().filter(|m| !m.deleted);
                let (count, size) = left.fold((0, 0), |(count, size), m| (count + 1, size + m.bytes.len()));
                return ok(&format!("{count} {size}"));
            }
            ("LIST", None) => return several("sizes", listed(messages, |m| m.bytes.len().to_string())),
            ("UIDL", None) => return several("identifiers", listed(messages, |m| format!("m{}", m.uid))),
            ("RSET", None) => {
                messages.iter_mut().for_each(|message| message.deleted = false);
                return ok("all kept");
            }
            _ => {}
        }
        let found = number.and_then(|n| n.parse::<usize>().ok()).and_then(|n| Some((n, messages.get_mut(n.checked_sub(1)?)?)));
        match (verb, found.filter(|(_, message)| !message.deleted)) {
            ("LIST", Some((n, message))) => ok(&format!("{n} {}", message.bytes.len())),
            ("UIDL", Some((n, message))) => ok(&format!("{n} m{}", message.uid)),
            ("DELE", Some((_, message))) => {
                message.deleted = true;
                ok("gone at the end")
            }
            ("RETR", Some((_, message))) => {
                whole(message, usize::MAX).telling(told::message(PROTOCOL, "RETR", message.bytes.len()))
            }
            ("TOP", Some((_, message))) => match words.next().and_then(|n| n.parse().ok()) {
                Some(lines) => whole(message, lines),
                None => self.fault("TOP number lines"),
            },
            ("LIST" | "UIDL" | "DELE" | "RETR" | "TOP", None) => self.fault("no such message"),
            _ => self.fault("not here, not now"),
        }
    }

    fn quit(&mut self) -> Reply {
        if let Some((account, messages)) = self.open.take() {
            let gone: Vec<u32> = messages.iter().filter(|m| m.deleted).map(|m| m.uid).collect();
            self.setting.office.remove(account, &gone);
        }
        ok("bye").then(Next::Close)
    }

    fn fault(&mut self, answer: &str) -> Reply {
        self.faults += 1;
        let reply = Reply::new(format!("-ERR {answer}\r\n"));
        if self.faults < MOST_FAULTS { reply } else { reply.then(Next::Close) }
    }
}

impl Session for Pop3 {
    fn greeting(&mut self) -> Reply {
        ok(&format!("{} POP3, a server of a simulation", self.setting.name))
    }

    fn line(&mut self, line: &[u8]) -> Reply {
        if self.sasl.is_under_way() {
            let outcome = self.sasl.response(&self.setting.office, line);
            return self.logged_in(outcome).telling(told::response(PROTOCOL, line));
        }
        let reply = match std::str::from_utf8(line) {
            Ok(line) => self.command(line),
            Err(_) => self.fault("not UTF-8"),
        };
        let Reply { bytes, told: more, next } = reply;
        let told = std::iter::once(told::command(PROTOCOL, line)).chain(more).collect();
        Reply { bytes, told, next }
    }

    fn content(&mut self, _: Content) -> Reply {
        self.fault("nothing was asked for") // POP3 asks for none
    }

    fn bad_line(&mut self) -> Reply {
        self.sasl = Sasl::Idle;
        self.fault("line too long, or no text")
    }

    fn too_slow(&mut self) -> Vec<u8> {
        b"-ERR too slow\r\n".to_vec()
    }
}

fn ok(text: &str) -> Reply {
    Reply::new(format!("+OK {text}\r\n"))
}

fn several(what: &str, lines: impl Iterator<Item = String>) -> Reply {
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    Reply::new(format!("+OK {what}\r\n{lines}.\r\n"))
}

fn listed(messages: &[Message], what: impl Fn(&Message) -> String) -> impl Iterator<Item = String> {
    let kept = messages.iter().enumerate().filter(|(_, m)| !m.deleted);
    kept.map(|(at, message)| format!("{} {}", at + 1, what(message))).collect::<Vec<_>>().into_iter()
}

/// The headers and so many lines of the body, dots at the beginning of lines doubled (RFC 1939 section 3).
fn whole(message: &Message, body_lines: usize) -> Reply {
    let mut bytes = b"+OK here it is\r\n".to_vec();
    let mut left = None;
    let text = message.bytes.strip_suffix(b"\r\n").unwrap_or(&message.bytes);
    for line in text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        match &mut left {
            Some(0) => break,
            Some(count) => *count -= 1,
            None if line.is_empty() => left = Some(body_lines),
            None => {}
        }
        if line.starts_with(b".") {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    Reply::new(bytes)
}

const PROTOCOL: MailProtocol = MailProtocol::Pop3;
const MOST_FAULTS: u32 = 20;
