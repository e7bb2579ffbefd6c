//! SMTP and submission, the server's side. RFC 5321; SIZE RFC 1870; PIPELINING RFC 2920; CHUNKING RFC 3030; STARTTLS RFC 3207; AUTH RFC 4954;
//! submission RFC 6409; enhanced status codes RFC 3463. It delivers to the two accounts and relays nothing.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::accounts::{Account, MOST_BYTES};
use super::sasl::{Outcome, Sasl};
use super::{Content, Next, Reply, Security, Session, Setting};
use crate::record::mail as told;
use crate::scenario::{MailProtocol, MailService};

mod chunks;

use chunks::{Chunk, Chunks};

/// One conversation.
pub(super) struct Smtp {
    setting: Setting,
    client_name: Option<String>,
    account: Option<Account>,
    sasl: Sasl,
    sender: Option<String>,
    recipients: Vec<Account>,
    chunks: Chunks,
    faults: u32,
}

impl Smtp {
    pub(super) fn new(setting: Setting) -> Self {
        let sasl = Sasl::Idle;
        let (recipients, chunks) = (Vec::new(), Chunks::default());
        Self { setting, client_name: None, account: None, sasl, sender: None, recipients, chunks, faults: 0 }
    }

    fn command(&mut self, line: &str) -> Reply {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.hello(argument, true),
            "HELO" => self.hello(argument, false),
            "STARTTLS" => self.start_tls(argument),
            "AUTH" => self.auth(argument),
            "MAIL" => self.mail(argument),
            "RCPT" => self.recipient(argument),
            "DATA" => self.data(),
            "BDAT" => self.chunk(argument),
            "RSET" => {
                self.forget();
                say("250 2.0.0 forgotten")
            }
            "NOOP" => say("250 2.0.0 here"),
            "VRFY" => say("252 2.1.5 send some mail, it will be tried"),
            "HELP" => say("214 2.0.0 RFC 5321"),
            "QUIT" => say("221 2.0.0 bye").then(Next::Close),
            _ => self.fault("500 5.5.1 no such command"),
        }
    }

    fn hello(&mut self, name: &str, extended: bool) -> Reply {
        if name.is_empty() {
            return self.fault("501 5.5.4 a name is missing");
        }
        self.forget();
        self.client_name = Some(name.chars().filter(|c| c.is_ascii_graphic()).take(255).collect());
        if !extended {
            return say(&format!("250 {}", self.setting.name));
        }
        let mut lines = vec![self.setting.name.clone(), "PIPELINING".to_owned(), format!("SIZE {MOST_BYTES}")];
        if self.setting.may_upgrade() {
            lines.push("STARTTLS".to_owned());
        }
        if self.setting.may_log_in() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        lines.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING"].map(str::to_owned));
        let last = lines.len() - 1;
        let text = lines.iter().enumerate().map(|(at, line)| format!("250{}{line}\r\n", if at == last { ' ' } else { '-' }));
        Reply::new(text.collect::<String>())
    }

    fn start_tls(&mut self, argument: &str) -> Reply {
        if !argument.is_empty() {
            return self.fault("501 5.5.4 STARTTLS has no argument");
        }
        if !self.setting.may_upgrade() {
            return self.fault("502 5.5.1 no upgrade here");
        }
        say("220 2.0.0 go ahead").then(Next::Tls)
    }

    fn auth(&mut self, argument: &str) -> Reply {
        if self.account.is_some() || self.sender.is_some() {
            return self.fault("503 5.5.1 not now");
        }
        if !self.setting.may_log_in() {
            return self.fault("530 5.7.0 start TLS first");
        }
        let (mechanism, initial) = argument.split_once(' ').map_or((argument, None), |(m, i)| (m, Some(i.trim())));
        let outcome = self.sasl.begin(&self.setting.office, mechanism, initial);
        self.logged_in(outcome)
    }

    fn logged_in(&mut self, outcome: Outcome) -> Reply {
        match outcome {
            Outcome::More(challenge) => say(&format!("334 {challenge}")),
            Outcome::Known(account) => {
                self.account = Some(account);
                say("235 2.7.0 welcome")
            }
            Outcome::Unknown => self.fault("535 5.7.8 wrong name or password"),
            Outcome::Malformed => self.fault("501 5.5.2 not the mechanism's form"),
            Outcome::Cancelled => say("501 5.7.0 given up"),
            Outcome::NoMechanism => self.fault("504 5.5.4 PLAIN or LOGIN"),
        }
    }

    fn mail(&mut self, argument: &str) -> Reply {
        if self.client_name.is_none() || self.sender.is_some() {
            return self.fault("503 5.5.1 not now");
        }
        if self.setting.mail.service != MailService::Smtp && self.account.is_none() {
            return self.fault("530 5.7.0 log in first");
        }
        let Some((sender, parameters)) = path(argument, "FROM:") else {
            return self.fault("501 5.5.4 MAIL FROM:<address>");
        };
        for parameter in parameters.split_ascii_whitespace() {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (key.to_ascii_uppercase().as_str(), value.parse::<usize>()) {
                ("SIZE", Ok(size)) if size > MOST_BYTES => return say("552 5.3.4 too large"),
                ("SIZE", Ok(_)) | ("BODY" | "AUTH", _) => {}
                _ => return self.fault("555 5.5.4 no such parameter"),
            }
        }
        self.sender = Some(sender.to_owned());
        say("250 2.1.0 from them")
    }

    fn recipient(&mut self, argument: &str) -> Reply {
        if self.sender.is_none() || self.chunks.is_under_way() {
            return self.fault("503 5.5.1 not now: MAIL comes first, and recipients before the message");
        }
        let Some((address, _)) = path(argument, "TO:") else { return self.fault("501 5.5.4 RCPT TO:<address>") };
        if self.recipients.len() >= MOST_RECIPIENTS {
            return say("452 4.5.3 too many recipients");
        }
        match self.setting.office.named(address) {
            Some(account) => {
                self.recipients.push(account);
                say("250 2.1.5 to them")
            }
            None => self.fault("550 5.1.1 nobody of that name, and nothing is relayed"),
        }
    }

    fn data(&mut self) -> Reply {
        match self.no_message_now() {
            Some(refusal) => self.fault(refusal),
            None => say("354 end with a dot alone").then(Next::Message),
        }
    }

    /// The octets follow at once, whether they are wanted or not (RFC 3030 section 2), and only then is an answer due.
    fn chunk(&mut self, argument: &str) -> Reply {
        let Some((length, last)) = Chunks::command(argument) else {
            // How much follows is not known: what would be read next is no command.
            return say("501 5.5.4 BDAT length [LAST]").then(Next::Close);
        };
        let refused = if self.chunks.is_under_way() && self.sender.is_some() { None } else { self.no_message_now() };
        self.chunks.announce(last, refused);
        Reply::new(Vec::new()).then(Next::Bytes(length))
    }

    fn no_message_now(&self) -> Option<&'static str> {
        match (&self.sender, self.recipients.is_empty()) {
            (None, _) => Some("503 5.5.1 MAIL comes first"),
            (_, true) => Some("554 5.5.1 no valid recipients"),
            _ if self.chunks.is_under_way() => Some("503 5.5.1 the message comes in chunks"),
            _ => None,
        }
    }

    fn deliver(&mut self, message: &[u8]) -> &'static str {
        let mail = [self.trace().into_bytes(), message.to_vec()].concat();
        let mut recipients = std::mem::take(&mut self.recipients);
        recipients.dedup();
        let full = recipients.into_iter().any(|account| self.setting.office.deliver(account, mail.clone()).is_err());
        if full { "452 4.2.2 a mailbox is full" } else { "250 2.0.0 taken" }
    }

    /// What a server writes above a message (RFC 5321 section 4.4; the words after `with`: RFC 3848).
    fn trace(&self) -> String {
        let with = match (self.setting.security, self.account) {
            (Security::Clear, None) => "ESMTP",
            (Security::Clear, Some(_)) => "ESMTPA",
            (_, None) => "ESMTPS",
            (_, Some(_)) => "ESMTPSA",
        };
        let date = OffsetDateTime::now_utc().format(&Rfc2822).unwrap_or_default();
        let (from, name) = (self.client_name.as_deref().unwrap_or_default(), &self.setting.name);
        let sender = self.sender.as_deref().unwrap_or_default();
        format!(
            "Return-Path: <{sender}>\r\nReceived: from {from} ([{}])\r\n\tby {name} with {with}; {date}\r\n",
            self.setting.client
        )
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
        self.chunks = Chunks::default();
    }

    /// An answer to something wrong. A client that goes on like that is left (RFC 5321 section 4.2.5 leaves it to the server).
    fn fault(&mut self, answer: &str) -> Reply {
        self.faults += 1;
        if self.faults < MOST_FAULTS { say(answer) } else { say("421 4.7.0 too many errors").then(Next::Close) }
    }
}

