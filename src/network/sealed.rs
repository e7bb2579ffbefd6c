//! The sealed network: namespaces, links, routes and mounts, without root, daemon or external program. Linux only.
//!
//! ```text
//!  [inside] ──veth── [box] ──veth── [outside]      and router namespaces between them where a scenario wants hops
//!   domestic sites    the wire:        foreign sites, control vantage
//!   each client in    diverted ports      every address of a site is local where the site is
//!   a namespace       pass user space,
//!   of its own        the rest is routed
//! ```
//!
//! [`enter`] moves the process into namespaces of its own, [`Sealed::build`] makes the network in them, and
//! [`Sealed::spawn`] starts clients. This is the kernel's part: packets of diverted ports come out of the [`WireLinks`],
//! and what is done with them is the business of [`wire`](super::wire). No route leads out, and all of it ends with the
//! process. See user_namespaces(7), network_namespaces(7), ip-rule(8), veth(4).

mod address;
pub mod doctor;
mod enter;
mod error;
mod host;
mod leg;
mod mounts;
mod netlink;
mod parameters;
mod program;
mod rules;
mod sockets;
mod space;
pub(in crate::network) mod sys;
mod topology;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use address::ClientAddresses;
pub use enter::{Entered, HostLoopback, enter};
pub use error::SealedError;
pub use netlink::Mac;
pub use program::{Ended, OriginSpec, SealedChild, SpawnSpec, Stdio};
pub use sockets::{Datagram, receive, send};
pub use topology::{Divert, Topology, WireLink, WireLinks, is_own_link};

use crate::scenario::{Place, Transport, Vantage};
use leg::Net;
use mounts::View;
use program::Program;
use space::Space;
use topology::Spaces;

/// A network, as long as it lives. One per process at a time.
#[derive(Debug)]
pub struct Sealed {
    spaces: Spaces,
    topology: Topology,
    diverted: Mutex<HashSet<Divert>>,
    clients: AtomicU32,
    scratch: PathBuf,
}

/// A namespace of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// Where domestic sites are.
    Inside,
    /// The box.
    Box,
    /// Where foreign sites are.
    Outside,
}

impl Sealed {
    /// Makes the network. The namespace that the process entered becomes the box.
    pub fn build(entered: &Entered, topology: &Topology) -> Result<Self, SealedError> {
        let spaces = topology.build()?;
        let sealed = Self {
            spaces,
            topology: topology.clone(),
            diverted: Mutex::default(),
            clients: AtomicU32::new(1),
            scratch: entered.scratch().to_owned(),
        };
        topology.diverted.iter().try_for_each(|divert| sealed.divert(divert.transport, divert.port))?;
        Ok(sealed)
    }

    /// The links that the wire reads and writes. They are in the box's namespace.
    pub fn wire_links(&self) -> WireLinks {
        topology::wire_links()
    }

    /// The box's two links, towards the inside and towards the outside: index in the box's namespace, name in a capture.
    pub fn box_links(&self) -> [(u32, &'static str); 2] {
        [(topology::DOWN, "inside (client half)"), (topology::UP, "outside (origin half)")]
    }

    /// The topology that it was made from.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A listener for a port of every site of a place: its connections' own address is what was dialled.
    /// Dual-stack, transparent, non-blocking.
    pub fn listen_tcp(&self, place: Place, port: u16) -> io::Result<TcpListener> {
        self.run_in(place.into(), move || sockets::listen_tcp(port))?
    }

    /// A datagram socket for a port of every site of a place, and for port 53 outside of every address there is.
    /// Dual-stack, transparent, non-blocking; [`receive`] tells the address that was asked and [`send`] answers from it.
    pub fn bind_udp(&self, place: Place, port: u16) -> io::Result<UdpSocket> {
        self.run_in(place.into(), move || sockets::bind_udp(port))?
    }

    /// The same for a reader that sets the socket's options itself (a QUIC library). Dual-stack, transparent, non-blocking.
    pub fn bind_plain_udp(&self, place: Place, port: u16) -> io::Result<UdpSocket> {
        self.run_in(place.into(), move || sockets::bind_plain_udp(port))?
    }

    /// Runs something where sockets that it makes belong to a namespace, and waits for it. In the box that is the
    /// calling thread.
    pub fn run_in<R: Send + 'static>(&self, at: At, work: impl FnOnce() -> R + Send + 'static) -> io::Result<R> {
        self.space(at).run(work).map_err(io::Error::other)
    }

