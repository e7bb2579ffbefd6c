//! The command: parses its arguments and hands over to [`mitmlab::cli`] while it is still single-threaded.

use std::process::ExitCode;

use clap::Parser as _;
use mitmlab::cli::{Cli, complain};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error);
            error.into()
        }
    }
}
