//! What can come instead of a proxy request, and why the lab says no to one.

use std::io;

use thiserror::Error;

use super::{Target, http, socks5};

/// No request came that the proxy can serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A SOCKS5 address of a type that RFC 1928 does not know.
    #[error("SOCKS5 address type {kind:#04x} is unknown: IPv4 (1), name (3) and IPv6 (4) are served")]
    AddressType {
        /// ATYP.
        kind: u8,
    },
    /// The client offers no way to authenticate that the lab has.
    #[error("the SOCKS5 client wants to authenticate (methods {methods:02x?}): give it no user name and password")]
    Authentication {
        /// Methods that it offers.
        methods: Vec<u8>,
    },
    /// The target is no host and port.
    #[error("`{target}` is no target: `host:port` is, or `[address]:port`")]
    BadTarget {
        /// As sent, cut.
        target: String,
    },
    /// The client closed.
    #[error("the client closed after {bytes} bytes, while the proxy waited for {doing}")]
    Closed {
        /// What was waited for.
        doing: &'static str,
        /// What had come.
        bytes: usize,
    },
    /// A SOCKS5 command other than CONNECT.
    #[error("SOCKS5 command {command} is not served: CONNECT (1) is")]
    Command {
        /// CMD.
        command: u8,
    },
    /// Too slow.
    #[error("no more in time after {bytes} bytes, while the proxy waited for {doing}")]
    Deadline {
        /// What was waited for.
        doing: &'static str,
        /// What had come.
        bytes: usize,
    },
    /// Neither HTTP nor SOCKS.
    #[error("the first byte is {byte:#04x}: neither HTTP nor SOCKS5")]
    Garbage {
        /// The byte.
        byte: u8,
    },
    /// The head does not end.
    #[error("the request's head is longer than {most} bytes")]
    HeadTooLong {
        /// The bound.
        most: usize,
    },
    /// The connection failed.
    #[error("the connection failed while the proxy waited for {doing}")]
    Io {
        /// What was waited for.
        doing: &'static str,
        /// How.
        source: io::Error,
    },
    /// A request as for an origin server.
    #[error("`{line}` is a request for an origin, and this is a proxy: set it as the client's proxy (http_proxy, -x ...)")]
    OriginForm {
        /// The request line, cut.
        line: String,
    },
    /// No HTTP request line.
    #[error("`{line}` is no HTTP/1 request line")]
    RequestLine {
        /// The line, cut.
        line: String,
    },
    /// A plain request for a scheme other than http.
    #[error("`{scheme}` is not served without a tunnel: the client must use CONNECT")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// SOCKS4.
    #[error("SOCKS4 is not served: use SOCKS5 (`socks5h://`)")]
    Socks4,
    /// Broken SOCKS5.
    #[error("a SOCKS5 request with version {version}")]
    SocksVersion {
        /// VER.
        version: u8,
    },
    /// TLS on the proxy's own port.
    #[error("the client speaks TLS to the proxy itself: the proxy's URL begins with `http://`, not `https://`")]
    Tls,
}

impl ProxyError {
    /// What the client is told, in its own protocol. Nothing where it is gone or would not understand.
    pub(super) fn reply(&self, socks: bool) -> Option<Vec<u8>> {
        if socks { self.in_socks() } else { self.status().map(|status| http::refusal(status, &self.to_string())) }
    }

    fn in_socks(&self) -> Option<Vec<u8>> {
        match self {
            Self::AddressType { .. } => Some(socks5::reply(socks5::ADDRESS_TYPE).to_vec()),
            Self::Authentication { .. } => Some(socks5::NO_METHOD.to_vec()),
            Self::BadTarget { .. } => Some(socks5::reply(socks5::GENERAL).to_vec()),
            Self::Command { .. } => Some(socks5::reply(socks5::COMMAND).to_vec()),
            _ => None,
        }
    }

    fn status(&self) -> Option<&'static str> {
        match self {
            Self::BadTarget { .. } | Self::Garbage { .. } | Self::OriginForm { .. } | Self::RequestLine { .. } | Self::Tls => {
                Some("400 Bad Request")
            }
            Self::Deadline { bytes: 1.., .. } => Some("408 Request Timeout"),
            Self::HeadTooLong { .. } => Some("431 Request Header Fields Too Large"),
            Self::Scheme { .. } => Some("501 Not Implemented"),
            _ => None,
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule of the scenario or of the lab forbids it.
    NotAllowed {
        /// The rule's name.
        rule: String,
    },
    /// Nobody listens there.
    NotListening,
    /// No answer in time.
    TimedOut,
    /// No such name in the lab's world.
    UnknownHost,
    /// No way there.
    Unreachable {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// Status line (RFC 9110 section 15).
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "403 Forbidden",
            Self::TimedOut => "504 Gateway Timeout",
            Self::NotListening | Self::UnknownHost | Self::Unreachable { .. } => "502 Bad Gateway",
        }
    }

    /// Reply code (RFC 1928 section 6).
    pub(super) fn socks_code(&self) -> u8 {
        match self {
            Self::NotAllowed { .. } => 0x02,
            Self::Unreachable { .. } => 0x03,
            Self::UnknownHost => 0x04,
            Self::NotListening => 0x05,
            Self::TimedOut => 0x06,
        }
    }

    /// What the client is told.
    pub(super) fn sentence(&self, target: &Target) -> String {
        match self {
            Self::NotAllowed { rule } => format!("`{target}` is refused by rule `{rule}`"),
            Self::NotListening => format!("nobody listens on `{target}`"),
            Self::TimedOut => format!("`{target}` did not answer in time"),
            Self::UnknownHost => format!("there is no `{}` in this lab's world", target.host),
            Self::Unreachable { reason } => format!("`{target}` cannot be reached: {reason}"),
        }
    }
}
