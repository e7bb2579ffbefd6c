//! Taking the capability out of what a server announces. A line, and in SMTP the reply that it belongs to, is kept until it is whole.

use super::Step;
use super::mail::MOST_LINE;
use crate::scenario::MailProtocol;

/// A server's lines on their way to the client.
#[derive(Clone, Debug)]
pub(super) struct Stripper {
    protocol: MailProtocol,
    /// A line that is not whole.
    partial: Vec<u8>,
    /// Whole lines of an SMTP reply that goes on.
    reply: Vec<u8>,
    /// The rest of a line that is too long to be read.
    passing: bool,
}

impl Stripper {
    pub(super) fn new(protocol: MailProtocol) -> Self {
        Self { protocol, partial: Vec::new(), reply: Vec::new(), passing: false }
    }

    /// A piece of a line, up to its end or the end of what came.
    pub(super) fn push(&mut self, piece: &[u8], step: &mut Step) {
        let whole = piece.last() == Some(&b'\n');
        if self.passing {
            self.passing = !whole;
            return step.onward.extend_from_slice(piece);
        }
        self.partial.extend_from_slice(piece);
        if self.partial.len() + self.reply.len() > MOST_REPLY || self.partial.len() > MOST_LINE {
            step.onward.append(&mut self.reply);
            step.onward.append(&mut self.partial);
            self.passing = !whole;
            return;
        }
        if whole {
            let line = std::mem::take(&mut self.partial);
            self.line(&line, step);
        }
    }

    fn line(&mut self, line: &[u8], step: &mut Step) {
        match self.protocol {
            MailProtocol::Pop3 if without_end(line).eq_ignore_ascii_case(b"STLS") => {}
            MailProtocol::Pop3 => step.onward.extend_from_slice(line),
            MailProtocol::Imap => step.onward.extend(without_word(line)),
            MailProtocol::Smtp => {
                self.reply.extend_from_slice(line);
                if !line.starts_with(b"250-") {
                    let reply = std::mem::take(&mut self.reply);
                    step.onward.extend(without_keyword(&reply));
                }
            }
        }
    }
}

/// An SMTP reply without the line of the keyword; what is its last line now says so (RFC 5321 section 4.2.1).
fn without_keyword(reply: &[u8]) -> Vec<u8> {
    let is_keyword = |line: &&[u8]| {
        let text = without_end(line);
        text.starts_with(b"250") && text.get(4..).is_some_and(|rest| rest.eq_ignore_ascii_case(b"STARTTLS"))
    };
    let mut lines: Vec<Vec<u8>> =
        reply.split_inclusive(|&byte| byte == b'\n').filter(|line| !is_keyword(line)).map(<[u8]>::to_vec).collect();
    if let Some(last) = lines.last_mut()
        && last.starts_with(b"250-")
    {
        last[3] = b' ';
    }
    lines.concat()
}

/// An IMAP line without the word, if it lists capabilities (RFC 9051 sections 7.1 and 7.2.2).
fn without_word(line: &[u8]) -> Vec<u8> {
    let upper = line.to_ascii_uppercase();
    if find(&upper, b"CAPABILITY").is_none_or(|at| at >= CODE) {
        return line.to_vec();
    }
    let mut from = 0;
    while let Some(at) = find(&upper[from..], b" STARTTLS").map(|at| at + from) {
        let end = at + b" STARTTLS".len();
        if matches!(upper.get(end), None | Some(b' ' | b'\r' | b'\n' | b']')) {
            return [&line[..at], &line[end..]].concat();
        }
        from = end;
    }
    line.to_vec()
}

/// Where a word begins.
pub(super) fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A reply is kept so far; a longer one passes as it is.
const MOST_REPLY: usize = 64 * 1024;
/// Where the word stands at the latest, behind a tag and a condition: anything later is text.
const CODE: usize = 80;
