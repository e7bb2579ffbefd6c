//! A chat of the lab's own: WebSockets (RFC 6455) over HTTP/1.1 at `/room/NAME`.
//!
//! Two kinds. An *open* one trusts TLS alone: what a member says is sent to everybody in the room as it came, the sender included, who
//! knows by that that it was said. An *end-to-end* one carries octets from one member to the other and takes no text: what
//! they mean is between the two. Neither looks into a message; both keep them in memory alone, bounded, until the room is empty.
//!
//! Over HTTP/2 (RFC 8441) nothing is offered: the site speaks `http/1.1` only, as most chat servers do.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::accept::Visit;
use super::answer::{Seen, text};
use super::body::Page;
use super::page::site_name;
use crate::scenario::Site;

mod room;

use room::Member;
pub(super) use room::Rooms;

/// What the site offers in the handshake.
pub(super) fn alpn() -> &'static [String] {
    static ALPN: std::sync::LazyLock<[String; 1]> = std::sync::LazyLock::new(|| ["http/1.1".to_owned()]);
    ALPN.as_slice()
}

/// A member's place, from the answer that agrees to the upgrade on.
#[derive(Debug)]
pub(super) struct Seat {
    upgrade: OnUpgrade,
    member: Member,
    end_to_end: bool,
}

/// Answers a request at a chat: with an upgrade, or with a word on how to join.
pub(super) fn answer<B>(visit: &Visit, seen: &Seen, site: &Site, end_to_end: bool, mut request: Request<B>) -> Response<Page> {
    let Some(room) = room_of(request.uri().path()).map(str::to_owned) else {
        return text(StatusCode::OK, "a chat: join a room with a WebSocket at /room/NAME".to_owned());
    };
    let Some(accept) = asked_key(request.headers()).map(|key| derive_accept_key(key.as_bytes())) else {
        let mut response =
            text(StatusCode::UPGRADE_REQUIRED, "a room is joined with a WebSocket (RFC 6455, version 13)".to_owned());
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        return response;
    };
    let member = match visit.origins.rooms.enter((site_name(site), room), end_to_end) {
        Ok(member) => member,
        Err(full) => return text(StatusCode::SERVICE_UNAVAILABLE, full.to_string()),
    };
    let seat = Seat { upgrade: hyper::upgrade::on(&mut request), member, end_to_end };
    *seen.seat.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(seat);
    agreed(&accept)
}

fn agreed(accept: &str) -> Response<Page> {
    let mut response = Response::new(Page::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The key of a request for an upgrade (RFC 6455 section 4.2.1).
fn asked_key(headers: &HeaderMap) -> Option<&str> {
    let field = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrades = field(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let version = field(header::SEC_WEBSOCKET_VERSION) == Some(VERSION);
    field(header::SEC_WEBSOCKET_KEY).filter(|_| upgrades && version)
}

/// The name of a room: letters, digits, `-` and `_`.
fn room_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/room/")?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (!name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(good)).then_some(name)
}

impl Seat {
    /// Talks and listens until the member leaves.
    pub(super) async fn sit(mut self) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let limits = WebSocketConfig::default()
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE))
            .max_write_buffer_size(4 * LONGEST_MESSAGE)
            .write_buffer_size(0);
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
        loop {
            let step = tokio::select! {
                said = socket.next() => match said {
                    Some(Ok(message)) => self.member.say(message, self.end_to_end),
                    Some(Err(_)) | None => return, // the stream's own end, or a breach of the protocol that tungstenite has answered
                },
                heard = self.member.hear() => match heard {
                    Some(message) => match socket.send(message).await {
                        Ok(()) => Ok(()),
                        Err(_) => return,
                    },
                    None => Err((CloseCode::Policy, "too slow")),
                },
            };
            if let Err((code, reason)) = step {
                let _ = socket.close(Some(CloseFrame { code, reason: reason.into() })).await; // it may be gone
                let _ = tokio::time::timeout(LAST_WORD, async { while socket.next().await.is_some_and(|m| m.is_ok()) {} }).await;
                return;
            }
        }
    }
}

impl Member {
    /// Takes a message from the member. An error is why the connection is closed.
    fn say(&self, message: Message, end_to_end: bool) -> Result<(), (CloseCode, &'static str)> {
        match message {
            Message::Text(_) if end_to_end => Err((CloseCode::Unsupported, "members encrypt here: text is not taken")),
            Message::Text(_) | Message::Binary(_) => self.tell(message).map_err(|_| (CloseCode::Again, "too much at once")),
            _ => Ok(()), // pings and closes are answered by tungstenite
        }
    }
}

/// RFC 6455 section 4.1.
const VERSION: &str = "13";
/// Octets of a message.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Characters of a room's name.
const LONGEST_NAME: usize = 64;
/// How long a member may take to answer a close.
const LAST_WORD: Duration = Duration::from_secs(1);
