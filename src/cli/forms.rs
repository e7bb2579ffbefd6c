//! Where a report goes: one form of it on standard output, others into files. The same words for every command that reports.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Format, print};
use crate::error::Error;

/// Forms of a report.
#[derive(Clone, Debug, Default, Args)]
pub struct FormArgs {
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also write a JUnit report to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write a TAP report to this file
    #[arg(long, value_name = "FILE")]
    pub tap: Option<PathBuf>,
    /// Also write the JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write an HTML page to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl FormArgs {
    /// Tells the report in each form that was asked for. `render` gives it with its final newline.
    pub(super) fn tell(&self, render: impl Fn(Format) -> Result<String, Error>) -> Result<(), Error> {
        print::out(&render(self.format)?)?;
        let files =
            [(&self.junit, Format::Junit), (&self.tap, Format::Tap), (&self.json, Format::Json), (&self.html, Format::Html)];
        for (file, format) in files {
            if let Some(file) = file {
                write(file, &render(format)?)?;
            }
        }
        Ok(())
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(|e| Error::Usage(format!("cannot write `{}`: {e}", file.display())))
}
