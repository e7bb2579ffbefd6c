//! The words of the language: small enums that mean the same in TOML, in the record, in reports and in code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a client stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Vantage {
    /// Behind the box.
    #[default]
    Inside,
    /// Beyond the box: the control vantage.
    Outside,
}

/// Where a server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the country: traffic of an inside client to it does not cross the box.
    Inside,
    /// Abroad.
    #[default]
    Outside,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// Which side of the box opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Opened from inside towards outside.
    Outbound,
    /// Opened from outside towards inside.
    Inbound,
}

/// What the client's trust store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Trust {
    /// The lab's public roots.
    #[default]
    #[serde(rename = "web")]
    Web,
    /// The public roots and the authority's root: the subscriber obeyed.
    #[serde(rename = "web+authority")]
    WebAuthority,
    /// The authority's root is installed, and the vendors' block list names its key.
    #[serde(rename = "web+authority+blocklist")]
    WebAuthorityBlocklist,
    /// Nothing.
    #[serde(rename = "none")]
    None,
}

impl Trust {
    /// The word as written in a scenario.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::WebAuthority => "web+authority",
            Self::WebAuthorityBlocklist => "web+authority+blocklist",
            Self::None => "none",
        }
    }

    /// True if the authority's root is installed.
    pub fn has_authority(self) -> bool {
        matches!(self, Self::WebAuthority | Self::WebAuthorityBlocklist)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Trust {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Web, Self::WebAuthority, Self::WebAuthorityBlocklist, Self::None]
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or_else(|| format!("unknown trust `{text}`: one of `web`, `web+authority`, `web+authority+blocklist`, `none`"))
    }
}

impl Vantage {
    /// The word as written in a scenario.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Vantage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "inside" => Ok(Self::Inside),
            "outside" => Ok(Self::Outside),
            _ => Err(format!("unknown vantage `{text}`: `inside` or `outside`")),
        }
    }
}

/// Whether an origin's certificate is trusted by the public roots (name not considered).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OriginTrust {
    /// Chains to a public root and is in its validity period.
    Trusted,
    /// Anything else, including an origin that cannot be reached or speaks no TLS.
    Untrusted,
}

/// How much of a connection's beginning the box looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// One TCP segment: a hello split over two is missed. Kazakhstan's box of 2019 (Geneva, library.py `kazakhstan_injected_https`).
    Segment,
    /// The reassembled stream, until the hello is complete.
    #[default]
    Stream,
}

/// What the box does when the origin's certificate is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamFault {
    /// Leaves the connection alone: the client sees the genuine bad certificate. Kazakhstan 2019 (IMC 2020 section 3.2).
    #[default]
    Pass,
    /// Forges a certificate with the same fault.
    Mirror,
    /// Forges a good certificate: the fault is hidden.
    Mask,
    /// Ends the connection.
    Refuse,
}

/// To whom a reset is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResetTo {
    /// Client and origin.
    #[default]
    Both,
    /// The client only.
    Client,
    /// The origin only.
    Origin,
}

/// How a throttle enforces its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policing {
    /// Packets beyond the rate are dropped.
    #[default]
    Drop,
    /// Packets beyond the rate wait.
    Shape,
}

/// Which new connections a drop takes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ResidualPer {
    /// Same client address, server address and server port.
    #[default]
    #[serde(rename = "3-tuple")]
    ThreeTuple,
    /// Same client port too.
    #[serde(rename = "4-tuple")]
    FourTuple,
}

/// What is done to a DNS query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DnsTrick {
    /// NXDOMAIN.
    Nxdomain,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    Servfail,
    /// No answer.
    Timeout,
    /// Another address.
    Forge {
        /// The address that is answered.
        address: std::net::IpAddr,
    },
    /// The forged answer first, the true one after it.
    Duplicate {
        /// The address of the first answer.
        address: std::net::IpAddr,
    },
    /// HTTPS and SVCB records (RFC 9460) are taken out: their hints of HTTP/3 and their ECH configurations with them.
    StripHttpsRecord,
    /// The ECH configuration alone is taken out of HTTPS records, so that the client's hello names the host.
    StripEch,
    /// The protocols alone (`alpn`) are taken out of HTTPS records, so that the client has no hint of HTTP/3.
    StripAlpn,
}

