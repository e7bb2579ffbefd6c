//! One network namespace: a descriptor that keeps it, a netlink socket in it, and a thread that lives in it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::thread::UnshareFlags;

use super::error::SealedError;
use super::netlink::Netlink;
use super::parameters::{self, Role};
use super::sys;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace. It ends with the last of: this value, sockets made in it, programs that run in it.
#[derive(Debug)]
pub(super) struct Space {
    fd: OwnedFd,
    netlink: Mutex<Netlink>,
    worker: Option<Sender<Job>>,
}

impl Space {
    /// The namespace of the calling thread.
    pub(super) fn here() -> Result<Self, SealedError> {
        Ok(Self { fd: open_own()?, netlink: Mutex::new(Netlink::open()?), worker: None })
    }

    /// New ones, each with its thread, prepared as routers. They are made at the same time: most of it is waiting.
    pub(super) fn create_all(count: usize, ipv6: bool) -> Result<Vec<Self>, SealedError> {
        let begun: Result<Vec<_>, _> = (0..count).map(|number| Self::begin(number, ipv6)).collect();
        begun?.into_iter().map(Begun::finish).collect()
    }

    fn begin(number: usize, ipv6: bool) -> Result<Begun, SealedError> {
        let (jobs, work) = channel::<Job>();
        let (ready, made) = channel();
        let live = move || {
            let make = || {
                unshare_net()?;
                parameters::apply(Role::Router, ipv6)?;
                Ok((open_own()?, Netlink::open()?))
            };
            let space = make();
            let works = space.is_ok();
            if ready.send(space).is_ok() && works {
                work.iter().for_each(|job| job());
            }
        };
        thread::Builder::new().name(format!("space-{number}")).spawn(live).map_err(SealedError::Thread)?;
        Ok(Begun { jobs, made })
    }

    /// Runs something on the thread that lives here, and waits for it.
    pub(super) fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Result<R, SealedError> {
        let Some(worker) = &self.worker else { return Ok(work()) };
        let (answer, result) = channel();
        worker.send(Box::new(move || drop(answer.send(work())))).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }

    /// Its links, routes and rules.
    pub(super) fn netlink(&self) -> MutexGuard<'_, Netlink> {
        self.netlink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the calling thread here.
    pub(super) fn join(&self) -> Result<(), SealedError> {
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(self.fd.as_fd(), Some(kind))
            .map_err(|e| SealedError::Namespace { what: "a thread in a network namespace", source: e.into() })
    }
}

/// A namespace that is being made.
struct Begun {
    jobs: Sender<Job>,
    made: Receiver<Result<(OwnedFd, Netlink), SealedError>>,
}

impl Begun {
    fn finish(self) -> Result<Space, SealedError> {
        let (fd, netlink) = self.made.recv().map_err(|_| gone())??;
        Ok(Space { fd, netlink: Mutex::new(netlink), worker: Some(self.jobs) })
    }
}

impl AsFd for Space {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A new network namespace for the calling thread.
pub(super) fn unshare_net() -> Result<(), SealedError> {
    sys::unshare(UnshareFlags::NEWNET).map_err(|source| SealedError::Namespace { what: "a network namespace", source })
}

/// The network namespace of the calling thread.
pub(super) fn open_own() -> Result<OwnedFd, SealedError> {
    let open = fs::File::open("/proc/thread-self/ns/net");
    open.map(OwnedFd::from).map_err(|source| SealedError::Namespace { what: "a handle of a network namespace", source })
}

fn gone() -> SealedError {
    SealedError::Thread(io::Error::other("it ended before it answered"))
}
