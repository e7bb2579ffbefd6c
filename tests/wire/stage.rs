//! The stage of the wire's trials: a client's side, a world whose every address answers, the wire between them, and a handler that
//! does what a trial has written down for the address that it dials.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mitmlab::network::sealed::{self, Divert, Entered, Sealed, SealedChild, SpawnSpec, Stdio, Topology, WireLink, WireLinks};
use mitmlab::network::wire::{
    Act, Commander, Flow, FlowEnd, FlowId, Handler, LinkId, Links, OnBytes, OnDatagram, OnOpen, Options, Wire,
};
use mitmlab::scenario::{Place, Transport, Vantage};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// Everything that a trial needs.
pub(crate) struct Stage {
    pub(crate) script: Arc<Script>,
    pub(crate) commander: Commander,
    pub(crate) options: Options,
    /// The next port of a client, below those that the kernel gives.
    ports: AtomicU16,
    _wire: Wire,
    _client: SealedChild,
    _entered: Entered,
}

/// Why this machine cannot show the trials.
pub(crate) struct Missing(pub(crate) String);

static SEALED: OnceLock<Sealed> = OnceLock::new();
/// The client's network namespace.
static CLIENT: OnceLock<File> = OnceLock::new();

/// What is done for an address, and what was seen.
#[derive(Default)]
pub(crate) struct Script {
    rules: Mutex<HashMap<IpAddr, Rule>>,
    log: Mutex<Log>,
    news: Condvar,
}

/// What is done with connections to an address.
#[derive(Clone)]
pub(crate) enum Rule {
    Open(OnOpen),
    /// Once the client's bytes are a whole hello (or for non-TLS: end in a newline).
    Then(Act),
    /// The same, answered with a hold; the trial resolves.
    Hold,
    /// At the server's first bytes.
    Spoke(Act),
    Datagram(OnDatagram),
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) held: Vec<(SocketAddr, FlowId)>,
    pub(crate) ended: Vec<(Flow, FlowEnd)>,
    pub(crate) overdue: Vec<SocketAddr>,
    pub(crate) residual: Vec<SocketAddr>,
    pub(crate) segments: HashMap<SocketAddr, u32>,
    /// At the origin, by the client's address: what came, and how it ended.
    pub(crate) origin: HashMap<SocketAddr, (Vec<u8>, Option<String>)>,
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(12);

impl Stage {
    /// Makes the network, the world and the wire. The process has one thread still, and its namespaces become the box's.
    pub(crate) fn set() -> Result<Self, Missing> {
        let sealed = sealed::enter().and_then(|entered| {
            let sealed = Sealed::build(&entered, &topology())?;
            Ok((entered, sealed))
        });
        let (entered, sealed) = sealed.map_err(|refused| Missing(refused.to_string()))?;
        let sealed = SEALED.get_or_init(|| sealed);
        let client = client(sealed);
        CLIENT.get_or_init(|| File::open(format!("/proc/{}/ns/net", client.init())).unwrap());
        let script = Arc::new(Script::default());
        world(sealed, &script).unwrap();
        let options = Options { hold_deadline: Duration::from_secs(2), ..Options::default() };
        let handler = Arc::new(Acting { script: script.clone() });
        let (wire, commander) = Wire::start(links(&sealed.wire_links()), handler, options).unwrap();
        Ok(Self { script, commander, options, ports: AtomicU16::new(10_000), _wire: wire, _client: client, _entered: entered })
    }

    /// A client's address that nobody else uses, for sockets of the box.
    pub(crate) fn client_address(&self, six: bool) -> IpAddr {
        let addresses = SEALED.get().unwrap().reserve(Vantage::Inside);
        if six { addresses.v6.unwrap().into() } else { addresses.v4.into() }
    }

    pub(crate) fn rule(&self, address: &str, rule: Rule) -> SocketAddr {
        let ip: IpAddr = address.parse().unwrap();
        self.script.rules.lock().unwrap_or_else(PoisonError::into_inner).insert(ip, rule);
        SocketAddr::new(ip, 443)
    }

