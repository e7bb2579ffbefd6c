//! `mitmlab profile`: the recipes by which certificates are forged.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::forge::profile::Basis;
use crate::forge::{Profile, profiles};

/// Recipes by which certificates are forged.
#[derive(Clone, Debug, Args)]
pub struct ProfileArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ProfileCommand,
}

/// What to do with profiles.
#[derive(Clone, Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles that come with the program.
    List,
    /// Print a profile: a file to start one's own from.
    Show {
        /// Name, or a TOML file.
        name: String,
        /// Print what each field rests on instead.
        #[arg(long)]
        evidence: bool,
    },
    /// Check a profile, or all that come with the program.
    Check {
        /// Name, or a TOML file.
        file: Option<PathBuf>,
    },
}

/// Runs it.
pub fn run(args: &ProfileArgs, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        ProfileCommand::List => list(out),
        ProfileCommand::Show { name, evidence } => show(name, *evidence, out),
        ProfileCommand::Check { file } => check(file.as_deref(), out),
    }
}

fn list(out: &mut dyn Write) -> anyhow::Result<u8> {
    let width = profiles().iter().map(|listed| listed.name.len()).max().unwrap_or(0);
    for listed in profiles() {
        let profile = Profile::load(listed.name)?;
        writeln!(out, "{:width$}  {}", listed.name, profile.title)?;
    }
    Ok(0)
}

fn show(name: &str, evidence: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let profile = Profile::load(name)?;
    if !evidence {
        match profiles().iter().find(|listed| listed.name == name) {
            Some(listed) => write!(out, "{}", listed.text)?,
            None => write!(out, "{}", std::fs::read_to_string(name)?)?,
        }
        return Ok(0);
    }
    writeln!(out, "{}: {}", profile.name, profile.title)?;
    for field in profile.fields() {
        writeln!(out, "{field:28} {}", profile.basis(field))?;
    }
    for source in &profile.sources {
        writeln!(out, "source: {source}")?;
    }
    Ok(0)
}

fn check(file: Option<&std::path::Path>, out: &mut dyn Write) -> anyhow::Result<u8> {
    if let Some(file) = file {
        let name = file.to_string_lossy();
        let profile = if file.exists() && profiles().iter().all(|listed| listed.name != name) {
            Profile::read(file)?
        } else {
            Profile::load(&name)?
        };
        writeln!(out, "{}: sound; {} fields are not evidence-based", file.display(), unproven(&profile))?;
        return Ok(0);
    }
    for listed in profiles() {
        let profile = Profile::load(listed.name)?;
        writeln!(out, "{}: sound; {} fields are not evidence-based", listed.name, unproven(&profile))?;
    }
    Ok(0)
}

fn unproven(profile: &Profile) -> usize {
    profile.fields().filter(|field| matches!(profile.basis(field), Basis::NotEvidenceBased(_))).count()
}
