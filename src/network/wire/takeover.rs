//! A socket in the middle of somebody else's connection: the kernel continues the origin's half towards the client.
//!
//! TCP's repair mode (tcp(7) `TCP_REPAIR`, made for checkpoint and restore) lets a socket be established without packets. It gets
//! the origin's address (`IP_TRANSPARENT`), both sequence numbers, and the options that both sides negotiated.

use std::io;
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::options::Options;
use super::sys::{self, Queue, RepairOption, RepairWindow};

/// Everything that a socket must know to continue the server's half of a connection.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    /// Whose place is taken.
    pub(super) server: SocketAddr,
    /// The peer.
    pub(super) client: SocketAddr,
    /// Sequence number of the next byte to send.
    pub(super) send: u32,
    /// Sequence number of the next byte to receive.
    pub(super) receive: u32,
    /// What the client's SYN offered.
    pub(super) client_options: Options,
    /// What the server's SYN/ACK offered.
    pub(super) server_options: Options,
    /// The server's clock for timestamps, as last seen.
    pub(super) clock: u32,
    /// The client's window as last seen, not scaled.
    pub(super) window: u16,
}

/// Makes the socket. Sends nothing.
pub(super) fn take(repair: &Repair) -> io::Result<TcpStream> {
    let domain = Domain::for_address(repair.server);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if repair.server.is_ipv4() {
        socket.set_ip_transparent_v4(true)?;
    } else {
        socket.set_ip_transparent_v6(true)?;
    }
    sys::repair_on(&socket)?; // before bind: repair shares the port with whatever else is bound to it
    socket.bind(&SockAddr::from(repair.server))?;
    sys::queue_sequence(&socket, Queue::Send, repair.send)?;
    sys::queue_sequence(&socket, Queue::Receive, repair.receive)?;
    socket.connect(&SockAddr::from(repair.client))?;
    sys::repair_options(&socket, &negotiated(repair))?;
    if repair.times() {
        sys::timestamp(&socket, repair.clock.wrapping_add(2))?;
    }
    sys::set_repair_window(&socket, &windows(repair, sys::repair_window(&socket)?))?;
    sys::repair_off(&socket)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// Lets go of a taken socket without a word on the wire: a socket in repair mode closes silently.
pub(super) fn forget(stream: TcpStream) {
    // Outside of repair mode the kernel would send FIN: where it refuses, the connection ends, which is as true as anything.
    let _ = sys::repair_on(&stream);
    drop(stream);
}

impl Repair {
    /// Both sides use timestamps (RFC 7323 section 3.2).
    pub(super) fn times(&self) -> bool {
        self.client_options.time.is_some() && self.server_options.time.is_some()
    }

    /// Window scales, the client's and the server's; none unless both offered one (RFC 7323 section 2.2).
    fn scales(&self) -> (u8, u8) {
        self.client_options.scale.zip(self.server_options.scale).unwrap_or_default()
    }
}

fn negotiated(repair: &Repair) -> Vec<RepairOption> {
    let default = if repair.server.is_ipv4() { 536 } else { 1220 }; // RFC 9293 section 3.7.1
    let mss = repair.client_options.mss.unwrap_or(default);
    let (ours, theirs) = repair.scales();
    let mut options = vec![
        RepairOption { code: 2, value: u32::from(mss) },
        // Without scaling too: zero takes back the scale that the kernel chose for a SYN that was never sent.
        RepairOption { code: 3, value: u32::from(ours) | u32::from(theirs) << 16 },
    ];
    if repair.client_options.sack && repair.server_options.sack {
        options.push(RepairOption { code: 4, value: 0 });
    }
    if repair.times() {
        options.push(RepairOption { code: 8, value: 0 });
    }
    options
}

fn windows(repair: &Repair, chosen: RepairWindow) -> RepairWindow {
    let theirs = u32::from(repair.window) << repair.scales().0;
    RepairWindow {
        snd_wl1: repair.receive.wrapping_sub(1),
        snd_wnd: theirs,
        max_window: theirs.max(chosen.max_window).max(1),
        rcv_wup: repair.receive,
        ..chosen
    }
}
