//! `mitmlab ca`: what a detector may know of the genuine PKI and of the vendors' answer.
//!
//! The lab's PKI is fresh in every run. So all but the public block list is this run's when a leg runs the command
//! (`mitmlab exec kazakhstan-2019 -- mitmlab ca roots`), or a past run's, from the folder that `--record` kept.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use time::OffsetDateTime;

use crate::forge::blocklist::Blocklist;
use crate::lab::EXPORTS;

/// What a detector may know: roots, logs, blocked keys, revoked certificates, pins.
#[derive(Clone, Debug, Args)]
pub struct CaArgs {
    /// What to print.
    #[command(subcommand)]
    pub command: CaCommand,
    /// Folder that `--record` kept. Needed outside of a run.
    #[arg(long, value_name = "DIR", global = true)]
    pub record: Option<PathBuf>,
}

/// What to print.
#[derive(Clone, Debug, Subcommand)]
pub enum CaCommand {
    /// The public roots, PEM.
    Roots,
    /// The transparency logs that genuine certificates are logged in, in version 3 of the browsers' JSON form.
    CtLogList,
    /// Blocked keys: base64 SHA-256 of SubjectPublicKeyInfos, one a line.
    Blocklist {
        /// The vendors' public list as it stood at this time, with its sources, in place of the run's own.
        #[arg(long, value_name = "TIME", value_parser = super::forge::parse_time)]
        as_of: Option<OffsetDateTime>,
    },
    /// The revocation lists of the genuine authorities, PEM.
    Crl,
    /// What an app may pin for a site: base64 SHA-256 of its leaf's SubjectPublicKeyInfo, then of its issuer's.
    Pins {
        /// The site's name.
        host: String,
    },
}

/// Runs it.
pub fn run(args: &CaArgs, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        CaCommand::Roots => copy(args, "roots.pem", out),
        CaCommand::CtLogList => copy(args, "ct-log-list.json", out),
        CaCommand::Blocklist { as_of: None } => copy(args, "blocklist.txt", out),
        CaCommand::Blocklist { as_of: Some(moment) } => public_blocklist(*moment, out),
        CaCommand::Crl => copy(args, "crl.pem", out),
        CaCommand::Pins { host } => pins(args, host, out),
    }
}

fn copy(args: &CaArgs, file: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    write!(out, "{}", read(args, file)?)?;
    Ok(0)
}

fn pins(args: &CaArgs, host: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    let all: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(&read(args, "pins.json")?)?;
    let Some(pins) = all.get(&host.to_ascii_lowercase()) else {
        bail!("no site of the world is called `{host}`\nhint: `mitmlab scenario explain NAME` lists the sites");
    };
    for pin in pins {
        writeln!(out, "{pin}")?;
    }
    Ok(0)
}

fn public_blocklist(moment: OffsetDateTime, out: &mut dyn Write) -> anyhow::Result<u8> {
    let list = Blocklist::embedded().map_err(anyhow::Error::msg)?;
    for entry in list.as_of(moment) {
        writeln!(out, "# {}, blocked {} by {}", entry.name, entry.blocked.0.date(), entry.by.join(", "))?;
        writeln!(out, "# {}", entry.source)?;
        writeln!(out, "{}", STANDARD.encode(&entry.spki_sha256.0))?;
    }
    Ok(0)
}

fn read(args: &CaArgs, file: &str) -> anyhow::Result<String> {
    let folder = match (&args.record, std::env::var_os(EXPORTS)) {
        (Some(record), _) => record.join("ca"),
        (None, Some(folder)) => PathBuf::from(folder),
        (None, None) => bail!(
            "the lab's public PKI is fresh in every run: there is none outside of one\n\
             hint: `mitmlab exec SCENARIO -- mitmlab ca ...`, or `--record DIR` here and in the run"
        ),
    };
    let path: &Path = &folder.join(file);
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}
