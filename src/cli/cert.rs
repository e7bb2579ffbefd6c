//! `mitmlab cert`: looking at certificates.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::forge::diff;
use crate::x509::pem;
use crate::x509::tbs::Parsed;

/// Look at certificates.
#[derive(Clone, Debug, Args)]
pub struct CertArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CertCommand,
}

/// What to do with certificates.
#[derive(Clone, Debug, Subcommand)]
pub enum CertCommand {
    /// Compare two certificates field by field. Exits 1 if they differ.
    Diff {
        /// The first (the genuine one): PEM or DER; of a chain, its first certificate.
        a: PathBuf,
        /// The second.
        b: PathBuf,
        /// Print the rows as JSON.
        #[arg(long)]
        json: bool,
        /// Leave out the fields that are equal.
        #[arg(long)]
        only_differences: bool,
    },
}

/// Runs it.
pub fn run(args: &CertArgs, out: &mut dyn Write) -> anyhow::Result<u8> {
    let CertCommand::Diff { a, b, json, only_differences } = &args.command;
    let (first, second) = (pem::read_chain(a)?, pem::read_chain(b)?);
    let mut rows = diff::compare(&Parsed::read(&first[0])?, &Parsed::read(&second[0])?);
    let differ = rows.iter().any(|row| !row.same);
    if *only_differences {
        rows.retain(|row| !row.same);
    }
    if *json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        write!(out, "{}", diff::table(&rows, (&a.display().to_string(), &b.display().to_string()), 120))?;
    }
    Ok(u8::from(differ))
}
