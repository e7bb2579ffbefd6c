//! An NSS database, made with `certutil` where that is installed. Chromium on Linux reads `$HOME/.pki/nssdb`, Firefox its profile.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::client::program::find;
use crate::client::run::{Feed, PlainChild, watch};

/// Why no NSS database came of it.
#[derive(Debug, thiserror::Error)]
pub enum NssError {
    /// The directory could not be made.
    #[error("cannot make `{path}`: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// `certutil` could not be run to its end.
    #[error("cannot run `certutil`: {0}")]
    Run(#[from] io::Error),
    /// `certutil` said no.
    #[error("`certutil {step}` failed: {stderr}")]
    Failed {
        /// What was asked.
        step: String,
        /// What it said.
        stderr: String,
    },
}

/// Makes the database and adds the roots as trusted for servers (`C,,`). `Ok(false)` without `certutil`.
pub(super) async fn write(dir: &Path, roots: &[PathBuf]) -> Result<bool, NssError> {
    let Ok(certutil) = find("certutil", None) else { return Ok(false) };
    std::fs::create_dir_all(dir).map_err(|source| NssError::Directory { path: dir.to_owned(), source })?;
    let database = format!("sql:{}", dir.display());
    step(&certutil, &["-N", "-d", &database, "--empty-password"]).await?;
    for (number, root) in roots.iter().enumerate() {
        let (name, file) = (format!("mitmlab-{number}"), root.to_string_lossy());
        step(&certutil, &["-A", "-d", &database, "-n", &name, "-t", "C,,", "-i", &file]).await?;
    }
    Ok(true)
}

async fn step(certutil: &Path, arguments: &[&str]) -> Result<(), NssError> {
    let mut command = Command::new(certutil);
    command.args(arguments);
    let outcome = watch(PlainChild::start(command, Feed::Nothing)?, PATIENCE).await;
    match outcome.exit {
        Some(0) => Ok(()),
        _ => Err(NssError::Failed { step: arguments.join(" "), stderr: outcome.stderr_tail }),
    }
}

/// Where Chromium looks for it below its home.
pub(super) const IN_HOME: &str = ".pki/nssdb";

/// For one call of `certutil`; it takes some 50 ms.
const PATIENCE: Duration = Duration::from_secs(10);
