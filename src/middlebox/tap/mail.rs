//! What the box can read of an intercepted mail conversation: every command, with its secrets by kind and length; messages by length.
//!
//! Reads along, never ahead: it holds one line at most, and what it cannot follow it leaves unread. RFC 5321, RFC 3501, RFC 1939.

use crate::record::{Request, mail};
use crate::scenario::MailProtocol;

/// Reads along.
#[derive(Clone, Debug)]
pub(in crate::middlebox) struct MailTap {
    protocol: MailProtocol,
    up: Line,
    down: Line,
    /// What the client's next bytes are.
    state: State,
    /// The client has asked for a message, and this is how much of it has come.
    coming: Option<usize>,
    /// Bytes of a literal that the server is sending.
    literal_down: usize,
    told: usize,
}

/// What the client's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Command lines.
    Commands,
    /// A login's responses, until the server has said how it ended.
    Login,
    /// `DATA` was said; the server has not agreed yet.
    DataAsked,
    /// A message, and how much of it has come.
    Message(usize),
    /// So many bytes of a literal.
    Literal(usize),
}

/// A line that is not whole yet.
#[derive(Clone, Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    length: usize,
}

impl MailTap {
    pub(in crate::middlebox) fn new(protocol: MailProtocol) -> Self {
        Self {
            protocol,
            up: Line::default(),
            down: Line::default(),
            state: State::Commands,
            coming: None,
            literal_down: 0,
            told: 0,
        }
    }

    /// The client's next bytes are content: a message or a literal.
    pub(in crate::middlebox) fn client_sends_content(&self) -> bool {
        matches!(self.state, State::Message(_) | State::Literal(_))
    }

    /// The server's next bytes are a literal.
    pub(in crate::middlebox) fn server_sends_literal(&self) -> bool {
        self.literal_down > 0
    }

    /// Bytes from the client.
    pub(in crate::middlebox) fn up(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Request)) {
        while !bytes.is_empty() {
            if let State::Literal(left) = self.state {
                let skipped = left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.state = if left > skipped { State::Literal(left - skipped) } else { State::Commands };
                continue;
            }
            let Some(line) = self.up.take(&mut bytes) else { return };
            self.client_said(&line.0, line.1, tell);
        }
    }

    /// Bytes from the server.
    pub(in crate::middlebox) fn down(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Request)) {
        while !bytes.is_empty() {
            if self.literal_down > 0 {
                let skipped = self.literal_down.min(bytes.len());
                bytes = &bytes[skipped..];
                self.literal_down -= skipped;
                continue;
            }
            let Some(line) = self.down.take(&mut bytes) else { return };
            self.server_said(&line.0, line.1, tell);
        }
    }

    fn client_said(&mut self, line: &[u8], length: usize, tell: &mut dyn FnMut(Request)) {
        match self.state {
            State::Message(size) if line == b"." => {
                self.state = State::Commands;
                self.tell(mail::message(self.protocol, "DATA", size), tell);
            }
            State::Message(size) => self.state = State::Message(size.saturating_add(length)),
            State::Login => self.tell(mail::response(self.protocol, line), tell),
            State::Commands | State::DataAsked | State::Literal(_) => self.command(line, tell),
        }
    }

    fn command(&mut self, line: &[u8], tell: &mut dyn FnMut(Request)) {
        let request = mail::command(self.protocol, line);
        let literal = (self.protocol == MailProtocol::Imap).then(|| announced(line)).flatten();
        self.state = match (request.method.as_str(), literal) {
            (_, Some(length)) => State::Literal(length),
            ("AUTH" | "AUTHENTICATE", _) => State::Login,
            ("DATA", _) if self.protocol == MailProtocol::Smtp => State::DataAsked,
            _ => State::Commands,
        };
        if let ("APPEND", Some(length)) = (request.method.as_str(), literal) {
            self.tell(mail::message(self.protocol, "APPEND", length), tell);
        }
        self.coming = (self.protocol == MailProtocol::Pop3 && request.method == "RETR").then_some(0);
        self.tell(request, tell);
    }

    fn server_said(&mut self, line: &[u8], length: usize, tell: &mut dyn FnMut(Request)) {
        if let Some(size) = self.coming {
            self.coming = match line {
                b"." => {
                    self.tell(mail::message(self.protocol, "RETR", size), tell);
                    None
                }
                _ if line.starts_with(b"-ERR") && size == 0 => None,
                _ if line.starts_with(b"+OK") && size == 0 => Some(0),
                _ => Some(size.saturating_add(length)),
            };
            return;
        }
        if let (MailProtocol::Imap, Some(size)) = (self.protocol, announced(line)) {
            self.literal_down = size;
            if brings_text(line) {
                self.tell(mail::message(self.protocol, "FETCH", size), tell);
            }
        }
        self.state = match (self.state, line) {
            (State::DataAsked, [b'3', b'5', b'4', ..]) => State::Message(0),
            (State::DataAsked, [b'4' | b'5', ..]) => State::Commands,
            (State::Login, [b'3', b'3', b'4', ..] | [b'+', b' ', ..] | [b'*', b' ', ..]) => State::Login,
            (State::Login, _) => State::Commands,
            (state, _) => state,
        };
    }

    fn tell(&mut self, request: Request, tell: &mut dyn FnMut(Request)) {
        self.told += 1;
        if self.told <= MOST_TOLD {
            tell(request);
        }
    }
}

