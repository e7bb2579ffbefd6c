//! The report's certificates, and its text for people.

use std::fmt;

use rustls_pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;

use super::{Finding, Report, SpeaksFor};
use crate::client::trust::spki_pin;
use crate::probe::tls::Parameters;

/// A certificate as a reader looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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

/// What else was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Seen {
    /// What was negotiated.
    pub parameters: Option<Parameters>,
    /// Milliseconds until TCP (and a proxy) had connected.
    pub connect_ms: Option<u64>,
    /// Milliseconds of the TLS handshake: a box that asks the origin first, or makes a key, is slow here.
    pub handshake_ms: Option<u64>,
    /// A stapled OCSP response came.
    pub staple: bool,
    /// Logs of the leaf's timestamps, the first four octets of each in hex.
    pub logs: Vec<String>,
    /// At least one timestamp is of a listed log and verifies; none without a list.
    pub logged: Option<bool>,
    /// Days from the begin to the end of the leaf's validity.
    pub lifetime_days: Option<i64>,
    /// What the leaf says of its authority's infrastructure.
    pub infrastructure: Vec<&'static str>,
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
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}): {}", self.finding.as_str(), self.class, self.url)?;
        writeln!(f, "  {}", self.reason)?;
        if let Some(error) = &self.error {
            writeln!(f, "  {error}")?;
        }
        for signal in &self.signals {
            let mark = match signal.speaks_for {
                SpeaksFor::Interception => "!!",
                SpeaksFor::InterceptionPerhaps => "! ",
                SpeaksFor::BrokenSite | SpeaksFor::Portal | SpeaksFor::Unclear => "? ",
                SpeaksFor::Genuine | SpeaksFor::Change => "= ",
            };
            writeln!(f, "  {mark} {}: {}", signal.name, signal.evidence)?;
        }
        for (depth, shown) in self.chain.iter().enumerate() {
            writeln!(f, "  {depth}  {} <- {}", shown.subject, shown.issuer)?;
        }
        if let (Some(parameters), Some(connect), Some(handshake)) =
            (&self.seen.parameters, self.seen.connect_ms, self.seen.handshake_ms)
        {
            writeln!(f, "  .  {parameters}; connected in {connect} ms, shook hands in {handshake} ms")?;
        }
        Ok(())
    }
}
