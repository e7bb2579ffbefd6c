//! IMAP, the server's side: IMAP4rev1 (RFC 3501) with one mailbox, INBOX; LITERAL+ RFC 7888, SASL-IR RFC 4959, ID RFC 2971,
//! UNSELECT RFC 3691, NAMESPACE RFC 2342. Not here: folders, IDLE, conditional store.

mod fetch;
mod mailbox;
mod parse;

use super::accounts::{Account, MOST_BYTES};
use super::sasl::{Outcome, Sasl};
use super::{Content, Next, Reply, Session, Setting};
use crate::record::{Request, mail as told};
use crate::scenario::MailProtocol;
use mailbox::Selected;
use parse::{Part, Word, announced, words};

/// One conversation.
pub(super) struct Imap {
    setting: Setting,
    account: Option<Account>,
    selected: Option<Selected>,
    parts: Vec<Part>,
    sasl: Sasl,
    sasl_tag: String,
    faults: u32,
}

/// What a command comes to: lines before the last one, and how it ended.
struct Done {
    untagged: Vec<u8>,
    end: String,
    told: Vec<Request>,
    next: Next,
}

impl Imap {
    pub(super) fn new(setting: Setting) -> Self {
        Self { setting, account: None, selected: None, parts: Vec::new(), sasl: Sasl::Idle, sasl_tag: String::new(), faults: 0 }
    }

    /// A line that may be the beginning of a command, or what follows a literal.
    fn text(&mut self, line: &[u8]) -> Reply {
        self.parts.push(Part::Text(line.to_vec()));
        let Some((length, waits)) = announced(line) else { return self.complete() };
        if self.parts.len() >= MOST_PARTS || length > MOST_BYTES && !waits {
            self.parts.clear();
            return Reply::new("* BYE too much\r\n").then(Next::Close);
        }
        if length > MOST_BYTES {
            let tag = self.tag();
            self.parts.clear();
            return Reply::new(format!("{tag} NO [TOOBIG] at most {MOST_BYTES} bytes\r\n"));
        }
        Reply::new(if waits { &b"+ go ahead\r\n"[..] } else { b"" }).then(Next::Bytes(length))
    }

    /// The command is whole.
    fn complete(&mut self) -> Reply {
        let parts = std::mem::take(&mut self.parts);
        let line = match parts.first() {
            Some(Part::Text(line)) => told::command(PROTOCOL, line),
            _ => told::command(PROTOCOL, b""),
        };
        let Some(words) = words(&parts).filter(|words| words.len() >= 2) else {
            return self.fault("* BAD no command").telling(line);
        };
        let (tag, verb) = (String::from_utf8_lossy(words[0].bytes().unwrap_or_default()).into_owned(), words[1].upper());
        let line = with_literals(line, &verb, &parts);
        let done = self.command(&tag, &verb, &words[2..]);
        if done.end.starts_with("BAD") {
            self.faults += 1;
        }
        let next = if self.faults >= MOST_FAULTS { Next::Close } else { done.next };
        let ended = if done.end.is_empty() { String::new() } else { format!("{tag} {}\r\n", done.end) };
        let told = std::iter::once(line).chain(done.told).collect();
        Reply { bytes: [done.untagged, ended.into_bytes()].concat(), told, next }
    }

    fn command(&mut self, tag: &str, verb: &str, rest: &[Word]) -> Done {
        match (verb, rest) {
            ("CAPABILITY", []) => plain("OK done").with(format!("* CAPABILITY {}\r\n", self.capabilities())),
            ("NOOP" | "CHECK", []) => self.noop(),
            ("LOGOUT", []) => plain("OK bye").with("* BYE see you\r\n").then(Next::Close),
            ("ID", [_]) => plain("OK done").with("* ID (\"name\" \"mitmlab\")\r\n"),
            ("STARTTLS", []) if self.setting.may_upgrade() && self.account.is_none() => plain("OK go ahead").then(Next::Tls),
            ("LOGIN" | "AUTHENTICATE", _) if self.account.is_some() => plain("BAD logged in already"),
            ("LOGIN" | "AUTHENTICATE", _) if !self.setting.may_log_in() => plain("NO [PRIVACYREQUIRED] start TLS first"),
            ("LOGIN", [user, password]) => self.log_in(user, password),
            ("AUTHENTICATE", [mechanism]) => self.authenticate(tag, &mechanism.upper(), None),
            ("AUTHENTICATE", [mechanism, first]) => {
                let first = String::from_utf8_lossy(first.bytes().unwrap_or_default()).into_owned();
                self.authenticate(tag, &mechanism.upper(), Some(&first))
            }
            (verb, rest) => match self.account {
                Some(account) => self.with_account(account, verb, rest),
                None if LATER.contains(&verb) => plain("NO log in first"),
                None => plain("BAD not here, not now"),
            },
        }
    }