    /// Waits until the log has what `find` looks for.
    pub(crate) fn wait<T>(&self, what: &str, mut find: impl FnMut(&mut Log) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.script.log.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = find(&mut log) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} within {PATIENCE:?}");
            log = self.script.news.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Connects from the client's place, and waits until the origin has accepted: it cannot tell of a connection that was reset
    /// before.
    pub(crate) fn dial(&self, to: SocketAddr) -> TcpStream {
        let stream = self.try_dial(to).unwrap();
        let client = stream.local_addr().unwrap();
        self.wait("connection at the origin", |log| log.origin.contains_key(&client).then_some(()));
        stream
    }

    /// From a port that no other connection of the stage has had: the kernel gives one port to connections to different sites, and
    /// the script tells connections apart by the client's address.
    pub(crate) fn try_dial(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let port = self.ports.fetch_add(1, Ordering::Relaxed);
        let from = SocketAddr::new(if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }, port);
        let stream: TcpStream = at_client(move || {
            let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
            socket.bind(&from.into())?;
            socket.connect_timeout(&to.into(), Duration::from_secs(3))?;
            std::io::Result::Ok(socket.into())
        })?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Runs curl at the client's place; its output and errors together.
    pub(crate) fn curl(&self, address: SocketAddr, name: &str, more: &[&str]) -> String {
        let resolve =
            format!("{name}:443:{}", if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() });
        let mut command = Command::new("curl");
        command.args(["-skv", "-m", "10", "--resolve", &resolve, &format!("https://{name}/")]).args(more);
        let out = at_client(move || command.output()).unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }

    /// What the origin got from `client`, once the connection ended there.
    pub(crate) fn at_origin(&self, client: SocketAddr) -> (Vec<u8>, String) {
        self.wait("end at the origin", |log| {
            let (bytes, end) = log.origin.get(&client)?;
            Some((bytes.clone(), end.clone()?))
        })
    }

    pub(crate) fn end_of(&self, client: SocketAddr) -> FlowEnd {
        self.wait("end of the flow", |log| Some(log.ended.iter().find(|(flow, _)| flow.client == client)?.1.clone()))
    }
}

/// Runs `work` on a thread of its own in the client's namespace.
pub(crate) fn at_client<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let enter = move || {
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(CLIENT.get().unwrap().as_fd(), kind).unwrap();
        work()
    };
    std::thread::spawn(enter).join().unwrap()
}

/// Switches off options of the client's kernel while `work` runs.
pub(crate) fn with_options_off<T>(off: &'static [&'static str], work: impl FnOnce() -> T) -> T {
    let set = |value: &'static str| {
        at_client(move || {
            for name in off {
                std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
            }
        });
    };
    set("0");
    let done = work();
    set("1");
    done
}

/// An IPv4 address as such: the world's listeners see it mapped.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A TLS server's configuration with a certificate for `name`.
pub(crate) fn tls(name: &str) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

/// Answers one request over TLS.
pub(crate) fn serve(stream: &mut (impl Read + Write), config: Arc<rustls::ServerConfig>, body: &str) -> std::io::Result<Vec<u8>> {
    let mut connection = rustls::ServerConnection::new(config).unwrap();
    let mut tls = rustls::Stream::new(&mut connection, stream);
    let mut request = vec![0; 4096];
    let got = tls.read(&mut request)?;
    request.truncate(got);
    write!(tls, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    tls.conn.send_close_notify();
    tls.flush()?;
    Ok(request)
}

/// A stream whose first bytes are known already.
pub(crate) struct Prefixed(pub(crate) Cursor<Vec<u8>>, pub(crate) TcpStream);

impl Read for Prefixed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => self.1.read(into),
            got => Ok(got),
        }
    }
}

impl Write for Prefixed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.1.flush()
    }
}

struct Acting {
    script: Arc<Script>,
}

impl Acting {
    fn rule(&self, address: SocketAddr) -> Option<Rule> {
        self.script.rules.lock().unwrap_or_else(PoisonError::into_inner).get(&address.ip()).cloned()
    }

    fn log(&self, note: impl FnOnce(&mut Log)) {
        note(&mut self.script.log.lock().unwrap_or_else(PoisonError::into_inner));
        self.script.news.notify_all();
    }
}

/// A whole hello, or a line.
fn complete(stream: &[u8]) -> bool {
    match stream {
        [22, _, _, high, low, rest @ ..] => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
        [22, ..] => false,
        _ => stream.contains(&b'\n'),
    }
}

