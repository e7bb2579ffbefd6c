//! What a TLS alert that a client sends says about the certificate it was shown.
//!
//! Alert numbers do not tell the *cause* of a refusal (Go always sends 42, Chromium always 46, Perl 80 for a wrong name),
//! but they tell refusals from two look-alikes: an ordinary end, and a negotiation that failed before any certificate
//! was judged. Numbers and names: IANA "TLS Alerts" registry, RFC 8446 section 6, RFC 5246 section 7.2.

pub use crate::record::alert_name as name;

/// What an alert from a client means for the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertMeaning {
    /// An ordinary end: says nothing, even after a completed handshake. Java ends *accepted* TLS 1.3 connections with
    /// user_canceled (measured with Java 17).
    Ending,
    /// Version, cipher, name or protocol could not be agreed: no certificate was judged.
    Negotiation,
    /// The byte stream was not understood: as likely the lab's fault as the certificate's.
    Protocol,
    /// Everything else is a refusal of what was presented.
    Refusal,
}

/// The meaning of an alert number. Unknown numbers are refusals: RFC 8446 section 6 makes them errors, and clients use
/// many (42, 43, 44, 45, 46, 48, 49, 51, 80 and 113 are documented or measured for certificates).
pub fn meaning(number: u8) -> AlertMeaning {
    match number {
        0 | 90 => AlertMeaning::Ending,
        40 | 70 | 71 | 86 | 100 | 109 | 110 | 112 | 115 | 120 | 121 => AlertMeaning::Negotiation,
        10 | 20 | 21 | 22 | 30 | 47 | 50 | 60 => AlertMeaning::Protocol,
        _ => AlertMeaning::Refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_alerts_are_refusals_and_nothing_else_is() {
        for number in [42, 43, 44, 45, 46, 48, 49, 51, 80, 113] {
            assert_eq!(meaning(number), AlertMeaning::Refusal, "{number}");
        }
        for number in [0, 90, 40, 70, 86, 112, 120, 121, 10, 47, 50] {
            assert_ne!(meaning(number), AlertMeaning::Refusal, "{number}");
        }
    }
}
