//! The small world of the client tests: an authority, a server that counts what it could decrypt, a proxy that takes notes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mitmlab::client::trust::spki_pin;
use rcgen::{BasicConstraints, CertificateParams, DnType, DnValue, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A root, and the key to sign with.
pub(crate) struct Root {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Root {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = ca(name);
        params.distinguished_name.push(DnType::CountryName, DnValue::PrintableString("KZ".try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A leaf for the test's names, and the intermediate that signed it.
    pub(crate) fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = ca("Test Intermediate");
        let intermediate = params.signed_by(&key, &self.issuer).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".into(), HOST.into(), "127.0.0.1".into()]).unwrap();
        dates(&mut params);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &issuer).unwrap();
        (vec![leaf.der().clone(), intermediate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    dates(&mut params);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn dates(params: &mut CertificateParams) {
    let now = time::OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - time::Duration::days(1), now + time::Duration::days(90));
    params.serial_number = Some(u64::from_be_bytes(std::array::from_fn(|n| (now.nanosecond() >> (n % 4)) as u8 & 0x7f)).into());
}

/// A server whose chain ends in the authority's root, and what it could decrypt.
pub(crate) struct Server {
    pub(crate) port: u16,
    application_bytes: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    pub(crate) pin: String,
}

impl Server {
    pub(crate) async fn start(authority: &Root) -> Self {
        let (chain, key) = authority.chain();
        let pin = spki_pin(&chain[0]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let application_bytes = Arc::new(AtomicU64::new(0));
        let count = application_bytes.clone();
        let connections = Arc::new(AtomicU64::new(0));
        let arrived = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                arrived.fetch_add(1, Ordering::SeqCst);
                let (acceptor, count) = (acceptor.clone(), count.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = vec![0; 16 * 1024];
                    let Ok(read @ 1..) = stream.read(&mut request).await else { return };
                    count.fetch_add(read as u64, Ordering::SeqCst);
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    let _ = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut request)).await;
                });
            }
        });
        Self { port, application_bytes, connections, pin }
    }

    pub(crate) fn accepted(&self) -> bool {
        self.application_bytes.swap(0, Ordering::SeqCst) > 0
    }

    /// A client that never dialled has refused nothing.
    pub(crate) fn contacted(&self) -> bool {
        self.connections.swap(0, Ordering::SeqCst) > 0
    }
}

/// A proxy that takes CONNECT for any name to one port here.
pub(crate) async fn proxy(to: u16) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let list = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let list = list.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                list.lock().unwrap().push(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned());
                if !head.starts_with(b"CONNECT") {
                    return;
                }
                let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
            });
        }
    });
    (address, asked)
}

/// The name that is asked of the proxy; no resolver knows it.
pub(crate) const HOST: &str = "bank.lab.test";