impl Session for Smtp {
    fn greeting(&mut self) -> Reply {
        say(&format!("220 {} ESMTP a server of a simulation", self.setting.name))
    }

    fn line(&mut self, line: &[u8]) -> Reply {
        if self.sasl.is_under_way() {
            let outcome = self.sasl.response(&self.setting.office, line);
            let request = told::response(MailProtocol::Smtp, line);
            return with_status(self.logged_in(outcome), request);
        }
        let reply = match std::str::from_utf8(line) {
            Ok(line) => self.command(line),
            Err(_) => self.fault("500 5.5.2 not UTF-8"),
        };
        with_status(reply, told::command(MailProtocol::Smtp, line))
    }

    fn content(&mut self, content: Content) -> Reply {
        let (verb, content) = match self.chunks.take(content) {
            Ok(Chunk::Refused(refusal)) => return self.fault(refusal),
            Ok(Chunk::Taken(size)) => return say(&format!("250 2.0.0 {size} octets")),
            Ok(Chunk::Message(content)) => ("BDAT", content),
            Err(content) => ("DATA", content),
        };
        let (answer, size) = match content {
            Content::Whole(message) => (self.deliver(&message), message.len()),
            Content::TooLarge(size) => ("552 5.3.4 too large", size),
            Content::BareEnds(size) => ("550 5.6.0 a CR or LF stands alone", size),
        };
        self.forget();
        with_status(say(answer), told::message(MailProtocol::Smtp, verb, size))
    }

