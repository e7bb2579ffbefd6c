//! Who tidies up after a lab that was killed: a process that waits for the lab's end and then ends what it left behind.
//!
//! For the proxy network. The sealed network ends by itself, with the namespaces that hold it. Linux only: elsewhere a client of
//! a killed lab lives on until its own end.

use crate::error::{AS_EXPECTED, Error};

/// The guard of this process. Dropped, it goes without doing anything: the lab has tidied up itself.
#[derive(Debug)]
pub(super) struct Guard(#[cfg(target_os = "linux")] std::process::Child);

impl Guard {
    /// Starts it. None where that does not work: a run does not fail for want of a guard.
    #[cfg(target_os = "linux")]
    pub(super) fn start() -> Option<Self> {
        use std::os::unix::process::CommandExt as _;
        use std::process::{Command, Stdio};
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.args(["guard", &std::process::id().to_string()]);
        // Its standard input ends when the lab does, however. Ctrl-C is not for it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().ok().map(Self)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn start() -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may be gone
        let _ = self.0.wait();
    }
}

/// Waits for the end of the lab with this process id, then ends its clients and removes its folder.
pub(super) fn guard(lab: u32) -> Result<u8, Error> {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()); // any error is an end too
    #[cfg(target_os = "linux")]
    crate::client::run::end_clients_of(lab);
    crate::lab::remove_folders_of(lab);
    Ok(AS_EXPECTED)
}
