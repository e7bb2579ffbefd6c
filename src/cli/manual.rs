//! `mitmlab completions` and `mitmlab man`: made from the same words as the help.

use clap::CommandFactory as _;

use super::{Cli, print};
use crate::error::{AS_EXPECTED, Error};

/// Prints a completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mitmlab", &mut script);
    print::out(&String::from_utf8_lossy(&script))?;
    Ok(AS_EXPECTED)
}

/// Prints the manual page.
pub(super) fn man() -> Result<u8, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|e| Error::Bug(e.to_string()))?;
    print::out(&String::from_utf8_lossy(&page))?;
    Ok(AS_EXPECTED)
}
