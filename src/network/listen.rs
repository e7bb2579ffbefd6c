//! Accepting connections for genuine origins, so that an origin knows the address that the client dialled.
//!
//! In the sealed network every address is local: the accepted socket's own address is what was dialled, and the peer's
//! is the client's. On loopback both would be 127.0.0.1; there whoever dials says first what the connection stands for.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A connection that an origin accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, TCP_NODELAY set.
    pub stream: TcpStream,
    /// The client's address as the origin sees it.
    pub client: SocketAddr,
    /// The address that was dialled.
    pub destination: SocketAddr,
}

/// A listening socket of an origin.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    dialled: Option<Dialled>,
}

/// What loopback connections stand for: local port of the dialler -> (client, destination). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Dialled(Arc<Mutex<HashMap<SocketAddr, (SocketAddr, SocketAddr)>>>);

impl Listener {
    /// A listener of the sealed network: its sockets tell the true addresses.
    pub fn transparent(socket: TcpListener) -> Self {
        Self { socket, dialled: None }
    }

    /// A listener on loopback, for connections that [`Dialled::dial`] makes.
    pub fn loopback(socket: TcpListener, dialled: Dialled) -> Self {
        Self { socket, dialled: Some(dialled) }
    }

    /// The socket's own address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection. An error is the socket's; the caller may go on after it.
    pub async fn accept(&self) -> io::Result<Accepted> {
        let (stream, peer) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        let (client, destination) = match &self.dialled {
            Some(dialled) => dialled.take(peer).unwrap_or((peer, self.local_addr()?)),
            None => (unmap(peer), unmap(stream.local_addr()?)),
        };
        Ok(Accepted { stream, client, destination })
    }
}

impl Dialled {
    /// Dials a loopback listener for `destination`. The origin will see `client`, or the dialling socket itself if none;
    /// `announce` is told that address before the origin can see it.
    pub async fn dial(
        &self,
        listener: SocketAddr,
        client: Option<SocketAddr>,
        destination: SocketAddr,
        announce: impl FnOnce(SocketAddr),
    ) -> io::Result<TcpStream> {
        let socket = if listener.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(listener.ip(), 0))?;
        let local = socket.local_addr()?;
        let seen = client.unwrap_or(local);
        announce(seen);
        self.map().insert(local, (seen, destination));
        let stream = socket.connect(listener).await.inspect_err(|_| {
            self.map().remove(&local);
        })?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn take(&self, peer: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        self.map().remove(&peer)
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, (SocketAddr, SocketAddr)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `::ffff:a.b.c.d` as `a.b.c.d`.
pub fn unmap(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loopback_origin_learns_what_was_dialled() -> io::Result<()> {
        let dialled = Dialled::default();
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let listener = Listener::loopback(socket, dialled.clone());
        let client = "192.0.2.7:40000".parse().expect("an address");
        let destination = "157.240.22.35:443".parse().expect("an address");
        let address = listener.local_addr()?;
        let (accepted, dialled) = tokio::join!(listener.accept(), dialled.dial(address, Some(client), destination, |_| {}));
        dialled?;
        let accepted = accepted?;
        assert_eq!((accepted.client, accepted.destination), (client, destination));
        Ok(())
    }
}
