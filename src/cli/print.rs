//! Words of the command. Whoever reads may stop reading, and that is no error; a disk that is full is one, never a panic.

use std::io::{self, Write as _};

use crate::error::Error;

/// Writes on standard output, and sees it through.
///
/// # Errors
/// What standard output leads to does not take it: a full disk, say. That somebody stopped reading (`| head`) is none.
pub(super) fn out(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::machine("write to standard output", error)),
        _ => Ok(()),
    }
}

/// The same, with a line's end.
pub(super) fn line(text: impl std::fmt::Display) -> Result<(), Error> {
    out(&format!("{text}\n"))
}

/// Writes a line on standard error. There is nobody to tell if that fails.
pub(super) fn err(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
