//! What the box can read of an intercepted conversation: of the web, the first request and its answer's status; of mail, the commands;
//! of XMPP, logins and messages; of a WebSocket, its frames.
//!
//! HTTP/1 (RFC 9112) is read; of HTTP/2 (RFC 9113) the record says that it was readable and how much. Secrets are named by kind and
//! length, never kept.

pub(in crate::middlebox) mod mail;
pub mod websocket;
mod xmpp;

use super::relay::Tap;
use super::sniff::{HttpHead, Protocol, Seen, Sniffed, sniff};
use crate::record::{ConnectionId, Event, Observer, Recorder, Request};
use crate::scenario::{First, MailProtocol};
use mail::MailTap;
use websocket::WebSocketTap;
use xmpp::XmppTap;

/// Reads along until the first request and its status are known.
pub struct HttpTap {
    recorder: Recorder,
    id: ConnectionId,
    by: Observer,
    protocol: Option<String>,
    up: Vec<u8>,
    request: Option<Request>,
    mail: Option<MailTap>,
    xmpp: Option<Box<XmppTap>>,
    socket: Option<WebSocketTap>,
    done: bool,
}

impl HttpTap {
    /// A tap that tells the record as `by`. `protocol` is the negotiated one.
    pub fn new(recorder: Recorder, id: ConnectionId, by: Observer, protocol: Option<String>) -> Self {
        Self { recorder, id, by, protocol, up: Vec::new(), request: None, mail: None, xmpp: None, socket: None, done: false }
    }

    /// A mail protocol is spoken, whatever the first bytes look like.
    #[must_use]
    pub fn speaking(mut self, protocol: Option<MailProtocol>) -> Self {
        self.mail = protocol.map(MailTap::new);
        self
    }

    fn tell(&mut self, status: Option<u16>) {
        if let Some(mut request) = self.request.take() {
            request.status = status;
            self.recorder.emit(self.id, Event::Request { by: self.by, request });
        }
        self.done = true;
        self.up = Vec::new();
    }
}

impl Tap for HttpTap {
    fn up(&mut self, bytes: &[u8]) {
        if let Some(mail) = &mut self.mail {
            return mail.up(bytes, &mut |request| self.recorder.emit(self.id, Event::Request { by: self.by, request }));
        }
        if let Some(xmpp) = &mut self.xmpp {
            return xmpp.up(bytes, &mut |request| self.recorder.emit(self.id, Event::Request { by: self.by, request }));
        }
        if let Some(socket) = &mut self.socket {
            return socket.up(bytes, &mut |frame| self.recorder.emit(self.id, Event::Frame { by: self.by, frame }));
        }
        if self.done || self.request.is_some() {
            return;
        }
        if self.up.len() + bytes.len() > MOST_HEAD {
            self.done = true;
            self.up = Vec::new();
            return;
        }
        self.up.extend_from_slice(bytes);
        if self.up.starts_with(H2_PREFACE) {
            self.request = Some(h2_request());
            self.tell(None);
            return;
        }
        if let Sniffed::Seen(seen) = sniff(&self.up, First::Stream) {
            match seen {
                Seen::Http(head) => {
                    self.socket = asks_for_websocket(&head).then(|| WebSocketTap::asked(&self.up[head.length..]));
                    self.request = Some(request(&head, self.protocol.as_deref()));
                }
                Seen::Plain { protocol } if protocol.mail().is_some() => self.mail = protocol.mail().map(MailTap::new),
                Seen::Plain { protocol: Protocol::Xmpp } => self.xmpp = Some(Box::default()),
                _ => self.done = true,
            }
            let first = std::mem::take(&mut self.up);
            if self.mail.is_some() || self.xmpp.is_some() {
                self.up(&first);
            }
        }
    }

    fn down(&mut self, bytes: &[u8]) {
        if let Some(mail) = &mut self.mail {
            return mail.down(bytes, &mut |request| self.recorder.emit(self.id, Event::Request { by: self.by, request }));
        }
        if let Some(xmpp) = &mut self.xmpp {
            return xmpp.down(bytes, &mut |request| self.recorder.emit(self.id, Event::Request { by: self.by, request }));
        }
        if !self.done && self.request.is_some() {
            self.tell(status(bytes));
        }
        if let Some(socket) = &mut self.socket
            && !socket.down(bytes, &mut |frame| self.recorder.emit(self.id, Event::Frame { by: self.by, frame }))
        {
            self.socket = None;
        }
    }
}

