//! What a client did with a server that speaks an old version of TLS only (RFC 8996): took it, turned it down, or never offered it.
//!
//! No certificate is judged here. In the control leg the same server speaks today's versions.

use super::Reaction;
use super::alert::{self, AlertMeaning};
use super::leg::Control;
use super::reaction::reaction;
use super::standing::{Circumstances, Standing, inconclusive, kind};
use crate::record::{Connection, Side};
use crate::scenario::{TlsVersion, VerdictKind};

pub(super) fn faced_with(version: TlsVersion, connection: &Connection, given: &Circumstances<'_>) -> Standing {
    let what = version.as_str();
    if let Reaction::SentData { bytes } = reaction(connection) {
        return kind(VerdictKind::Exposed, format!("sent {bytes} bytes over {what}"));
    }
    let fatal = |from: Side| {
        let alerts = connection.client_half.alerts.iter();
        alerts.filter(|a| alert::meaning(a.number) != AlertMeaning::Ending).find(|a| a.from == from).map(|a| a.number)
    };
    let how = match (fatal(Side::Client), fatal(Side::Server)) {
        _ if !offers(connection, version) => format!("does not offer {what}"),
        (Some(number), _) => format!("alert {number} {}", alert::name(number)),
        (None, Some(number)) => return inconclusive(format!("the server sent alert {number} {}", alert::name(number))),
        _ if given.test.timed_out || given.test.signal.is_some() => {
            return inconclusive(format!("the client was ended before the handshake in {what} was over"));
        }
        _ if connection.client_half.handshake.is_some() => format!("hung up after the handshake in {what}"),
        _ => format!("broke off during the handshake in {what}"),
    };
    match given.control {
        Control::Sent => kind(VerdictKind::Refused, how),
        _ => inconclusive(format!("{how}, and sent nothing to a server of today either")),
    }
}

/// A hello without supported_versions means every version up to the one that it names (RFC 8446 section 4.2.1).
fn offers(connection: &Connection, version: TlsVersion) -> bool {
    connection.hello.as_ref().is_some_and(|hello| {
        let listed = hello.extensions.contains(&SUPPORTED_VERSIONS);
        hello.versions.contains(&version.number()) || !listed && hello.versions.iter().any(|most| *most >= version.number())
    })
}

/// RFC 8446 section 4.2.
const SUPPORTED_VERSIONS: u16 = 43;
