//! What is tried, in the order in which a sealed network needs it. Runs in a copy of the process, which it changes.

use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{WaitOptions, waitpid};
use rustix::thread::UnshareFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::super::error::SealedError;
use super::super::netlink::{End, LOOPBACK, Netlink, Rule, Then};
use super::super::parameters::{self, Role};
use super::super::space::unshare_net;
use super::super::{address, enter, sockets, sys};
use super::ProbeResult;
use crate::scenario::Transport;

/// Something to try.
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) needed: bool,
    purpose: &'static str,
    run: fn() -> Result<(), SealedError>,
}

/// What a remedy depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    UserNamespace,
    Namespace,
    Privilege,
    Parameter,
    Veth,
    Rule,
    Ipv6,
    Packet,
    Socket,
    Mount,
    Proc,
}

/// Tries everything and tells each result. Ends early when what the rest stands on does not work.
pub(super) fn run(mut tell: impl FnMut(&ProbeResult) -> io::Result<()>) -> io::Result<()> {
    for (index, probe) in PROBES.iter().enumerate() {
        let result = (probe.run)();
        let stop = result.is_err() && matches!(probe.kind, Kind::UserNamespace | Kind::Namespace | Kind::Privilege);
        tell(&match result {
            Ok(()) => (index, true, probe.purpose.to_owned(), None),
            Err(error) => (index, false, without_advice(&error.to_string()).to_owned(), errno(&error)),
        })?;
        if stop {
            break;
        }
    }
    Ok(())
}

/// The doctor gives its own advice.
fn without_advice(text: &str) -> &str {
    match text.rsplit_once(" (") {
        Some((head, advice)) if !advice.starts_with("os error") => head,
        _ => text,
    }
}

fn errno(error: &SealedError) -> Option<i32> {
    error.source()?.downcast_ref::<io::Error>()?.raw_os_error()
}

fn private_mounts() -> Result<(), SealedError> {
    sys::unshare(UnshareFlags::NEWNS).map_err(|source| SealedError::Namespace { what: "a mount namespace", source })?;
    enter::make_private()
}

fn raise_loopback() -> Result<(), SealedError> {
    Netlink::open()?.set_up(LOOPBACK)
}

fn add_veth() -> Result<(), SealedError> {
    let ends = [("try0", 200), ("try1", 201)].map(|(name, index)| End { name, index, mac: address::mac(9, index, 0) });
    Netlink::open()?.add_veth(&ends[0], &ends[1], None)
}

fn add_rule() -> Result<(), SealedError> {
    let rule = Rule::new(1000, false, Then::Lookup(50));
    let rule = Rule { from_link: Some("lo"), transport: Some(Transport::Tcp), port: Some(443), ..rule };
    Netlink::open()?.add_rule(&rule)
}

fn open_packet_socket() -> Result<(), SealedError> {
    Socket::new(Domain::PACKET, Type::RAW, None).map(drop).map_err(|source| failed("open a packet socket", source))
}

fn repair() -> Result<(), SealedError> {
    let open = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        sys::set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_REPAIR, 1)
    };
    open().map_err(|source| failed("put a socket into repair mode", source))
}

fn bind_foreign_address() -> Result<(), SealedError> {
    let (client, site) = (IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::from(Ipv4Addr::new(198, 51, 100, 1)));
    let socket = sockets::tcp_as(client, SocketAddr::new(site, 443));
    socket.map(drop).map_err(|source| failed("bind a socket to a client's address", source))
}

fn bind_file() -> Result<(), SealedError> {
    let target = Path::new("/etc/hosts");
    let from = Path::new("/proc/self/exe");
    let (from, target) = if target.exists() { (target, target) } else { (from, from) };
    rustix::mount::mount_bind(from, target).map_err(|e| SealedError::Mount {
        what: "a file".to_owned(),
        target: target.to_owned(),
        source: e.into(),
    })
}

fn process_namespace() -> Result<(), SealedError> {
    in_process_namespace(|| Ok(())).map_err(|source| SealedError::Namespace { what: "a process namespace", source })
}

fn own_proc() -> Result<(), SealedError> {
    let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOEXEC;
    let mount = || rustix::mount::mount("proc", "/proc", "proc", flags, None).map_err(io::Error::from);
    in_process_namespace(mount).map_err(|source| failed("mount /proc for a process namespace", source))
}

/// Runs something as process 1 of a new namespace. The copy between them keeps this process's namespace as it is.
fn in_process_namespace(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    in_copy(|| sys::unshare(UnshareFlags::NEWPID).and_then(|()| in_copy(work)))
}

/// Runs something in a copy of this process, which says by its exit code how it failed.
fn in_copy(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let code = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    let child = sys::fork(|| work().map_or_else(code, |()| 0))?;
    match waitpid(Some(child), WaitOptions::empty())?.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.unwrap_or(libc::EIO))),
    }
}

fn kernel_parameters() -> Result<(), SealedError> {
    parameters::apply(Role::Box, false)
}

fn ipv6() -> Result<(), SealedError> {
    if !fs::exists("/proc/sys/net/ipv6").unwrap_or(false) {
        return Err(SealedError::NoIpv6);
    }
    parameters::apply(Role::Router, true)?;
    Netlink::open()?.add_address(LOOPBACK, address::single(address::gateway(crate::scenario::Vantage::Inside, true)))
}

fn failed(what: &'static str, source: io::Error) -> SealedError {
    SealedError::Netlink { what: what.to_owned(), source }
}

const fn probe(name: &'static str, kind: Kind, purpose: &'static str, run: fn() -> Result<(), SealedError>) -> Probe {
    Probe { name, kind, needed: true, purpose, run }
}

/// Everything, in the order in which it is tried.
pub(super) const PROBES: [Probe; 15] = [
    probe("user namespace", Kind::UserNamespace, "an ordinary user may do the rest in it", enter::enter_user),
    probe("network namespace", Kind::Namespace, "a network of its own, with no way out", unshare_net),
    probe("mount namespace", Kind::Namespace, "files that only a client sees", private_mounts),
    probe("privileges in the namespace", Kind::Privilege, "`lo` could be raised", raise_loopback),
    probe("kernel parameters", Kind::Parameter, "/proc/sys/net can be written", kernel_parameters),
    probe("veth", Kind::Veth, "links between namespaces", add_veth),
    probe("rules for ports", Kind::Rule, "chosen ports pass the box's eyes", add_rule),
    probe("AF_PACKET", Kind::Packet, "the box reads and writes packets", open_packet_socket),
    probe("TCP_REPAIR", Kind::Socket, "connections can be taken over", repair),
    probe("IP_TRANSPARENT", Kind::Socket, "the box speaks with a client's address", bind_foreign_address),
    Probe { needed: false, ..probe("IPv6", Kind::Ipv6, "scenarios with `ipv6 = true`", ipv6) },
    probe("memory file system", Kind::Mount, "nothing is left on a disk", enter::try_scratch),
    probe("bind mount", Kind::Mount, "prepared trust stores and resolver files", bind_file),
    probe("process namespace", Kind::Namespace, "a client's descendants end with it", process_namespace),
    Probe { needed: false, ..probe("/proc of its own", Kind::Proc, "a client sees its own processes only", own_proc) },
];
