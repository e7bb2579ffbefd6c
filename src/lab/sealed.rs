//! The sealed network's ground: namespaces around the box, origins and resolvers inside and outside, the wire in between.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::net::TcpStream;

use crate::client::{ChildHandle, Ground as HostFiles, NameService, Pipes, Surroundings};
use crate::error::Error;
use crate::middlebox::Middlebox;
use crate::middlebox::packets::{OnTheWire, Packets};
use crate::network::listen::Listener;
use crate::network::resolver::{self, AddressedUdp, Resolver};
use crate::network::sealed::{
    self, At, ClientAddresses, Divert, Ended, Entered, HostLoopback, Sealed, SealedChild, SpawnSpec, Stdio, Topology,
};
use crate::network::wire::{self, Commander, LinkId, Links, Watch, Wire};
use crate::network::{Arrival, Dial, Dialling, Purpose};
use crate::record::Recorder;
use crate::scenario::{Place, Plan, Serve, Vantage};

/// The sealed network of one lab.
#[derive(Debug)]
pub(super) struct SealedGround {
    sealed: Arc<Sealed>,
    host_files: HostFiles,
    resolvers: Vec<IpAddr>,
    recorder: Recorder,
    host: HostLoopback,
    /// Servers of the user's own that the scenario names: the only addresses of the host that are dialled.
    named: HashSet<SocketAddr>,
    commander: OnceLock<Commander>,
    packets: OnceLock<Arc<Packets>>,
    wire: OnceLock<Wire>,
    watch: Mutex<Option<Watch>>,
}

impl SealedGround {
    /// Lays the network out as the plan says.
    pub(super) fn build(entered: &Entered, plan: &Plan, recorder: Recorder) -> Result<Self, Error> {
        let of = |place| plan.sites_at(place).flat_map(|site| site.addresses.clone()).collect::<Vec<_>>();
        let mut inside_sites = of(Place::Inside);
        inside_sites.extend(&plan.world.isp_resolver);
        inside_sites.sort_unstable();
        inside_sites.dedup();
        let topology = Topology {
            hops_inside: plan.network.hops_inside,
            hops_outside: plan.network.hops_outside,
            ipv6: plan.network.ipv6,
            inside_sites,
            outside_sites: of(Place::Outside),
            diverted: plan.diverted_ports().into_iter().map(|(transport, port)| Divert { transport, port }).collect(),
        };
        let sealed = Sealed::build(entered, &topology).map_err(|e| Error::machine("build the sealed network", e))?;
        let own_env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let mut resolvers = plan.world.isp_resolver.clone();
        resolvers.retain(|address| plan.network.ipv6 || address.is_ipv4());
        Ok(Self {
            sealed: Arc::new(sealed),
            host_files: HostFiles::look(&own_env),
            resolvers,
            recorder,
            host: entered.host(),
            named: loopback_servers(plan),
            commander: OnceLock::new(),
            packets: OnceLock::new(),
            wire: OnceLock::new(),
            watch: Mutex::default(),
        })
    }

    /// Opens the listeners of every port of the world, and hands them out to be served.
    pub(super) fn listeners(&self, plan: &Plan) -> Result<Vec<(Place, Listener)>, Error> {
        let mut ports: Vec<(Place, u16)> =
            plan.world.sites.iter().flat_map(|site| site.services.iter().map(|s| (site.place, s.port))).collect();
        ports.sort_unstable_by_key(|(place, port)| (*place == Place::Outside, *port));
        ports.dedup();
        ports.into_iter().map(|(place, port)| Ok((place, self.listener(place, port)?))).collect()
    }

    /// Opens the datagram sockets of sites that speak HTTP/3, and hands them out to be served.
    #[cfg(feature = "http3")]
    pub(super) fn quic_sockets(&self, plan: &Plan) -> Result<Vec<(Place, std::net::UdpSocket)>, Error> {
        let quick = |site: &crate::scenario::Site| {
            let ports = site.services.iter().filter(|s| matches!(s.serve, Serve::Https { http3: true, .. })).map(|s| s.port);
            ports.map(|port| (site.place == Place::Outside, port)).collect::<Vec<_>>()
        };
        let ports: std::collections::BTreeSet<_> = plan.world.sites.iter().flat_map(quick).collect();
        let open = |(outside, port)| {
            let place = if outside { Place::Outside } else { Place::Inside };
            let failed = |e| Error::machine(format!("open UDP port {port} {place:?} for HTTP/3"), e);
            Ok((place, self.sealed.bind_plain_udp(place, port).map_err(failed)?))
        };
        ports.into_iter().map(open).collect()
    }

