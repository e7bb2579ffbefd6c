//! Programs in the sealed network: clients, each with a network of its own, and servers of the user's own.
//!
//! Each runs below an init of the lab in a process namespace, in a mount namespace, started by a thread that stays for as
//! long as the program's network is needed. When the lab ends, however it ends, the kernel ends all of it.

use std::ffi::OsString;
use std::io::{PipeReader, PipeWriter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, channel};
use std::thread;

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

use super::error::SealedError;
use super::leg::{self, Net};
use super::mounts::View;
use crate::scenario::Place;

/// A client to start.
#[derive(Clone, Debug)]
pub struct SpawnSpec {
    /// Program and arguments. The program is looked for in `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Files and directories (first) that appear elsewhere (second). Links are followed.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Directories that appear empty, besides those of the host's resolvers.
    pub covers: Vec<PathBuf>,
    /// Resolvers in its /etc/resolv.conf. The host's file stays if there are none.
    pub nameservers: Vec<IpAddr>,
    /// Standard input and output.
    pub stdio: Stdio,
}

/// A server program of the user's own to start where sites are.
#[derive(Clone, Debug)]
pub struct OriginSpec {
    /// In the country or abroad.
    pub place: Place,
    /// Program and arguments. The program is looked for in `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Standard input and output.
    pub stdio: Stdio,
}

/// Standard input and output of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdio {
    /// The lab's own.
    #[default]
    Inherit,
    /// Nothing to read; output and errors go to pipes. There is no controlling terminal.
    Piped,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// By itself, with an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// A program that runs in the sealed network. Dropping it ends it and everything that it started.
///
/// Its network stays until it is dropped: what it sent last still arrives after it has ended.
#[derive(Debug)]
pub struct SealedChild {
    /// Its IPv4 address; unspecified for a server, which has all of them.
    pub address_v4: Ipv4Addr,
    /// Its IPv6 address.
    pub address_v6: Option<Ipv6Addr>,
    /// Its standard output, if piped.
    pub stdout: Option<PipeReader>,
    /// Its standard error, if piped.
    pub stderr: Option<PipeReader>,
    /// Targets of `binds` (or /etc/resolv.conf) that do not exist on this host, so nothing was mounted there.
    pub missing: Vec<PathBuf>,
    init: Pid,
    handle: Arc<OwnedFd>,
    ended: watch::Receiver<Option<Ended>>,
    _release: mpsc::Sender<()>,
}

impl SealedChild {
    /// Waits until the program has ended, and with it everything that it started. May be called again.
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        // The thread publishes before it goes; if it is gone without that, the kernel has ended the tree.
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(KILLED),
            Err(_) => KILLED,
        }
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Ends the program and everything that it started. Returns at once; [`wait`](Self::wait) says when it is done.
    pub fn kill(&self) {
        // An error means that it has ended already.
        let _ = rustix::process::pidfd_send_signal(&self.handle, Signal::KILL);
    }

    /// Process id, on the host, of the init that the program runs below.
    pub fn init(&self) -> i32 {
        self.init.as_raw_nonzero().get()
    }
}

impl Drop for SealedChild {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Ended {
    /// The exit code, if it ended by itself.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal that ended it.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

/// The program as both kinds of specification describe it.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: PathBuf,
    pub(super) stdio: Stdio,
}

/// Starts a program on a thread of its own, and waits until it runs.
pub(super) fn spawn(net: Net, view: View, program: Program) -> Result<SealedChild, SealedError> {
    let (address_v4, address_v6) = net.addresses();
    let pipes = (program.stdio == Stdio::Piped).then(Pipes::open).transpose()?;
    let (output, stdio) = pipes.map_or((None, None), |pipes| (Some(pipes.read), Some(pipes.write)));
    let (tell, ended) = watch::channel(None);
    let (release, released) = channel();
    let (ready, started) = channel();
    let live = move || {
        let own = view.own.clone();
        match leg::start(&net, &view, &program, stdio) {
            Ok((running, missing)) => {
                if ready.send(Ok((running.init, Arc::clone(&running.handle), missing))).is_ok() {
                    tell.send_replace(Some(running.finish()));
                    // Ends with an error when the child is dropped; the network is needed until then.
                    let _ = released.recv();
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        }
        let _ = std::fs::remove_dir_all(own);
    };
    thread::Builder::new().name("leg".to_owned()).spawn(live).map_err(SealedError::Thread)?;
    let gone = |_| SealedError::Thread(std::io::Error::other("it ended before the program was started"));
    let (init, handle, missing) = started.recv().map_err(gone)??;
    let (stdout, stderr) = output.unzip();
    Ok(SealedChild { address_v4, address_v6, stdout, stderr, missing, init, handle, ended, _release: release })
}

struct Pipes {
    read: (PipeReader, PipeReader),
    write: (PipeWriter, PipeWriter),
}

impl Pipes {
    fn open() -> Result<Self, SealedError> {
        let pair = || std::io::pipe().map_err(|source| SealedError::Namespace { what: "a pipe", source });
        let ((out, out_end), (err, err_end)) = (pair()?, pair()?);
        Ok(Self { read: (out, err), write: (out_end, err_end) })
    }
}

/// What [`Net`] needs to keep of a namespace that it joins.
pub(super) type Joined = Arc<super::space::Space>;

const KILLED: Ended = Ended::Signal(libc::SIGKILL);
