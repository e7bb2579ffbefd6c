//! The event stream: server-sent events (WHATWG HTML section 9.2) with the record's numbers, resumable by `Last-Event-ID`.
//!
//! Nothing is queued for a reader: its task reads a few entries of the recorder at a time, and the next ones when these are
//! taken. A reader that stops costs its socket buffer. What was forgotten meanwhile is told as a `gap`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::body::Asked;
use super::handle::Handle;
use super::problem::Problem;
use super::serve::App;
use super::words::EventsQuery;

pub(super) const ABOUT: &str = "Events as they happen: `id` is the number, `event` the kind, `data` the JSON line of `events.jsonl`. \
    Resume with `Last-Event-ID` or `after`. A `gap` event says how many are no longer kept";

pub(super) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(app.streams()).try_acquire_owned() else {
        return Err(Problem::too_many("too many event streams are open").hint("close those that nobody reads"));
    };
    let after = match headers.get("last-event-id") {
        None => query.after,
        Some(text) => Some(
            text.to_str()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| Problem::bad_request("`Last-Event-ID` is no number of an event"))?,
        ),
    };
    let from = after.map_or(0, |after: u64| after.saturating_add(1));
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::spawn(feed(Arc::clone(app.handle()), from, sender, permit));
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, Body::new(Chunks(receiver))).into_response())
}

/// Writes for one reader until it is gone.
async fn feed(lab: Arc<dyn Handle>, mut next: u64, reader: mpsc::Sender<Bytes>, _permit: OwnedSemaphorePermit) {
    let mut text = String::from("retry: 1000\n\n");
    loop {
        let entries = lab.recorder().entries_after(next, ENTRIES_A_CHUNK);
        for entry in &entries {
            if entry.seq > next {
                text.push_str(&format!("event: gap\ndata: {{\"lost\":{}}}\n\n", entry.seq - next));
            }
            next = entry.seq + 1;
            let (Ok(line), Ok(kind)) = (serde_json::to_string(&**entry), serde_json::to_value(&entry.event)) else { continue };
            let kind = kind.get("event").and_then(|kind| kind.as_str()).unwrap_or("event").to_owned();
            text.push_str(&format!("id: {}\nevent: {kind}\ndata: {line}\n\n", entry.seq));
        }
        if text.is_empty() {
            text.push_str(":\n\n"); // tells that the stream lives, and finds out whether the reader does
        }
        if reader.send(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return;
        }
        if entries.is_empty() {
            tokio::select! {
                () = reader.closed() => return,
                () = lab.recorder().grown(next) => tokio::time::sleep(TOGETHER).await,
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    }
}

/// A body of chunks that come one by one.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// How long events are gathered once one has come: a thousand readers that are woken for each one would do nothing else.
const TOGETHER: Duration = Duration::from_millis(20);
/// Entries that are written at once.
const ENTRIES_A_CHUNK: usize = 32;
/// Chunks that wait for a reader.
const CHUNKS_AHEAD: usize = 2;
/// Proxies and browsers give a silent stream up after some 30 s.
const HEARTBEAT: Duration = Duration::from_secs(15);
