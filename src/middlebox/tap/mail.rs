//! What the box can read of an intercepted mail conversation: every command, with its secrets by kind and length; messages by length.
//!
//! Reads along, never ahead: it holds one line at most, and what it cannot follow it leaves unread. RFC 5321, RFC 3030, RFC 3501, RFC 1939.

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
    /// SMTP: commands without a reply.
    unanswered: usize,
    /// IMAP: the tag of the login that is under way.
    tag: Vec<u8>,
    /// SMTP: octets of the message whose chunks are coming.
    chunked: usize,
    /// IMAP: lengths of a login's arguments so far, where they come as literals.
    login: Option<Vec<usize>>,
    told: usize,
}

/// What the client's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Command lines.
    Commands,
    /// A login's responses, until the server has said how it ended; so many replies (SMTP) come before its own.
    Login(usize),
    /// `DATA` was said, and so many replies come before its own; what the client sends before that may be the message.
    DataAsked(usize),
    /// A message, and how much of it has come.
    Message(usize),
    /// So many bytes of a chunk (BDAT), and whether it is the message's last.
    Chunk(usize, bool),
    /// So many bytes of a literal.
    Literal(usize),
    /// The rest of a command after its literal.
    Rest,
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
            unanswered: 0,
            tag: Vec::new(),
            chunked: 0,
            login: None,
            told: 0,
        }
    }

    /// The client's next bytes are content: a message, a literal, or what comes behind one.
    pub(in crate::middlebox) fn client_sends_content(&self) -> bool {
        matches!(self.state, State::Message(_) | State::Literal(_) | State::Chunk(..) | State::Rest)
    }

    /// So many of the client's next bytes are octets of a literal or of a chunk, and no lines: they may end in the middle of a piece.
    pub(in crate::middlebox) fn client_octets(&self) -> usize {
        if let State::Literal(left) | State::Chunk(left, _) = self.state { left } else { 0 }
    }

    /// The same of the server: a literal's.
    pub(in crate::middlebox) fn server_octets(&self) -> usize {
        self.literal_down
    }

    /// Bytes from the client.
    pub(in crate::middlebox) fn up(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(Request)) {
        while !bytes.is_empty() {
            if let State::Literal(left) | State::Chunk(left, _) = self.state {
                let skipped = left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.skipped(left - skipped, tell);
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

    /// Octets have passed, and so many are left.
    fn skipped(&mut self, left: usize, tell: &mut dyn FnMut(Request)) {
        self.state = match self.state {
            State::Chunk(_, last) if left > 0 => State::Chunk(left, last),
            State::Chunk(_, last) => self.chunk_over(last, tell),
            _ if left > 0 => State::Literal(left),
            _ => State::Rest,
        };
    }

    fn chunk_over(&mut self, last: bool, tell: &mut dyn FnMut(Request)) -> State {
        if last {
            let size = std::mem::take(&mut self.chunked);
            self.tell(mail::message(self.protocol, "BDAT", size), tell);
        }
        State::Commands
    }

    fn client_said(&mut self, line: &[u8], length: usize, tell: &mut dyn FnMut(Request)) {
        match self.state {
            State::Message(size) if line == b"." => {
                self.state = State::Commands;
                self.unanswered += 1;
                self.tell(mail::message(self.protocol, "DATA", size), tell);
            }
            State::Message(size) => self.state = State::Message(size.saturating_add(length)),
            State::Login(_) => {
                self.unanswered += 1;
                self.tell(mail::response(self.protocol, line), tell);
            }
            State::Rest => self.rest(line, tell),
            State::DataAsked(_) => {} // a message ahead of the consent, or commands after a refusal: neither is guessed at
            State::Commands | State::Literal(_) | State::Chunk(..) => self.command(line, tell),
        }
    }

    fn command(&mut self, line: &[u8], tell: &mut dyn FnMut(Request)) {
        let request = mail::command(self.protocol, line);
        let literal = (self.protocol == MailProtocol::Imap).then(|| announced(line)).flatten();
        self.unanswered += 1;
        if let ("LOGIN", Some(length)) = (request.method.as_str(), literal) {
            self.state = State::Literal(length);
            self.login = Some(lengths(line, 2).chain([length]).collect());
            return;
        }
        self.state = match (request.method.as_str(), literal) {
            (_, Some(length)) => State::Literal(length),
            ("AUTH" | "AUTHENTICATE", _) => {
                self.tag = line.split(|&byte| byte == b' ').next().unwrap_or_default().to_vec();
                State::Login(self.unanswered - 1)
            }
            ("DATA", _) if self.protocol == MailProtocol::Smtp => State::DataAsked(self.unanswered - 1),
            ("BDAT", _) if self.protocol == MailProtocol::Smtp => self.chunk(&request.target, tell),
            _ => State::Commands,
        };
        if let ("APPEND", Some(length)) = (request.method.as_str(), literal) {
            self.tell(mail::message(self.protocol, "APPEND", length), tell);
        }
        self.coming = (self.protocol == MailProtocol::Pop3 && request.method == "RETR").then_some(0);
        self.tell(request, tell);
    }

    /// A chunk is announced: `length [LAST]` (RFC 3030 section 2).
    fn chunk(&mut self, argument: &str, tell: &mut dyn FnMut(Request)) -> State {
        let mut words = argument.split_ascii_whitespace();
        let Some(length) = words.next().and_then(|word| word.parse::<usize>().ok()) else { return State::Commands };
        let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        self.chunked = self.chunked.saturating_add(length);
        if length == 0 { self.chunk_over(last, tell) } else { State::Chunk(length, last) }
    }

    /// What follows a literal belongs to its command: an argument, perhaps a secret, perhaps the next literal.
    fn rest(&mut self, line: &[u8], tell: &mut dyn FnMut(Request)) {
        let literal = announced(line);
        self.state = literal.map_or(State::Commands, State::Literal);
        let Some(mut arguments) = self.login.take() else { return };
        arguments.extend(lengths(line, 0).chain(literal));
        match literal {
            Some(_) => self.login = Some(arguments),
            None => self.tell(mail::login(self.protocol, &arguments), tell),
        }
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
        self.state = match self.protocol {
            MailProtocol::Smtp => self.replied(line),
            MailProtocol::Imap if matches!(self.state, State::Login(_)) && !answers_tag(line, &self.tag) => self.state,
            MailProtocol::Pop3 if line.starts_with(b"+ ") => self.state,
            _ if matches!(self.state, State::Login(_)) => State::Commands,
            _ => self.state,
        };
    }

    /// A line of an SMTP reply: replies come in the order of the commands (RFC 2920), so one that is not the last of those before it
    /// says nothing of the login or the message.
    fn replied(&mut self, line: &[u8]) -> State {
        let is_last = line.len() >= 3 && line.get(3) != Some(&b'-');
        if !is_last {
            return self.state;
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        match (self.state, line[0]) {
            _ if line.starts_with(b"354") => State::Message(0), // no other command is answered so
            (State::DataAsked(before @ 1..), _) => State::DataAsked(before - 1),
            (State::DataAsked(0), b'4' | b'5') => State::Commands,
            (State::Login(before @ 1..), _) => State::Login(before - 1),
            (State::Login(0), _) if !line.starts_with(b"334") => State::Commands,
            (state, _) => state,
        }
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

/// A tagged response, to that tag.
fn answers_tag(line: &[u8], tag: &[u8]) -> bool {
    line.strip_prefix(tag).is_some_and(|rest| rest.first() == Some(&b' '))
}

/// Lengths of a line's arguments after so many words, the announcement of a literal and quotes apart.
fn lengths(line: &[u8], skipped: usize) -> impl Iterator<Item = usize> {
    let words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).skip(skipped);
    words.filter(|word| !word.starts_with(b"{")).map(|word| word.len() - word.iter().filter(|&&byte| byte == b'"').count())
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
            ">c APPEND INBOX {3}",
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
            assert_eq!((&told[2].1[0], &told[3].1[0]), (&"message: 10 bytes".to_owned(), &"message: 3 bytes".to_owned()));
            let told = read(MailProtocol::Pop3, &pop, piece);
            assert_eq!(names(&told), ["USER", "PASS", "RETR", "RETR", "QUIT"]);
            assert!(!format!("{told:?}").contains("secret\""), "{told:?}");
        }
    }

    #[test]
    fn chunks_are_one_message_and_what_follows_them_is_a_command() {
        let smtp = [
            ">MAIL FROM:<a@b>",
            ">RCPT TO:<c@d>",
            ">BDAT 8",
            ">secretRCPT TO:<secret>", // in the chunk: eight octets, so `RCPT` loses its first two letters
            "<250 a",
            "<250 b",
            "<250 c",
            ">BDAT 9 LAST",
            ">NOOP\r\nQ", // all of it, with its end
            ">QUIT",
        ];
        for piece in [1, 3, 999] {
            let told = read(MailProtocol::Smtp, &smtp, piece);
            let names: Vec<_> = told.iter().map(|(method, _)| method.as_str()).collect();
            assert_eq!(names, ["MAIL", "RCPT", "BDAT", "(other)", "BDAT", "BDAT", "QUIT"], "{piece}");
            assert_eq!(told[5].1, ["message: 17 bytes"]);
        }
        let told = read(MailProtocol::Smtp, &[">BDAT 0 LAST", ">NOOP"], 999);
        assert_eq!(told.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>(), ["BDAT", "BDAT", "NOOP"]);
    }

    #[test]
    fn answers_to_earlier_commands_end_neither_a_login_nor_a_message() {
        let smtp = [
            ">MAIL FROM:<a@b>",
            ">RCPT TO:<c@d>",
            ">RCPT TO:<e@f>",
            ">DATA",
            "<250 a",
            "<550 no",
            "<250 c",
            "<354 go",
            ">help is secret",
            ">.",
            "<250 taken",
            ">RSET",
            ">AUTH LOGIN",
            "<250-two",
            "<250 lines",
            "<334 VXN",
            ">c2VjcmV0",
            "<235 ok",
            ">QUIT",
        ];
        let imap = [">a NOOP", ">b AUTHENTICATE LOGIN", "<* 1 EXISTS", "<a OK", "<+ VXN", ">c2VjcmV0", "<b OK", ">c LOGOUT"];
        for piece in [1, 999] {
            let told = read(MailProtocol::Smtp, &smtp, piece);
            let names: Vec<_> = told.iter().map(|(method, _)| method.as_str()).collect();
            assert_eq!(names, ["MAIL", "RCPT", "RCPT", "DATA", "DATA", "RSET", "AUTH", "AUTH", "QUIT"]);
            let told = read(MailProtocol::Imap, &imap, piece);
            let names: Vec<_> = told.iter().map(|(method, _)| method.as_str()).collect();
            assert_eq!(names, ["NOOP", "AUTHENTICATE", "AUTH", "LOGOUT"]);
        }
    }

    #[test]
    fn a_login_in_literals_leaves_its_lengths_and_no_word() {
        let both = [">a LOGIN {5}", "<+ go", ">alice {6}", "<+ go", ">secret", "<a OK", ">b NOOP"];
        let user = [">a LOGIN {5}", "<+ go", ">alice \"secret\"", "<a OK", ">b NOOP"];
        let password = [">a LOGIN alice {6+}", ">secret", "<a OK", ">b NOOP"];
        for conversation in [&both[..], &user, &password] {
            let told = read(MailProtocol::Imap, conversation, 999);
            let login = ("LOGIN".to_owned(), vec!["user: 5 bytes".to_owned(), "password: 6 bytes".to_owned()]);
            assert_eq!(told, [login, ("NOOP".to_owned(), Vec::new())], "{conversation:?}");
        }
    }
}
