//! How bytes reach the box and how it acts on them.
//!
//! Two carriers bring connections to the box: the *wire* (packets of the [`sealed`] network) and the *stream*
//! (accepted connections of the explicit [`proxy`]). Both describe a connection with the same [`Arrival`],
//! so that nothing behind them but the carrier knows which one it was.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::TcpStream;

use crate::record::{ConnectionId, LegId};
use crate::scenario::{Direction, Transport, Vantage};

pub mod listen;
pub mod prefixed;
pub mod proxy;
pub mod resolver;
#[cfg(target_os = "linux")]
pub mod sealed;
#[cfg(target_os = "linux")]
pub mod wire;

/// A connection that has reached the box.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its number.
    pub id: ConnectionId,
    /// The leg that opened it, if known.
    pub leg: Option<LegId>,
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client dialled. In the proxy network: the address of the name that it asked for.
    pub destination: SocketAddr,
    /// The name that the client asked the proxy for.
    pub asked: Option<String>,
    /// Where the client stands.
    pub vantage: Vantage,
    /// Who opened it.
    pub direction: Direction,
    /// TCP or UDP.
    pub transport: Transport,
    /// Its ordinal among the leg's connections: gives each its own coin, and the same coin in a repeated run.
    pub ordinal: u64,
}

/// What a connection to the origin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The client's bytes go on unchanged: to the origin it is the client's own connection.
    Forward,
    /// The box asks for itself: to the origin it is another connection, from the client's address.
    Intercept,
}

/// A connection that is being made.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send + 'a>>;

/// How the box reaches an origin: lab origins and loopback addresses that the scenario names, nothing else.
pub trait Dial: Send + Sync {
    /// Connects to the arrival's destination.
    fn dial<'a>(&'a self, arrival: &'a Arrival, purpose: Purpose) -> Dialling<'a>;
}
