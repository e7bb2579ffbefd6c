//! The wire: packets of diverted ports pass here, and the box acts on them one by one.
//!
//! The kernel routes; rules send the ports that matter out of the link `d0`. Its other end `d1` is read here as raw
//! frames (packet(7)), and what may pass is written back to it, to be routed on. A connection is watched from its SYN. Its
//! handshake is with the genuine origin, the first bytes are shown to a [`Handler`], and an [`Act`] may follow at any time. A
//! connection that is taken over becomes an ordinary socket: its client's packets are written to `h1`, come in at
//! `h0`, and are delivered locally.
//!
//! ```text
//!            the box's namespace
//!   client ──► c0 ──routing──► d0 ══ d1 ──► frame ─► table ─► flow ──┬─► d1 ══ d0 ──routing──► w0 ──► origin
//!                                              (engine's thread)     └─► h1 ══ h0 ──► our socket (takeover)
//!   client ◄── c0 ◄──────────────────routing────────────────────────────────────────────────── our socket
//! ```
//!
//! Segments that the kernel has not cut yet (GSO) stay whole, with the checksum that nobody computed yet: the virtio
//! header carries both. The hop that the way to `d1` cost is given back, so that the whole box costs one.
//!
//! Not here: names, rules and certificates (`middlebox`), namespaces and links ([`super::sealed`]).
//! RFC 9293, RFC 5961, RFC 7323; the box that this models: Raman et al., IMC 2020, section 4.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

mod act;
mod apply;
mod assemble;
mod craft;
mod engine;
mod feed;
mod flow;
mod follow;
mod frame;
mod half;
mod handler;
mod options;
mod read;
mod scan;
mod shape;
mod table;
mod takeover;
#[cfg(test)]
mod tests;
mod watch;

use super::sealed::sys::wire as sys;

pub use act::{Act, Beyond, Residual, Scope, Then, Throttle};
#[doc(hidden)]
pub use feed::feed_packets;
pub use handler::{CloseFlag, Flow, FlowEnd, FlowId, Handler, OnBytes, OnDatagram, OnOpen, PlainAlert, Said, Side, Why};
pub use watch::Watch;

/// One end of a veth pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId {
    /// Interface index in the box's namespace.
    pub index: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

/// The links between the kernel's routing and the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where diverted frames are read and written.
    pub d1: LinkId,
    /// Address of its peer.
    pub d0_mac: [u8; 6],
    /// Where frames for the box's own sockets are written.
    pub h1: LinkId,
    /// Address of its peer.
    pub h0_mac: [u8; 6],
}

/// Limits and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a decision may take; then the flow passes.
    pub hold_deadline: Duration,
    /// First bytes that are put together at most; a stream that is longer undecided passes.
    pub window: usize,
    /// Flows in the table at most; the ones quiet the longest make room.
    pub max_flows: usize,
    /// A flow without a packet for so long has ended.
    pub idle: Duration,
    /// For so long late packets of an ended flow are still known.
    pub linger: Duration,
    /// The same where they must be swallowed or delivered, and for a SYN without an answer: longer than a client retries.
    pub silence: Duration,
    /// Who sends ICMP errors; the address that was dialled if none.
    pub router_v4: Option<Ipv4Addr>,
    /// Who sends ICMPv6 errors.
    pub router_v6: Option<Ipv6Addr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hold_deadline: Duration::from_secs(10),
            window: 64 * 1024,
            max_flows: 65_536,
            idle: Duration::from_secs(15 * 60),
            linger: Duration::from_secs(2),
            silence: Duration::from_secs(130), // Linux retries a SYN for 127 s (tcp_syn_retries = 6)
            router_v4: None,
            router_v6: None,
        }
    }
}

/// The running wire. Dropping it stops the thread; what was held passes, and every flow is told ended.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Tells the wire what to do; from any thread, without waiting.
#[derive(Clone, Debug)]
pub struct Commander {
    shared: Arc<Shared>,
}

impl Wire {
    /// Starts the wire's thread. Call from a thread in the box's network namespace: packet sockets and the sockets of
    /// takeovers are made there.
    ///
    /// # Errors
    /// The kernel's, if a packet socket cannot be made (no CAP_NET_RAW in the namespace, no such link).
    pub fn start(links: Links, handler: Arc<dyn Handler>, options: Options) -> io::Result<(Self, Commander)> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared =
            Arc::new(Shared { event, commands: Mutex::default(), waiting: AtomicUsize::new(0), live: AtomicUsize::new(0) });
        let table = table::Table::new(options, handler, Box::new(takeover::take), links.d1.mac);
        let engine = engine::Engine::new(links, shared.clone(), table)?;
        let thread = std::thread::Builder::new().name("wire".into()).spawn(move || engine.run())?;
        Ok((Self { shared: shared.clone(), thread: Some(thread) }, Commander { shared }))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.give(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // It panicked: its own message has said so.
            let _ = thread.join();
        }
    }
}

impl Commander {
    /// The decision about a held flow. Nothing happens if it is not held any more.
    pub fn resolve(&self, id: FlowId, act: Act) {
        self.shared.give(Command::Act { id, act, only_held: true });
    }

    /// Acts on a flow at any time. Nothing happens if it has ended or was taken over.
    pub fn act_on(&self, id: FlowId, act: Act) {
        self.shared.give(Command::Act { id, act, only_held: false });
    }

    /// Announces a connection of the box itself, from `local` (which may be a client's address) to `remote`: what comes back
    /// is delivered to the box. Call it after bind and before connect. The local port must not be one that the client uses
    /// towards the same server: bind one below 32768, where Linux clients pick none (ip_local_port_range).
    pub fn own_flow(&self, local: SocketAddr, remote: SocketAddr) {
        self.shared.give(Command::Own { local, remote });
    }

    /// The stream of a taken flow was closed: its end may be told, and it need not be remembered for long.
    pub fn release(&self, id: FlowId) {
        self.shared.give(Command::Release(Release(id)));
    }

    /// Flows that have begun and not ended, as of the wire's last round; the box's own are not counted.
    pub fn live(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }
}

/// What the thread and its commanders share.
#[derive(Debug)]
struct Shared {
    event: OwnedFd,
    commands: Mutex<Vec<Command>>,
    waiting: AtomicUsize,
    live: AtomicUsize,
}

#[derive(Debug)]
enum Command {
    Act { id: FlowId, act: Act, only_held: bool },
    Own { local: SocketAddr, remote: SocketAddr },
    Release(Release),
    Stop,
}

#[derive(Clone, Copy, Debug)]
struct Release(FlowId);

impl Shared {
    fn give(&self, command: Command) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push(command);
        self.waiting.store(commands.len(), Ordering::Release);
        drop(commands);
        // Fails only if the counter is full, and then the thread is awake already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Moves waiting commands to `into`; false if there were none.
    fn take(&self, into: &mut Vec<Command>) -> bool {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut commands);
        self.waiting.store(0, Ordering::Release);
        !into.is_empty()
    }

    /// Takes back the wake-up.
    fn clear(&self) {
        let _ = rustix::io::read(&self.event, &mut [0_u8; 8][..]);
    }
}
