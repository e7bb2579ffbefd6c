//! From a URL to a TCP stream: the system's resolver, every address in turn, through the proxy if there is one.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};

use super::{Failure, Settings, Url};

/// Dials; tells the address that answered: the host's, or the proxy's. `connect` takes the place of the name's addresses and goes past the proxy.
pub(super) async fn dial(
    url: &Url,
    connect: Option<SocketAddr>,
    settings: &Settings,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let proxy = match connect {
        Some(_) => None,
        None => settings.proxy_for(url)?,
    };
    let found = match (connect, &proxy) {
        (Some(address), _) => vec![address],
        (None, Some(proxy)) => resolve(proxy, proxy.clone()).await?,
        (None, None) => addresses(url).await?,
    };
    let (mut stream, address) = first_that_answers(&found).await?;
    if let Some(proxy) = &proxy {
        open_way(&mut stream, url, proxy).await?;
    }
    Ok((stream, address))
}

/// The addresses of a URL's host. At least one.
pub(super) async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Failure> {
    match url.address() {
        Some(ip) => Ok(vec![SocketAddr::new(ip, url.port)]),
        None => resolve(&url.host, (url.host.clone(), url.port)).await,
    }
}

async fn resolve(host: &str, what: impl tokio::net::ToSocketAddrs) -> Result<Vec<SocketAddr>, Failure> {
    let failed = |source| Failure::Resolve { host: host.to_owned(), source };
    let found: Vec<_> = lookup_host(what).await.map_err(failed)?.take(MOST_ADDRESSES).collect();
    if found.is_empty() { Err(failed(io::Error::other("no address"))) } else { Ok(found) }
}

async fn first_that_answers(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = Failure::Connect { address: "no address".to_owned(), source: io::ErrorKind::NotFound.into() };
    for address in addresses {
        match TcpStream::connect(address).await.and_then(|s| s.set_nodelay(true).map(|()| s)) {
            Ok(stream) => return Ok((stream, *address)),
            Err(source) => last = Failure::Connect { address: address.to_string(), source },
        }
    }
    Err(last)
}

/// RFC 9110 section 9.3.6. The head is read byte by byte, so that nothing of the tunnel is taken with it.
async fn open_way(stream: &mut TcpStream, url: &Url, proxy: &str) -> Result<(), Failure> {
    let refused = |answer: String| Failure::Proxy { proxy: proxy.to_owned(), answer };
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let target = format!("{host}:{}", url.port);
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| refused(e.to_string()))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(refused(format!("answer's head is longer than {LONGEST_HEAD} bytes")));
        }
        head.push(stream.read_u8().await.map_err(|e| refused(format!("closed in its answer: {e}")))?);
    }
    let text = String::from_utf8_lossy(&head);
    let line = text.lines().next().unwrap_or_default();
    let status = line.split(' ').nth(1).unwrap_or_default();
    if status.len() == 3 && status.starts_with('2') { Ok(()) } else { Err(refused(line.to_owned())) }
}

const MOST_ADDRESSES: usize = 16;
const LONGEST_HEAD: usize = 16 * 1024;
