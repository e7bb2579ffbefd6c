//! What the box does besides forwarding and intercepting: one behaviour, one file. Each file says what the behaviour is on the wire
//! (packets of the sealed network) and on a stream (connections of the explicit proxy).
//!
//! | action | the wire | a stream |
//! |---|---|---|
//! | [`reset`] | exact: RST with the connection's numbers, to one side or both | the client's own connection is reset; the origin was never dialled |
//! | [`close`] | exact: FIN to the client, RST to the origin | FIN to the client |
//! | [`alert`] | exact | exact |
//! | [`drop`] | exact: held segment and all that follow, with a residual on the 3-tuple or 4-tuple | the connection stays open and silent; no residual |
//! | [`drop_after`] | exact: counted in packets | counted in pieces of at most one segment's size |
//! | [`throttle`] | exact: per direction, dropping or queueing; the hello delayed | the same rates, by waiting: nothing is lost, so TCP never backs off |
//! | [`stall`], [`cut`] | exact, to the byte | exact, to the byte |
//! | [`page`], [`redirect`] | exact: in the origin's name | exact |
//! | [`drop_syn`], [`refuse`], [`unreachable`] | exact: the SYN swallowed, answered by RST, by ICMP | the proxy's request is kept waiting, refused, refused with another word |
//! | [`datagram`] | exact: UDP of the ports that rules name, QUIC by its hello | a proxy carries no UDP |
//! | STARTTLS ([`starttls`](super::starttls)) | exact: in place, or both halves taken over where lengths change | exact |
//! | DNS | exact, at every resolver: [`Resolver`](crate::network::resolver::Resolver) | the proxy resolves names itself, as the operator's resolver would for its leg |

use std::time::Duration;

use tokio::net::TcpStream;

use super::Middlebox;
use crate::network::Arrival;
use crate::network::prefixed::Prefixed;
#[cfg(target_os = "linux")]
use crate::network::wire::{Act, OnOpen};
use crate::record::CloseKind;
use crate::scenario::Action;
use crate::tls::Counted;

mod alert;
mod close;
mod cut;
#[cfg(target_os = "linux")]
pub(super) mod datagram;
mod drop;
mod drop_after;
mod drop_syn;
mod limited;
mod page;
mod redirect;
mod refuse;
mod reset;
mod stall;
mod throttle;
mod unreachable;

pub(crate) use drop_syn::LONGEST_SILENCE;

/// The client's side of a connection that a stream carrier is to act on. What the client had sent is read first.
pub(super) type Client = Counted<Prefixed<TcpStream>>;

/// What an action on a stream works with.
pub(super) struct OnStream<'a> {
    /// The box, to dial the origin with.
    pub(super) middlebox: &'a Middlebox,
    /// Which connection.
    pub(super) arrival: &'a Arrival,
    /// The origin's side, where a prelude was carried on it; else the box dials.
    pub(super) origin: std::sync::Mutex<Option<TcpStream>>,
}

/// How an action on a stream has ended: what to record of the server's side, if the stream itself has not told.
pub(super) type Told = Option<CloseKind>;

/// A rule's action on a SYN, as the wire carries it out.
#[cfg(target_os = "linux")]
pub(super) fn on_open(action: &Action) -> OnOpen {
    match action {
        Action::DropSyn => drop_syn::on_wire(),
        Action::Refuse => refuse::on_wire(),
        Action::Unreachable => unreachable::on_wire(),
        _ => OnOpen::Pass,
    }
}

/// A rule's action on first bytes, as the wire carries it out.
#[cfg(target_os = "linux")]
pub(super) fn on_wire(action: &Action) -> Act {
    match action {
        Action::Reset { to } => reset::on_wire(*to),
        Action::Close => close::on_wire(),
        Action::Alert { number } => alert::on_wire(*number),
        Action::Drop { residual_s, residual } => drop::on_wire(*residual_s, *residual),
        Action::DropAfter { packets } => drop_after::on_wire(*packets),
        Action::Throttle { down_kbps, up_kbps, policing, delay_ms } => {
            throttle::on_wire(&throttle::Rates::new(*down_kbps, *up_kbps, *policing, *delay_ms))
        }
        Action::Stall { after_bytes } => stall::on_wire(*after_bytes),
        Action::Cut => cut::on_wire(),
        Action::Redirect { to } => redirect::on_wire(to),
        Action::Page { body, status, .. } => page::on_wire(body, *status),
        Action::Forward | Action::Intercept | Action::Dns(_) | Action::DropSyn | Action::Refuse | Action::Unreachable => {
            Act::Pass
        }
        // They belong to a connection's prelude, which is followed from its greeting on.
        Action::StripStarttls | Action::RefuseStarttls | Action::MangleStarttls => Act::Pass,
    }
}

/// A rule's action on first bytes, as exactly as a stream can.
pub(super) async fn on_stream(on: OnStream<'_>, client: &mut Client, action: &Action) -> Told {
    match action {
        Action::Reset { to } => reset::on_stream(client, *to).await,
        Action::Alert { number } => alert::on_stream(client, *number).await,
        Action::Drop { .. } | Action::DropSyn => drop::on_stream(client).await,
        Action::DropAfter { packets } => drop_after::on_stream(&on, client, *packets).await,
        Action::Throttle { down_kbps, up_kbps, policing, delay_ms } => {
            throttle::on_stream(&on, client, &throttle::Rates::new(*down_kbps, *up_kbps, *policing, *delay_ms)).await
        }
        Action::Stall { after_bytes } => stall::on_stream(&on, client, *after_bytes).await,
        Action::Cut => cut::on_stream(&on, client).await,
        Action::Redirect { to } => redirect::on_stream(client, to).await,
        Action::Page { body, status, .. } => page::on_stream(client, body, *status).await,
        Action::Close | Action::Forward | Action::Intercept | Action::Dns(_) | Action::Refuse | Action::Unreachable => {
            close::on_stream(client).await
        }
        Action::StripStarttls | Action::RefuseStarttls | Action::MangleStarttls => close::on_stream(client).await,
    }
}

/// How long an origin may take to accept.
const DIAL: Duration = Duration::from_secs(8);