    fn with_account(&mut self, account: Account, verb: &str, rest: &[Word]) -> Done {
        match (verb, rest) {
            ("SELECT" | "EXAMINE", [mailbox]) => self.select(account, mailbox, verb == "SELECT"),
            ("LIST" | "LSUB", [_, pattern]) => list(verb, pattern),
            ("NAMESPACE", []) => plain("OK done").with("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"),
            ("STATUS", [mailbox, Word::List(items)]) => self.status(account, mailbox, items),
            ("APPEND", [mailbox, .., message]) => self.append(account, mailbox, message),
            ("SUBSCRIBE" | "UNSUBSCRIBE", [_]) => plain("OK done"),
            ("CREATE" | "DELETE" | "RENAME" | "COPY" | "MOVE", _) => plain("NO there is one mailbox, INBOX"),
            (verb, rest) => match self.selected.take() {
                Some(mut selected) => {
                    let (done, keep) = selected.command(&self.setting.office, account, verb, rest);
                    self.selected = keep.then_some(selected);
                    done
                }
                None if LATER.contains(&verb) => plain("BAD no mailbox is selected"),
                None => plain("BAD no such command"),
            },
        }
    }

    fn capabilities(&self) -> String {
        let mut all = vec!["IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "UNSELECT", "NAMESPACE"];
        if self.setting.may_upgrade() && self.account.is_none() {
            all.push("STARTTLS");
        }
        if self.setting.may_log_in() {
            all.extend(["AUTH=PLAIN", "AUTH=LOGIN"]);
        } else {
            all.push("LOGINDISABLED");
        }
        all.join(" ")
    }

    /// Tells of messages that came since.
    fn noop(&mut self) -> Done {
        let (Some(account), Some(selected)) = (self.account, &mut self.selected) else { return plain("OK here") };
        let newest = selected.messages.last().map_or(0, |m| m.uid);
        let new = self.setting.office.messages(account).into_iter().filter(|m| m.uid > newest);
        let before = selected.messages.len();
        selected.messages.extend(new);
        let count = selected.messages.len();
        if count > before { plain("OK here").with(format!("* {count} EXISTS\r\n")) } else { plain("OK here") }
    }

    fn log_in(&mut self, user: &Word, password: &Word) -> Done {
        let (Some(user), Some(password)) = (user.bytes(), password.bytes()) else { return plain("BAD LOGIN name password") };
        match self.setting.office.log_in(user, password) {
            Some(account) => self.welcome(account),
            None => self.wrong(),
        }
    }

    fn welcome(&mut self, account: Account) -> Done {
        self.account = Some(account);
        plain(&format!("OK [CAPABILITY {}] welcome", self.capabilities()))
    }

    fn wrong(&mut self) -> Done {
        self.faults += 1;
        plain("NO [AUTHENTICATIONFAILED] wrong name or password")
    }

    fn authenticate(&mut self, tag: &str, mechanism: &str, first: Option<&str>) -> Done {
        tag.clone_into(&mut self.sasl_tag);
        let outcome = self.sasl.begin(&self.setting.office, mechanism, first);
        self.authenticated(outcome)
    }

    fn authenticated(&mut self, outcome: Outcome) -> Done {
        match outcome {
            Outcome::More(challenge) => plain("").with(format!("+ {challenge}\r\n")),
            Outcome::Known(account) => self.welcome(account),
            Outcome::Unknown => self.wrong(),
            Outcome::Malformed => plain("BAD not the mechanism's form"),
            Outcome::Cancelled => plain("BAD given up"),
            Outcome::NoMechanism => plain("NO PLAIN or LOGIN"),
        }
    }

    fn select(&mut self, account: Account, mailbox: &Word, writable: bool) -> Done {
        self.selected = None;
        if mailbox.upper() != INBOX {
            return plain("NO [NONEXISTENT] there is one mailbox, INBOX");
        }
        let messages = self.setting.office.messages(account);
        let unseen = messages.iter().position(|m| !m.seen);
        let unseen = unseen.map(|at| format!("* OK [UNSEEN {}] first\r\n", at + 1)).unwrap_or_default();
        let told = format!(
            "* {} EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [PERMANENTFLAGS (\\Seen \\Deleted)] these\r\n\
             {unseen}* OK [UIDVALIDITY 1] as long as the lab\r\n* OK [UIDNEXT {}] next\r\n",
            messages.len(),
            self.setting.office.next_uid(account),
        );
        self.selected = Some(Selected { messages, writable });
        plain(if writable { "OK [READ-WRITE] open" } else { "OK [READ-ONLY] open" }).with(told)
    }

    fn status(&self, account: Account, mailbox: &Word, items: &[Word]) -> Done {
        if mailbox.upper() != INBOX {
            return plain("NO [NONEXISTENT] there is one mailbox, INBOX");
        }
        let messages = self.setting.office.messages(account);
        let value = |item: &Word| {
            let name = item.upper();
            let number = match name.as_str() {
                "MESSAGES" => messages.len().to_string(),
                "RECENT" => "0".to_owned(),
                "UIDNEXT" => self.setting.office.next_uid(account).to_string(),
                "UIDVALIDITY" => "1".to_owned(),
                "UNSEEN" => messages.iter().filter(|m| !m.seen).count().to_string(),
                _ => return None,
            };
            Some(format!("{name} {number}"))
        };
        match items.iter().map(value).collect::<Option<Vec<_>>>() {
            Some(values) => plain("OK done").with(format!("* STATUS INBOX ({})\r\n", values.join(" "))),
            None => plain("BAD no such item"),
        }
    }

    fn append(&mut self, account: Account, mailbox: &Word, message: &Word) -> Done {
        let Word::Text(bytes) = message else { return plain("BAD APPEND mailbox literal") };
        if mailbox.upper() != INBOX {
            return plain("NO [TRYCREATE] there is one mailbox, INBOX");
        }
        let done = match self.setting.office.deliver(account, bytes.clone()) {
            Ok(uid) => plain(&format!("OK [APPENDUID 1 {uid}] kept")),
            Err(_) => plain("NO [OVERQUOTA] the mailbox is full"),
        };
        done.telling(told::message(PROTOCOL, "APPEND", bytes.len()))
    }

    fn tag(&self) -> String {
        match self.parts.first() {
            Some(Part::Text(line)) => {
                let tag = line.split(|&byte| byte == b' ').next().unwrap_or_default();
                tag.iter().filter(|b| b.is_ascii_graphic()).take(64).map(|&b| char::from(b)).collect()
            }
            _ => "*".to_owned(),
        }
    }

    fn fault(&mut self, answer: &str) -> Reply {
        self.faults += 1;
        let reply = Reply::new(format!("{answer}\r\n"));
        if self.faults < MOST_FAULTS { reply } else { reply.then(Next::Close) }
    }
}

impl Session for Imap {
    fn greeting(&mut self) -> Reply {
        Reply::new(format!("* OK [CAPABILITY {}] {} IMAP, a server of a simulation\r\n", self.capabilities(), self.setting.name))
    }

