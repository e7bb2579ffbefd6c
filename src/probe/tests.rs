//! The client and the detector against real TLS servers on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::client::{self, Answer};
use super::detector::{self, Finding, Report};
use super::{Failure, Settings, Signal};
use crate::client::trust::{pem, spki_pin};

struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn named(parts: &[(DnType, &str)]) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
        let key = KeyPair::generate().unwrap();
        Self { root: params.self_signed(&key).unwrap().der().clone(), issuer: Issuer::new(params, key) }
    }

    fn new(name: &str) -> Self {
        Self::named(&[(DnType::CommonName, name)])
    }

    fn leaf(&self, name: &str, days: (i64, i64)) -> Arc<CertifiedKey> {
        let (params, key) = leaf_params(name, days);
        certified(vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()], &key)
    }
}

fn leaf_params(name: &str, (from, to): (i64, i64)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now + time::Duration::days(from), now + time::Duration::days(to));
    (params, KeyPair::generate().unwrap())
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(chain, key))
}

/// One certificate for the listed name, another for every other name.
#[derive(Debug)]
struct ByName {
    listed: Arc<CertifiedKey>,
    other: Arc<CertifiedKey>,
    no_name: AtomicU64,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.server_name().is_none() {
            self.no_name.fetch_add(1, Ordering::SeqCst);
        }
        Some(if hello.server_name() == Some("localhost") { self.listed.clone() } else { self.other.clone() })
    }
}

struct Server {
    address: SocketAddr,
    application_bytes: Arc<AtomicU64>,
    certificates: Arc<ByName>,
    first_segment: Arc<AtomicU64>,
}

impl Server {
    async fn start(listed: Arc<CertifiedKey>) -> Self {
        Self::by_name(listed.clone(), listed).await
    }

    async fn by_name(listed: Arc<CertifiedKey>, other: Arc<CertifiedKey>) -> Self {
        let certificates = Arc::new(ByName { listed, other, no_name: AtomicU64::new(0) });
        let mut config = rustls::ServerConfig::builder_with_provider(super::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (bytes, first) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, segment) = (bytes.clone(), first.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), count.clone(), segment.clone()));
            }
        });
        Self { address, application_bytes: bytes, certificates, first_segment: first }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }
}

async fn serve(stream: TcpStream, acceptor: tokio_rustls::TlsAcceptor, count: Arc<AtomicU64>, segment: Arc<AtomicU64>) {
    let mut peeked = [0; 8192];
    let read = stream.peek(&mut peeked).await.unwrap_or(0);
    segment.store(read as u64, Ordering::SeqCst);
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let service =
            hyper::service::service_fn(|_| async { Ok::<_, std::convert::Infallible>(hyper::Response::new("two\n".to_owned())) });
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ =
            hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new()).serve_connection(io, service).await;
        return;
    }
    let mut request = [0; 4096];
    if let Ok(read @ 1..) = stream.read(&mut request).await {
        count.fetch_add(read as u64, Ordering::SeqCst);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n\nhello\nyou").await;
        let _ = stream.shutdown().await;
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Option<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    Some(path)
}

/// A store of these roots, as the environment would state it.
fn trusting(dir: &Path, roots: &[&Authority]) -> Settings {
    let text: String = roots.iter().map(|a| pem(&a.root)).collect();
    Settings { roots: write(dir, "roots.pem", &text), ..Settings::default() }
}

async fn ask(url: &str, more: &[&str], settings: &Settings) -> Result<Answer, Failure> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: client::Options,
    }
    let words = ["client", url].into_iter().chain(more.iter().copied());
    let line = <Line as clap::Parser>::parse_from(words);
    client::fetch(&line.options, settings.clone()).await
}

async fn look(url: &str, more: &[&str], settings: &Settings) -> Report {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: detector::Options,
    }
    let words = ["probe", url].into_iter().chain(more.iter().copied());
    let line = <Line as clap::Parser>::parse_from(words);
    detector::detect(&line.options, settings.clone()).await.unwrap()
}

fn names(report: &Report) -> Vec<&str> {
    report.signals.iter().map(|s: &Signal| s.name).collect()
}

const GOOD: (i64, i64) = (-1, 30);

