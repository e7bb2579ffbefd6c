//! The report's certificates, and its text for people.

use std::fmt;

use rustls_pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;

use super::{Finding, Report, SpeaksFor};
use crate::client::trust::spki_pin;

/// A certificate as a reader looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Begin of validity.
    pub not_before: String,
    /// End of validity.
    pub not_after: String,
    /// SHA-256 of SubjectPublicKeyInfo, base64.
    pub spki_sha256: String,
}

impl Shown {
    pub(super) fn of(parsed: &X509Certificate<'_>, der: &CertificateDer<'_>) -> Self {
        Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            not_before: parsed.validity().not_before.to_string(),
            not_after: parsed.validity().not_after.to_string(),
            spki_sha256: spki_pin(der).unwrap_or_default(),
        }
    }
}

impl Finding {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Intercepted => "intercepted",
            Self::BrokenSite => "broken-site",
            Self::Portal => "portal",
            Self::NotSure => "not-sure",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.finding.as_str(), self.url)?;
        writeln!(f, "  {}", self.reason)?;
        if let Some(error) = &self.error {
            writeln!(f, "  {error}")?;
        }
        for signal in &self.signals {
            let mark = match signal.speaks_for {
                SpeaksFor::Interception => "!!",
                SpeaksFor::InterceptionPerhaps => "! ",
                SpeaksFor::BrokenSite | SpeaksFor::Portal => "? ",
                SpeaksFor::Genuine => "= ",
            };
            writeln!(f, "  {mark} {}: {}", signal.name, signal.evidence)?;
        }
        for (depth, shown) in self.chain.iter().enumerate() {
            writeln!(f, "  {depth}  {} <- {}", shown.subject, shown.issuer)?;
        }
        Ok(())
    }
}
