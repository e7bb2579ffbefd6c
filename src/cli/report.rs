//! `mitmlab report`: a recording is judged again, without running anything; `merge` makes the shards of a suite one report again.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Format;
use super::forms::FormArgs;
use crate::error::Error;
use crate::lab::SCENARIO;
use crate::record::{self, Manifest};
use crate::scenario::{Plan, Suite};
use crate::verdict::judge_again;
use crate::verdict::report::html;
use crate::verdict::report::text::Look;
use crate::verdict::report::verify as forms;
use crate::verdict::suite::{SuiteReport, merge};
use crate::verdict::verify::{VerifyReport, exit_code};

/// `mitmlab report`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Report {
    /// Something else than judging a recording
    #[command(subcommand)]
    pub command: Option<Joined>,
    /// Folder of a recording (`run --record DIR`)
    #[arg(value_name = "DIR", required = true)]
    pub dir: Option<PathBuf>,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What else `mitmlab report` does.
#[derive(Debug, Subcommand)]
pub enum Joined {
    /// Join the JSON reports of a suite's shards; refuses shards of different suites, versions, cases or clients
    Merge(Merge),
}

/// `mitmlab report merge`
#[derive(Debug, Args)]
pub struct Merge {
    /// The shards' JSON reports, in any order
    #[arg(value_name = "SHARD.json", required = true)]
    pub shards: Vec<PathBuf>,
    /// In which forms it is reported
    #[command(flatten)]
    pub form: FormArgs,
}

/// Runs one of the subcommands.
pub(super) fn report(report: &Report) -> Result<u8, Error> {
    match (&report.command, &report.dir) {
        (Some(Joined::Merge(merge)), _) => joined(merge),
        (None, Some(dir)) => again(dir, report.format),
        (None, None) => Err(Error::Usage("which recording? `mitmlab report DIR`".to_owned())),
    }
}

/// Judges a recording as today's judge would; whether it is whole is part of the verdict.
fn again(dir: &Path, format: Format) -> Result<u8, Error> {
    let recording = record::read(dir).map_err(|e| Error::Usage(e.to_string()))?;
    let plan = dir.join(SCENARIO);
    let failed = |why: String| {
        let told = "hint: recordings of mitmlab before 0.1 have none; `mitmlab show DIR` tells their connections";
        Error::Usage(format!("the scenario of the recording, `{}`, cannot be read: {why}\n{told}", plan.display()))
    };
    let text = std::fs::read(&plan).map_err(|e| failed(e.to_string()))?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|e| failed(e.to_string()))?;
    let judged = judge_again(&plan, &recording.entries);
    let mut report = judged.map_err(|why| {
        let hint = format!("hint: `mitmlab show {}` tells its connections", dir.display());
        Error::Usage(format!("the recording in `{}` cannot be judged: {why}\n{hint}", dir.display()))
    })?;
    report.faults.extend(recording.unread.iter().map(|u| format!("line {} of the recording cannot be read: {}", u.line, u.why)));
    report.remarks.extend(recording.cut.then(|| "the last line of the recording is cut".to_owned()));
    let manifest = Manifest::read(dir).map_err(|e| Error::Usage(format!("the manifest of `{}`: {e}", dir.display())))?;
    match manifest {
        None => report.remarks.push("the recording has no manifest: whether it is whole cannot be told".to_owned()),
        Some(manifest) => {
            let told = manifest.differences(dir).map_err(|e| Error::Usage(format!("cannot read `{}`: {e}", dir.display())))?;
            report.faults.extend(told.into_iter().map(|told| format!("the recording is not as its manifest says: {told}")));
            report.remarks.extend(manifest.lost.iter().map(|lost| format!("the recording is incomplete: {lost}")));
        }
    }
    super::run::report(format, std::slice::from_ref(&report))?;
    Ok(crate::verdict::run::exit_code(&report))
}

fn joined(args: &Merge) -> Result<u8, Error> {
    let read = |path: &PathBuf| read(path).map(|value| (path.display().to_string(), value));
    let shards = args.shards.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let suite = |value: &serde_json::Value| value.get("suite").and_then(|suite| suite.as_str()).map(str::to_owned);
    if shards.iter().all(|(_, value)| suite(value).as_deref() == Some(Suite::Score.as_str())) {
        let shards = shards.into_iter().map(|(file, value)| typed(file, value)).collect::<Result<Vec<_>, _>>()?;
        return super::score::joined(shards, &args.form);
    }
    let known = shards.iter().map(|(file, value)| (file, suite(value))).find(|(_, suite)| suite.as_deref() != Some("verify"));
    if let Some((file, suite)) = known {
        let what = suite.map_or("no suite's report".to_owned(), |suite| format!("a report of `{suite}`"));
        return Err(Error::Usage(format!(
            "`{file}` is {what}; shards of `{}` or of `{}` can be joined",
            Suite::Verify,
            Suite::Score
        )));
    }
    let shards = shards.into_iter().map(|(file, value)| typed(file, value)).collect::<Result<Vec<_>, _>>()?;
    let whole: VerifyReport = merge(shards).map_err(|error| Error::Usage(error.to_string()))?;
    args.form.tell(|format| render(format, &whole))?;
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
        Format::Html => html::verify(done),
    })
}
