//! Genuine servers of the lab's Internet: they answer for every site of the world, on one accept loop per port.
//!
//! The address that a client dialled and the name that it asks for (SNI, or Host) select the site; the port selects its
//! service. What a server sees is the truth of a run, so each connection's hello, chain, handshake, alerts, requests
//! and end go into the record as [`Observer::Origin`](crate::record::Observer::Origin), on the half that the recorder
//! knows these addresses by.
//!
//! ```text
//!  accept ──► first bytes ──► select(address, port, name) ─► https ─► http ─► page
//!                                                          ├► http ────────┘          └► dns (DoH)
//!                                                          ├► dns (DoT)
//!                                                          ├► https ─► chat: WebSockets
//!                                                          ├► mail: SMTP, IMAP, POP3 (where the server speaks first: at once)
//!                                                          └► relay to a program (Exec) or a server of the user's own
//! ```
//!
//! HTTP/3 comes by UDP and past this drawing: see `quic`.
//!
//! Every phase has a deadline, every read a cap; garbage and silence end in the record, never in a panic.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::network::listen::Listener;
use crate::network::resolver::Resolver;
use crate::pki::PublicPki;
use crate::record::Recorder;
use crate::scenario::{Cert, Place, Site, Vantage, World};

mod accept;
mod answer;
mod asking;
mod body;
mod chat;
mod dns;
mod exec;
mod first;
mod http;
mod https;
mod mail;
mod page;
mod portal;
#[cfg(feature = "http3")]
mod quic;
mod relay;
mod select;
mod shelf;

pub use exec::{ExecError, ExecFiles, Started};
#[doc(hidden)]
pub use mail::feed_mail;
pub use portal::Root;
#[cfg(feature = "http3")]
pub use quic::serve_http3;

/// Opens a connection to a server on the host's loopback, for [`Serve::Exec`](crate::scenario::Serve::Exec) and
/// [`Serve::Loopback`](crate::scenario::Serve::Loopback). In the sealed network the lab knows from which namespace.
pub type Dial = Arc<dyn Fn(SocketAddr) -> Pin<Box<dyn Future<Output = std::io::Result<TcpStream>> + Send>> + Send + Sync>;

/// A way to reach servers on the loopback of this process's own namespace, and nothing else.
pub fn loopback_dial() -> Dial {
    Arc::new(|address| Box::pin(relay::dial_loopback(address)))
}

/// All that the servers share. Set up once, then handed to every [`serve`].
#[derive(Clone)]
pub struct Origins {
    world: Arc<World>,
    pki: Arc<PublicPki>,
    recorder: Recorder,
    place: Option<Place>,
    shelf: Option<PathBuf>,
    vantage: Arc<dyn Fn(IpAddr) -> Vantage + Send + Sync>,
    forgiven: Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>,
    dial: Dial,
    programs: Arc<std::collections::HashMap<SocketAddr, SocketAddr>>,
    root: Root,
    patience: Patience,
    turns: Arc<AtomicUsize>,
    post: Arc<mail::PostOffice>,
    names: Option<Resolver>,
    rooms: Arc<chat::Rooms>,
}

/// How long a server waits.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For the first bytes, and for the handshake.
    hello: Duration,
    /// Between bytes after that.
    idle: Duration,
}

impl Origins {
    /// Servers for every site of the world, wherever it stands; pages from the built-in shelf.
    pub fn new(world: Arc<World>, pki: Arc<PublicPki>, recorder: Recorder) -> Self {
        Self {
            world,
            pki,
            recorder,
            place: None,
            shelf: None,
            vantage: Arc::new(|_| Vantage::Inside),
            forgiven: Arc::new(|_| false),
            dial: loopback_dial(),
            programs: Arc::default(),
            root: Arc::new(|_| Box::pin(async { None })),
            patience: Patience { hello: Duration::from_secs(10), idle: Duration::from_secs(60) },
            turns: Arc::default(),
            post: Arc::default(),
            names: None,
            rooms: Arc::default(),
        }
    }

    /// Serves only the sites that stand there; a connection for another one is reset, as if nobody listened.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// A folder of sites on disk; what is in it wins over the built-in shelf.
    #[must_use]
    pub fn with_sites(mut self, folder: impl Into<PathBuf>) -> Self {
        self.shelf = Some(folder.into());
        self
    }

    /// Where a client address stands, for connections that the origin sees first.
    #[must_use]
    pub fn with_vantage(mut self, vantage: impl Fn(IpAddr) -> Vantage + Send + Sync + 'static) -> Self {
        self.vantage = Arc::new(vantage);
        self
    }

    /// Whose connections are shown a good certificate even where a site's is bad: control legs, whose client must be able to succeed.
    #[must_use]
    pub fn with_forgiveness(mut self, forgiven: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) -> Self {
        self.forgiven = Arc::new(forgiven);
        self
    }

    /// Another way to reach servers on loopback.
    #[must_use]
    pub fn with_dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    /// Where the programs of [`Serve::Exec`](crate::scenario::Serve::Exec) listen: address that clients dial -> loopback address.
    #[must_use]
    pub fn with_programs(mut self, programs: std::collections::HashMap<SocketAddr, SocketAddr>) -> Self {
        self.programs = Arc::new(programs);
        self
    }

    /// The root that sites with the portal's pages offer.
    #[must_use]
    pub fn with_root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// The resolver behind DNS over TLS and over HTTPS.
    #[must_use]
    pub fn with_names(mut self, names: Resolver) -> Self {
        self.names = Some(names);
        self
    }

    /// Other deadlines: for the first bytes and the handshake (10 s), and between bytes (60 s).
    #[must_use]
    pub fn with_patience(mut self, hello: Duration, idle: Duration) -> Self {
        self.patience = Patience { hello, idle };
        self
    }
}

impl Origins {
    /// The site as this client is shown it: without its fault, if the client is forgiven; with one of several certificates.
    fn shown_to<'a>(&self, client: SocketAddr, site: &'a Site) -> Cow<'a, Site> {
        let with = |cert: Cert| Cow::Owned(Site { cert, ..site.clone() });
        match &site.cert {
            // The second of the two networks has the second connection.
            Cert::Cdn if self.turns.fetch_add(1, Ordering::Relaxed) % 2 == 1 => with(Cert::GoodRsa),
            Cert::Cdn => with(Cert::Good),
            Cert::Files { .. } => Cow::Borrowed(site),
            // The control leg comes before the renewal.
            cert if (!cert.is_good() || *cert == Cert::Rotated) && (self.forgiven)(client) => with(Cert::Good),
            _ => Cow::Borrowed(site),
        }
    }

    /// True if this client is spared what is wrong with a site.
    fn forgives(&self, client: SocketAddr) -> bool {
        (self.forgiven)(client)
    }
}

impl std::fmt::Debug for Origins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origins").field("sites", &self.world.sites.len()).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Serves every connection of a listener, until the handle is aborted; its connections end with it.
/// The service is selected by the address and port that the client dialled.
pub fn serve(listener: Listener, origins: Arc<Origins>) -> JoinHandle<()> {
    tokio::spawn(accept::all(listener, origins))
}
