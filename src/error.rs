//! How the command ends: four different exits for four different reasons.

use std::fmt;
use std::process::ExitCode;

/// Everything was as expected.
pub const AS_EXPECTED: u8 = 0;
/// Something differs from what the scenario expects.
pub const DIFFERS: u8 = 1;
/// The command line or a scenario is wrong.
pub const USAGE: u8 = 2;
/// This machine cannot do it.
pub const MACHINE: u8 = 3;
/// A bug of mitmlab.
pub const BUG: u8 = 4;

/// An error that knows its exit.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The command line or a scenario is wrong: the text says what, where and what to do.
    Usage(String),
    /// The machine cannot: the text says what was tried and the remedy.
    Machine(String),
    /// A bug.
    Bug(String),
}

impl Error {
    /// The exit code.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Machine(_) => MACHINE,
            Self::Bug(_) => BUG,
        }
    }

    /// A machine that cannot, with what was tried.
    pub fn machine(tried: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::Machine(format!("{tried}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Machine(text) => f.write_str(text),
            Self::Bug(text) => write!(f, "{text}\nthis is a bug of mitmlab: please report it with the command that you ran"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ExitCode {
    fn from(error: Error) -> Self {
        Self::from(error.exit())
    }
}
