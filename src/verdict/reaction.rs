//! What a client did on one connection: its [`Reaction`], read from what an end of the connection (or the wire) saw.
//!
//! The order of the questions is the result of measuring some 35 clients:
//! application bytes first (Java sends data *and* an alert, Firefox an alert *after* the handshake), then what the box did
//! to the connection, then refusing alerts, then who closed first. FIN or RST makes no difference: the same client in
//! the same case shows either, because unread ticket bytes turn a close into a reset.
//!
//! HTTP/2: a client's preface and SETTINGS count as application bytes. They come from the HTTP layer, which starts only
//! when the TLS layer (and a pin check that hooks into it) was content; [`only_preface`] lets a verdict say so.

use super::Reaction;
use super::alert::{self, AlertMeaning};
use crate::record::{Alert, Close, CloseKind, Connection, Observer, Side};

/// What the client did.
pub fn reaction(connection: &Connection) -> Reaction {
    if let Some(bytes) = sent(connection) {
        return Reaction::SentData { bytes };
    }
    if hindrance(connection) != Hindrance::None || alert_from_server(connection).is_some() {
        return Reaction::Hindered;
    }
    if let Some(alert) = alert_from_client(connection, AlertMeaning::Refusal) {
        return Reaction::Alert { number: alert.number, after_handshake: alert.after_handshake };
    }
    if failed_exchange(connection).is_some() {
        return Reaction::Unclear;
    }
    by_close(connection)
}

/// How an action of the box hinders a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// Not at all: forwarded, intercepted, or the box had no say.
    None,
    /// Up to a point: the client may have got what it wanted all the same.
    Partial,
    /// It cannot have got what it wanted.
    Full,
}

/// What the last decision of the box means for the connection. An unknown action is not taken for innocent.
pub(super) fn hindrance(connection: &Connection) -> Hindrance {
    match connection.decision().map(|d| d.action.as_str()) {
        None | Some("forward" | "intercept" | "dns") => Hindrance::None,
        Some("strip-starttls" | "refuse-starttls" | "mangle-starttls") => Hindrance::None, // judged by what crossed in the clear
        Some("throttle" | "stall" | "drop-after") => Hindrance::Partial,
        Some(_) => Hindrance::Full,
    }
}

/// True if no end of the connection reported: all that is known is what the wire saw pass, still encrypted.
pub(super) fn only_the_wire(connection: &Connection) -> bool {
    matches!(connection.client_half.observer, None | Some(Observer::Wire))
}

/// True if the connection carried readable bytes instead of TLS from its beginning to its end.
pub(super) fn plaintext(connection: &Connection) -> bool {
    let spoke = |protocol: &str| !matches!(protocol, "silence" | "malformed-hello" | "too-large-hello");
    connection.hello.is_none()
        && connection.client_half.handshake.is_none()
        && (!connection.requests.is_empty() || connection.first_bytes.as_ref().is_some_and(|(p, _)| spoke(p)))
}

/// True if an HTTP/2 client sent its connection preface and no request (RFC 9113 section 3.4).
pub(super) fn only_preface(connection: &Connection) -> bool {
    let h2 = connection.client_half.handshake.as_ref().is_some_and(|h| h.alpn.as_deref() == Some("h2"));
    h2 && connection.requests.is_empty() && sent(connection).is_some_and(|bytes| bytes <= PREFACE_AT_MOST)
}

/// The alert that tells of a failed exchange (not of a refusal): from the client, or from the lab.
pub(super) fn failed_exchange(connection: &Connection) -> Option<&Alert> {
    alert_from_server(connection)
        .or_else(|| alert_from_client(connection, AlertMeaning::Negotiation))
        .or_else(|| alert_from_client(connection, AlertMeaning::Protocol))
}

fn by_close(connection: &Connection) -> Reaction {
    let half = &connection.client_half;
    match half.closes.first() {
        Some(Close { side: Side::Server, .. } | Close { kind: CloseKind::Deadline, .. }) => Reaction::Hindered,
        Some(_) if half.handshake.is_some() => Reaction::HungUp,
        Some(_) if connection.hello.is_some() => Reaction::ClosedSilently,
        _ if connection.hello.is_none() && half.bytes.raw_up == 0 && half.error.is_none() => Reaction::Silent,
        Some(_) => Reaction::Unclear,
        None if half.error.is_some() => Reaction::Hindered,
        None => Reaction::Unclear,
    }
}

/// Application bytes from the client, if there were any; at least so many.
fn sent(connection: &Connection) -> Option<u64> {
    let bytes = &connection.client_half.bytes;
    if let Some(app) = bytes.app_up {
        return (app > 0).then_some(app);
    }
    if connection.requests.iter().any(|r| matches!(r.protocol.as_str(), "http/1.0" | "http/1.1" | "h2" | "h3")) {
        return Some(1); // read before the end of the connection was counted
    }
    let beyond = match &connection.hello {
        None if plaintext(connection) => bytes.raw_up,
        Some(hello) => {
            let hello_on_the_wire = hello.raw.len() as u64 / 4 * 3 + 5 * u64::from(hello.records.max(1));
            bytes.raw_up.saturating_sub(hello_on_the_wire + HANDSHAKE_UP_AT_MOST)
        }
        None => 0,
    };
    (only_the_wire(connection) && beyond > 0).then_some(beyond)
}

fn alert_from_client(connection: &Connection, meant: AlertMeaning) -> Option<&Alert> {
    connection.client_half.alerts.iter().find(|a| a.from == Side::Client && alert::meaning(a.number) == meant)
}

fn alert_from_server(connection: &Connection) -> Option<&Alert> {
    let ending = |a: &Alert| alert::meaning(a.number) == AlertMeaning::Ending;
    connection.client_half.alerts.iter().find(|a| a.from == Side::Server && !ending(a))
}

/// Bytes of a preface with its SETTINGS, WINDOW_UPDATE and five PRIORITY frames (RFC 9113 section 6), with room to spare.
const PREFACE_AT_MOST: u64 = 256;

/// Bytes that a client's second flight takes at most where nobody counted records: ClientKeyExchange for RSA-4096 (518 + 9),
/// ChangeCipherSpec (6), Finished (up to 74) and a close_notify (RFC 5246 section 7.4, RFC 8446 section 4.4.4).
const HANDSHAKE_UP_AT_MOST: u64 = 640;
