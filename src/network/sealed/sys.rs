//! The only `unsafe` of the project: `fork`, the init of a client's process namespace, control messages of UDP, and below
//! in [`wire`] what the wire asks of the kernel.
//!
//! Everything here is a thin safe face over one or two system calls. What runs between `fork` and `execve` (or in the
//! init, which never calls `execve`) uses async-signal-safe calls only: no allocation, no lock, no panic.
//! See signal-safety(7), pid_namespaces(7), ip(7), ipv6(7).
#![expect(unsafe_code, reason = "the one module where system calls without a safe face are made")]

pub(in crate::network) mod wire;

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Moves the calling thread (with `NEWUSER`: the process, which must have one thread) into new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES), "descriptor tables stay shared");
    // SAFETY: the only danger that `unshare` has for memory or descriptors is FILES, which no caller passes.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Runs `work` in a copy of this process and returns the copy's process id. The copy ends with the value of `work`.
///
/// `work` may allocate: the C library keeps its allocator usable in the copy. It must not wait for locks of other threads.
pub(super) fn fork(work: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the copy runs `work` on the one thread that it has and leaves by `_exit`, without running destructors
    // or handlers that belong to the original.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(EXIT_FAILED);
            // SAFETY: ends the copy; nothing of it is used afterwards.
            unsafe { libc::_exit(code) }
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork returned no process id")),
    }
}

/// As [`fork`], and the copy keeps no descriptor but 0 to 2 and the one that `work` gets: a copy of a listener or
/// a connection would keep it open for as long as the copy lives.
pub(super) fn fork_alone(keep: &OwnedFd, work: impl FnOnce(&OwnedFd) -> i32) -> io::Result<Pid> {
    let number = keep.as_raw_fd();
    fork(|| {
        // SAFETY: in the copy, where nothing but `work` runs and nothing but `keep` is used.
        unsafe {
            close_range(3, number - 1, false);
            close_range(number + 1, c_int::MAX, false);
        }
        work(keep)
    })
}

/// Everything that the init and the client need, made before `fork` because nothing can be allocated after it.
#[derive(Debug)]
pub(super) struct Launch {
    /// Path of the program, found already.
    pub(super) program: CString,
    /// Arguments, the program's name first.
    pub(super) argv: Vec<CString>,
    /// Environment, `NAME=value`.
    pub(super) env: Vec<CString>,
    /// Working directory.
    pub(super) cwd: CString,
    /// Descriptors that become 0, 1 and 2; those that are `None` are inherited.
    pub(super) stdio: [Option<RawFd>; 3],
    /// Start a session of its own, so that there is no controlling terminal.
    pub(super) new_session: bool,
    /// The init writes the client's wait status here (four bytes, native order).
    pub(super) status: RawFd,
    /// A failure to start is written here: step and errno, four bytes each.
    pub(super) failure: RawFd,
}

/// Which step of starting a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fork = 1,
    Stdio = 2,
    Directory = 3,
    Execute = 4,
}

impl Step {
    pub(super) fn from_raw(raw: i32) -> Option<Self> {
        [Self::Fork, Self::Stdio, Self::Directory, Self::Execute].into_iter().find(|step| *step as i32 == raw)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Stdio => "connect standard input and output",
            Self::Directory => "enter the working directory",
            Self::Execute => "execute",
        }
    }
}

/// Starts the init of the process namespace that the calling thread made, and the client under it.
///
/// The init reaps whatever ends in the namespace, reports the client's wait status and ends with it, which ends
/// everything else in the namespace. It dies when the calling *thread* ends (PR_SET_PDEATHSIG), so the caller keeps it.
pub(super) fn launch(launch: &Launch) -> io::Result<Pid> {
    let argv = pointers(&launch.argv);
    let env = pointers(&launch.env);
    let shell: Vec<*const c_char> =
        [SHELL.as_ptr(), launch.program.as_ptr()].into_iter().chain(argv.iter().skip(1).copied()).collect();
    let images = Images { argv: &argv, env: &env, shell: &shell };
    // SAFETY: signal sets are plain data; all-zero is a valid value that `sigfillset` then overwrites.
    let mut old: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: both sets are valid for the call. Signals are held back so that no handler of this process runs in the copy.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
    }
    // SAFETY: the copy calls `init` only, which uses async-signal-safe calls and never returns.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: called once, in the copy, with pointers that live in the copied memory.
        unsafe { init(launch, &images) }
    }
    let error = io::Error::last_os_error();
    // SAFETY: `old` was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, ptr::null_mut()) };
    if pid < 0 { Err(error) } else { Pid::from_raw(pid).ok_or(error) }
}

