//! Sockets that live in a namespace of the network. A socket belongs to the namespace where it was made, so what is made
//! on a namespace's thread can be used on any other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Length in bytes.
    pub length: usize,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address that it was sent to: answers leave from it.
    pub local: IpAddr,
}

/// Receives a datagram with the address that it was sent to. Does not wait: `WouldBlock` if there is none
/// (in tokio: inside `UdpSocket::try_io` or `async_io`).
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    let (length, peer, local) = sys::receive(socket, buffer)?;
    let local = local.ok_or_else(|| io::Error::other("the socket does not tell destinations (IP_PKTINFO is off)"))?;
    Ok(Datagram { length, peer, local })
}

/// Sends a datagram that leaves from `source`, which may be any address if the socket is transparent.
pub fn send(socket: &UdpSocket, bytes: &[u8], source: IpAddr, to: SocketAddr) -> io::Result<usize> {
    sys::send(socket, bytes, source, to)
}

/// A listener for every address of the calling thread's namespace.
pub(super) fn listen_tcp(port: u16) -> io::Result<TcpListener> {
    let socket = bind(Type::STREAM, Protocol::TCP, port)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A datagram socket for every address of the calling thread's namespace, that tells where a datagram was sent to.
pub(super) fn bind_udp(port: u16) -> io::Result<UdpSocket> {
    let socket = bind(Type::DGRAM, Protocol::UDP, port)?;
    sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    if socket.domain()? == Domain::IPV6 {
        sys::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    Ok(socket.into())
}

/// The same without being told: whoever reads it asks for destinations itself, and has no room for being told twice.
pub(super) fn bind_plain_udp(port: u16) -> io::Result<UdpSocket> {
    Ok(bind(Type::DGRAM, Protocol::UDP, port)?.into())
}

/// A TCP socket, not connected, that speaks with a client's address.
pub(super) fn tcp_as(client: IpAddr, to: SocketAddr) -> io::Result<Socket> {
    let (client, domain) = match to.ip().to_canonical() {
        IpAddr::V4(_) => (client.to_canonical(), Domain::IPV4),
        IpAddr::V6(_) => (client, Domain::IPV6),
    };
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    set_transparent(&socket, domain)?;
    // The port is chosen here, not at connect: the wire must know it before the origin's answer comes. Every client has an
    // address of its own, so ports do not run out.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(client, 0).into())?;
    Ok(socket)
}

fn bind(kind: Type, protocol: Protocol, port: u16) -> io::Result<Socket> {
    let kind = kind.nonblocking().cloexec();
    let six = Socket::new(Domain::IPV6, kind, Some(protocol));
    let (socket, domain, any) = match six {
        Ok(socket) => (socket, Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            (Socket::new(Domain::IPV4, kind, Some(protocol))?, Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        }
        Err(error) => return Err(error),
    };
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    if protocol == Protocol::TCP {
        socket.set_reuse_address(true)?;
    }
    set_transparent(&socket, domain)?;
    socket.bind(&SocketAddr::new(any, port).into())?;
    Ok(socket)
}

/// The socket may have addresses that are not the machine's (ip(7), IP_TRANSPARENT).
fn set_transparent(socket: &Socket, domain: Domain) -> io::Result<()> {
    if domain == Domain::IPV6 {
        socket.set_ip_transparent_v6(true)?;
    }
    socket.set_ip_transparent_v4(true)
}

/// Connections that wait to be accepted: a browser opens dozens at once, a load test more.
const BACKLOG: i32 = 1024;
