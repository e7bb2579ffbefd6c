//! A front door that stays open: an explicit proxy on loopback for clients that the lab does not start itself. What comes in
//! is a leg of its own, of the kind `free`: recorded, not judged.

use std::net::{Ipv4Addr, SocketAddr};

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Ground, Lab, front};
use crate::error::Error;
use crate::middlebox::standing::Standing;
use crate::record::LegId;
use crate::scenario::{Clock, Vantage};

/// What is in force behind a door.
#[derive(Clone, Debug)]
pub struct Door {
    /// Port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Phase in force, by index.
    pub phase: usize,
    /// The scenario's clock at the start.
    pub clock: OffsetDateTime,
    /// Where its clients stand.
    pub vantage: Vantage,
}

/// An open door. It closes when dropped, with every connection that came in by it.
#[derive(Debug)]
pub struct FrontDoor {
    address: SocketAddr,
    leg: LegId,
    serving: JoinHandle<()>,
}

impl Lab {
    /// Opens a front door. It accepts when this returns.
    ///
    /// # Errors
    /// The lab stands on the sealed network, which no client of the host can reach; or the port is taken.
    pub async fn front(&self, door: Door) -> Result<FrontDoor, Error> {
        if !matches!(self.ground(), Ground::Loopback(_)) {
            let text = "a proxy port is a thing of the proxy network; the sealed network has no way in from the host\nhint: `--network proxy`";
            return Err(Error::Usage(text.to_owned()));
        }
        let failed = |e| Error::machine(format!("listen on 127.0.0.1:{}", door.port), e);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, door.port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let leg = self.next_leg();
        let standing = Standing { phase: door.phase, clock: Clock::starting_at(door.clock), interference: true, coins: 0 };
        self.middlebox().standings().set(leg, standing);
        let serving = tokio::spawn(front::serve(self.shared(), listener, leg, door.vantage));
        Ok(FrontDoor { address, leg, serving })
    }
}

impl FrontDoor {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The leg that its connections belong to.
    pub fn leg(&self) -> LegId {
        self.leg
    }
}

impl Drop for FrontDoor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