struct Images<'a> {
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    shell: &'a [*const c_char],
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
}

/// Process 1 of the client's namespace.
///
/// # Safety
/// Only in a fresh copy of the process, with all signals blocked. Async-signal-safe calls only.
unsafe fn init(launch: &Launch, images: &Images<'_>) -> ! {
    // SAFETY: plain system calls on values that live until `_exit`.
    unsafe {
        reset_signals();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong);
        if reader_is_gone(launch.status) {
            libc::_exit(EXIT_FAILED); // the parent died before the line above took effect
        }
        libc::prctl(libc::PR_SET_NAME, c"mitmlab-init".as_ptr());
        // Where a container masks parts of /proc, this is refused and the client sees the outer one.
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), flags, ptr::null());
        let client = libc::fork();
        if client == 0 {
            start(launch, images)
        }
        if client < 0 {
            fail(launch.failure, Step::Fork);
        }
        // A copy of a socket kept open here would keep its peer waiting for its end.
        libc::dup2(launch.status, 0);
        close_range(1, c_int::MAX, false);
        reap(client)
    }
}

/// # Safety
/// In the init only; descriptor 0 is the status pipe.
unsafe fn reap(client: libc::pid_t) -> ! {
    // SAFETY: plain system calls.
    unsafe {
        loop {
            let mut status: c_int = 0;
            let pid = libc::waitpid(-1, &raw mut status, 0);
            if pid == client {
                libc::write(0, (&raw const status).cast::<c_void>(), size_of::<c_int>());
                libc::_exit(0);
            }
            if pid < 0 && *libc::__errno_location() != libc::EINTR {
                libc::_exit(EXIT_FAILED);
            }
        }
    }
}

/// Becomes the client.
///
/// # Safety
/// In a fresh copy of the init. Async-signal-safe calls only.
unsafe fn start(launch: &Launch, images: &Images<'_>) -> ! {
    // SAFETY: plain system calls; all pointers were made before the first fork and end with null.
    unsafe {
        if launch.new_session {
            libc::setsid();
        }
        for (number, wanted) in (0..).zip(launch.stdio) {
            if let Some(fd) = wanted
                && libc::dup2(fd, number) < 0
            {
                fail(launch.failure, Step::Stdio);
            }
        }
        if libc::chdir(launch.cwd.as_ptr()) < 0 {
            fail(launch.failure, Step::Directory);
        }
        close_range(3, c_int::MAX, true);
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execve(launch.program.as_ptr(), images.argv.as_ptr(), images.env.as_ptr());
        if *libc::__errno_location() == libc::ENOEXEC {
            // A script without `#!`, as execvp(3) treats it.
            libc::execve(SHELL.as_ptr(), images.shell.as_ptr(), images.env.as_ptr());
        }
        fail(launch.failure, Step::Execute)
    }
}

/// # Safety
/// After fork only: ends the process.
unsafe fn fail(pipe: RawFd, step: Step) -> ! {
    // SAFETY: plain system calls on a local array.
    unsafe {
        let words = [step as i32, *libc::__errno_location()];
        libc::write(pipe, words.as_ptr().cast::<c_void>(), size_of_val(&words));
        libc::_exit(EXIT_FAILED)
    }
}

/// # Safety
/// After fork only: the handlers of this process are gone afterwards.
unsafe fn reset_signals() {
    // SAFETY: a zeroed `sigaction` is the default action with an empty mask; numbers that cannot be set are refused.
    unsafe {
        let default: libc::sigaction = mem::zeroed();
        for signal in 1..=64 {
            libc::sigaction(signal, &raw const default, ptr::null_mut());
        }
    }
}

/// # Safety
/// After fork only.
unsafe fn reader_is_gone(pipe: RawFd) -> bool {
    let mut poll = libc::pollfd { fd: pipe, events: 0, revents: 0 };
    // SAFETY: one valid `pollfd`; returns at once.
    unsafe { libc::poll(&raw mut poll, 1, 0) > 0 && poll.revents & libc::POLLERR != 0 }
}

