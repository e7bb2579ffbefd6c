//! Why the sealed network could not be made, and what to do about it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// A step of making the sealed network, or of starting a program in it, that failed.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The kernel refused new namespaces.
    #[error("cannot make {what}: {source} (`mitmlab doctor` says what to change)")]
    Namespace {
        /// Which ones.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Namespaces of users can only be made while the process has one thread.
    #[error("cannot enter the sealed network: {threads} threads run already; enter before starting any")]
    Threads {
        /// How many there are.
        threads: usize,
    },
    /// Users could not be mapped into the new namespace.
    #[error("cannot write `{path}`: {source} (`mitmlab doctor` says what to change)")]
    IdMap {
        /// The file.
        path: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mount failed.
    #[error("cannot mount {what} on `{target}`: {source}")]
    Mount {
        /// What was to be mounted.
        what: String,
        /// Where.
        target: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No directory is empty, so the lab's own memory file system has no place.
    #[error("no empty directory to mount the lab's own files on; make one, for example `/mnt`")]
    NoScratch,
    /// A link, address, route or rule was refused.
    #[error("cannot {what}: {source}")]
    Netlink {
        /// What was asked for.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A kernel parameter of a network namespace could not be set.
    #[error("cannot set `/proc/sys/{name}`: {source} (in a container: `--security-opt systempaths=unconfined`)")]
    Parameter {
        /// Its name.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The scenario wants IPv6 and the kernel has none.
    #[error("the scenario wants IPv6, which this kernel has not; set `ipv6 = false`")]
    NoIpv6,
    /// An address of the world is one that the lab needs for itself.
    #[error("`{address}` is in a range that the lab uses for clients and routers; choose another address for the site")]
    Reserved {
        /// The address.
        address: IpAddr,
    },
    /// Too many router hops.
    #[error("{hops} router hops are more than {limit}; a packet would not arrive")]
    Hops {
        /// How many were asked for.
        hops: u8,
        /// How many are possible.
        limit: u8,
    },
    /// A thread of the sealed network could not be started, or ended too early.
    #[error("a thread of the sealed network is gone: {0}")]
    Thread(io::Error),
    /// The program was not found.
    #[error("`{program}` is not in the PATH that it would be started with")]
    NotFound {
        /// Its name.
        program: String,
    },
    /// A word of the command line, the environment or a path holds a zero byte, or is empty.
    #[error("{what} cannot be passed to a program: it is empty or holds a zero byte")]
    Words {
        /// Which one.
        what: &'static str,
    },
    /// The program could not be started.
    #[error("cannot {step} for `{program}`: {source}")]
    Start {
        /// The step that failed.
        step: &'static str,
        /// The program.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file for the client could not be prepared in the lab's memory file system.
    #[error("cannot prepare `{path}`: {source}")]
    Prepare {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}