impl Handler for Acting {
    fn opened(&self, flow: &Flow) -> OnOpen {
        match self.rule(flow.server) {
            Some(Rule::Open(answer)) => answer,
            _ => OnOpen::Pass,
        }
    }

    fn first_bytes(&self, flow: &Flow, stream: &[u8], segments: u32) -> OnBytes {
        if !complete(stream) {
            return OnBytes::More;
        }
        self.log(|log| {
            log.segments.insert(flow.client, segments);
        });
        match self.rule(flow.server) {
            Some(Rule::Then(act)) => OnBytes::Do(act),
            Some(Rule::Hold) => {
                self.log(|log| log.held.push((flow.client, flow.id)));
                OnBytes::Hold
            }
            _ => OnBytes::Do(Act::Pass),
        }
    }

    fn server_spoke(&self, flow: &Flow, _: &[u8]) -> OnBytes {
        match self.rule(flow.server) {
            Some(Rule::Spoke(act)) => OnBytes::Do(act),
            _ => OnBytes::More,
        }
    }

    fn taken(&self, _: &Flow, stream: TcpStream, prefix: Vec<u8>) {
        std::thread::spawn(move || {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let hello = prefix.first() == Some(&22);
            let mut stream = Prefixed(Cursor::new(prefix), stream);
            if hello {
                let _ = serve(&mut stream, tls("forged.test"), "from the box\n");
            } else {
                let mut line = vec![0; 65_536];
                let got = stream.read(&mut line).unwrap_or(0);
                if line.starts_with(b"echo\n") {
                    while let Ok(got @ 1..) = stream.read(&mut line) {
                        stream.write_all(&line[..got]).unwrap();
                    }
                } else {
                    let _ = stream.write_all(&[b"the box got ", &line[..got]].concat());
                }
            }
        });
    }

    fn not_taken(&self, flow: &Flow, error: std::io::Error) {
        eprintln!("not taken: {flow:?}: {error}");
    }

    fn overdue(&self, flow: &Flow) {
        self.log(|log| log.overdue.push(flow.client));
    }

    fn residual(&self, flow: &Flow) {
        self.log(|log| log.residual.push(flow.client));
    }

    fn datagram(&self, _: SocketAddr, to: SocketAddr, _: &[u8]) -> OnDatagram {
        match self.rule(to) {
            Some(Rule::Datagram(answer)) => answer,
            _ => OnDatagram::Pass,
        }
    }

    fn ended(&self, flow: &Flow, end: FlowEnd) {
        self.log(|log| log.ended.push((flow.clone(), end)));
    }
}

/// A program that only holds its network: the trials are threads beside it.
fn client(sealed: &Sealed) -> SealedChild {
    let spec = SpawnSpec {
        argv: ["sleep", "infinity"].map(Into::into).to_vec(),
        env: Vec::new(),
        cwd: "/".into(),
        binds: Vec::new(),
        covers: Vec::new(),
        nameservers: Vec::new(),
        stdio: Stdio::Piped,
    };
    sealed.spawn(sealed.reserve(Vantage::Inside), spec).unwrap()
}

/// The world: port 443 of every address. Echoes; where the last byte of the address is 2, speaks TLS; where it is 3, greets first;
/// where it is 4, waits for a word and sends `x` without end; where it is 5, listens only;
/// where it is 6, listens only and keeps nothing. Port 444 is the same, and not diverted.
fn world(sealed: &Sealed, script: &Arc<Script>) -> std::io::Result<()> {
    let config = tls("genuine.test");
    for port in [443, 444] {
        let listener = sealed.listen_tcp(Place::Outside, port)?;
        listener.set_nonblocking(false)?;
        let (script, config) = (script.clone(), config.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, config) = (script.clone(), config.clone());
                std::thread::spawn(move || origin(stream, &script, config));
            }
        });
    }
    let udp = sealed.bind_udp(Place::Outside, 443)?;
    udp.set_nonblocking(false)?;
    std::thread::spawn(move || {
        let mut datagram = [0; 2000];
        while let Ok(got) = sealed::receive(&udp, &mut datagram) {
            let _ = sealed::send(&udp, &[b"origin: ", &datagram[..got.length]].concat(), got.local, got.peer);
        }
    });
    Ok(())
}

