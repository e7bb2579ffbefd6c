//! HTTP/3 as a client: QUIC first, as browsers that know a site's hint, and nothing of it where no answer comes.
//!
//! The certificate is checked as over TCP. What the caller does with a silence (fall back to TCP) is its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use h3::error::StreamError;
use hyper::body::{Buf as _, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;

use super::http::{LONGEST_BODY, Reply, user_agent};
use super::tls::{Hello, config, explain_tls};
use super::verify::{Manner, Shown};
use super::{Failure, Settings, Url, dial};

/// What came of it.
pub(super) enum Outcome {
    /// An answer over HTTP/3.
    Answer(Box<(Reply, Shown, SocketAddr)>),
    /// Nobody speaks QUIC there, or nobody is let: time for TCP.
    Silence(String),
}

/// Asks over HTTP/3.
///
/// # Errors
/// A check or a step that failed after the server had spoken: no reason to try another transport.
pub(super) async fn get(url: &Url, hello: &Hello, manner: Manner, settings: &Settings) -> Result<Outcome, Failure> {
    let address = match hello.connect {
        Some(address) => address,
        None => dial::addresses(url).await?[0],
    };
    let (mut tls, recording, _) = config(url, hello, manner, settings)?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(|e| Failure::Handshake(e.to_string()))?;
    let own: SocketAddr = if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let failed = |source| Failure::Connect { address: format!("udp {address}"), source };
    let mut endpoint = quinn::Endpoint::client(own).map_err(failed)?;
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    let name = hello.sni.as_deref().unwrap_or(&url.host);
    let connecting = endpoint.connect(address, name).map_err(|e| Failure::Handshake(e.to_string()))?;
    let connection = match timeout(PATIENCE, connecting).await {
        Err(_) => return Ok(Outcome::Silence(format!("no answer over QUIC within {} s", PATIENCE.as_secs()))),
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => match recording.shown() {
            // It has shown a certificate: whoever it is, it is there.
            Some(shown) => {
                endpoint.wait_idle().await; // so that the alert gets out
                return Err(explain_tls(&error.to_string(), Some(&shown)));
            }
            None => return Ok(Outcome::Silence(error.to_string())),
        },
    };
    let shown = recording.shown().ok_or_else(|| Failure::Handshake("the server showed no certificate".to_owned()))?;
    let reply = ask(connection.clone(), url).await.map_err(Failure::Http)?;
    connection.close(H3_NO_ERROR.into(), b"");
    let _ = timeout(LAST_WORD, endpoint.wait_idle()).await; // the close goes out, whether it is acknowledged or not
    Ok(Outcome::Answer(Box::new((reply, shown, address))))
}

async fn ask(connection: quinn::Connection, url: &Url) -> Result<Reply, String> {
    let words = |e: &dyn std::fmt::Display| e.to_string();
    let made = h3::client::new(h3_quinn::Connection::new(connection)).await;
    let (mut driver, mut sender) = made.map_err(|e| words(&e))?;
    let driving = tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    let request = hyper::Request::get(url.to_string()).header(hyper::header::USER_AGENT, user_agent());
    let request = request.body(()).map_err(|e| words(&e))?;
    let mut stream = sender.send_request(request).await.map_err(|e| words(&e))?;
    // A server that has all it wants may stop the request and answer all the same (RFC 9114 section 4.1).
    let finished = stream.finish().await;
    finished.or_else(|error| if matches!(error, StreamError::RemoteTerminate { .. }) { Ok(()) } else { Err(words(&error)) })?;
    let response = stream.recv_response().await.map_err(|e| words(&e))?;
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await.map_err(|e| words(&e))? {
        let data: Bytes = data.copy_to_bytes(data.remaining());
        body.extend(&data[..data.len().min(LONGEST_BODY - body.len())]);
        if body.len() == LONGEST_BODY {
            break;
        }
    }
    driving.abort();
    Ok(Reply {
        status: response.status().as_u16(),
        version: "HTTP/3.0".to_owned(),
        location: response.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned),
        body,
    })
}

/// How long a server may take for its first word. Browsers race TCP after some 300 ms; one that waits longer shows both.
const PATIENCE: Duration = Duration::from_secs(2);
const LAST_WORD: Duration = Duration::from_millis(500);
/// RFC 9114 section 8.1.
const H3_NO_ERROR: u32 = 0x0100;