    /// Serves names: the ISP's resolver inside, everybody else's outside.
    pub(super) fn serve_names(&self, resolver: &Resolver) -> Result<Vec<tokio::task::JoinHandle<()>>, Error> {
        let mut tasks = Vec::new();
        for place in [Place::Inside, Place::Outside] {
            let socket = self.sealed.bind_udp(place, DNS).map_err(|e| Error::machine("open the resolver's UDP port", e))?;
            let socket = AnyUdp::new(socket).map_err(|e| Error::machine("watch the resolver's UDP port", e))?;
            tasks.push(resolver::serve_udp(socket, resolver.clone()));
            tasks.push(resolver::serve_tcp(self.listener(place, DNS)?, resolver.clone()));
        }
        Ok(tasks)
    }

    fn listener(&self, place: Place, port: u16) -> Result<Listener, Error> {
        let tried = || format!("listen on port {port} {place:?}");
        let socket = self.sealed.listen_tcp(place, port).map_err(|e| Error::machine(tried(), e))?;
        let socket = tokio::net::TcpListener::from_std(socket).map_err(|e| Error::machine(tried(), e))?;
        Ok(Listener::transparent(socket))
    }

    /// Puts the box on the wire.
    pub(super) fn start_wire(&self, middlebox: Arc<Middlebox>) -> Result<(), Error> {
        let packets = Arc::new(Packets::new(middlebox, tokio::runtime::Handle::current()));
        let links = self.sealed.wire_links();
        let id = |link: &sealed::WireLink| LinkId { index: link.index, mac: link.mac };
        let links = Links { d1: id(&links.d1), d0_mac: links.d0.mac, h1: id(&links.h1), h0_mac: links.h0.mac };
        let handler = Arc::new(OnTheWire(Arc::clone(&packets)));
        let (wire, commander) =
            Wire::start(links, handler, wire::Options::default()).map_err(|e| Error::machine("put the box on the wire", e))?;
        packets.connect(commander.clone());
        let _ = self.commander.set(commander); // a ground has one wire
        let _ = self.packets.set(packets);
        let _ = self.wire.set(wire);
        Ok(())
    }

    /// Listens on both sides of the box, if the record keeps what crosses it.
    pub(super) fn start_watch(&self) -> Result<(), Error> {
        let Some(keep) = self.recorder.kept() else { return Ok(()) };
        let watch = Watch::start(&self.sealed.box_links(), keep.capture().clone());
        let watch = watch.map_err(|e| Error::machine("listen on the box's links", e))?;
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        Ok(())
    }