/// Every address that a trial dials, abroad.
fn topology() -> Topology {
    let both = [Transport::Tcp, Transport::Udp];
    Topology {
        ipv6: true,
        outside_sites: SITES.iter().map(|site| site.parse().unwrap()).collect(),
        diverted: both.map(|transport| Divert { transport, port: 443 }).to_vec(),
        ..Topology::default()
    }
}

fn origin(mut stream: TcpStream, script: &Script, config: Arc<rustls::ServerConfig>) {
    let (Ok(client), Ok(here)) = (stream.peer_addr().map(plain), stream.local_addr().map(plain)) else { return };
    let note = |bytes: &[u8], end: Option<String>| {
        let mut log = script.log.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = log.origin.entry(client).or_default();
        entry.0.extend_from_slice(bytes);
        entry.1 = end;
        drop(log);
        script.news.notify_all();
    };
    note(&[], None);
    let last = match here.ip() {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(ip) => ip.octets()[15],
    };
    stream.set_nodelay(true).unwrap();
    let end = match last {
        2 => serve(&mut stream, config, "from the origin\n").map(|request| note(&request, None)).map(|()| "eof".to_owned()),
        4 if stream.read(&mut [0; 64]).is_err() => Err(ErrorKind::ConnectionReset.into()),
        4 => loop {
            if let Err(error) = stream.write_all(&[b'x'; 8192]) {
                break Err(error);
            }
        },
        _ => {
            if last == 3 {
                stream.write_all(b"220 hello\r\n").unwrap();
            }
            if last == 6 {
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
            echo(&mut stream, &note, last != 5)
        }
    };
    note(&[], Some(end.unwrap_or_else(|error| format!("{:?}", error.kind()))));
}

fn echo(stream: &mut TcpStream, note: &dyn Fn(&[u8], Option<String>), answer: bool) -> std::io::Result<String> {
    let mut buffer = vec![0; 65_536];
    loop {
        let got = stream.read(&mut buffer)?;
        if got == 0 {
            return Ok("eof".to_owned());
        }
        note(&buffer[..got.min(512)], None);
        if answer {
            stream.write_all(&buffer[..got])?;
        }
    }
}

fn links(links: &WireLinks) -> Links {
    let id = |link: &WireLink| LinkId { index: link.index, mac: link.mac };
    Links { d1: id(&links.d1), d0_mac: links.d0.mac, h1: id(&links.h1), h0_mac: links.h0.mac }
}

/// Where the world answers.
const SITES: &[&str] = &[
    "93.184.1.2",
    "93.184.2.1",
    "93.184.3.1",
    "93.184.4.1",
    "93.184.9.1",
    "93.184.9.6",
    "157.240.1.2",
    "157.240.2.5",
    "157.240.3.3",
    "157.240.4.3",
    "157.240.5.1",
    "157.240.6.1",
    "157.240.7.1",
    "157.240.8.1",
    "157.240.9.2",
    "157.240.10.1",
    "157.240.11.1",
    "157.240.12.1",
    "157.240.13.1",
    "157.240.13.100",
    "157.240.14.4",
    "157.240.15.1",
    "157.240.16.1",
    "157.240.17.1",
    "157.240.18.1",
    "157.240.19.1",
    "157.240.20.1",
    "157.240.21.4",
    "157.240.22.4",
    "157.240.23.1",
    "157.240.24.4",
    "157.240.25.4",
    "157.240.26.1",
    "157.240.27.1",
    "157.240.27.2",
    "157.240.28.1",
    "157.240.29.1",
    "157.240.30.10",
    "157.240.30.11",
    "157.240.30.12",
    "157.240.30.13",
    "2606:2800::1:1",
    "2606:2800::2",
    "2a03:2880::10:1",
    "2a03:2880::15:1",
    "2a03:2880::16:1",
    "2a03:2880::2",
    "2a03:2880::26:1",
    "2a03:2880::30:10",
    "2a03:2880::30:11",
    "2a03:2880::30:12",
    "2a03:2880::30:13",
    "2a03:2880::6:1",
];