    /// A TCP socket of the box that speaks with a client's address: non-blocking, not connected, its port chosen.
    /// Its ports are 61000 and up, which clients do not use. Answers to it are diverted like any packet of the port.
    pub fn box_socket_as(&self, client: IpAddr, to: SocketAddr) -> io::Result<socket2::Socket> {
        sockets::tcp_as(client, to)
    }

    /// From now on packets of a port, of both directions, pass the wire.
    pub fn divert(&self, transport: Transport, port: u16) -> Result<(), SealedError> {
        let what = Divert { transport, port };
        let mut diverted = self.diverted();
        if diverted.contains(&what) {
            return Ok(());
        }
        let mut net = self.spaces.middle.netlink();
        self.topology.families().try_for_each(|six| rules::divert(&mut net, six, what))?;
        diverted.insert(what);
        Ok(())
    }

    /// From now on the kernel routes packets of a port.
    pub fn undivert(&self, transport: Transport, port: u16) -> Result<(), SealedError> {
        let what = Divert { transport, port };
        let mut diverted = self.diverted();
        if diverted.remove(&what) {
            let mut net = self.spaces.middle.netlink();
            self.topology.families().try_for_each(|six| rules::undivert(&mut net, six, what))?;
        }
        Ok(())
    }

    /// Addresses for the next client of a vantage. No other client of this network gets them.
    pub fn reserve(&self, vantage: Vantage) -> ClientAddresses {
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        ClientAddresses::new(number.max(1), vantage, self.topology.ipv6)
    }

    /// Starts a client with addresses from [`reserve`](Self::reserve). Returns when it runs, after some milliseconds.
    pub fn spawn(&self, addresses: ClientAddresses, spec: SpawnSpec) -> Result<SealedChild, SealedError> {
        let router = match addresses.vantage {
            Vantage::Inside => &self.spaces.inside,
            Vantage::Outside => &self.spaces.outside,
        };
        let SpawnSpec { argv, env, cwd, binds, covers, nameservers, stdio } = spec;
        let own = self.scratch.join(format!("client-{}", addresses.number));
        let view = View { binds, covers, nameservers, own };
        program::spawn(Net::Own(addresses, Arc::clone(router)), view, Program { argv, env, cwd, stdio })
    }

    /// Starts a server of the user's own where sites are. It may listen on any port.
    pub fn spawn_origin(&self, spec: OriginSpec) -> Result<SealedChild, SealedError> {
        let OriginSpec { place, argv, env, cwd, stdio } = spec;
        let space = Arc::clone(self.space(place.into()));
        let own = self.scratch.join(format!("origin-{}", self.clients.fetch_add(1, Ordering::Relaxed)));
        let view = View { own, ..View::default() };
        program::spawn(Net::Join(space), view, Program { argv, env, cwd, stdio })
    }

    fn space(&self, at: At) -> &Arc<Space> {
        match at {
            At::Inside => &self.spaces.inside,
            At::Box => &self.spaces.middle,
            At::Outside => &self.spaces.outside,
        }
    }

    fn diverted(&self) -> MutexGuard<'_, HashSet<Divert>> {
        self.diverted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sealed {
    /// Clears the box's namespace, which is the process's own, so that another network can be made in it.
    fn drop(&mut self) {
        let diverted = std::mem::take(&mut *self.diverted());
        self.topology.clear(&self.spaces.middle, &diverted);
    }
}

impl From<Place> for At {
    fn from(place: Place) -> Self {
        match place {
            Place::Inside => Self::Inside,
            Place::Outside => Self::Outside,
        }
    }
}