/// What the box does. Written `action = "intercept"` or `action = { throttle = { kbps = 128 } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Lets it pass untouched.
    #[default]
    Forward,
    /// Takes the connection over with a forged certificate.
    Intercept,
    /// Sends RST.
    Reset {
        /// To whom.
        #[serde(default)]
        to: ResetTo,
    },
    /// Sends FIN to the client.
    Close,
    /// Sends a fatal TLS alert to the client and closes.
    Alert {
        /// AlertDescription (RFC 8446 section 6).
        number: u8,
    },
    /// Swallows the packet and all that follow, in both directions.
    Drop {
        /// Seconds for which new connections of the same client, address and port are swallowed too.
        #[serde(default)]
        residual_s: u32,
        /// Which new connections those are. Default: the `3-tuple`.
        #[serde(default)]
        residual: ResidualPer,
    },
    /// Lets some packets pass, then swallows the rest.
    DropAfter {
        /// Packets that pass after the trigger, both directions together.
        packets: u32,
    },
    /// Limits the rate.
    Throttle {
        /// Kilobit of payload per second towards the client, as it measures them; 0 leaves the direction alone.
        #[serde(default)]
        down_kbps: u32,
        /// Kilobit of payload per second from the client; 0 leaves the direction alone.
        #[serde(default)]
        up_kbps: u32,
        /// Drop or queue.
        #[serde(default)]
        policing: Policing,
        /// Milliseconds by which the packet that triggered is held back.
        #[serde(default)]
        delay_ms: u32,
    },
    /// Lets the download begin, then stops it without a word.
    Stall {
        /// Bytes towards the client that pass.
        after_bytes: u64,
    },
    /// Swallows the SYN.
    DropSyn,
    /// Answers the SYN with RST.
    Refuse,
    /// Answers the SYN with ICMP destination unreachable.
    Unreachable,
    /// Answers a plain HTTP request with a block page.
    Page {
        /// File under `lab/portal`.
        file: String,
        /// Status code.
        #[serde(default = "status_ok")]
        status: u16,
        /// What is in the file; read when the plan is made.
        #[serde(skip)]
        body: String,
    },
    /// Answers a plain HTTP request with a redirect.
    Redirect {
        /// The URL.
        to: String,
    },
    /// Closes a plain HTTP connection in the middle of the answer.
    Cut,
    /// Takes STARTTLS (STLS) out of what a server announces, and answers an attempt as a server without it would.
    StripStarttls,
    /// Lets a server announce STARTTLS, and answers an attempt with the protocol's error.
    RefuseStarttls,
    /// Overwrites STARTTLS in place with as many other characters: what a server announces, and a client's command.
    MangleStarttls,
    /// Does something to a DNS query.
    Dns(DnsTrick),
}

impl Action {
    /// The word for it, without its parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Intercept => "intercept",
            Self::Reset { .. } => "reset",
            Self::Close => "close",
            Self::Alert { .. } => "alert",
            Self::Drop { .. } => "drop",
            Self::DropAfter { .. } => "drop-after",
            Self::Throttle { .. } => "throttle",
            Self::Stall { .. } => "stall",
            Self::DropSyn => "drop-syn",
            Self::Refuse => "refuse",
            Self::Unreachable => "unreachable",
            Self::Page { .. } => "page",
            Self::Redirect { .. } => "redirect",
            Self::Cut => "cut",
            Self::StripStarttls => "strip-starttls",
            Self::RefuseStarttls => "refuse-starttls",
            Self::MangleStarttls => "mangle-starttls",
            Self::Dns(_) => "dns",
        }
    }

    /// True if it is done to an upgrade, before there is a hello.
    pub fn is_about_upgrades(&self) -> bool {
        matches!(self, Self::StripStarttls | Self::RefuseStarttls | Self::MangleStarttls)
    }
}

fn status_ok() -> u16 {
    200
}

/// The verdict for a client and a target host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The client sent application bytes to a forged server.
    Exposed,
    /// The upgrade to TLS was taken away, and the client went on in the clear: credentials or a message crossed the box readable,
    /// while in the control leg they crossed inside of TLS.
    ExposedInClear,
    /// The client was shown a forged (or bad) chain, or no way to TLS, and sent nothing, while the control leg did.
    Refused,
    /// The handshake completed and nothing was sent, and the control leg sent nothing either.
    HandshakeOnly,
    /// Application bytes went to the genuine origin.
    Untouched,
    /// The connection was hindered: no answer, reset, cut.
    Blocked,
    /// The client never dialled the target.
    NotContacted,
    /// The evidence does not decide.
    Inconclusive,
}

/// What the messages of a WebSocket were to a box that reads TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Messages {
    /// At least one could be read.
    Read,
    /// All of them looked like ciphertext.
    Ciphertext,
    /// None could be read, and not all of them looked like ciphertext.
    Unclear,
}

impl Messages {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ciphertext => "ciphertext",
            Self::Unclear => "unclear",
        }
    }
}

impl VerdictKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::ExposedInClear => "exposed-in-clear",
            Self::Refused => "refused",
            Self::HandshakeOnly => "handshake-only",
            Self::Untouched => "untouched",
            Self::Blocked => "blocked",
            Self::NotContacted => "not-contacted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
