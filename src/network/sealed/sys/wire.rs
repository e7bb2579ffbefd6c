//! System calls of the wire that no safe crate wraps: packet sockets with their virtio header (packet(7)), many frames
//! per call (recvmmsg(2), sendmmsg(2)), and the repair mode of TCP (tcp(7) `TCP_REPAIR`, linux/tcp.h).
//!
//! Thin: each function is one system call with its arguments made safe. What they are used for is told in
//! [`network::wire`](crate::network::wire).

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Whether a packet socket is fed by its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum Receive {
    /// Every frame that comes in on the link.
    All,
    /// Every frame that comes in or goes out, with the time that the kernel saw it.
    Both,
    /// Nothing: the socket only sends.
    Nothing,
}

/// Which queue of a socket in repair mode a sequence number is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::network) enum Queue {
    /// What the peer sends us.
    Receive,
    /// What we send.
    Send,
}

/// One option of the handshake that a repaired socket did not live through (linux/tcp.h `struct tcp_repair_opt`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(in crate::network) struct RepairOption {
    /// Option kind (RFC 9293 section 3.2).
    pub(in crate::network) code: u32,
    /// Its value, in the kernel's packing.
    pub(in crate::network) value: u32,
}

/// The windows of a connection in repair mode (linux/tcp.h `struct tcp_repair_window`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::network) struct RepairWindow {
    /// Sequence number of the segment that last updated the send window.
    pub(in crate::network) snd_wl1: u32,
    /// What the peer is ready to take.
    pub(in crate::network) snd_wnd: u32,
    /// The largest window that the peer ever offered.
    pub(in crate::network) max_window: u32,
    /// What we are ready to take.
    pub(in crate::network) rcv_wnd: u32,
    /// Acknowledgement number with which we last said so.
    pub(in crate::network) rcv_wup: u32,
}

/// A packet socket bound to one link, with virtio headers before each frame; deaf to what goes out, unless it is for both ways.
pub(in crate::network) fn packet_socket(link: u32, receive: Receive) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; protocol 0 receives nothing until the bind below.
    let raw = check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: `raw` is a descriptor that was just made and that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    set(&socket, libc::SOL_PACKET, PACKET_VNET_HDR, &1_i32)?;
    match receive {
        Receive::Both => set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32)?,
        Receive::All | Receive::Nothing => set(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1_i32)?,
    }
    let protocol = match receive {
        Receive::All | Receive::Both => (libc::ETH_P_ALL as u16).to_be(),
        Receive::Nothing => 0,
    };
    // SAFETY: sockaddr_ll is plain data, for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = i32::try_from(link).map_err(|_| io::ErrorKind::InvalidInput)?;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the pointer and length describe `address`, which lives through the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Asks for a receive buffer of `bytes`; the kernel grants at most `net.core.rmem_max`.
pub(in crate::network) fn receive_buffer(socket: &impl AsFd, bytes: i32) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes)
        .or_else(|_| set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
}

