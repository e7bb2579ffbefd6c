//! Versions of TLS as a site may be confined to. Which of them the lab speaks itself is the origins' matter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// RFC 2246; RFC 8996 forbids it.
    #[serde(rename = "1.0")]
    Tls10,
    /// RFC 4346; RFC 8996 forbids it.
    #[serde(rename = "1.1")]
    Tls11,
    /// RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// Forbidden since RFC 8996. The lab's own servers do not speak it; the machine's `openssl` does where it can.
    pub fn is_old(self) -> bool {
        matches!(self, Self::Tls10 | Self::Tls11)
    }

    /// As handshakes write it (RFC 8446 section 4.2.1).
    pub fn number(self) -> u16 {
        match self {
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// As people say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}
