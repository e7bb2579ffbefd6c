//! The origin: TLS on loopback or in the lab, `GET /n/BYTES` answers that many bytes. No tickets, HTTP/1.1.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Outcome;

/// Serves until it is killed.
pub(crate) fn serve(port: &str, chain: &str, key: &str) -> Outcome<()> {
    let chain = CertificateDer::pem_file_iter(chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let port: u16 = port.parse()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = answer(stream).await;
                }
            });
        }
    })
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Outcome<()> {
    let body = vec![b'x'; 64 * 1024];
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head);
        let asked = text.split_whitespace().nth(1).and_then(|path| path.rsplit('/').next()).and_then(|n| n.parse().ok());
        let mut left: usize = asked.unwrap_or(2);
        let mut piece = format!("HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n").into_bytes();
        let first = left.min(8192);
        piece.extend_from_slice(&body[..first]);
        left -= first;
        stream.write_all(&piece).await?;
        while left > 0 {
            let count = left.min(body.len());
            stream.write_all(&body[..count]).await?;
            left -= count;
        }
        stream.flush().await?;
        head.clear();
    }
}
