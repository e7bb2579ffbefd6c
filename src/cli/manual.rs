//! `mitmlab completions` and `mitmlab man`: made from the same words as the help.

use clap::CommandFactory as _;

use super::Cli;
use crate::error::{AS_EXPECTED, Error};

/// Prints a completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Error> {
    clap_complete::generate(shell, &mut Cli::command(), "mitmlab", &mut std::io::stdout());
    Ok(AS_EXPECTED)
}

/// Prints the manual page.
pub(super) fn man() -> Result<u8, Error> {
    let _ = clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()); // whoever reads may stop reading
    Ok(AS_EXPECTED)
}
