//! The loops around the resolver: one for a UDP socket, one for a TCP listener.
//!
//! An answer must leave from the address that was asked, or the client drops it. A socket that is bound to one address
//! does so by itself ([`FixedUdp`]). One that is bound to every address has to be told for each datagram (IP_PKTINFO);
//! no safe interface offers that, so the sealed network supplies it behind [`AddressedUdp`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::{Resolver, Way};
use crate::network::listen::{Accepted, Listener, unmap};
use crate::scenario::Transport;

/// A datagram as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Octets in the buffer.
    pub length: usize,
    /// Who sent it.
    pub client: SocketAddr,
    /// The address that it was sent to.
    pub asked: SocketAddr,
}

/// A UDP socket that knows which of its addresses a datagram came to, and can answer from it.
pub trait AddressedUdp: Send + Sync + 'static {
    /// The next datagram.
    fn receive(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<Datagram>> + Send;

    /// Sends from one of its addresses.
    fn send(&self, bytes: &[u8], from: SocketAddr, to: SocketAddr) -> impl Future<Output = io::Result<()>> + Send;
}

/// A socket bound to one address.
#[derive(Debug)]
pub struct FixedUdp {
    socket: UdpSocket,
    address: SocketAddr,
}

impl FixedUdp {
    /// Fails if the socket is bound to every address (`0.0.0.0`): its answers might leave from a wrong one.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let address = unmap(socket.local_addr()?);
        if address.ip().is_unspecified() {
            let why = format!("a resolver's socket on {address} would answer from any address; bind one socket for each");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(Self { socket, address })
    }
}

impl AddressedUdp for FixedUdp {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        let (length, client) = self.socket.recv_from(buffer).await?;
        Ok(Datagram { length, client: unmap(client), asked: self.address })
    }

    async fn send(&self, bytes: &[u8], _: SocketAddr, to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(bytes, to).await.map(drop)
    }
}

/// Answers datagrams until the handle is aborted.
pub fn serve_udp(socket: impl AddressedUdp, resolver: Resolver) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = vec![0; LARGEST];
        loop {
            match socket.receive(&mut buffer).await {
                Ok(Datagram { length, client, asked }) => {
                    let message = &buffer[..length.min(LARGEST)];
                    let way = Way { client, resolver: asked, transport: Transport::Udp, within: None };
                    for reply in resolver.serve(message, way) {
                        if let Err(error) = socket.send(&reply, asked, client).await {
                            tracing::debug!(%error, %client, "a DNS answer was not sent");
                        }
                    }
                }
                Err(error) => pause(&error).await,
            }
        }
    })
}

/// Answers queries on connections until the handle is aborted; the connections end with it (RFC 7766).
pub fn serve_tcp(listener: Listener, resolver: Resolver) -> JoinHandle<()> {
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok(accepted) => {
                    let resolver = resolver.clone();
                    open.spawn(async move {
                        let Accepted { mut stream, client, destination } = accepted;
                        let way = Way { client, resolver: destination, transport: Transport::Tcp, within: None };
                        let ended = serve_stream(&mut stream, &resolver, way, IDLE).await;
                        tracing::trace!(?ended, "a DNS connection ended");
                        drop(place);
                    });
                }
                Err(error) => pause(&error).await,
            }
        }
    })
}

/// Queries with a length before each, answered in order; many may be on their way (RFC 7766 section 6.2.1.1). Ends when the client
/// closes. Says nothing at the end: closing is the caller's.
///
/// # Errors
/// The stream's, and `TimedOut` if nothing comes, or is taken, for `idle`.
pub async fn serve_stream<S>(stream: &mut S, resolver: &Resolver, way: Way, idle: Duration) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let Some(message) = within(idle, message(stream)).await? else { return Ok(()) };
        let mut out = Vec::new();
        for reply in resolver.serve(&message, way) {
            out.extend(u16::try_from(reply.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(reply);
        }
        within(idle, async {
            stream.write_all(&out).await?;
            stream.flush().await
        })
        .await?;
    }
}

/// The next message; none if the client has closed.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

async fn within<T>(deadline: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(deadline, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A failed receive or accept (an ICMP error, no descriptors left) must not make a loop spin.
async fn pause(error: &io::Error) {
    tracing::debug!(%error, "the resolver could not receive");
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// The largest datagram.
const LARGEST: usize = 65_535;
/// RFC 7766 section 6.2.3 leaves it to the server: "of the order of a few seconds".
const IDLE: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: usize = 256;
