//! `mitmlab probe`: the reference detector. It looks at a chain, reads the signs, says what it makes of them and why.
//!
//! It sends nothing to the site but the handshake, and so may look at a chain that it then refuses. A finding is made
//! from signs alone, in the order written in `judge`; every sign is in the report with its evidence.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, Settings, Signal, SpeaksFor, Url};

mod look;
mod report;

/// What is looked at, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// URL to look at; https only
    pub url: String,
    /// Print the report as JSON; the finding is at `/finding`
    #[arg(long)]
    pub json: bool,
    /// The genuine chain in PEM, leaf first
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
    /// An address by which the same site is reached another way
    #[arg(long, value_name = "ADDR:PORT")]
    pub control: Option<SocketAddr>,
    /// Public certificates carry SCTs here: count a missing one as a sign
    #[arg(long)]
    pub ct: bool,
    /// PEM bundle of trusted roots [default: $SSL_CERT_FILE, else the system's]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Seconds that each look may take
    #[arg(long, value_name = "S", default_value_t = 8)]
    pub max_time: u64,
}

/// What a detector can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// The signs do not decide.
    NotSure,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was found.
    pub finding: Finding,
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
}

impl Finding {
    /// The exit code: 0 clean, 1 intercepted, then 3 to 5; 2 is kept for errors of use.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Intercepted => 1,
            Self::BrokenSite => 3,
            Self::Portal => 4,
            Self::NotSure => 5,
        }
    }
}

/// Looks, prints the report, returns the exit code.
pub async fn run(options: &Options, settings: Settings, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
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

/// The finding and its reason. The order is the argument: a strong sign of interception outweighs any fault, a fault of
/// the site explains an untrusted chain, and an untrusted chain that nothing explains is no proof of anything.
fn judge(trusted: bool, public: Option<bool>, signals: &[Signal]) -> (Finding, String) {
    let speaks = |what| signals.iter().find(move |s| s.speaks_for == what);
    let because = |signal: &Signal| format!("{}: {}", signal.name, signal.evidence);
    if let Some(sign) = speaks(SpeaksFor::Interception) {
        return (Finding::Intercepted, because(sign));
    }
    if let Some(sign) = speaks(SpeaksFor::Genuine).filter(|_| !trusted) {
        return (Finding::BrokenSite, format!("not trusted, but {}", because(sign)));
    }
    if trusted {
        return match (public, speaks(SpeaksFor::InterceptionPerhaps)) {
            (Some(true), _) => (Finding::Clean, "trusted through a public root, no sign of interception".to_owned()),
            (_, None) => (Finding::Clean, "trusted, no sign of interception".to_owned()),
            (_, Some(sign)) => (Finding::NotSure, format!("trusted, but {}", because(sign))),
        };
    }
    if let Some(sign) = speaks(SpeaksFor::Portal) {
        return (Finding::Portal, because(sign));
    }
    match (speaks(SpeaksFor::BrokenSite), speaks(SpeaksFor::InterceptionPerhaps)) {
        (None, Some(sign)) => (Finding::Intercepted, format!("unknown issuer, and {}", because(sign))),
        (Some(fault), None) => (Finding::BrokenSite, because(fault)),
        (Some(fault), Some(sign)) => (Finding::NotSure, format!("{}, but also {}", because(fault), because(sign))),
        (None, None) => (Finding::NotSure, "the chain is not trusted, and nothing tells why".to_owned()),
    }
}

const WRITE_FAILED: u8 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(trusted: bool, public: Option<bool>, signs: &[SpeaksFor]) -> Finding {
        let signals: Vec<_> = signs.iter().map(|s| Signal { name: "x", speaks_for: *s, evidence: String::new() }).collect();
        judge(trusted, public, &signals).0
    }

    #[test]
    fn the_order_of_the_argument_holds() {
        use SpeaksFor::{BrokenSite, Interception, InterceptionPerhaps, Portal};
        assert_eq!(finding(true, None, &[]), Finding::Clean);
        assert_eq!(finding(true, Some(true), &[InterceptionPerhaps]), Finding::Clean);
        assert_eq!(finding(true, None, &[InterceptionPerhaps]), Finding::NotSure);
        assert_eq!(finding(true, Some(false), &[Interception]), Finding::Intercepted);
        assert_eq!(finding(false, None, &[BrokenSite, Interception]), Finding::Intercepted);
        assert_eq!(finding(false, None, &[InterceptionPerhaps]), Finding::Intercepted);
        assert_eq!(finding(false, None, &[BrokenSite]), Finding::BrokenSite);
        assert_eq!(finding(false, None, &[BrokenSite, Portal]), Finding::Portal);
        assert_eq!(finding(false, None, &[SpeaksFor::Genuine]), Finding::BrokenSite);
        assert_eq!(finding(false, None, &[]), Finding::NotSure);
    }
}
