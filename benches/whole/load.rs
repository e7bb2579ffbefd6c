//! The load client: `load handshakes|requests|bulk|idle COUNT ABREAST NAME ADDRESS ROOTS [PROXY]`. Prints operations, seconds, bytes.
//!
//! It verifies what it is shown against `ROOTS`, resumes nothing, and offers X25519 and P-256 only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Outcome;

/// Where to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    name: String,
    address: SocketAddr,
    proxy: Option<SocketAddr>,
    tls: TlsConnector,
}

impl Target {
    /// A target that is verified against the roots in a PEM file.
    pub(crate) fn new(name: &str, address: SocketAddr, roots: &str, proxy: Option<SocketAddr>) -> Outcome<Self> {
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(roots)? {
            store.add(root?)?;
        }
        let mut provider = default_provider();
        provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { name: name.to_owned(), address, proxy, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(&self) -> Outcome<TlsStream<TcpStream>> {
        let mut stream = TcpStream::connect(self.proxy.unwrap_or(self.address)).await?;
        stream.set_nodelay(true)?;
        if self.proxy.is_some() {
            let to = format!("{}:{}", self.name, self.address.port());
            stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await? == 0 || head.len() > 8192 {
                    return Err("the proxy hung up".into());
                }
            }
        }
        Ok(self.tls.connect(ServerName::try_from(self.name.clone())?, stream).await?)
    }

    /// One request on a connection; the bytes of its answer.
    pub(crate) async fn get(&self, stream: &mut TlsStream<TcpStream>, bytes: usize) -> Outcome<u64> {
        stream.write_all(format!("GET /n/{bytes} HTTP/1.1\r\nHost: {}\r\n\r\n", self.name).as_bytes()).await?;
        let (mut buffer, mut got, mut need) = (vec![0; 64 * 1024], 0, None);
        let mut head = Vec::new();
        while need.is_none_or(|need| got < need) {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Err("the answer ended early".into());
            }
            got += read as u64;
            if need.is_none() {
                head.extend_from_slice(&buffer[..read]);
                need = head.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at as u64 + 4 + bytes as u64);
            }
        }
        Ok(got)
    }

    /// So many operations, so many at once.
    pub(crate) async fn run(&self, mode: &str, count: u64, abreast: u64) -> Outcome<(f64, u64)> {
        let began = Instant::now();
        if mode == "bulk" {
            let mut stream = self.connect().await?;
            self.get(&mut stream, 2).await?;
            let began = Instant::now();
            let bytes = self.get(&mut stream, usize::try_from(count)?).await?;
            return Ok((began.elapsed().as_secs_f64(), bytes));
        }
        let left = Arc::new(AtomicU64::new(count));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..abreast {
            let (target, left, fresh) = (self.clone(), Arc::clone(&left), mode == "handshakes");
            tasks.spawn(async move {
                let mut stream = target.connect().await?;
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    target.get(&mut stream, if fresh { 2 } else { 1024 }).await?;
                    if fresh {
                        stream = target.connect().await?;
                    }
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok((began.elapsed().as_secs_f64(), 0))
    }
}

/// The command.
pub(crate) fn load(words: &[&str]) -> Outcome<()> {
    let &[mode, count, abreast, name, address, roots, ..] = words else {
        return Err("load MODE COUNT ABREAST NAME ADDRESS ROOTS [PROXY]".into());
    };
    let proxy = words.get(6).map(|proxy| proxy.parse()).transpose()?;
    let target = Target::new(name, address.parse()?, roots, proxy)?;
    let (count, abreast) = (count.parse()?, abreast.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (seconds, bytes) = runtime.block_on(target.run(mode, count, abreast))?;
    Ok(println!("{count} {seconds} {bytes}"))
}