impl Drop for HttpTap {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// A request as the record keeps it.
pub fn request(head: &HttpHead, protocol: Option<&str>) -> Request {
    Request {
        protocol: protocol.unwrap_or("http/1.1").to_owned(),
        method: head.method.clone(),
        host: head.host.clone(),
        target: masked(&head.target),
        status: None,
        secrets: head.headers.iter().filter_map(|(name, value)| secret(name, value)).collect(),
    }
}

/// RFC 6455 section 4.1: the client's Upgrade field names `websocket`.
fn asks_for_websocket(head: &HttpHead) -> bool {
    let named = |value: &str| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("websocket"));
    head.method == "GET" && head.header("upgrade").is_some_and(named)
}

fn h2_request() -> Request {
    Request {
        protocol: "h2".to_owned(),
        method: "(h2)".to_owned(),
        host: None,
        target: String::new(),
        status: None,
        secrets: Vec::new(),
    }
}

/// Query values are secrets until somebody says otherwise.
fn masked(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs: Vec<_> =
        query.split('&').map(|pair| pair.split_once('=').map_or(pair.to_owned(), |(k, _)| format!("{k}=***"))).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn secret(name: &str, value: &str) -> Option<String> {
    let kind = SECRET_FIELDS.iter().find(|field| name.eq_ignore_ascii_case(field))?;
    Some(format!("{kind}: {} bytes", value.len()))
}

/// `HTTP-version SP status-code` (RFC 9112 section 4).
fn status(bytes: &[u8]) -> Option<u16> {
    let line = bytes.get(..12)?;
    line.starts_with(b"HTTP/1.").then(|| std::str::from_utf8(&line[9..12]).ok()?.parse().ok()).flatten()
}

const SECRET_FIELDS: &[&str] = &["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// A head longer than this is left unread.
const MOST_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Transport, Vantage};

    fn tap() -> (Recorder, HttpTap) {
        let recorder = Recorder::new();
        let key = ("192.0.2.1:40000".parse().unwrap(), "192.0.2.2:443".parse().unwrap());
        let (id, _) = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Box);
        (recorder.clone(), HttpTap::new(recorder, id, Observer::Box, None))
    }

    #[test]
    fn a_request_in_pieces_is_told_with_its_status_and_without_its_secrets() {
        let (recorder, mut tap) = tap();
        for piece in b"GET /mail?token=abc&q HTTP/1.1\r\nHost: Bank.test\r\nAuthorization: Bearer 123456\r\n\r\n".chunks(7) {
            tap.up(piece);
        }
        tap.down(b"HTTP/1.1 204 No Content\r\n\r\n");
        let requests = &recorder.connections()[0].requests;
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].target, "/mail?token=***&q");
        assert_eq!(requests[0].status, Some(204));
        assert_eq!(requests[0].secrets, ["authorization: 13 bytes"]);
        assert!(!format!("{:?}", recorder.entries()).contains("123456"));
    }

    #[test]
    fn an_upgrade_is_read_frame_by_frame_and_no_message_is_kept() {
        let (recorder, mut tap) = tap();
        tap.up(b"GET /room HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
        for piece in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x0aSECRETWORD".chunks(13) {
            tap.down(piece);
        }
        tap.up(b"\x81\x8a\0\0\0\0SECRETWORD");
        let connection = &recorder.connections()[0];
        assert_eq!(connection.requests[0].status, Some(101));
        assert_eq!(connection.frames.len(), 2);
        assert_eq!(connection.messages(), Some(crate::scenario::Messages::Read));
        assert!(!format!("{:?}", recorder.entries()).contains("SECRET"));
    }

    #[test]
    fn an_upgrade_that_is_refused_is_an_ordinary_request() {
        let (recorder, mut tap) = tap();
        tap.up(b"GET /room HTTP/1.1\r\nHost: chat.test\r\nUpgrade: websocket\r\n\r\n");
        tap.down(b"HTTP/1.1 404 Not Found\r\n\r\n\x81\x01x");
        tap.up(b"\x81\x81\0\0\0\0x");
        let connection = &recorder.connections()[0];
        assert_eq!((connection.requests[0].status, connection.messages()), (Some(404), None));
    }

    #[test]
    fn a_request_without_an_answer_is_told_at_the_end() {
        let (recorder, mut tap) = tap();
        tap.up(b"HEAD / HTTP/1.0\r\n\r\n");
        drop(tap);
        assert_eq!(recorder.connections()[0].requests[0].status, None);
    }

    #[test]
    fn what_is_no_http_is_left_alone() {
        let (recorder, mut tap) = tap();
        tap.up(&[0xff; 100]);
        tap.down(b"HTTP/1.1 200 OK\r\n\r\n");
        drop(tap);
        assert!(recorder.connections()[0].requests.is_empty());
    }
}
