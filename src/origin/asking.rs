//! A request's body as the handlers read it: counted, its beginning kept where a recording asks for it. And from both heads and
//! both bodies, the exchange that the recording gets.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Buf as _, Frame, SizeHint};
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response};

use super::answer::Seen as Connection;
use super::body::{Page, Posted};
use crate::record::{BODY_AT_MOST, Content, Exchange, Mask};

/// The body.
#[derive(Debug)]
pub(super) struct Asking<B> {
    inner: B,
    seen: Seen,
}

/// What of it was read. Cheap to clone.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Read>>);

#[derive(Debug, Default)]
struct Read {
    bytes: u64,
    keeps: bool,
    kept: Vec<u8>,
}

impl Seen {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Posted> Body for Asking<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let mut read = self.seen.read();
            let whole = read.bytes == read.kept.len() as u64; // nothing after a gap
            read.bytes += data.remaining() as u64;
            if read.keeps && whole {
                let room = BODY_AT_MOST - read.kept.len().min(BODY_AT_MOST);
                let data = data.chunk();
                read.kept.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A request as it came, for the exchange.
#[derive(Debug)]
pub(super) struct Asked {
    mask: Mask,
    since: Instant,
    protocol: String,
    method: Method,
    url: String,
    masked: Vec<String>,
    headers: HeaderMap,
    body: Seen,
}

/// Wraps the body; what is kept of the request, if a recording (with this mask) asks for it.
pub(super) fn watched<B>(
    request: Request<B>,
    connection: &Connection,
    (host, protocol): (&str, &str),
    mask: Option<Mask>,
) -> (Request<Asking<B>>, Option<Asked>) {
    let (parts, inner) = request.into_parts();
    let body = Seen::default();
    body.read().keeps = mask == Some(Mask::Off);
    let asked = mask.map(|mask| {
        let scheme = if connection.tls.is_some() { "https" } else { "http" };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let (target, hidden) = mask.target(target);
        Asked {
            mask,
            since: Instant::now(),
            protocol: protocol.to_owned(),
            method: parts.method.clone(),
            url: format!("{scheme}://{host}{target}"),
            masked: hidden.then(|| "query".to_owned()).into_iter().collect(),
            headers: parts.headers.clone(),
            body: body.clone(),
        }
    });
    (Request::from_parts(parts, Asking { inner, seen: body }), asked)
}

impl Asked {
    /// The exchange, once the answer is made.
    pub(super) fn answered(self, response: &Response<Page>) -> Exchange {
        let Self { mask, since, protocol, method, url, mut masked, headers, body } = self;
        let mut fields = |headers: &HeaderMap| {
            let kept = headers.iter().map(|(name, value)| {
                let (value, hidden) = mask.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
                masked.extend(hidden.then(|| name.to_string()));
                (name.to_string(), value)
            });
            kept.collect::<Vec<_>>()
        };
        let (request_headers, response_headers) = (fields(&headers), fields(response.headers()));
        let read = body.read();
        let request_body = content(mask, read.bytes, Some(&read.kept), "request body", &mut masked);
        let bytes = response.body().size_hint().exact().unwrap_or_default();
        let response_body = content(mask, bytes, response.body().text(), "response body", &mut masked);
        Exchange {
            protocol,
            method: method.to_string(),
            url,
            request_headers,
            request_body,
            status: response.status().as_u16(),
            response_headers,
            response_body,
            took_us: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
            masked,
        }
    }
}

fn content(mask: Mask, bytes: u64, kept: Option<&[u8]>, what: &str, masked: &mut Vec<String>) -> Content {
    match kept {
        Some(kept) if mask == Mask::Off => Content::beginning(bytes, &kept[..kept.len().min(BODY_AT_MOST)]),
        _ => {
            masked.extend((bytes > 0 && mask == Mask::On).then(|| what.to_owned()));
            Content { bytes, ..Content::default() }
        }
    }
}
