//! Cases: scenarios of a suite. What a safe client must do in it (`verify`), or what a detector should find (`score`).
//!
//! A case is a scenario like any other and runs alone too; the table `[case]` says what a suite needs to know besides.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library;
use super::mail::MailService;

/// What a case is about. One of `must` and `truth` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What a safe client must do.
    pub must: Option<Must>,
    /// What a detector should find.
    pub truth: Option<Truth>,
    /// Why, in a sentence.
    pub reason: String,
    /// What kind of fault it is, for grouping: `chain`, `name`, `time` ...
    pub group: String,
    /// What client or detector must claim, or the machine must have, for the case to be run.
    pub needs: Vec<Need>,
    /// With this claim, `maybe` is `refuse`.
    pub firm: Option<Need>,
    /// With this claim, `accept` is `maybe`.
    pub soft: Option<Need>,
    /// What a client may speak that is run in it.
    pub speaks: Vec<Speaks>,
}

/// What a safe client must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Must {
    /// Refuse, and send nothing.
    Refuse,
    /// Accept: nothing is wrong.
    Accept,
    /// Either: practice differs, and the reason says how.
    Maybe,
}

/// What is true of a case's network, of which a detector should speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// A state's box forges.
    StateBox,
    /// A company's proxy forges, by its right.
    Corporate,
    /// An antivirus program on the machine forges.
    Antivirus,
    /// A parental filter forges.
    Parental,
    /// A captive portal stands before the network.
    CaptivePortal,
    /// The genuine certificate changed.
    GenuineChange,
    /// The genuine site is broken.
    BrokenSite,
    /// Connections are hindered, none is forged.
    Blocked,
    /// Nothing is wrong.
    Clean,
}

/// What client or detector must claim, or the machine must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The client knows its server's key.
    Pin,
    /// The client demands timestamps of transparency logs.
    Ct,
    /// The client demands a stapled OCSP response, or asks for revocation itself.
    Revocation,
    /// The client follows the vendors' block list.
    Blocklist,
    /// The client takes nothing older than TLS 1.2.
    ModernTls,
    /// The detector has a control vantage.
    Control,
    /// Only the sealed network shows it.
    Sealed,
}

/// What the client speaks to its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// HTTP over TLS.
    #[default]
    Https,
    /// SMTP with STARTTLS (port 25).
    Smtp,
    /// Submission of mail over TLS (port 465).
    Smtps,
    /// Submission of mail with STARTTLS (port 587).
    Submission,
    /// IMAP with STARTTLS (port 143).
    Imap,
    /// IMAP over TLS (port 993).
    Imaps,
    /// POP3 with STLS (port 110).
    Pop3,
    /// POP3 over TLS (port 995).
    Pop3s,
}

/// A suite that comes with mitmlab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Does a client fail closed?
    Verify,
    /// Does a detector tell the truth?
    Score,
}

impl Suite {
    /// Its word, which is the folder of its cases below `scenarios/`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Score => "score",
        }
    }

    /// The names of its cases, such as `verify/expired`, with their texts; by name.
    pub fn cases(self) -> Vec<(&'static str, &'static str)> {
        let folder = format!("{}/", self.as_str());
        let mut cases: Vec<_> = library::scenario_names()
            .filter(|name| name.starts_with(&folder))
            .filter_map(|name| library::show(name).map(|text| (name, text)))
            .collect();
        cases.sort_unstable();
        cases
    }
}

impl Case {
    /// What a safe client must do in it, given what this client claims.
    pub fn must_with(&self, claims: &[Need]) -> Must {
        let claimed = |need: Option<Need>| need.is_some_and(|need| claims.contains(&need));
        match self.must {
            Some(Must::Maybe) if claimed(self.firm) => Must::Refuse,
            Some(Must::Accept) if claimed(self.soft) => Must::Maybe,
            must => must.unwrap_or(Must::Maybe),
        }
    }
}

impl Must {
    /// The word as written in a scenario.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Accept => "accept",
            Self::Maybe => "maybe",
        }
    }
}

impl Truth {
    /// The word as written in a scenario.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateBox => "state-box",
            Self::Corporate => "corporate",
            Self::Antivirus => "antivirus",
            Self::Parental => "parental",
            Self::CaptivePortal => "captive-portal",
            Self::GenuineChange => "genuine-change",
            Self::BrokenSite => "broken-site",
            Self::Blocked => "blocked",
            Self::Clean => "clean",
        }
    }
}

impl Need {
    /// The word as written in a scenario.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Ct => "ct",
            Self::Revocation => "revocation",
            Self::Blocklist => "blocklist",
            Self::ModernTls => "modern-tls",
            Self::Control => "control",
            Self::Sealed => "sealed",
        }
    }
}

impl Speaks {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Https, Self::Smtp, Self::Smtps, Self::Submission, Self::Imap, Self::Imaps, Self::Pop3, Self::Pop3s];

    /// The word as written in a scenario: a mail service's is the service's.
    pub fn as_str(self) -> &'static str {
        self.mail().map_or("https", MailService::word)
    }

    /// The mail service that it speaks to, if it is one.
    pub fn mail(self) -> Option<MailService> {
        match self {
            Self::Https => None,
            Self::Smtp => Some(MailService::Smtp),
            Self::Smtps => Some(MailService::Smtps),
            Self::Submission => Some(MailService::Submission),
            Self::Imap => Some(MailService::Imap),
            Self::Imaps => Some(MailService::Imaps),
            Self::Pop3 => Some(MailService::Pop3),
            Self::Pop3s => Some(MailService::Pop3s),
        }
    }

    /// A URL of that host that clients know (RFC 3986; curl's for mail). Submission has no scheme of its own.
    pub fn url(self, host: &str) -> String {
        match self {
            Self::Submission => format!("smtp://{host}:{}/", MailService::Submission.port()),
            _ => format!("{self}://{host}/"),
        }
    }
}

impl FromStr for Speaks {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let words = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|speaks| speaks.as_str() == word).ok_or_else(|| format!("one of {} is expected", words()))
    }
}

/// Each of these is its word.
macro_rules! shown {
    ($($word:ty),*) => { $(impl fmt::Display for $word {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.pad(self.as_str())
        }
    })* };
}

shown!(Suite, Must, Truth, Need, Speaks);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_speaks_has_a_word_and_a_url() {
        for speaks in Speaks::ALL {
            assert_eq!(speaks.as_str().parse(), Ok(speaks));
            assert_eq!(serde_json::to_value(speaks).ok(), Some(speaks.as_str().into()), "the file's word is the command line's");
        }
        assert_eq!(Speaks::Submission.url("a.test"), "smtp://a.test:587/");
        assert_eq!(Speaks::Imaps.url("a.test"), "imaps://a.test/");
        assert!("gopher".parse::<Speaks>().is_err_and(|told| told.contains("https, smtp, smtps")));
    }
}
