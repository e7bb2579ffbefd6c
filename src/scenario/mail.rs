//! The mail services of the language: one word for each port that mail clients know.
//!
//! Ports and words are those of RFC 6409 (submission), RFC 8314 section 7.3 (`smtps`, `imaps`, `pop3s`), RFC 5321, RFC 9051 and RFC 1939.

use std::fmt;

/// A mail service of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailService {
    /// SMTP between servers, and from the clients of 2019: port 25, STARTTLS.
    Smtp,
    /// Submission over TLS from the first byte: port 465.
    Smtps,
    /// Submission: port 587, STARTTLS; a login is asked for.
    Submission,
    /// IMAP: port 143, STARTTLS.
    Imap,
    /// IMAP over TLS from the first byte: port 993.
    Imaps,
    /// POP3: port 110, STLS.
    Pop3,
    /// POP3 over TLS from the first byte: port 995.
    Pop3s,
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailProtocol {
    /// RFC 5321.
    Smtp,
    /// RFC 3501 (IMAP4rev1).
    Imap,
    /// RFC 1939.
    Pop3,
}

impl MailService {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Smtp, Self::Smtps, Self::Submission, Self::Imap, Self::Imaps, Self::Pop3, Self::Pop3s];

    /// The service that a word of the language means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.word() == word)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Submission => "submission",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
        }
    }

    /// Its port, if the scenario names none.
    pub fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Smtps => 465,
            Self::Submission => 587,
            Self::Imap => 143,
            Self::Imaps => 993,
            Self::Pop3 => 110,
            Self::Pop3s => 995,
        }
    }

    /// True if TLS comes first, so that the client speaks first.
    pub fn is_implicit(self) -> bool {
        matches!(self, Self::Smtps | Self::Imaps | Self::Pop3s)
    }

    /// What is spoken.
    pub fn protocol(self) -> MailProtocol {
        match self {
            Self::Smtp | Self::Smtps | Self::Submission => MailProtocol::Smtp,
            Self::Imap | Self::Imaps => MailProtocol::Imap,
            Self::Pop3 | Self::Pop3s => MailProtocol::Pop3,
        }
    }
}

impl MailProtocol {
    /// The record's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }
}

impl fmt::Display for MailService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_its_service() {
        for service in MailService::ALL {
            assert_eq!(MailService::from_word(service.word()), Some(service));
        }
        assert_eq!(MailService::from_word("https"), None);
    }
}
