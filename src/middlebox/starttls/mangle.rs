//! Overwriting the capability and the command with as many `X`, in place, so that no sequence number moves.
//!
//! As seen in the field on SMTP: `250 XXXXXXXX` in place of `250 STARTTLS`, on some 8 000 hosts in 2018 (README of EFF's STARTTLS Everywhere);
//! that mail loses its encryption on the way was measured by Durumeric et al., IMC 2015 (doi:10.1145/2815675.2815695). That the
//! command is overwritten as well, and the same for IMAP, POP3 and XMPP, is a parameter: not evidence-based. Bytes are looked at as they
//! come: where a segment ends inside of the word, what is left of it in the next one is overwritten, which spoils the word as well.

use super::Step;
use crate::scenario::MailProtocol;

/// Both directions' places in their lines.
#[derive(Clone, Debug)]
pub(super) struct Mangler {
    protocol: MailProtocol,
    up: Place,
    down: Place,
}

/// A place in a line.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Bytes of the line so far.
    column: usize,
    /// Words of the line before this one.
    words: usize,
    /// Bytes of the keyword that this word begins with; none if it is another word.
    matched: Option<usize>,
    /// The line lists capabilities (IMAP).
    lists: bool,
    /// The last word of the line, cut.
    word: Vec<u8>,
}

impl Mangler {
    pub(super) fn new(protocol: MailProtocol) -> Self {
        Self { protocol, up: Place::default(), down: Place::default() }
    }

    /// A piece of a client's line.
    pub(super) fn command(&mut self, piece: &[u8], step: &mut Step) {
        let keyword = keyword(self.protocol);
        let at = usize::from(self.protocol == MailProtocol::Imap);
        self.up.overwrite(piece, keyword, step, |place| place.words == at);
    }

    /// A piece of a server's line.
    pub(super) fn reply(&mut self, piece: &[u8], step: &mut Step) {
        let protocol = self.protocol;
        self.down.overwrite(piece, keyword(protocol), step, |place| match protocol {
            // `250-STARTTLS`: the code and its dash make a word of four bytes.
            MailProtocol::Smtp => place.words == 1 && place.column == 4,
            MailProtocol::Imap => place.lists,
            MailProtocol::Pop3 => place.words == 0,
        });
    }
}

impl Place {
    fn overwrite(&mut self, piece: &[u8], keyword: &[u8], step: &mut Step, here: impl Fn(&Self) -> bool) {
        for &byte in piece {
            let begins = self.word.is_empty();
            if matches!(byte, b' ' | b'-' | b'[' | b']' | b'\r' | b'\n') && (byte != b'-' || self.column == 3) {
                self.end_word();
                step.onward.push(byte);
                self.column += 1;
                if byte == b'\n' {
                    *self = Self::default();
                }
                continue;
            }
            if begins {
                self.matched = here(self).then_some(0);
            }
            self.word.extend((self.word.len() < LONGEST_WORD).then_some(byte.to_ascii_uppercase()));
            self.matched = self.matched.filter(|&n| keyword.get(n) == Some(&byte.to_ascii_uppercase())).map(|n| n + 1);
            step.onward.push(byte);
            self.column += 1;
            if self.matched == Some(keyword.len()) {
                // What an earlier step had of it has gone on its way.
                let from = step.onward.len().saturating_sub(keyword.len());
                step.onward[from..].fill(b'X');
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words += 1;
            self.lists |= self.word == b"CAPABILITY";
        }
        self.word.clear();
        self.matched = None;
    }
}

fn keyword(protocol: MailProtocol) -> &'static [u8] {
    match protocol {
        MailProtocol::Smtp | MailProtocol::Imap => b"STARTTLS",
        MailProtocol::Pop3 => b"STLS",
    }
}

/// A word is compared so far.
const LONGEST_WORD: usize = 16;
