//! `mitmlab probe`: the reference detector. It looks at a chain, reads the signs, says what it makes of them and why.
//!
//! It sends nothing to the site but the handshake, and so may look at a chain that it then refuses. A finding is made
//! from signs alone, in the order written in `class`; every sign is in the report with its evidence.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Failure, Settings, Signal, SpeaksFor, Url};
use crate::scenario::Answer;

mod class;
mod look;
mod report;

/// What is looked at, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// URL to look at; https only
    #[arg(required_unless_present = "schema", default_value = "")]
    pub url: String,
    /// Print the report as JSON; the finding is at `/finding`, its class at `/class`
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of the JSON report
    #[arg(long, exclusive = true)]
    pub schema: bool,
    /// The genuine chain in PEM, leaf first
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// An address by which the same site is reached another way
    #[arg(long, value_name = "ADDR:PORT")]
    pub control: Option<SocketAddr>,
    /// Public certificates carry SCTs here: count a missing one as a sign
    #[arg(long)]
    pub ct: bool,
    /// Known transparency logs, in the browsers' form: timestamps of others are a sign
    #[arg(long, value_name = "FILE")]
    pub ct_logs: Option<PathBuf>,
    /// A key (SHA-256 of SubjectPublicKeyInfo, base64) that is pinned for the host. Repeatable
    #[arg(long, value_name = "BASE64")]
    pub pin: Vec<String>,
    /// Pins by host, as JSON: `{ "host": ["BASE64", ...] }`
    #[arg(long, value_name = "FILE")]
    pub pins: Option<PathBuf>,
    /// Revocation lists, PEM
    #[arg(long, value_name = "FILE")]
    pub crl: Option<PathBuf>,
    /// PEM bundle of trusted roots [default: $SSL_CERT_FILE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Seconds that each look may take
    #[arg(long, value_name = "S", default_value_t = 8)]
    pub max_time: u64,
}

/// What a detector can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The site as it should be.
    Clean,
    /// Somebody else's certificate.
    Intercepted,
    /// The site's own certificate is at fault.
    BrokenSite,
    /// A portal answers in the site's place.
    Portal,
    /// No chain was shown: the way is hindered, or the site is down.
    Blocked,
    /// The signs do not decide.
    NotSure,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// What was found.
    pub finding: Finding,
    /// Who or what is behind it, as far as that can be told.
    pub class: Answer,
    /// Why, in a sentence.
    pub reason: String,
    /// What was looked at.
    pub url: String,
    /// The address that answered: the site's, or the proxy's.
    pub address: Option<SocketAddr>,
    /// The store trusts the chain for this name, now.
    pub trusted: bool,
    /// Why not, or why there was no chain.
    pub error: Option<String>,
    /// The signs.
    pub signals: Vec<Signal>,
    /// The chain, leaf first.
    pub chain: Vec<report::Shown>,
    /// What else was seen, and decides nothing alone.
    pub seen: report::Seen,
}

impl Finding {
    /// The exit code: 0 clean, 1 intercepted, then 3 to 6; 2 is kept for errors of use.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Intercepted => 1,
            Self::BrokenSite => 3,
            Self::Portal => 4,
            Self::NotSure => 5,
            Self::Blocked => 6,
        }
    }
}

/// Looks, prints the report, returns the exit code.
pub async fn run(options: &Options, settings: Settings, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    if options.schema {
        let schema = schemars::schema_for!(Report).to_value();
        return writeln!(out, "{schema:#}").map_or(WRITE_FAILED, |()| 0);
    }
    let (written, code) = match detect(options, settings).await {
        Ok(report) if options.json => {
            let json = serde_json::to_string_pretty(&report).unwrap_or_default();
            (writeln!(out, "{json}"), report.finding.exit_code())
        }
        Ok(report) => (write!(out, "{report}"), report.finding.exit_code()),
        Err(failure) => (writeln!(err, "mitmlab probe: {failure}"), failure.exit_code()),
    };
    written.map_or(WRITE_FAILED, |()| code)
}

/// Looks and judges.
///
/// # Errors
/// Only what is wrong with the options or settings; a site that cannot be reached is a finding.
pub async fn detect(options: &Options, mut settings: Settings) -> Result<Report, Failure> {
    let url: Url =
        options.url.parse().map_err(|e: super::UrlError| Failure::Setting { what: "URL".to_owned(), reason: e.to_string() })?;
    if let Some(bundle) = &options.cacert {
        settings.roots = Some(bundle.clone());
    }
    look::look(&url, options, &settings).await
}

const WRITE_FAILED: u8 = 23;
