//! A client that dies with the lab, even if the lab is killed with SIGKILL.
//!
//! Only a process itself can ask for a death signal (`prctl(PR_SET_PDEATHSIG)`), between fork and exec. The lab starts
//! *itself* with a hidden subcommand, which asks and then becomes the client: same process, no code between fork and exec.

use std::ffi::OsString;
use std::io;

/// Asks the kernel to kill this process when the thread that started it ends, then becomes the program `argv`.
/// `parent` is the lab's process id: if it is not our parent any more, the lab has died already.
///
/// Returns only on failure.
#[cfg(unix)]
pub fn become_client(argv: &[OsString], parent: u32) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    let Some((program, arguments)) = argv.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no program given");
    };
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        return error.into();
    }
    if std::os::unix::process::parent_id() != parent {
        return io::Error::other("the lab has ended already");
    }
    std::process::Command::new(program).args(arguments).exec()
}

/// There is no death signal on this system; the client is killed when its handle is dropped.
#[cfg(not(unix))]
pub fn become_client(_argv: &[OsString], _parent: u32) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "no exec on this system")
}