#[tokio::test]
async fn the_client_tells_each_refusal_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (web, authority) = (Authority::new("Web"), Authority::new("Authority"));
    let server = Server::start(authority.leaf("localhost", GOOD)).await;
    let both = trusting(dir.path(), &[&web, &authority]);
    let answer = ask(&server.url(), &[], &both).await.unwrap();
    assert_eq!((answer.status, answer.first_line.as_str()), (200, "hello"));
    assert!(server.application_bytes.swap(0, Ordering::SeqCst) > 0);

    let code = |outcome: Result<Answer, Failure>| outcome.unwrap_err().exit_code();
    assert_eq!(code(ask(&server.url(), &["--pin", "AAAA"], &both).await), 90);
    assert!(ask(&server.url(), &["--pin", &format!("sha256//{}", answer.pin)], &both).await.is_ok());
    server.application_bytes.store(0, Ordering::SeqCst);
    let listed = format!("# blocked\n{}\n", spki_pin(&authority.root).unwrap());
    let blocked = Settings { blocklist: write(dir.path(), "blocked", &listed), ..both.clone() };
    assert_eq!(code(ask(&server.url(), &[], &blocked).await), 61);
    let only_web = trusting(dir.path(), &[&web]);
    assert_eq!(code(ask(&server.url(), &[], &only_web).await), 60);
    assert_eq!(server.application_bytes.load(Ordering::SeqCst), 0, "who refuses sends nothing");
    assert!(ask(&server.url(), &["--insecure"], &only_web).await.is_ok());
}

#[tokio::test]
async fn the_hello_is_as_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let web = Authority::new("Web");
    let server = Server::start(web.leaf("localhost", GOOD)).await;
    let settings = trusting(dir.path(), &[&web]);
    assert!(ask(&server.url(), &["--split-hello", "7"], &settings).await.is_ok());
    assert_eq!(server.first_segment.load(Ordering::SeqCst), 7);
    assert!(ask(&server.url(), &["--no-sni", "--tls1.2"], &settings).await.is_ok());
    assert_eq!(server.certificates.no_name.load(Ordering::SeqCst), 1);
    let answer = ask(&server.url(), &["--http2"], &settings).await.unwrap();
    assert_eq!((answer.version.as_str(), answer.first_line.as_str()), ("HTTP/2.0", "two"));
    let address = server.address.to_string();
    assert!(ask("https://localhost/", &["--connect", &address, "--sni", "other.test"], &settings).await.is_ok());
}

/// A proxy that opens one way to a fixed address, and tells what it was asked.
async fn proxy(to: SocketAddr) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
        let mut upstream = TcpStream::connect(to).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
        String::from_utf8(head).unwrap()
    });
    (address, task)
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_name_and_not_for_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let web = Authority::new("Web");
    let key = web.leaf("bank.lab.test", GOOD);
    let server = Server::start(key).await;
    let (address, task) = proxy(server.address).await;
    let settings = Settings { proxy: Some(format!("http://{address}")), ..trusting(dir.path(), &[&web]) };
    assert_eq!(ask("https://bank.lab.test/", &[], &settings).await.unwrap().status, 200);
    assert!(task.await.unwrap().starts_with("CONNECT bank.lab.test:443 HTTP/1.1\r\nHost: bank.lab.test:443\r\n"));
}

#[tokio::test]
async fn a_control_address_shows_another_issuer() {
    let dir = tempfile::tempdir().unwrap();
    let (web, installed) = (Authority::new("Web"), Authority::new("Installed"));
    let settings = trusting(dir.path(), &[&web, &installed]);
    let genuine = Server::start(web.leaf("localhost", GOOD)).await;
    let forged = Server::start(installed.leaf("localhost", GOOD)).await;
    let control = genuine.address.to_string();
    let report = look(&forged.url(), &["--control", &control], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Intercepted, vec!["differs-from-control"]), "{report}");
    let report = look(&genuine.url(), &["--control", &control], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Clean, vec!["same-key"]), "{report}");
}

#[tokio::test]
async fn nobody_there_and_silence_are_told_apart_and_bounded() {
    let settings = Settings::default();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    assert_eq!(ask(&url, &["--max-time", "1"], &settings).await.unwrap_err().exit_code(), 28);
    drop(silent);
    assert_eq!(ask(&url, &[], &settings).await.unwrap_err().exit_code(), 7);
}

