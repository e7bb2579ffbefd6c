//! STARTTLS in the middle: what is said before the upgrade of SMTP, IMAP, POP3 and XMPP, read along and, if a rule says so, changed.
//!
//! A [`Prelude`] is a connection's plaintext beginning, as a pure machine: bytes of one side in, a [`Step`] out. Both carriers drive
//! it. As long as a step keeps every length, the wire carries it out on the packets themselves; the first one that does not makes
//! the box take over both halves, and from then on it is a stream, as in the proxy network.
//!
//! | manner | what the client is told | what an attempt gets |
//! |---|---|---|
//! | [`Manner::Watch`] | the origin's own words | the origin's own answer |
//! | [`Manner::Intercept`] | the origin's own words | the origin's own answer; then the box is both ends of the handshake |
//! | [`Manner::Strip`] | no capability | the answer of a server that has none |
//! | [`Manner::Refuse`] | the origin's own words | the protocol's error |
//! | [`Manner::Mangle`] | the capability, overwritten with as many `X` | its command overwritten on the way up, so the origin's own error |
//!
//! Not here: TLS, sockets, rules. What came behind the upgrade's command in the same breath belongs to the plaintext and stays
//! there (CVE-2011-0411): the machine ends with the origin's consent, and nothing of it is carried over.
//!
//! RFC 3207, RFC 9051 section 6.2.1, RFC 2595, RFC 6120 section 5. What of it was seen in the field: see `mangle`, and Durumeric et al., "Neither
//! Snow Nor Rain Nor MITM", IMC 2015.

use super::sniff::Protocol;

mod ask;
pub(super) mod carry;
mod mail;
mod mangle;
mod settle;
mod strip;
#[cfg(test)]
mod tests;
mod xmpp;

pub(super) use ask::Asking;
pub(super) use xmpp::Tags;

use crate::record::UpgradeStage;
use crate::scenario::{Action, MailProtocol};

/// What the box does with an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Looks on.
    Watch,
    /// Looks on, and is both ends of the handshake that follows.
    Intercept,
    /// Takes the capability out.
    Strip,
    /// Answers the attempt with an error.
    Refuse,
    /// Overwrites capability and command in place.
    Mangle,
}

/// A connection before its upgrade.
#[derive(Clone, Debug)]
pub struct Prelude(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Mail(Box<mail::Mail>),
    Xmpp(Box<xmpp::Xmpp>),
}

/// What becomes of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// For the other side.
    pub onward: Vec<u8>,
    /// For the side that they came from, in the other one's name.
    pub back: Vec<u8>,
    /// What to record, in order.
    pub told: Vec<Told>,
    /// And then.
    pub next: Next,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// More of the prelude.
    #[default]
    GoOn,
    /// Both sides have agreed: the client's next bytes are a ClientHello.
    Agreed,
    /// The connection ends.
    Close,
}

/// What a step tells the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// How far the upgrade came.
    Stage(UpgradeStage),
    /// A secret crossed in the clear: its kind and length, such as `password: 10 bytes`.
    Clear(String),
    /// Bytes came behind the command of the upgrade, or behind its answer, before the handshake.
    Injected(usize),
}

impl Manner {
    /// The manner of a rule's action on a connection that may start TLS.
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Intercept => Some(Self::Intercept),
            Action::StripStarttls => Some(Self::Strip),
            Action::RefuseStarttls => Some(Self::Refuse),
            Action::MangleStarttls => Some(Self::Mangle),
            _ => None,
        }
    }

    /// True if capabilities or commands of the upgrade do not pass as they are.
    pub fn interferes(self) -> bool {
        matches!(self, Self::Strip | Self::Refuse | Self::Mangle)
    }
}

impl Prelude {
    /// The beginning of a connection; none for protocols without an upgrade.
    pub fn new(protocol: Protocol, manner: Manner) -> Option<Self> {
        match (protocol.mail(), protocol) {
            (Some(mail), _) => Some(Self(Inner::Mail(Box::new(mail::Mail::new(mail, manner))))),
            (None, Protocol::Xmpp) => Some(Self(Inner::Xmpp(Box::new(xmpp::Xmpp::new(manner))))),
            (None, _) => None,
        }
    }

    /// The word of its protocol.
    pub fn word(&self) -> &'static str {
        match &self.0 {
            Inner::Mail(mail) => mail.protocol().word(),
            Inner::Xmpp(_) => "xmpp",
        }
    }

    /// The mail protocol, if it is one.
    pub fn mail(&self) -> Option<MailProtocol> {
        match &self.0 {
            Inner::Mail(mail) => Some(mail.protocol()),
            Inner::Xmpp(_) => None,
        }
    }

    /// What the box does with it.
    pub fn manner(&self) -> Manner {
        match &self.0 {
            Inner::Mail(mail) => mail.manner(),
            Inner::Xmpp(xmpp) => xmpp.manner(),
        }
    }

    /// Bytes from the client.
    pub fn up(&mut self, bytes: &[u8]) -> Step {
        match &mut self.0 {
            Inner::Mail(mail) => mail.up(bytes),
            Inner::Xmpp(xmpp) => xmpp.up(bytes),
        }
    }

    /// Bytes from the origin.
    pub fn down(&mut self, bytes: &[u8]) -> Step {
        match &mut self.0 {
            Inner::Mail(mail) => mail.down(bytes),
            Inner::Xmpp(xmpp) => xmpp.down(bytes),
        }
    }

    /// How the box asks the same origin for the same upgrade itself.
    pub(super) fn asking(&self) -> Asking {
        match &self.0 {
            Inner::Mail(mail) => Asking::Mail(mail.protocol()),
            Inner::Xmpp(xmpp) => Asking::Xmpp { to: xmpp.domain().to_owned() },
        }
    }
}

impl Step {
    /// True if it can be carried out on packets in place: as many bytes on as came in, none back.
    pub fn keeps_lengths(&self, came: &[u8]) -> bool {
        self.back.is_empty() && self.onward.len() == came.len() && self.next != Next::Close
    }
}
