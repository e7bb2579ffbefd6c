//! Requests of one HTTP/3 connection, answered as the site's other versions of HTTP are (RFC 9114 section 4.1).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use h3::error::Code;
use h3::server::RequestStream;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Buf, Bytes, Frame};
use hyper::{Request, Response};
use tokio::task::JoinSet;

use super::Visit;
use crate::origin::answer::{self, Seen};
use crate::origin::body::Page;

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// Answers until the client closes, or nothing moves for too long: QUIC's own deadline.
pub(super) async fn all(visit: &Visit, connection: quinn::Connection, seen: Seen) {
    let mut open = JoinSet::new();
    let seen = Arc::new(seen);
    let Ok(mut http) = h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(connection)).await else { return };
    while let Ok(Some(resolver)) = http.accept().await {
        while open.try_join_next().is_some() {}
        let (visit, seen) = (visit.clone(), Arc::clone(&seen));
        open.spawn(async move {
            if let Ok((request, stream)) = resolver.resolve_request().await {
                let _ = one(&visit, &seen, request, stream).await; // the client may be gone; the connection's end is told
            }
        });
    }
    while open.join_next().await.is_some() {}
}

async fn one(visit: &Visit, seen: &Seen, request: Request<()>, stream: Stream) -> Result<(), h3::error::StreamError> {
    visit.witness.app().add_read(length(&request));
    let (mut out, body) = stream.split();
    let body = Posted { stream: body, visit: visit.clone() };
    let (head, page) = answer::answer(visit, seen, request.map(|()| body)).await.into_parts();
    out.send_response(Response::from_parts(head, ())).await?;
    send(visit, &mut out, page).await?;
    out.finish().await
}

async fn send(
    visit: &Visit,
    out: &mut RequestStream<h3_quinn::SendStream<Bytes>, Bytes>,
    mut page: Page,
) -> Result<(), h3::error::StreamError> {
    while let Some(Ok(frame)) = page.frame().await {
        if let Ok(data) = frame.into_data() {
            visit.witness.app().add_written(data.len());
            out.send_data(data).await?;
        }
    }
    Ok(())
}

/// The octets of a request's head, before QPACK makes them fewer.
fn length(request: &Request<()>) -> usize {
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    fields + request.method().as_str().len() + request.uri().to_string().len()
}

/// The body of a request.
struct Posted {
    stream: RequestStream<h3_quinn::RecvStream, Bytes>,
    visit: Visit,
}

/// What was not read is not wanted (RFC 9114 section 4.1): another code would tell the client that its request has failed.
impl Drop for Posted {
    fn drop(&mut self) {
        self.stream.stop_sending(Code::H3_NO_ERROR);
    }
}

impl Body for Posted {
    type Data = Bytes;
    type Error = h3::error::StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = self.stream.poll_recv_data(cx).map(|read| match read {
            Ok(Some(mut data)) => Some(Ok(data.copy_to_bytes(data.remaining()))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        });
        polled.map(|read| {
            read.map(|read| {
                let data = read?;
                self.visit.witness.app().add_read(data.len());
                Ok(Frame::data(data))
            })
        })
    }
}
