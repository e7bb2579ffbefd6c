//! A pipe that bytes go through on their way from one socket to another, without leaving the kernel: splice(2).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// A pipe. It is filled when empty and drained before it is filled again.
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// Opens a pipe, larger than usual if the system allows.
    pub(super) fn open() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let _ = fcntl_setpipe_size(&write, SIZE); // a user has a limited number of large ones; a small one works too
        Ok(Self { read, write })
    }

    /// Takes what the socket has. 0 is its end.
    pub(super) fn fill(&self, from: impl AsFd) -> io::Result<usize> {
        Ok(splice(from, None, &self.write, None, SIZE, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
    }

    /// Gives the socket up to `held` bytes of what is in the pipe.
    pub(super) fn drain(&self, to: impl AsFd, held: usize) -> io::Result<usize> {
        Ok(splice(&self.read, None, to, None, held, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
    }
}

/// Linux gives any user pipes of up to 1 MiB (`/proc/sys/fs/pipe-max-size`).
const SIZE: usize = 512 * 1024;