    fn bad_line(&mut self) -> Reply {
        self.sasl = Sasl::Idle;
        self.fault("500 5.5.2 line too long, or no text")
    }

    fn too_slow(&mut self) -> Vec<u8> {
        say("421 4.4.2 too slow").bytes
    }
}

fn say(line: &str) -> Reply {
    Reply::new(format!("{line}\r\n"))
}

/// The request, with the answer's code.
fn with_status(reply: Reply, request: crate::record::Request) -> Reply {
    let status = reply.bytes.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    reply.telling(crate::record::Request { status, ..request })
}

/// `FROM:<address> parameters` (RFC 5321 section 3.3): the address without a source route, and the parameters.
fn path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = argument.get(..keyword.len())?;
    let rest = argument[keyword.len()..].trim_start();
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let address = address.rsplit_once(':').filter(|_| address.starts_with('@')).map_or(address, |(_, address)| address);
    let fits = head.eq_ignore_ascii_case(keyword) && address.len() <= MOST_PATH && address.chars().all(|c| c.is_ascii_graphic());
    fits.then_some((address, parameters))
}

/// RFC 5321 section 4.5.3.1.3.
const MOST_PATH: usize = 256;
/// RFC 5321 section 4.5.3.1.8.
const MOST_RECIPIENTS: usize = 100;
const MOST_FAULTS: u32 = 20;