/// Closes the descriptors from `first` to `last`, or lets `execve` close them.
///
/// # Safety
/// After fork only: the process's descriptors are gone afterwards.
unsafe fn close_range(first: c_int, last: c_int, at_exec: bool) {
    let flags = if at_exec { CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: plain system calls. Kernels before 5.9 (5.11 for the flag) take the long way.
    unsafe {
        if first > last || libc::syscall(libc::SYS_close_range, first, last, flags) == 0 {
            return;
        }
        for fd in first..=last.min(OLD_KERNEL_DESCRIPTORS) {
            if at_exec {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            } else {
                libc::close(fd);
            }
        }
    }
}

/// Sets an integer option of a socket.
pub(super) fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the value is a valid integer of the stated size.
    let done = unsafe {
        let value = (&raw const value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of::<c_int>() as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives a datagram: length, sender, and the address that it was sent to (if the socket asks for it).
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<IpAddr>)> {
    // SAFETY: plain data for which all-zero is valid.
    let (mut name, mut message): (libc::sockaddr_storage, libc::msghdr) = unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut control = Control([0; CONTROL_SIZE]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_SIZE as _;
    // SAFETY: every pointer of `message` is to a live local of the stated length.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    let sender = address(&name).ok_or_else(|| io::Error::other("datagram from an unknown address family"))?;
    // SAFETY: the kernel filled `message` and its control buffer.
    Ok((length.unsigned_abs(), sender, unsafe { asked_address(&message) }))
}

/// Sends a datagram that leaves from `source`.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8], source: IpAddr, to: SocketAddr) -> io::Result<usize> {
    let six = socket.local_addr()?.is_ipv6();
    let (mut name, name_length) = raw_address(to, six);
    let mut control = Control([0; CONTROL_SIZE]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: plain data for which all-zero is valid.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = name_length;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the control buffer is aligned and larger than either message; `sendmsg` reads live locals only.
    let sent = unsafe {
        message.msg_controllen = match source {
            IpAddr::V4(source) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                put_control(&mut control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            IpAddr::V6(source) => {
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
                put_control(&mut control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        } as _;
        libc::sendmsg(socket.as_raw_fd(), &raw const message, 0)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent.unsigned_abs()) }
}

#[repr(align(8))]
struct Control([u8; CONTROL_SIZE]);

/// # Safety
/// `control` must have room for one message with a `T`.
unsafe fn put_control<T>(control: &mut Control, level: c_int, kind: c_int, value: T) -> usize {
    // SAFETY: the header is at the start of the aligned buffer; the value follows where CMSG_DATA says.
    unsafe {
        let header: *mut libc::cmsghdr = control.0.as_mut_ptr().cast();
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast::<T>(), value);
        libc::CMSG_SPACE(size_of::<T>() as u32) as usize
    }
}

/// # Safety
/// `message` must have been filled by `recvmsg` and its buffers must live.
unsafe fn asked_address(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel wrote well-formed control messages; the walk stays within `msg_controllen`.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                    return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                    return Some(IpAddr::from(Ipv6Addr::from(info.ipi6_addr.s6_addr)).to_canonical());
                }
                _ => header = libc::CMSG_NXTHDR(message, header),
            }
        }
    }
    None
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure the storage holds, and the storage is large and aligned enough.
            let raw: libc::sockaddr_in = unsafe { ptr::read((&raw const *name).cast()) };
            Some(SocketAddrV4::new(raw.sin_addr.s_addr.to_ne_bytes().into(), u16::from_be(raw.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let raw: libc::sockaddr_in6 = unsafe { ptr::read((&raw const *name).cast()) };
            let address = IpAddr::from(Ipv6Addr::from(raw.sin6_addr.s6_addr)).to_canonical();
            Some(SocketAddr::new(address, u16::from_be(raw.sin6_port)))
        }
        _ => None,
    }
}

fn raw_address(to: SocketAddr, six: bool) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: plain data for which all-zero is valid.
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let to = match (to, six) {
        (SocketAddr::V4(four), true) => SocketAddrV6::new(four.ip().to_ipv6_mapped(), four.port(), 0, 0).into(),
        _ => to,
    };
    let length = match to {
        SocketAddr::V4(to) => {
            // SAFETY: the storage is large and aligned enough for every address family.
            let raw: &mut libc::sockaddr_in = unsafe { &mut *(&raw mut name).cast() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = to.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(to) => {
            // SAFETY: as above.
            let raw: &mut libc::sockaddr_in6 = unsafe { &mut *(&raw mut name).cast() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = to.port().to_be();
            raw.sin6_addr.s6_addr = to.ip().octets();
            size_of::<libc::sockaddr_in6>()
        }
    };
    (name, length as libc::socklen_t)
}

/// Room for one `in6_pktinfo` and one `in_pktinfo` with their headers (40 + 32 bytes on 64-bit machines).
const CONTROL_SIZE: usize = 128;
/// linux/close_range.h.
const CLOSE_RANGE_CLOEXEC: c_int = 1 << 2;
/// The usual soft limit of open files; only for kernels without `close_range`.
const OLD_KERNEL_DESCRIPTORS: c_int = 4096;
const EXIT_FAILED: c_int = 127;
const SHELL: &std::ffi::CStr = c"/bin/sh";
