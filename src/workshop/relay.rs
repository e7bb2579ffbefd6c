//! Asking a participant's lab: the workshop adds the lab's token, which no browser ever sees.
//!
//! Only what a participant may do is passed on. Not a command of their own (`POST /v1/legs`): that would run any program of this machine
//! with the trainer's rights. Not rules, not the lab's end.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::child::Up;
use super::people::Joined;
use super::serve::App;
use crate::control::Problem;

/// Passes a request on, and the answer back, piece by piece as it comes.
pub(super) async fn relay(
    State(_): State<App>,
    Joined(participant): Joined,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let rest = uri.path().strip_prefix("/api/lab").unwrap_or_default();
    if !is_allowed(&method, rest) {
        let told = format!("a participant may not {method} `{}`", rest.chars().take(80).collect::<String>());
        return Err(Problem::new(StatusCode::FORBIDDEN, told));
    }
    if rest != EVENTS {
        participant.touch();
    }
    let up = participant.lab.up()?;
    let path = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let kept = |name: &HeaderName| headers.get(name).map(|value| (name.clone(), value.clone()));
    let passed = PASSED_ON.iter().filter_map(kept).collect();
    let answer = send(&up, method, &path, passed, body).await.map_err(silent)?;
    let (mut head, body) = answer.into_parts();
    let kind = head.headers.remove(header::CONTENT_TYPE);
    head.headers.clear();
    kind.map(|kind| head.headers.insert(header::CONTENT_TYPE, kind));
    Ok(Response::from_parts(head, Body::new(body)))
}

/// Asks the lab for something that the workshop itself wants to know.
pub(super) async fn ask<T: DeserializeOwned>(
    up: &Up,
    method: Method,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<T, Problem> {
    let body = if method == Method::GET { Vec::new() } else { serde_json::to_vec(body).unwrap_or_default() };
    let answer = send(up, method, path, HeaderMap::new(), body.into()).await.map_err(silent)?;
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let bytes = bytes.map_err(|e| Problem::failed(format!("the lab's answer broke off: {e}")))?.to_bytes();
    if !status.is_success() {
        return Err(serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem::new(status, "the lab refused")));
    }
    let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    serde_json::from_slice(bytes).map_err(|e| Problem::failed(format!("the lab's answer to `{path}` is not understood: {e}")))
}

/// Reads something of the lab.
pub(super) async fn get<T: DeserializeOwned>(up: &Up, path: &str) -> Result<T, Problem> {
    ask(up, Method::GET, path, &()).await
}

async fn send(up: &Up, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> io::Result<Response<Incoming>> {
    let stream = TcpStream::connect(up.address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection); // it ends with the answer's body, or when that is dropped
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::HOST, up.address.to_string()).header(header::AUTHORIZATION, format!("Bearer {}", up.token));
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(io::Error::other)?;
    sender.send_request(request).await.map_err(io::Error::other)
}

fn silent(error: io::Error) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, format!("your lab does not answer: {error}")).hint("start it again")
}

/// What a participant may ask the lab itself. `{}` stands for one part of a path.
fn is_allowed(method: &Method, path: &str) -> bool {
    let fits = |pattern: &str| {
        let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some("{}"), Some(part)) if is_plain(part) => {}
                (Some(wanted), Some(part)) if wanted == part => {}
                _ => return false,
            }
        }
    };
    ALLOWED.iter().any(|(allowed, pattern)| method.as_str() == *allowed && fits(pattern))
}

fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}

const EVENTS: &str = "/v1/events";

const ALLOWED: &[(&str, &str)] = &[
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/state"),
    ("GET", "/v1/scenario"),
    ("PUT", "/v1/phase"),
    ("GET", "/v1/clock"),
    ("PUT", "/v1/clock"),
    ("GET", "/v1/rules"),
    ("GET", "/v1/connections"),
    ("DELETE", "/v1/connections"),
    ("GET", "/v1/connections/{}"),
    ("GET", "/v1/connections/{}/chains"),
    ("GET", "/v1/verdict"),
    ("GET", "/v1/legs"),
    ("GET", "/v1/legs/{}"),
    ("GET", "/v1/certificates/{}"),
    ("GET", EVENTS),
];

const PASSED_ON: [HeaderName; 2] = [header::CONTENT_TYPE, HeaderName::from_static("last-event-id")];
/// Bytes of an answer that the workshop itself reads.
const MOST_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_no_rule_no_end() {
        for (method, path) in [
            (Method::POST, "/v1/legs"),
            (Method::POST, "/v1/stop"),
            (Method::POST, "/v1/rules"),
            (Method::GET, "/v1/environment"),
            (Method::DELETE, "/v1/legs/1"),
            (Method::GET, "/v1/connections/../legs"),
            (Method::GET, "/v1/connections/%2e%2e"),
            (Method::GET, "/v1/state/"),
            (Method::GET, "//v1/state"),
            (Method::GET, ""),
        ] {
            assert!(!is_allowed(&method, path), "{method} {path}");
        }
        assert!(is_allowed(&Method::GET, "/v1/connections/12/chains"));
        assert!(is_allowed(&Method::GET, "/v1/certificates/web+authority.pem"));
    }
}
