//! A client as an ordinary child process: its own process group, its own cookie, killed when its handle is dropped.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::process::{Child, Command};

use super::{ChildHandle, Pipes};

/// What a client gets on standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// Nothing: end of file at once.
    #[default]
    Nothing,
    /// These bytes, then end of file.
    Bytes(Vec<u8>),
    /// The terminal, for input and output both: nothing is captured.
    Terminal,
}

/// A child process.
#[derive(Debug)]
pub struct PlainChild {
    child: Child,
    input: Vec<u8>,
    group: Option<i32>,
    cookie: String,
}

/// Variable by which the lab finds a client's descendants again, even those that left its process group.
pub const LEG_COOKIE: &str = "MITMLAB_LEG";

impl PlainChild {
    /// Starts `command`, whose environment the caller has set. Standard streams and the process group are set here.
    ///
    /// # Errors
    /// What the system said when the program was started.
    pub fn start(mut command: Command, feed: Feed) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let cookie = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command.env(LEG_COOKIE, &cookie).kill_on_drop(true);
        let own_group = feed != Feed::Terminal; // a background group may not read the terminal
        if own_group {
            #[cfg(unix)]
            command.process_group(0);
            let stdin = if feed == Feed::Nothing { Stdio::null() } else { Stdio::piped() };
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let child = command.spawn()?;
        let group = child.id().filter(|_| own_group).and_then(|id| i32::try_from(id).ok());
        let input = if let Feed::Bytes(bytes) = feed { bytes } else { Vec::new() };
        Ok(Self { child, input, group, cookie })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

impl ChildHandle for PlainChild {
    fn pipes(&mut self) -> Pipes {
        Pipes {
            stdout: self.child.stdout.take().map(|p| Box::new(p) as _),
            stderr: self.child.stderr.take().map(|p| Box::new(p) as _),
            stdin: self.child.stdin.take().map(|p| (Box::new(p) as _, std::mem::take(&mut self.input))),
        }
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    fn kill_tree(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.and_then(rustix::process::Pid::from_raw) {
            // ESRCH: nobody is left in the group, which is what was wanted
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
        #[cfg(target_os = "linux")]
        super::stragglers::kill(LEG_COOKIE, &self.cookie);
    }
}

impl Drop for PlainChild {
    fn drop(&mut self) {
        self.kill_tree();
    }
}
