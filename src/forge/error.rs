//! Why nothing was forged.

use thiserror::Error;

use super::fault::OriginFault;
use crate::x509::key::KeyError;
use crate::x509::tbs::ReadError;

/// Why nothing was forged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgeError {
    /// The origin sent no certificate.
    #[error("no genuine certificate to forge from")]
    NoGenuine,
    /// The genuine certificate cannot be read.
    #[error("genuine certificate: {0}")]
    Genuine(#[from] ReadError),
    /// The genuine certificate lacks something that the profile copies from it.
    #[error("genuine certificate: {what} cannot be read, and profile `{profile}` computes with it")]
    Unusable {
        /// Which field.
        what: &'static str,
        /// The profile.
        profile: String,
    },
    /// The host that was asked for is no DNS name and no address.
    #[error("`{host}` is neither a DNS name nor an address: {why}")]
    Host {
        /// As given.
        host: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The origin's certificate is bad, and the box leaves such connections alone.
    #[error("origin's certificate is bad ({0}): the connection is left alone")]
    LeftAlone(OriginFault),
    /// The origin's certificate is bad, and the box ends such connections.
    #[error("origin's certificate is bad ({0}): the connection is refused")]
    Refused(OriginFault),
    /// A key could not be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A thread that makes keys died.
    #[error("a thread of the key supply ended early; this is a bug")]
    Worker,
}
