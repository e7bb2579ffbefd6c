//! Why the client got no answer, and the exit code that says so: curl's numbers where curl has one.

use std::io;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings cannot be used.
    #[error("{what}: {reason}")]
    Setting {
        /// Which setting.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name has no address.
    #[error("cannot resolve `{host}`: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address could be dialled.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The last one that was tried.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy did not open a way.
    #[error("proxy {proxy} refused: {answer}")]
    Proxy {
        /// Which proxy.
        proxy: String,
        /// Its status line, or what went wrong.
        answer: String,
    },
    /// The deadline passed.
    #[error("no answer in {seconds} s while {step}")]
    Timeout {
        /// The deadline.
        seconds: u64,
        /// What was being waited for.
        step: &'static str,
    },
    /// The handshake failed, but not over the certificate.
    #[error("TLS handshake failed: {0}")]
    Handshake(String),
    /// The certificate is not trusted, not valid or not for this name.
    #[error("certificate refused: {0}")]
    Certificate(String),
    /// A key in the chain is on the block list.
    #[error("certificate refused: key sha256/{pin} is on the block list")]
    Blocked {
        /// The blocked key.
        pin: String,
    },
    /// The handshake was completed, then the key was found to be another one. No request was sent.
    #[error("pin mismatch: the server's key is sha256/{seen}; no request was sent")]
    Pin {
        /// The key that was shown.
        seen: String,
    },
    /// The answer did not come whole.
    #[error("no whole answer: {0}")]
    Http(String),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setting { .. } => 2,
            Self::Proxy { .. } => 5,
            Self::Resolve { .. } => 6,
            Self::Connect { .. } => 7,
            Self::Timeout { .. } => 28,
            Self::Handshake(_) => 35,
            Self::Http(_) => 56,
            Self::Certificate(_) => 60,
            Self::Blocked { .. } => 61,
            Self::Pin { .. } => 90,
        }
    }
}
