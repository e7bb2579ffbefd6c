//! Carries bytes between two sockets without looking at them.
//!
//! A direction begins with a buffer of the thread. Once it has filled that buffer (a download, not a conversation) its bytes stay in
//! the kernel: splice(2), through a pipe of its own, on Linux. Whatever carries them, they are counted.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::record::{CloseKind, Side};
use crate::tls::{Tally, Witness};

#[cfg(target_os = "linux")]
mod kernel;

/// Carries a connection to its end and tells the witness what happened to the client's side. `first` was read from the client
/// before, `greeting` from the origin.
pub(super) async fn pass(witness: &Witness, mut client: TcpStream, mut origin: TcpStream, first: Vec<u8>, greeting: &[u8]) {
    let tally = witness.raw();
    tally.add_read(first.len());
    tally.add_written(greeting.len());
    let begun = tokio::try_join!(origin.write_all(&first), client.write_all(greeting));
    drop(first);
    if let Err(error) = begun {
        return witness.failed(&error);
    }
    let (mut from_client, mut to_client) = client.split();
    let (mut from_origin, mut to_origin) = origin.split();
    let up = async {
        let ended = one_way(&mut from_client, &mut to_origin, |bytes| tally.add_read(bytes)).await;
        tell(witness, &ended, Side::Client);
        ended.map_err(drop)
    };
    let down = async {
        let ended = one_way(&mut from_origin, &mut to_client, |bytes| tally.add_written(bytes)).await;
        tell(witness, &ended, Side::Server);
        ended.map_err(drop)
    };
    until_both(up, down, tally).await;
}

/// Both directions, until both have ended, one has failed, or one has ended and the other is silent for too long.
async fn until_both(
    up: impl Future<Output = Result<(), ()>> + Send,
    down: impl Future<Output = Result<(), ()>> + Send,
    tally: &Tally,
) {
    tokio::pin!(up, down);
    let rest: std::pin::Pin<&mut (dyn Future<Output = Result<(), ()>> + Send)> = tokio::select! {
        ended = &mut up => match ended { Ok(()) => down, Err(()) => return },
        ended = &mut down => match ended { Ok(()) => up, Err(()) => return },
    };
    tokio::select! {
        _ = rest => {}
        () = tally.idle(HALF_CLOSED) => {}
    }
}

/// How a direction ended, by whom it comes from.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

fn tell(witness: &Witness, ended: &Result<(), Failed>, from: Side) {
    match (ended, from) {
        (Ok(()), from) => witness.close(from, CloseKind::Fin),
        (Err(Failed::Reading(error)), Side::Client) | (Err(Failed::Writing(error)), Side::Server) => witness.failed(error),
        (Err(_), _) => {} // the origin's side of it is the origin's to tell
    }
}

/// Carries one direction to its end and passes the end on.
async fn one_way(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, count: impl Fn(usize) + Sync) -> Result<(), Failed> {
    let filled = by_buffer(from, to, &count).await?;
    if filled {
        by_kernel(from, to, &count).await?;
    }
    to.shutdown().await.map_err(Failed::Writing)
}

/// Until the end (false), or until there is more at once than the buffer holds (true).
async fn by_buffer(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, count: &(impl Fn(usize) + Sync)) -> Result<bool, Failed> {
    loop {
        from.readable().await.map_err(Failed::Reading)?;
        let (read, left) = match BUFFER.with_borrow_mut(|buffer| hand_on(from, to, buffer)) {
            Ok(handed) => handed,
            Err(Failed::Reading(error)) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Ok(false);
        }
        count(read);
        to.write_all(&left).await.map_err(Failed::Writing)?;
        if read == PIECE && cfg!(target_os = "linux") {
            return Ok(true);
        }
    }
}

/// Reads once and writes what can be written at once. How many bytes were read, and those that are still to be written.
fn hand_on(from: &ReadHalf<'_>, to: &WriteHalf<'_>, buffer: &mut [u8]) -> Result<(usize, Vec<u8>), Failed> {
    let read = from.try_read(buffer).map_err(Failed::Reading)?;
    let written = match to.try_write(&buffer[..read]) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(Failed::Writing(error)),
    };
    Ok((read, buffer[written..read].to_vec()))
}

/// Through a pipe, without a copy into this process.
#[cfg(target_os = "linux")]
async fn by_kernel(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, count: &(impl Fn(usize) + Sync)) -> Result<(), Failed> {
    let pipe = match kernel::Pipe::open() {
        Ok(pipe) => pipe,
        Err(_) => return by_buffer_only(from, to, count).await, // out of descriptors: slower, not broken
    };
    let (source, sink): (&TcpStream, &TcpStream) = (from.as_ref(), to.as_ref());
    loop {
        source.readable().await.map_err(Failed::Reading)?;
        let mut held = match source.try_io(Interest::READABLE, || pipe.fill(source)) {
            Ok(0) => return Ok(()),
            Ok(held) => held,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(Failed::Reading(error)),
        };
        count(held);
        while held > 0 {
            sink.writable().await.map_err(Failed::Writing)?;
            match sink.try_io(Interest::WRITABLE, || pipe.drain(sink, held)) {
                Ok(0) => return Err(Failed::Writing(io::ErrorKind::WriteZero.into())),
                Ok(written) => held -= written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Failed::Writing(error)),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
async fn by_kernel(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, count: &(impl Fn(usize) + Sync)) -> Result<(), Failed> {
    by_buffer_only(from, to, count).await
}

async fn by_buffer_only(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, count: &(impl Fn(usize) + Sync)) -> Result<(), Failed> {
    while by_buffer(from, to, count).await? {}
    Ok(())
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// Bytes read at once. More waiting than this is a bulk transfer.
const PIECE: usize = 64 * 1024;

/// How long a half-closed connection may stay silent.
const HALF_CLOSED: Duration = Duration::from_secs(30);

#[cfg(test)]
#[path = "pass/tests.rs"]
mod tests;