#[tokio::test]
async fn an_installed_root_is_told_from_a_public_one() {
    let dir = tempfile::tempdir().unwrap();
    let (web, authority) = (Authority::new("Web"), Authority::new("Authority"));
    let mut settings = trusting(dir.path(), &[&web, &authority]);
    settings.public_roots = write(dir.path(), "public.pem", &pem(&web.root));
    let forged = Server::start(authority.leaf("localhost", GOOD)).await;
    let report = look(&forged.url(), &[], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Intercepted, vec!["local-root"]), "{report}");
    assert!(report.trusted);
    assert_eq!(forged.application_bytes.load(Ordering::SeqCst), 0);
    assert_eq!(serde_json::to_value(&report).unwrap().pointer("/finding").unwrap(), "intercepted");

    let genuine = Server::start(web.leaf("localhost", GOOD)).await;
    let report = look(&genuine.url(), &[], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Clean, vec![]), "{report}");
}

#[tokio::test]
async fn a_box_that_goes_by_the_name_is_told_from_a_site_with_a_bad_root() {
    let dir = tempfile::tempdir().unwrap();
    let (web, unknown) = (Authority::new("Web"), Authority::new("Unknown"));
    let settings = trusting(dir.path(), &[&web]);
    let selective = Server::by_name(unknown.leaf("localhost", GOOD), web.leaf("localhost", GOOD)).await;
    let report = look(&selective.url(), &[], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Intercepted, vec!["depends-on-name"]), "{report}");
    let site = Server::start(unknown.leaf("localhost", GOOD)).await;
    let report = look(&site.url(), &[], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::NotSure, vec!["same-for-every-name"]), "{report}");
}

#[tokio::test]
async fn faults_of_the_site_are_no_interception() {
    let dir = tempfile::tempdir().unwrap();
    let web = Authority::new("Web");
    let settings = trusting(dir.path(), &[&web]);
    let (params, key) = leaf_params("localhost", GOOD);
    let own = certified(vec![params.self_signed(&key).unwrap().der().clone()], &key);
    for (certificate, sign) in
        [(web.leaf("localhost", (-30, -1)), "not-valid-now"), (web.leaf("other.test", GOOD), "other-name"), (own, "self-signed")]
    {
        let server = Server::start(certificate).await;
        let report = look(&server.url(), &[], &settings).await;
        assert_eq!(report.finding, Finding::BrokenSite, "{report}");
        assert!(names(&report).contains(&sign), "{report}");
    }
}

#[tokio::test]
async fn a_known_name_a_blocked_key_and_another_issuer_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let web = Authority::new("Web");
    let qaznet = Authority::named(&[(DnType::CountryName, "KZ"), (DnType::CommonName, "Qaznet Trust Network")]);
    let genuine = web.leaf("localhost", GOOD);
    let reference = write(dir.path(), "genuine.pem", &pem(&genuine.cert[0])).unwrap();
    let server = Server::start(qaznet.leaf("localhost", GOOD)).await;
    let report = look(&server.url(), &[], &trusting(dir.path(), &[&web])).await;
    assert_eq!(report.finding, Finding::Intercepted, "{report}");
    assert!(names(&report).contains(&"known-interception-name"));

    let plain = Authority::new("Plain");
    let server = Server::start(plain.leaf("localhost", GOOD)).await;
    let mut settings = trusting(dir.path(), &[&web, &plain]);
    let report = look(&server.url(), &["--reference", reference.to_str().unwrap()], &settings).await;
    assert_eq!((report.finding, names(&report)), (Finding::Intercepted, vec!["differs-from-reference"]), "{report}");
    settings.blocklist = write(dir.path(), "blocked", &spki_pin(&plain.root).unwrap());
    let report = look(&server.url(), &[], &settings).await;
    assert!(report.finding == Finding::Intercepted && names(&report).contains(&"blocked-key"), "{report}");
}

#[tokio::test]
async fn a_site_that_is_not_there_is_no_finding() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let report = look(&format!("https://{gone}/"), &[], &Settings::default()).await;
    assert_eq!(report.finding, Finding::Blocked);
    assert!(report.error.unwrap().contains("cannot connect"));
}