/// Reads what is there into `buffers`, one frame each, without waiting. The lengths go to `lengths`; a frame that did
/// not fit has length 0. Returns how many buffers were filled.
pub(in crate::network) fn receive_batch(
    socket: &impl AsFd,
    buffers: &mut [Box<[u8]>],
    lengths: &mut [usize],
) -> io::Result<usize> {
    // SAFETY: iovec and mmsghdr are plain data, for which all zeros is a value.
    let mut parts: [libc::iovec; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    let count = buffers.len().min(lengths.len()).min(BATCH);
    for ((buffer, part), message) in buffers.iter_mut().zip(&mut parts).zip(&mut messages).take(count) {
        *part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` messages point at parts that point at distinct live buffers with their true lengths.
    let got = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            messages.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let got = check(got)? as usize;
    for (length, message) in lengths.iter_mut().zip(&messages).take(got) {
        let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        *length = if whole { message.msg_len as usize } else { 0 };
    }
    Ok(got)
}

/// Reads one frame of a socket for both ways, without waiting: its length (0 if it did not fit) and when the kernel saw it, in
/// nanoseconds since 1970-01-01 UTC.
pub(in crate::network) fn receive_stamped(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0_u64; 16];
    // SAFETY: msghdr is plain data, for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the message points at a live buffer and a live control buffer with their true lengths.
    let got = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut stamp = None;
    // SAFETY: the kernel has filled in the control buffer, which lives on; the macros stay within it.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(&raw const message);
        while !head.is_null() {
            if (*head).cmsg_level == libc::SOL_SOCKET && (*head).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(head).cast());
                stamp = u64::try_from(time.tv_sec).ok().map(|s| s * 1_000_000_000 + time.tv_nsec as u64);
            }
            head = libc::CMSG_NXTHDR(&raw const message, head);
        }
    }
    let whole = message.msg_flags & libc::MSG_TRUNC == 0;
    Ok((if whole { got as usize } else { 0 }, stamp))
}

/// How many frames the kernel had no room for since the last call (packet(7) `PACKET_STATISTICS`).
pub(in crate::network) fn lost_frames(socket: &impl AsFd) -> io::Result<u32> {
    let mut statistics = [0_u32; 2]; // struct tpacket_stats: packets, drops
    let mut length = size_of_val(&statistics) as libc::socklen_t;
    let pointer = (&raw mut statistics).cast();
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: pointer and length describe `statistics`, plain data that lives through the call.
    check(unsafe { libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, pointer, &raw mut length) })?;
    Ok(statistics[1])
}

/// Sends `frames` without waiting. Returns how many were sent; an error is that of the first one.
pub(in crate::network) fn send_batch(socket: &impl AsFd, frames: &[&[u8]]) -> io::Result<usize> {
    // SAFETY: iovec and mmsghdr are plain data, for which all zeros is a value.
    let mut parts: [libc::iovec; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    let count = frames.len().min(BATCH);
    for ((frame, part), message) in frames.iter().zip(&mut parts).zip(&mut messages).take(count) {
        *part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` messages point at parts that point at live frames; sendmmsg only reads them.
    let sent = unsafe {
        libc::sendmmsg(socket.as_fd().as_raw_fd(), messages.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT as _)
    };
    Ok(check(sent)? as usize)
}

/// Enters repair mode: connect, bind and close send nothing.
pub(in crate::network) fn repair_on(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR, &1_i32)
}

/// Leaves repair mode without the window probe that the kernel would send (`TCP_REPAIR_OFF_NO_WP`, Linux 4.19): nothing
/// on the wire tells of the change.
pub(in crate::network) fn repair_off(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR, &-1_i32)
}

/// Sets the next sequence number of a queue. Before connect only.
pub(in crate::network) fn queue_sequence(socket: &impl AsFd, queue: Queue, sequence: u32) -> io::Result<()> {
    let number: i32 = match queue {
        Queue::Receive => 1,
        Queue::Send => 2,
    };
    set(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR_QUEUE, &number)?;
    set(socket, libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ, &sequence)
}

/// Sets the options of the handshake. After connect, in repair mode.
pub(in crate::network) fn repair_options(socket: &impl AsFd, options: &[RepairOption]) -> io::Result<()> {
    set_bytes(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR_OPTIONS, options.as_ptr().cast(), size_of_val(options))
}

/// Sets the clock of the timestamps option. Its lowest bit would ask for microseconds (Linux 6.7), so it is cleared.
pub(in crate::network) fn timestamp(socket: &impl AsFd, value: u32) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_TIMESTAMP, &(value & !1))
}

/// The windows that the kernel chose at connect.
pub(in crate::network) fn repair_window(socket: &impl AsFd) -> io::Result<RepairWindow> {
    let mut window = RepairWindow::default();
    let mut length = size_of::<RepairWindow>() as libc::socklen_t;
    let pointer = (&raw mut window).cast();
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: pointer and length describe `window`, plain data that lives through the call.
    check(unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_REPAIR_WINDOW, pointer, &raw mut length) })?;
    Ok(window)
}

/// Sets the windows. In repair mode.
pub(in crate::network) fn set_repair_window(socket: &impl AsFd, window: &RepairWindow) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_REPAIR_WINDOW, window)
}

fn set<T: Copy>(socket: &impl AsFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    set_bytes(socket, level, name, std::ptr::from_ref(value).cast(), size_of::<T>())
}

fn set_bytes(socket: &impl AsFd, level: i32, name: i32, value: *const libc::c_void, length: usize) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: both callers pass the address and size of a live value of plain data; the kernel only reads it.
    check(unsafe { libc::setsockopt(fd, level, name, value, length as libc::socklen_t) }).map(drop)
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Most frames that one call carries.
pub(in crate::network) const BATCH: usize = 32;

// linux/if_packet.h; the libc crate lacks them.
const PACKET_VNET_HDR: i32 = 15;
const PACKET_IGNORE_OUTGOING: i32 = 23;
