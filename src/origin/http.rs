//! HTTP/1.1 and HTTP/2 for every site, above TLS or without it.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::accept::{Visit, drain};
use super::answer::{self, Seen};
use super::body::Page;
use crate::tls::Counts;
use crate::tls::{Ended, classify_any};

/// Serves a connection without TLS.
pub(super) async fn serve_plain(visit: &Visit, stream: TcpStream, first: Vec<u8>) {
    let stream = visit.witness.plain(stream, first);
    converse(visit, stream, Seen { default_name: None, tls: None, seat: Default::default() }).await;
    visit.witness.end(Counts::Plain);
}

/// Plain HTTP on a TLS port: told so, as common servers do.
pub(super) async fn wrong_port(visit: &Visit, stream: TcpStream, first: Vec<u8>) {
    let mut stream = visit.witness.plain(stream, first);
    let answered = async {
        stream.write_all(WRONG_PORT).await?;
        stream.shutdown().await
    };
    if tokio::time::timeout(visit.origins.patience.hello, answered).await.is_ok_and(|r| r.is_ok()) {
        drain(visit, &mut stream).await;
    }
    visit.witness.end(Counts::Plain);
}

const WRONG_PORT: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 48\r\n\
connection: close\r\n\r\nplain HTTP was sent to a port that speaks HTTPS\n";

/// Answers requests until one side ends it, or nothing moves for too long.
pub(super) async fn converse<S>(visit: &Visit, stream: S, seen: Seen)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A client that has said all it wants may close its direction and still read the answer.
    builder.http1().half_close(true).timer(TokioTimer::new()).header_read_timeout(visit.origins.patience.idle);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MOST_STREAMS);
    let seen = Arc::new(seen);
    let service = service_fn(|request: Request<Incoming>| {
        let (visit, seen) = (visit.clone(), Arc::clone(&seen));
        async move { Ok::<Response<Page>, Infallible>(answer::answer(&visit, &seen, request).await) }
    });
    let serving = async {
        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await?;
        let seat = seen.seat.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(seat) = seat {
            seat.sit().await;
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    };
    tokio::select! {
        result = serving => if let Err(error) = result {
            // Ends that the stream saw are in the record already; this tells HTTP's own complaints.
            if let other @ Ended::Other(_) = classify_any(error.as_ref()) {
                visit.witness.ended(&other);
            }
        },
        () = visit.witness.raw().idle(visit.origins.patience.idle) => visit.witness.ended(&Ended::Deadline),
    }
}

/// True if the bytes begin a request line, or the preface of HTTP/2.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| bytes.starts_with(method) || (!bytes.is_empty() && method.starts_with(bytes)))
}

const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI * HTTP/2.0"];
/// As common servers allow.
const MOST_STREAMS: u32 = 128;
