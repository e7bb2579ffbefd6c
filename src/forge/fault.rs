//! What is wrong with an origin's certificate, in the box's eyes.

use std::fmt;

/// What is wrong with an origin's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginFault {
    /// Its validity is over.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// It is for another host.
    WrongHost,
    /// It is signed by itself.
    SelfSigned,
    /// It chains to no root that the box trusts, or its chain is incomplete or broken.
    UntrustedRoot,
    /// Its issuer has revoked it.
    Revoked,
}

impl fmt::Display for OriginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::WrongHost => "wrong host",
            Self::SelfSigned => "self-signed",
            Self::UntrustedRoot => "untrusted root",
            Self::Revoked => "revoked",
        })
    }
}