impl Line {
    /// The next whole line (cut, if it is long) and its length with its end; what is left of `bytes` is kept for later.
    fn take(&mut self, bytes: &mut &[u8]) -> Option<(Vec<u8>, usize)> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        let room = MOST_LINE.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        self.length = self.length.saturating_add(piece.len());
        let rest = end.map(|at| &bytes[at + 1..]);
        *bytes = rest.unwrap_or_default();
        rest?;
        let mut line = std::mem::take(&mut self.bytes);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some((line, std::mem::take(&mut self.length) + 1))
    }
}

/// The length of a literal that a line announces at its end (RFC 3501 section 4.3, RFC 7888).
fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let inner = inner.strip_suffix(b"+").unwrap_or(inner);
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}

/// True if a FETCH response's literal is a message's text, not only its headers.
fn brings_text(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).to_ascii_uppercase();
    ["BODY[] ", "BODY[]<", "BODY[TEXT]", "BODY[1]", "RFC822 {", "RFC822.TEXT"].iter().any(|item| text.contains(item))
}

/// A line is read so far.
const MOST_LINE: usize = 4096;
/// Commands of one connection that the record keeps.
const MOST_TOLD: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a conversation (`>` client, `<` server) in pieces; methods and secrets that were told.
    fn read(protocol: MailProtocol, conversation: &[&str], piece: usize) -> Vec<(String, Vec<String>)> {
        let mut tap = MailTap::new(protocol);
        let mut told = Vec::new();
        for line in conversation {
            let mut tell = |request: Request| told.push((request.method, request.secrets));
            let bytes = format!("{}\r\n", &line[1..]);
            for part in bytes.as_bytes().chunks(piece) {
                if line.starts_with('>') { tap.up(part, &mut tell) } else { tap.down(part, &mut tell) }
            }
        }
        told
    }

    #[test]
    fn every_protocol_is_read_and_no_secret_is_kept() {
        let smtp = [
            "<220 hi",
            ">EHLO me",
            "<250 hi",
            ">AUTH LOGIN",
            "<334 VXN",
            ">YWxpY2U=",
            "<334 UGF",
            ">c2VjcmV0",
            "<235 ok",
            ">DATA",
            "<354 go",
            ">Subject: x",
            ">",
            ">secret",
            ">.",
            "<250 ok",
            ">QUIT",
        ];
        let imap = [
            ">a LOGIN alice secret",
            "<a OK",
            ">b FETCH 1 BODY[]",
            "<* 1 FETCH (BODY[] {10}",
            "<12345678",
            "<)",
            "<b OK",
            ">c APPEND INBOX {5}",
            "<+ go",
            ">abc",
            ">d LOGOUT",
        ];
        let pop = [">USER alice", "<+OK", ">PASS secret", "<+OK", ">RETR 1", "<+OK here", "<secret", "<.", ">QUIT"];
        for piece in [1, 5, 999] {
            let names = |told: &[(String, Vec<String>)]| told.iter().map(|(m, _)| m.clone()).collect::<Vec<_>>();
            let told = read(MailProtocol::Smtp, &smtp, piece);
            assert_eq!(names(&told), ["EHLO", "AUTH", "AUTH", "AUTH", "DATA", "DATA", "QUIT"]);
            assert_eq!(told[5].1, ["message: 22 bytes"]);
            let told = read(MailProtocol::Imap, &imap, piece);
            assert_eq!(names(&told), ["LOGIN", "FETCH", "FETCH", "APPEND", "APPEND", "LOGOUT"]);
            assert_eq!((&told[2].1[0], &told[3].1[0]), (&"message: 10 bytes".to_owned(), &"message: 5 bytes".to_owned()));
            let told = read(MailProtocol::Pop3, &pop, piece);
            assert_eq!(names(&told), ["USER", "PASS", "RETR", "RETR", "QUIT"]);
            assert!(!format!("{told:?}").contains("secret\""), "{told:?}");
        }
    }
}
