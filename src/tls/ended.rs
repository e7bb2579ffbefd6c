//! What an end of a TLS connection can tell of it: how it ended, which alert went by, what was negotiated.
//!
//! Both the genuine origins and the box terminate TLS with rustls; here is the one place that reads its errors and
//! state. Not every refusal is an alert: of 34 measured client set-ups that refuse an untrusted root, 22 send one, the
//! others hang up. So `close_notify`, FIN and RST stay three different things.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CommonState, HandshakeKind, ProtocolVersion};

use crate::record::{Alert, CloseKind, Handshake, Side, alert_name};

/// How a connection ended, as told by an error of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer sent a fatal alert (RFC 8446 section 6.2).
    AlertReceived(u8),
    /// The peer sent FIN without close_notify.
    Fin,
    /// The peer sent RST.
    Rst,
    /// The deadline passed.
    Deadline,
    /// We ended it: the peer's TLS does not suit, or is none.
    Refused {
        /// The alert that we send for it, as far as rustls' error tells.
        alert: Option<u8>,
        /// What does not suit.
        why: String,
    },
    /// Something else.
    Other(String),
}

/// Reads an error of a TLS stream or of the socket below it.
pub fn classify(error: &io::Error) -> Ended {
    if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return classify_tls(tls);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ended::Fin,
        // A write after the peer's RST fails with EPIPE.
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => Ended::Rst,
        io::ErrorKind::TimedOut => Ended::Deadline,
        _ => Ended::Other(error.to_string()),
    }
}

/// Reads any error that has an [`io::Error`] or a [`rustls::Error`] among its sources (hyper wraps them).
pub fn classify_any(error: &(dyn Error + 'static)) -> Ended {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return classify(io);
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return classify_tls(tls);
        }
        next = current.source();
    }
    Ended::Other(error.to_string())
}

fn classify_tls(error: &rustls::Error) -> Ended {
    match error {
        rustls::Error::AlertReceived(alert) => Ended::AlertReceived(u8::from(*alert)),
        other => Ended::Refused { alert: own_alert(other).map(u8::from), why: other.to_string() },
    }
}

/// The alert that rustls sends for an error of its own. It is sent encrypted once keys are there, so that the
/// [`RecordWatch`] cannot see it.
fn own_alert(error: &rustls::Error) -> Option<AlertDescription> {
    use rustls::{Error as E, PeerIncompatible as P};
    Some(match error {
        E::NoApplicationProtocol => AlertDescription::NoApplicationProtocol,
        E::InvalidMessage(message) => AlertDescription::from(*message),
        E::InvalidCertificate(fault) => AlertDescription::from(fault.clone()),
        E::NoCertificatesPresented => AlertDescription::CertificateRequired,
        E::DecryptError => AlertDescription::BadRecordMac,
        E::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => AlertDescription::UnexpectedMessage,
        E::PeerIncompatible(
            P::SupportedVersionsExtensionRequired | P::Tls12NotOffered | P::Tls12NotOfferedOrEnabled | P::Tls13RequiredForQuic,
        ) => AlertDescription::ProtocolVersion,
        E::PeerIncompatible(_) => AlertDescription::HandshakeFailure,
        E::PeerMisbehaved(_) => AlertDescription::IllegalParameter,
        _ => return None,
    })
}

impl Ended {
    /// How the peer closed, if it is the peer that did.
    pub fn close(&self) -> Option<CloseKind> {
        match self {
            Self::Fin => Some(CloseKind::Fin),
            Self::Rst => Some(CloseKind::Rst),
            Self::Deadline => Some(CloseKind::Deadline),
            Self::AlertReceived(_) | Self::Refused { .. } | Self::Other(_) => None,
        }
    }

    /// In words, for the record.
    pub fn text(&self) -> String {
        match self {
            Self::AlertReceived(number) => format!("alert {number} {} received", alert_name(*number)),
            Self::Fin => "fin without close_notify".to_owned(),
            Self::Rst => "rst".to_owned(),
            Self::Deadline => "deadline passed".to_owned(),
            Self::Refused { why, .. } | Self::Other(why) => why.clone(),
        }
    }
}

/// An alert for the record. `level` is none where the observer cannot see it; TLS 1.3 gives it no meaning.
pub fn alert(from: Side, number: u8, level: Option<u8>, plaintext: Option<bool>, after_handshake: bool) -> Alert {
    Alert { from, level, number, name: alert_name(number).to_owned(), plaintext, after_handshake }
}

/// The alert that ends a connection in order.
pub const CLOSE_NOTIFY: u8 = 0;
/// Java ends *accepted* TLS 1.3 connections with it; it is no refusal (RFC 8446 section 6.1).
pub const USER_CANCELED: u8 = 90;

/// Parameters of a completed handshake, `us` microseconds after its first byte.
pub fn handshake(state: &CommonState, us: u64) -> Handshake {
    Handshake {
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS1.2".to_owned(),
            Some(ProtocolVersion::TLSv1_3) => "TLS1.3".to_owned(),
            other => format!("{other:?}"),
        },
        cipher: state.negotiated_cipher_suite().map_or_else(String::new, |suite| iana_cipher(&format!("{:?}", suite.suite()))),
        group: state.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        alpn: state.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        us,
    }
}

/// rustls calls `TLS_AES_128_GCM_SHA256` `TLS13_AES_128_GCM_SHA256`.
fn iana_cipher(name: &str) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

/// Number of an alert.
pub fn alert_number(alert: AlertDescription) -> u8 {
    u8::from(alert)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let of = |kind: io::ErrorKind| classify(&io::Error::from(kind));
        assert_eq!(of(io::ErrorKind::UnexpectedEof), Ended::Fin);
        assert_eq!(of(io::ErrorKind::ConnectionReset), Ended::Rst);
        assert_eq!(of(io::ErrorKind::BrokenPipe), Ended::Rst);
        assert_eq!(of(io::ErrorKind::TimedOut), Ended::Deadline);
        let alert = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(classify(&alert), Ended::AlertReceived(48));
        assert_eq!(classify(&alert).text(), "alert 48 unknown_ca received");
    }

    #[test]
    fn an_error_below_other_errors_is_found() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        assert_eq!(classify_any(&Outer(io::Error::from(io::ErrorKind::ConnectionReset))), Ended::Rst);
    }
}
