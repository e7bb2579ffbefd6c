//! Entering: new user, network and mount namespaces for this process, once, before any thread exists.
//!
//! An ordinary user stays that user (its id is mapped to itself, supplementary groups cannot be changed:
//! user_namespaces(7)). Root stays root, with every id that it could see, so that owners of files stay what they are.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::WaitOptions;
use rustix::thread::UnshareFlags;
use tokio::net::TcpStream;

use super::error::SealedError;
use super::host::Host;
use super::sys;

/// Proof that the process is in its own namespaces. The network namespace that it now has becomes the box.
#[derive(Debug)]
pub struct Entered {
    scratch: PathBuf,
    host: Arc<Host>,
}

impl Entered {
    /// A directory in memory that only this process and its children see, and that ends with them, even by SIGKILL.
    /// It is mounted over a directory of the host that was empty.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The way to servers of the user's own on the *host's* loopback. Programs in the sealed network have no such way.
    pub fn host(&self) -> HostLoopback {
        HostLoopback(Arc::clone(&self.host))
    }
}

/// The way to the host's loopback, and to nothing else. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostLoopback(Arc<Host>);

impl HostLoopback {
    /// Connects to a server on the host's loopback; any other address is refused (`PermissionDenied`).
    pub async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.dial(address).await
    }
}

/// Enters new user, network and mount namespaces. Call it first in `main`: it fails when there is a second thread.
pub fn enter() -> Result<Entered, SealedError> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(SealedError::Threads { threads });
    }
    let host =
        Host::start().map_err(|source| SealedError::Namespace { what: "a helper that stays in the host's network", source })?;
    enter_user()?;
    let flags = UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    sys::unshare(flags).map_err(|source| SealedError::Namespace { what: "network and mount namespaces", source })?;
    make_private()?;
    Ok(Entered { scratch: mount_scratch()?, host: Arc::new(host) })
}

/// A new user namespace with this process's user, or for root all users, mapped to themselves.
pub(super) fn enter_user() -> Result<(), SealedError> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let everyone = may_map_everyone().then(Mapper::start).transpose()?;
    sys::unshare(UnshareFlags::NEWUSER).map_err(|source| SealedError::Namespace { what: "a user namespace", source })?;
    if everyone.is_some_and(Mapper::map) {
        return Ok(());
    }
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", &format!("{gid} {gid} 1"))
}

/// Nothing that is mounted here reaches the host, and nothing that the host mounts later comes here.
pub(super) fn make_private() -> Result<(), SealedError> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|e| SealedError::Mount { what: "the root as private".to_owned(), target: PathBuf::from("/"), source: e.into() })
}

pub(super) fn mount_tmpfs(target: &Path) -> Result<(), SealedError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("mitmlab", target, "tmpfs", flags, c"mode=0755,size=256m").map_err(|e| SealedError::Mount {
        what: "a memory file system".to_owned(),
        target: target.to_owned(),
        source: e.into(),
    })
}

/// Mounts the lab's own files; for the doctor.
pub(super) fn try_scratch() -> Result<(), SealedError> {
    mount_scratch().map(drop)
}

fn mount_scratch() -> Result<PathBuf, SealedError> {
    let place = SCRATCH_PLACES.iter().map(Path::new).find(|path| is_empty(path)).ok_or(SealedError::NoScratch)?;
    mount_tmpfs(place)?;
    Ok(place.to_owned())
}

/// An empty directory hides nothing when it is mounted over; neither does one that its user cannot read.
fn is_empty(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied && path.is_dir(),
    }
}

fn write(path: &'static str, text: &str) -> Result<(), SealedError> {
    match fs::write(path, text) {
        // Kernels before 3.19 have no `setgroups` file.
        Err(error) if path.ends_with("setgroups") && error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| SealedError::IdMap { path, source }),
    }
}

/// CAP_SETUID and CAP_SETGID in the namespace that is left: only then can more than one id be mapped.
fn may_map_everyone() -> bool {
    use rustix::thread::CapabilitySet;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID))
}

/// A copy of this process that stays outside, where it is allowed to map every id.
struct Mapper {
    child: rustix::process::Pid,
    go: Option<io::PipeWriter>,
    done: io::PipeReader,
}

impl Mapper {
    fn start() -> Result<Self, SealedError> {
        let failed = |source| SealedError::Namespace { what: "a helper to map users", source };
        let (mut ready, go) = io::pipe().map_err(failed)?;
        let (done, mut answer) = io::pipe().map_err(failed)?;
        let parent = rustix::process::getpid().as_raw_nonzero();
        let [users, groups] = ["uid_map", "gid_map"].map(|file| identity(&Path::new("/proc/self").join(file)));
        let mut go = Some(go);
        let child = sys::fork(|| {
            drop(go.take()); // only the parent's end counts: if it closes without a byte, there is nothing to do
            if ready.read_exact(&mut [0]).is_err() {
                return 1;
            }
            let write = |file: &str, map: &io::Result<String>| match map {
                Ok(map) => fs::write(format!("/proc/{parent}/{file}"), map).is_ok(),
                Err(_) => false,
            };
            let mapped = write("uid_map", &users) && write("gid_map", &groups);
            i32::from(answer.write_all(&[u8::from(mapped)]).is_err())
        })
        .map_err(failed)?;
        drop(answer);
        Ok(Self { child, go, done })
    }

    /// True if every id is mapped now.
    fn map(self) -> bool {
        let Self { child, mut go, mut done } = self;
        let mut answer = [0];
        let told = go.as_mut().is_some_and(|go| go.write_all(&[1]).is_ok());
        let mapped = told && done.read_exact(&mut answer).is_ok() && answer == [1];
        drop(go);
        let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
        mapped
    }
}

/// Every id of the present namespace mapped to itself: `inside outside length` becomes `inside inside length`.
fn identity(map: &Path) -> io::Result<String> {
    let mut text = String::new();
    for line in fs::read_to_string(map)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [inside, _, length] = words[..] {
            text.push_str(&format!("{inside} {inside} {length}\n"));
        }
    }
    Ok(text)
}

/// Directories that most systems have and leave empty, or that a plain user cannot look into.
const SCRATCH_PLACES: [&str; 12] = [
    "/mnt",
    "/media",
    "/srv",
    "/opt",
    "/var/opt",
    "/var/local",
    "/usr/src",
    "/usr/games",
    "/usr/local/src",
    "/var/mail",
    "/boot",
    "/sys/kernel/debug",
];