    /// Stops listening; what passed so far is in the capture.
    pub(super) fn stop_watch(&self) {
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Flows that are not over: as the wire knows them, and as the box does.
    pub(super) fn open_flows(&self) -> (usize, usize) {
        (self.commander.get().map_or(0, Commander::live), self.packets.get().map_or(0, |packets| packets.open_flows()))
    }

    /// Where roots and policies lie on this machine.
    pub(super) fn host_files(&self) -> &HostFiles {
        &self.host_files
    }

    /// Addresses for the next client.
    pub(super) fn reserve(&self, vantage: Vantage) -> ClientAddresses {
        self.sealed.reserve(vantage)
    }

    /// Starts a client.
    pub(super) async fn start(
        &self,
        (addresses, vantage): (ClientAddresses, Vantage),
        program: &Path,
        argv: &[String],
        surroundings: &Surroundings,
        terminal: bool,
        names: &Path,
    ) -> Result<Client, Error> {
        let spec = SpawnSpec {
            argv: std::iter::once(program.as_os_str().to_owned()).chain(argv[1..].iter().map(OsString::from)).collect(),
            env: surroundings.env.clone(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            binds: surroundings.overlays.iter().map(|o| (o.source.clone(), o.target.clone())).chain(name_files(names)).collect(),
            covers: Vec::new(),
            nameservers: if vantage == Vantage::Inside { self.resolvers.clone() } else { vec![ABROAD] },
            stdio: if terminal { Stdio::Inherit } else { Stdio::Piped },
        };
        let sealed = Arc::clone(&self.sealed);
        let spawned = tokio::task::spawn_blocking(move || sealed.spawn(addresses, spec)).await;
        let child = spawned.map_err(|e| Error::Bug(e.to_string()))?.map_err(|e| Error::Machine(e.to_string()))?;
        Ok(Client(child))
    }

    /// A way to reach a loopback port of a program that runs where sites are, or of a server on the host that the scenario names.
    pub(super) fn dial_program(self: &Arc<Self>, place: Place) -> crate::origin::Dial {
        let ground = Arc::clone(self);
        Arc::new(move |address: SocketAddr| {
            let ground = Arc::clone(&ground);
            Box::pin(async move {
                if ground.named.contains(&address) {
                    return ground.host.dial(address).await;
                }
                let at = if place == Place::Inside { At::Inside } else { At::Outside };
                let dialled = tokio::task::spawn_blocking(move || {
                    ground.sealed.run_in(at, move || std::net::TcpStream::connect_timeout(&address, DIAL))
                });
                let stream = dialled.await.map_err(io::Error::other)???;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                TcpStream::from_std(stream)
            })
        })
    }

    /// The sealed network itself.
    pub(super) fn network(&self) -> &Arc<Sealed> {
        &self.sealed
    }
}

impl Dial for SealedGround {
    fn dial<'a>(&'a self, arrival: &'a Arrival, _: Purpose) -> Dialling<'a> {
        Box::pin(async move {
            let socket = self.sealed.box_socket_as(arrival.client.ip(), arrival.destination)?;
            let own = own_address(&socket, arrival)?;
            self.recorder.alias((own, arrival.destination), arrival.id);
            if let Some(commander) = self.commander.get() {
                commander.own_flow(own, arrival.destination);
            }
            let stream =
                tokio::net::TcpSocket::from_std_stream(std::net::TcpStream::from(socket)).connect(arrival.destination).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }
}

/// The socket's own address. Where the kernel chooses the port at connect only, it is made to choose now.
fn own_address(socket: &socket2::Socket, arrival: &Arrival) -> io::Result<SocketAddr> {
    let own = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("the box's socket has no address"))?;
    if own.port() == 0 {
        return Err(io::Error::other(format!("the box's socket towards {} has no port", arrival.destination)));
    }
    Ok(crate::network::listen::unmap(own))
}

/// A client, or a server of the user's own, in the sealed network, as the watcher wants it.
#[derive(Debug)]
pub(super) struct Client(SealedChild);

impl From<SealedChild> for Client {
    fn from(child: SealedChild) -> Self {
        Self(child)
    }
}

impl ChildHandle for Client {
    fn pipes(&mut self) -> Pipes {
        let open = |pipe: Option<io::PipeReader>| {
            let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe?.into()).ok()?;
            Some(Box::new(pipe) as Box<dyn tokio::io::AsyncRead + Send + Unpin>)
        };
        Pipes { stdout: open(self.0.stdout.take()), stderr: open(self.0.stderr.take()), stdin: None }
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        Ok(match self.0.wait().await {
            Ended::Code(code) => ExitStatus::from_raw((code & 0xff) << 8),
            Ended::Signal(signal) => ExitStatus::from_raw(signal),
        })
    }

    fn kill_tree(&mut self) {
        self.0.kill();
    }
}

/// The resolver's socket: answers from the address that was asked. The same socket twice: to wait with, and to use.
struct AnyUdp(tokio::net::UdpSocket, std::net::UdpSocket);

impl AnyUdp {
    fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let same = socket.try_clone()?;
        Ok(Self(tokio::net::UdpSocket::from_std(socket)?, same))
    }
}

impl AddressedUdp for AnyUdp {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<resolver::Datagram> {
        let got = self.0.async_io(tokio::io::Interest::READABLE, || sealed::receive(&self.1, buffer)).await?;
        Ok(resolver::Datagram { length: got.length, client: got.peer, asked: SocketAddr::new(got.local, DNS) })
    }

    async fn send(&self, bytes: &[u8], from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        self.0.async_io(tokio::io::Interest::WRITABLE, || sealed::send(&self.1, bytes, from.ip(), to)).await.map(|_| ())
    }
}

fn loopback_servers(plan: &Plan) -> HashSet<SocketAddr> {
    let services = plan.world.sites.iter().flat_map(|site| &site.services);
    services
        .filter_map(|service| match service.serve {
            Serve::Loopback { address } => Some(address),
            _ => None,
        })
        .collect()
}

/// Writes the name service files that every client of the sealed network sees.
pub(super) fn write_names(folder: &Path) -> io::Result<()> {
    let names = NameService::of(&[]);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("nsswitch.conf"), names.nsswitch_conf)?;
    std::fs::write(folder.join("hosts"), names.hosts)
}

fn name_files(folder: &Path) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    ["nsswitch.conf", "hosts"].into_iter().map(move |name| (folder.join(name), Path::new("/etc").join(name)))
}

const DNS: u16 = 53;
/// Whom a client abroad asks for names: the lab answers on every address. Its questions do not cross the box.
const ABROAD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8));
/// A program of the lab's own listens or it does not.
const DIAL: std::time::Duration = std::time::Duration::from_secs(5);
