//! An entrance that stays open: an explicit proxy port for clients that somebody else starts. What holds for everyone holds behind it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::leg::AbortOnDrop;
use super::{Ground, Lab, front};
use crate::client::{Kind, Surroundings, preset_for};
use crate::error::Error;
use crate::record::LegId;
use crate::scenario::{Trust, Vantage};

/// An open proxy port (HTTP CONNECT, plain HTTP, SOCKS5). It closes when dropped, with every connection that came by it.
#[derive(Debug)]
pub struct Entrance {
    address: SocketAddr,
    leg: LegId,
    vantage: Vantage,
    _serving: AbortOnDrop,
}

impl Lab {
    /// Opens an entrance on loopback; `port` 0 for a free one. It accepts when this returns.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), mitmlab::error::Error> {
    /// use mitmlab::{lab::Lab, scenario::Vantage};
    ///
    /// let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await?;
    /// let entrance = lab.open(Vantage::Inside, 0).await?;
    /// println!("export HTTPS_PROXY=http://{}", entrance.address());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The lab is on the sealed network, which nothing of the host can enter; or the port is taken.
    pub async fn open(&self, vantage: Vantage, port: u16) -> Result<Entrance, Error> {
        if !matches!(self.ground(), Ground::Loopback(_)) {
            let told = "the sealed network has no way in from the host: clients are started in it\nhint: `--network proxy`";
            return Err(Error::Usage(told.to_owned()));
        }
        let failed = |e| Error::machine(format!("listen on 127.0.0.1:{port}"), e);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let leg = self.next_leg();
        let serving = AbortOnDrop(tokio::spawn(front::serve(self.shared(), listener, leg, vantage)));
        Ok(Entrance { address, leg, vantage, _serving: serving })
    }

    /// The variables that lead a client to an entrance and give it a trust, with the files that they name written.
    ///
    /// # Errors
    /// The trust store cannot be made or written.
    pub async fn environment(&self, entrance: &Entrance, trust: Trust) -> Result<Vec<(String, String)>, Error> {
        let name = format!("at-{}-{}", entrance.vantage, trust.as_str().replace('+', "-"));
        let store = self.lasting_store(trust).await?.in_leg(self.0.folder.path().join(name));
        let kind = Kind::Proxy { address: entrance.address };
        let surroundings = Surroundings::prepare(&kind, trust, &store, preset_for(&["sh".to_owned()]), &[]);
        surroundings.write_files().map_err(|e| Error::machine("write the clients' configuration", e))?;
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        Ok(surroundings.set.iter().map(|variable| (text(&variable.name), text(&variable.value))).collect())
    }
}

impl Entrance {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The leg that its connections belong to.
    pub fn leg(&self) -> LegId {
        self.leg
    }

    /// Where its clients stand.
    pub fn vantage(&self) -> Vantage {
        self.vantage
    }
}
