//! The proxy network's ground: every origin on a loopback port of its own, one proxy port per leg, no namespace.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use crate::network::listen::{Dialled, Listener};
use crate::network::{Arrival, Dial, Dialling, Purpose};
use crate::record::Recorder;
use crate::scenario::{Place, Serve, World};

/// Where the origins are on loopback.
#[derive(Debug)]
pub(crate) struct Loopback {
    world: Arc<World>,
    dialled: Dialled,
    doors: HashMap<(Place, u16), SocketAddr>,
    recorder: Recorder,
}

impl Loopback {
    /// Opens a loopback listener for every place and port of the world, and hands them out to be served.
    pub(crate) async fn open(world: Arc<World>, recorder: Recorder) -> io::Result<(Self, Vec<(Place, u16, Listener)>)> {
        let dialled = Dialled::default();
        let mut doors = HashMap::new();
        let mut listeners = Vec::new();
        for site in &world.sites {
            for service in &site.services {
                let key = (site.place, service.port);
                if doors.contains_key(&key) {
                    continue;
                }
                let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                let listener = Listener::loopback(socket, dialled.clone());
                doors.insert(key, listener.local_addr()?);
                listeners.push((site.place, service.port, listener));
            }
        }
        Ok((Self { world, dialled, doors, recorder }, listeners))
    }

    /// Connects to the origin at `destination`. The origin sees `client`, or the box's own socket if none.
    async fn connect(
        &self,
        client: Option<SocketAddr>,
        destination: SocketAddr,
        name: Option<&str>,
        announce: impl FnOnce(SocketAddr),
    ) -> io::Result<TcpStream> {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nothing of the world listens there");
        let site = self
            .world
            .site(destination.ip(), name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::HostUnreachable, "no site of the world has this address"))?;
        let service = site.services.iter().find(|s| s.port == destination.port()).ok_or_else(refused)?;
        if let Serve::Loopback { address } = &service.serve {
            let stream = TcpStream::connect(own_loopback(*address)?).await?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        let door = self.doors.get(&(site.place, destination.port())).ok_or_else(refused)?;
        self.dialled.dial(*door, client, destination, announce).await
    }

    /// Connects a client that stands outside, or whose leg is without interference: nobody is in between.
    pub(crate) async fn connect_directly(&self, arrival: &Arrival) -> io::Result<TcpStream> {
        self.connect(Some(arrival.client), arrival.destination, arrival.asked.as_deref(), |_| {}).await
    }
}

impl Dial for Loopback {
    fn dial<'a>(&'a self, arrival: &'a Arrival, purpose: Purpose) -> Dialling<'a> {
        Box::pin(async move {
            match purpose {
                Purpose::Forward => self.connect_directly(arrival).await,
                Purpose::Intercept => {
                    let announce = |seen| self.recorder.alias((seen, arrival.destination), arrival.id);
                    self.connect(None, arrival.destination, arrival.asked.as_deref(), announce).await
                }
            }
        })
    }
}

/// The rule `loopback-only`: a server of the user's own may be dialled on loopback and nowhere else.
fn own_loopback(address: SocketAddr) -> io::Result<SocketAddr> {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Ok(address),
        IpAddr::V6(ip) if ip.is_loopback() => Ok(address),
        _ => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("rule `loopback-only`: mitmlab dials lab origins and loopback addresses, not {address}"),
        )),
    }
}
