//! `mitmlab report merge`: the shards of a suite become one report again.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Format, print};
use crate::error::Error;
use crate::scenario::Suite;
use crate::verdict::report::text::Look;
use crate::verdict::report::verify as forms;
use crate::verdict::suite::{SuiteReport, merge};
use crate::verdict::verify::{VerifyReport, exit_code};

/// `mitmlab report`
#[derive(Debug, Subcommand)]
pub enum Report {
    /// Join the JSON reports of a suite's shards; refuses shards of different suites, versions, cases or clients
    Merge(Merge),
}

/// `mitmlab report merge`
#[derive(Debug, Args)]
pub struct Merge {
    /// The shards' JSON reports, in any order
    #[arg(value_name = "SHARD.json", required = true)]
    pub shards: Vec<PathBuf>,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs one of the subcommands.
pub(super) fn report(command: &Report) -> Result<u8, Error> {
    match command {
        Report::Merge(merge) => joined(merge),
    }
}

fn joined(args: &Merge) -> Result<u8, Error> {
    let read = |path: &PathBuf| read(path).map(|value| (path.display().to_string(), value));
    let shards = args.shards.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let suite = |value: &serde_json::Value| value.get("suite").and_then(|suite| suite.as_str()).map(str::to_owned);
    let known = shards.iter().map(|(file, value)| (file, suite(value))).find(|(_, suite)| suite.as_deref() != Some("verify"));
    if let Some((file, suite)) = known {
        let what = suite.map_or("no suite's report".to_owned(), |suite| format!("a report of `{suite}`"));
        return Err(Error::Usage(format!("`{file}` is {what}; shards of `{}` can be joined", Suite::Verify)));
    }
    let shards = shards.into_iter().map(|(file, value)| typed(file, value)).collect::<Result<Vec<_>, _>>()?;
    let whole: VerifyReport = merge(shards).map_err(|error| Error::Usage(error.to_string()))?;
    print::out(&render(args.format, &whole)?)?;
    Ok(exit_code(&whole))
}

fn read(path: &Path) -> Result<serde_json::Value, Error> {
    let text = std::fs::read(path).map_err(|e| Error::Usage(format!("cannot read `{}`: {e}", path.display())))?;
    serde_json::from_slice(&text).map_err(|e| Error::Usage(format!("`{}` is no JSON report: {e}", path.display())))
}

fn typed<C: serde::de::DeserializeOwned>(file: String, value: serde_json::Value) -> Result<(String, SuiteReport<C>), Error> {
    let read = serde_json::from_value(value);
    read.map(|report| (file.clone(), report)).map_err(|e| Error::Usage(format!("`{file}` is no report of this version: {e}")))
}

/// A report of `verify` in one of its forms, with its final newline.
pub(super) fn render(format: Format, done: &VerifyReport) -> Result<String, Error> {
    let bug = |e: &dyn std::fmt::Display| Error::Bug(e.to_string());
    Ok(match format {
        Format::Text => forms::text(done, Look { width: super::run::width(), colour: super::run::colour() }),
        Format::Json => forms::json(done).map_err(|e| bug(&e))?,
        Format::Junit => forms::junit(done).map_err(|e| bug(&e))?,
        Format::Tap => forms::tap(done),
        Format::Markdown => forms::markdown(done),
    })
}
