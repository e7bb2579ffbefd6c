//! `mitmlab forge`: the chain that the box would send for a genuine certificate, without a network.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::forge::profile::Basis;
use crate::forge::{Dates, Forged, Forger, Options, Profile, diff, explain};
use crate::scenario::Clock;
use crate::x509::pem;
use crate::x509::tbs::Parsed;

/// Print the chain that the box would send for a genuine certificate.
#[derive(Clone, Debug, Args)]
pub struct ForgeArgs {
    /// Profile: a name from `mitmlab profile list`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: String,
    /// Genuine chain, leaf first: PEM, or one certificate in DER; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub genuine: PathBuf,
    /// Host that the client asks for. Most profiles take names from the genuine certificate and ignore it.
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// The time of the forging: 2019-07-22, or 2019-07-22T12:00:00+06:00. Now, if not given.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<OffsetDateTime>,
    /// Show the leaf beside the genuine one, with the rule and the source of each field.
    #[arg(long)]
    pub explain: bool,
    /// Print the root too, which the box does not send.
    #[arg(long)]
    pub with_root: bool,
}

/// Forges and prints. Dates stand as the profile writes them; the root is not confined, for nothing is served.
pub fn run(args: &ForgeArgs, out: &mut dyn Write) -> anyhow::Result<u8> {
    let genuine = pem::read_chain(&args.genuine)?;
    let profile = Profile::load(&args.profile)?;
    let clock = args.at.map_or_else(Clock::of_this_machine, Clock::starting_at);
    let options = Options { exact: true, dates: Dates::AsWritten, warm_keys: 0, ..Options::default() };
    let forger = Forger::new(profile, clock, options).context("making the authority")?;
    let forged = forger.forge(&genuine, args.sni.as_deref(), NO_ADDRESS, None)?;
    if args.explain {
        let (before, after) = (Parsed::read(&genuine[0])?, Parsed::read(&forged.chain[0])?);
        let rows = explain::explain(forger.profile(), &before, &after);
        write!(out, "{}", diff::table(&rows, ("genuine", "forged"), COLUMNS))?;
        explain_rest(&forger, &forged, out)?;
        return Ok(0);
    }
    for certificate in &forged.chain {
        write!(out, "{}", pem::write(certificate))?;
    }
    if args.with_root {
        write!(out, "{}", pem::write(forger.root()))?;
    }
    Ok(0)
}

fn explain_rest(forger: &Forger, forged: &Forged, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "\nchain as sent: {} certificates", forged.chain.len())?;
    for field in ["leaf.chain", "leaf.reuse", "leaf.cache", "leaf.ocsp"] {
        let basis = forger.profile().basis(field);
        if basis != Basis::Unsaid {
            writeln!(out, "{field}: {basis}")?;
        }
    }
    for remark in &forged.remarks {
        writeln!(out, "note: {remark}")?;
    }
    Ok(())
}

pub(super) fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    let day = || time::Date::parse(text, format_description!("[year]-[month]-[day]")).map(|date| date.midnight().assume_utc());
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| day())
        .map_err(|_| format!("`{text}` is neither a day (2019-07-22) nor an RFC 3339 time"))
}

/// What a client dialled is not known here (RFC 5737 documentation address).
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Two values side by side.
const COLUMNS: usize = 120;
