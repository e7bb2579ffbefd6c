//! The one door to the host: connections to servers of the user's own on the host's loopback.
//!
//! A small copy of the process stays in the host's network namespace and hands out sockets whose connection it has begun
//! itself, to loopback addresses and nowhere else (unix(7), SCM_RIGHTS). No packet of the sealed network passes here.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::sys;

/// The helper that stayed in the host's network namespace.
#[derive(Debug)]
pub(super) struct Host {
    channel: Mutex<OwnedFd>,
    helper: Pid,
}

impl Host {
    /// Leaves a helper behind. Before any namespace is entered, while there is one thread.
    pub(super) fn start() -> io::Result<Self> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(ANSWER_WITHIN))?;
        let helper = sys::fork_alone(&theirs, |channel| i32::from(help(channel).is_err()))?;
        Ok(Self { channel: Mutex::new(ours), helper })
    }

    /// Connects to a server on the host's loopback. No other address is dialled.
    pub(super) async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::from_std(self.begin(address)?.into())?;
        stream.writable().await?;
        stream.take_error()?.map_or(Ok(stream), Err)
    }

    /// The helper answers at once: it begins to connect and does not wait.
    fn begin(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let text = address.to_string();
        sendmsg(&*channel, &[IoSlice::new(text.as_bytes())], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?;
        let mut errno = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(&*channel, &mut [IoSliceMut::new(&mut errno)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes != errno.len() {
            return Err(io::Error::other("the helper in the host's network is gone"));
        }
        let rights = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        rights.ok_or_else(|| io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = kill_process(self.helper, Signal::KILL);
        let _ = waitpid(Some(self.helper), WaitOptions::empty());
    }
}

/// The helper's life: one request after the other, until the lab is gone.
fn help(channel: &OwnedFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::setsid()?; // Ctrl-C is the lab's to handle
    let mut request = [0; LONGEST_REQUEST];
    loop {
        let received =
            recvmsg(channel, &mut [IoSliceMut::new(&mut request)], &mut RecvAncillaryBuffer::default(), RecvFlags::empty());
        let length = match received {
            Ok(message) if message.bytes == 0 => return Ok(()),
            Ok(message) => message.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        answer(channel, connect(&request[..length]))?;
    }
}

fn answer(channel: &OwnedFd, result: io::Result<Socket>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let (socket, errno) = match result {
        Ok(socket) => (Some(socket), 0),
        Err(error) => (None, error.raw_os_error().unwrap_or(libc::EIO)),
    };
    let fds = socket.as_ref().map(|socket| [socket.as_fd()]);
    if let Some(fds) = &fds {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(channel, &[IoSlice::new(&errno.to_ne_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn connect(request: &[u8]) -> io::Result<Socket> {
    let address = std::str::from_utf8(request).ok().and_then(|text| text.parse::<SocketAddr>().ok());
    let Some(address) = address.filter(|address| address.ip().to_canonical().is_loopback()) else {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// The helper never waits for anything but a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest socket address as text is `[` 39 `%` 10 `]:` 5.
const LONGEST_REQUEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_dialled_and_nothing_else() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Host::start().unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, dialled) = tokio::join!(listener.accept(), host.dial(address));
        assert_eq!(accepted.unwrap().1, dialled.unwrap().local_addr().unwrap());
        for elsewhere in ["192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80"] {
            let error = host.dial(elsewhere.parse().unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{elsewhere}");
        }
        drop(listener);
        assert_eq!(host.dial(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
