//! Services that are not ours: a program that was started with the world, or a server of the user's own on loopback.
//! Bytes go through unread; what the record can tell of them is how many, and who closed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::accept::Visit;
use crate::record::{CloseKind, Side};
use crate::scenario::Serve;
use crate::tls::Counts;
use crate::tls::Ended;

/// Dials a server on this machine. Any other address is refused: nothing leaves the machine.
pub(super) async fn dial_loopback(address: SocketAddr) -> io::Result<TcpStream> {
    if !address.ip().to_canonical().is_loopback() {
        let refused = format!("{address} is not on loopback; a service of the world may only lead there");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Relays one connection until both sides have closed, or nothing moves for too long.
pub(super) async fn serve(visit: &Visit, stream: TcpStream) {
    match dialled(visit).await {
        Ok(server) => splice(visit, stream, server).await,
        Err(error) => {
            visit.witness.note(format!("the server behind {} could not be reached: {error}", visit.destination));
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)); // then it is a FIN
            drop(stream);
            visit.witness.close(Side::Server, CloseKind::Rst);
        }
    }
    visit.witness.end(Counts::Opaque);
}

async fn dialled(visit: &Visit) -> io::Result<TcpStream> {
    let address = target(visit)?;
    let dialling = (visit.origins.dial)(address);
    tokio::time::timeout(visit.origins.patience.hello, dialling).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn target(visit: &Visit) -> io::Result<SocketAddr> {
    let selected = visit.origins.select(visit.destination, None).map_err(|n| io::Error::other(n.text(visit.destination)))?;
    match &selected.service.serve {
        Serve::Loopback { address } => Ok(*address),
        Serve::Exec { argv, .. } => visit.origins.programs.get(&visit.destination).copied().ok_or_else(|| {
            let program = argv.first().map_or("the program", String::as_str);
            io::Error::new(io::ErrorKind::NotConnected, format!("`{program}` was not started"))
        }),
        Serve::Https { .. } | Serve::Http { .. } => Err(io::Error::other("not a relayed service")),
    }
}

async fn splice(visit: &Visit, stream: TcpStream, mut server: TcpStream) {
    let mut client = visit.witness.plain(stream, Vec::new());
    tokio::select! {
        result = tokio::io::copy_bidirectional(&mut client, &mut server) => if let Err(error) = result {
            visit.witness.failed(&error);
        },
        () = visit.witness.raw().idle(visit.origins.patience.idle) => visit.witness.ended(&Ended::Deadline),
    }
}
