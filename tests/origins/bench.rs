//! What the tests share: a world on loopback, real clients, and a client that accepts anybody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mitmlab::network::listen::Listener;
use mitmlab::origin::{self, Origins};
use mitmlab::pki::PublicPki;
use mitmlab::record::{Connection, Recorder};
use mitmlab::scenario::{Cert, Clock, Place, Serve, Service, Site, World};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// A world with one HTTPS server on a port of its own, and its root in a file.
pub(crate) struct Bench {
    pub(crate) recorder: Recorder,
    pub(crate) pki: Arc<PublicPki>,
    pub(crate) world: Arc<World>,
    pub(crate) ports: HashMap<&'static str, u16>,
    root: tempfile::NamedTempFile,
    tasks: Vec<JoinHandle<()>>,
}

/// Every site of the bench has this address.
pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Drop for Bench {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Bench {
    /// Serves each site on its own port (they share an address), so that no name has to be resolved.
    pub(crate) async fn new(sites: Vec<(&'static str, Cert)>) -> Self {
        Self::serving(sites, |origins| origins).await
    }

    pub(crate) async fn serving(sites: Vec<(&'static str, Cert)>, knob: impl Fn(Origins) -> Origins) -> Self {
        Self::with_services(sites, knob, |_, serve| serve).await
    }

    /// Something else than a web page, where `instead` says so for a site's name.
    pub(crate) async fn with_services(
        sites: Vec<(&'static str, Cert)>,
        knob: impl Fn(Origins) -> Origins,
        instead: impl Fn(&str, Serve) -> Serve,
    ) -> Self {
        let clock = Clock::of_this_machine();
        let pki = PublicPki::new(&clock).expect("a PKI");
        let recorder = Recorder::new();
        let mut world = World::default();
        let (mut ports, mut listeners) = (HashMap::new(), Vec::new());
        for (name, cert) in sites {
            let listener = TcpListener::bind((HERE, 0)).await.expect("a listener");
            let port = listener.local_addr().expect("an address").port();
            let mut site = site(name, port, cert);
            for service in &mut site.services {
                service.serve = instead(name, service.serve.clone());
            }
            world.sites.push(site);
            ports.insert(name, port);
            listeners.push(listener);
        }
        let world = Arc::new(world);
        let origins = Arc::new(knob(Origins::new(Arc::clone(&world), Arc::clone(&pki), recorder.clone())));
        let serve = |listener| origin::serve(Listener::transparent(listener), Arc::clone(&origins));
        let tasks = listeners.into_iter().map(serve).collect();
        let root = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(root.path(), pki.roots_pem()).expect("written");
        Self { recorder, pki, world, ports, root, tasks }
    }

    pub(crate) fn root(&self) -> &str {
        self.root.path().to_str().expect("a path in UTF-8")
    }

    /// curl with the root given, its name resolved to the bench.
    pub(crate) async fn curl(&self, name: &str, path: &str, more: &[&str]) -> Output {
        let port = self.ports[name];
        let (url, resolve) = (format!("https://{name}:{port}{path}"), format!("{name}:{port}:{HERE}"));
        let mut args = vec!["-sS", "--max-time", "20", "--cacert", self.root(), "--resolve", &resolve];
        args.extend_from_slice(more);
        args.push(&url);
        run("curl", &args).await
    }

    /// The only connection, once it has ended.
    pub(crate) async fn only(&self) -> Connection {
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(self.recorder.wait(deadline, |all| all.len() == 1 && all[0].ended).await, "{:#?}", self.recorder.connections());
        self.recorder.connections().remove(0)
    }
}

pub(crate) fn site(name: &str, port: u16, cert: Cert) -> Site {
    let alpn = vec!["h2".to_owned(), "http/1.1".to_owned()];
    Site {
        names: vec![name.to_owned()],
        addresses: vec![HERE],
        asn: None,
        place: Place::Outside,
        services: vec![Service {
            port,
            serve: Serve::Https { pages: Some("bank".into()), alpn, hsts: true, tls: None, doh: false, http3: false },
        }],
        cert,
        ech: None,
    }
}

/// True if the program is here; says so if not, and the caller goes without it.
pub(crate) fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::path::Path::new(program).is_file() || std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("skipped: there is no `{program}` on this machine");
    }
    found
}

/// Runs a program to its end, at most 30 s, without the surroundings that flip verdicts.
pub(crate) async fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent");
    let output = tokio::time::timeout(Duration::from_secs(30), command.output()).await.expect("in time");
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The certificate faults, with the alert by which OpenSSL refuses each (none: it completes the handshake and hangs up).
pub(crate) fn faults() -> Vec<(&'static str, Cert, Option<u8>)> {
    vec![
        ("expired.test", Cert::Expired, Some(45)),
        ("not-yet.test", Cert::NotYetValid, Some(42)),
        ("wrong-host.test", Cert::WrongHost, None),
        ("self-signed.test", Cert::SelfSigned, Some(48)),
        ("untrusted-root.test", Cert::UntrustedRoot, Some(48)),
        ("missing-intermediate.test", Cert::MissingIntermediate, Some(48)),
    ]
}

/// Sends bytes (slowly, if asked) and reads to the end.
pub(crate) async fn raw(port: u16, bytes: &[u8], pause: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect((HERE, port)).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    for piece in bytes.chunks(if pause.is_zero() { bytes.len().max(1) } else { 1 }) {
        stream.write_all(piece).await.expect("sent");
        tokio::time::sleep(pause).await;
    }
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
    let _ = reading.await.expect("the server ends it"); // RST is an end, too
    answer
}

/// A ClientHello of rustls.
pub(crate) fn hello(name: &'static str, alpn: &[&[u8]]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name.try_into().expect("a name")).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a hello");
    bytes
}

/// The leaf that a server shows; nothing is checked.
pub(crate) async fn chain_shown(stream: TcpStream, name: &'static str) -> Vec<u8> {
    let (connector, name) = anybody(name);
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    let leaf = stream.get_ref().1.peer_certificates().expect("a chain")[0].to_vec();
    stream.shutdown().await.expect("closed");
    let _ = stream.read(&mut [0; 1]).await;
    leaf
}

/// A client that accepts anybody and resumes nothing.
pub(crate) fn anybody(name: &'static str) -> (tokio_rustls::TlsConnector, ServerName<'static>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    (tokio_rustls::TlsConnector::from(Arc::new(config)), name.try_into().expect("a name"))
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}