    fn line(&mut self, line: &[u8]) -> Reply {
        if !self.sasl.is_under_way() {
            return self.text(line);
        }
        let outcome = self.sasl.response(&self.setting.office, line);
        let done = self.authenticated(outcome);
        let ended = if done.end.is_empty() { String::new() } else { format!("{} {}\r\n", self.sasl_tag, done.end) };
        let bytes = [done.untagged, ended.into_bytes()].concat();
        Reply { bytes, told: vec![told::response(PROTOCOL, line)], next: done.next }
    }

    fn content(&mut self, content: Content) -> Reply {
        match content {
            Content::Whole(bytes) => {
                self.parts.push(Part::Literal(bytes));
                Reply::new(Vec::new()) // the command goes on
            }
            Content::TooLarge(_) | Content::BareEnds(_) => {
                self.parts.clear();
                self.fault("* BAD too large")
            }
        }
    }

    fn bad_line(&mut self) -> Reply {
        self.parts.clear();
        self.sasl = Sasl::Idle;
        self.fault("* BAD line too long, or no text")
    }

    fn too_slow(&mut self) -> Vec<u8> {
        b"* BYE too slow\r\n".to_vec()
    }
}

impl Done {
    fn with(mut self, untagged: impl Into<Vec<u8>>) -> Self {
        self.untagged = untagged.into();
        self
    }

    fn then(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    fn telling(mut self, request: Request) -> Self {
        self.told.push(request);
        self
    }
}

fn plain(end: &str) -> Done {
    Done { untagged: Vec::new(), end: end.to_owned(), told: Vec::new(), next: Next::Line }
}

/// A name or password may have come as a literal: the record names its length.
fn with_literals(mut line: Request, verb: &str, parts: &[Part]) -> Request {
    if verb == "LOGIN" && parts.len() > 1 {
        let literals = parts.iter().filter_map(|part| match part {
            Part::Literal(bytes) => Some(format!("name or password: {} bytes", bytes.len())),
            Part::Text(_) => None,
        });
        line.secrets = literals.collect();
    }
    line
}

fn list(verb: &str, pattern: &Word) -> Done {
    match pattern.upper().as_str() {
        "" => plain("OK done").with(format!("* {verb} (\\Noselect) \"/\" \"\"\r\n")),
        "*" | "%" | INBOX => plain("OK done").with(format!("* {verb} () \"/\" INBOX\r\n")),
        _ => plain("OK done"),
    }
}

const PROTOCOL: MailProtocol = MailProtocol::Imap;
const INBOX: &str = "INBOX";
const MOST_FAULTS: u32 = 20;
/// Lines and literals of one command.
const MOST_PARTS: usize = 16;
/// Commands that a login or an open mailbox makes good.
const LATER: [&str; 14] = [
    "SELECT",
    "EXAMINE",
    "LIST",
    "LSUB",
    "STATUS",
    "APPEND",
    "NAMESPACE",
    "FETCH",
    "STORE",
    "SEARCH",
    "EXPUNGE",
    "CLOSE",
    "UNSELECT",
    "UID",
];
