//! One GET over a ready stream, HTTP/1.1 or HTTP/2 as was negotiated. The body is read up to a bound.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, Url};

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) version: String,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Asks.
pub(super) async fn get<S>(stream: S, url: &Url, h2: bool) -> Result<Reply, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let failed = |e: hyper::Error| Failure::Http(chain(&e));
    if h2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(failed)?;
        let driver = tokio::spawn(connection);
        let request = request(url.to_string(), url, false)?;
        let reply = read(sender.send_request(request).await.map_err(failed)?).await;
        driver.abort();
        return reply;
    }
    let (mut sender, connection) = http1::handshake(io).await.map_err(failed)?;
    let driver = tokio::spawn(connection);
    let request = request(url.path.clone(), url, true)?;
    let reply = read(sender.send_request(request).await.map_err(failed)?).await;
    drop(sender);
    driver.abort();
    reply
}

fn request(target: String, url: &Url, host: bool) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut builder = Request::get(target).header(USER_AGENT, user_agent());
    if host {
        builder = builder.header(HOST, url.authority());
    }
    builder.body(Empty::new()).map_err(|e| Failure::Setting { what: format!("URL `{url}`"), reason: e.to_string() })
}

/// What the lab's own client calls itself.
pub(super) fn user_agent() -> &'static str {
    concat!("mitmlab/", env!("CARGO_PKG_VERSION"))
}

async fn read(mut response: Response<Incoming>) -> Result<Reply, Failure> {
    let mut body = Vec::new();
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|e| Failure::Http(chain(&e)))?;
        if let Some(data) = frame.data_ref() {
            body.extend(&data[..data.len().min(LONGEST_BODY - body.len())]);
        }
        if body.len() == LONGEST_BODY {
            break;
        }
    }
    Ok(Reply {
        status: response.status().as_u16(),
        version: format!("{:?}", response.version()),
        location: response.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned),
        body,
    })
}

fn chain(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Enough for a first line; a bound all the same.
pub(super) const LONGEST_BODY: usize = 64 * 1024;
