//! Services that are not ours: a program that was started with the world, or a server of the user's own on loopback.
//! Bytes go through undecrypted; what the record can tell of them is what record headers show: how many application bytes there
//! were at least, whether the handshake was completed, alerts in the clear, and who closed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::accept::Visit;
use crate::record::{CloseKind, Observer, Side, TlsMeter};
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
    serve_begun(visit, stream, Vec::new()).await;
}

/// The same for a connection of which `first` has been read.
pub(super) async fn serve_begun(visit: &Visit, stream: TcpStream, first: Vec<u8>) {
    // Whoever has read the hello is heard as the connection's end; what records tell is its word then.
    let by = if first.is_empty() { Observer::Wire } else { Observer::Origin };
    let meter = Mutex::new(TlsMeter::new());
    match dialled(visit).await {
        Ok(server) => splice(visit, (stream, first), server, &meter).await,
        Err(error) => {
            visit.witness.note(format!("the server behind {} could not be reached: {error}", visit.destination));
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)); // then it is a FIN
            drop(stream);
            visit.witness.close(Side::Server, CloseKind::Rst);
        }
    }
    let meter = meter.into_inner().unwrap_or_else(PoisonError::into_inner);
    visit.witness.metered(&meter, by);
    visit.witness.end(Counts::Metered(meter.bytes()));
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
        Serve::Exec { argv, .. } => program(visit, argv.first().map_or("the program", String::as_str)),
        Serve::Https { tls: Some(only), .. } if only.is_old() => program(visit, "openssl"),
        Serve::Https { .. } | Serve::Dot | Serve::Http { .. } | Serve::Chat { .. } | Serve::Mail { .. } => {
            Err(io::Error::other("not a relayed service"))
        }
    }
}

fn program(visit: &Visit, name: &str) -> io::Result<SocketAddr> {
    let listens = visit.origins.programs.get(&visit.destination).copied();
    listens.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, format!("`{name}` was not started")))
}

async fn splice(visit: &Visit, (stream, first): (TcpStream, Vec<u8>), server: TcpStream, meter: &Mutex<TlsMeter>) {
    let (client_in, client_out) = tokio::io::split(visit.witness.plain(stream, first));
    let (server_in, server_out) = tokio::io::split(server);
    let both = async {
        tokio::try_join!(carry(client_in, server_out, Side::Client, meter), carry(server_in, client_out, Side::Server, meter))
    };
    tokio::select! {
        result = both => if let Err(error) = result {
            visit.witness.failed(&error);
        },
        () = visit.witness.raw().idle(visit.origins.patience.idle) => visit.witness.ended(&Ended::Deadline),
    }
}

/// One direction, to its end.
async fn carry<R, W>(mut from: R, mut to: W, side: Side, meter: &Mutex<TlsMeter>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; PIECE];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        meter.lock().unwrap_or_else(PoisonError::into_inner).sent(side, &buffer[..read]);
        to.write_all(&buffer[..read]).await?;
    }
}

/// A TLS record and its header (RFC 8446 section 5.1).
const PIECE: usize = 17 * 1024;
