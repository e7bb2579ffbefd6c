//! Every event of a run, in one enum. Names are `area:thing`; the JSON form is one line of `events.jsonl`.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::{Alert, Bytes, Certificate, CloseKind, DecisionRecord, Handshake, Hello, Request};
use super::exchange::Exchange;
use super::frame::Frame;
use super::upgrade::UpgradeStage;
use crate::scenario::{Transport, Trust, Vantage};

/// Number of a connection, unique in a run, in order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// Number of a leg (one run of a client), unique in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LegId(pub u32);

impl std::fmt::Display for LegId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "leg {}", self.0)
    }
}

/// Which leg of a check this is: the control leg runs without interference, the test leg with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LegKind {
    /// Without interference: shows what the client does when nothing is wrong.
    Control,
    /// With the phase's rules in force.
    Test,
    /// One command that was started by hand (`exec`, the console): no control, no expectation.
    Free,
}

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// The middlebox, as an end of the TLS connection.
    Box,
    /// A genuine server of the lab, as an end of the connection.
    Origin,
    /// The wire: packets that passed by, not decrypted.
    Wire,
}

/// Which half of an intercepted connection: towards the client, or from the box to the origin.
/// A connection that is not intercepted has only the client half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// Client to box, or client to origin where nobody is in between.
    Client,
    /// Box to origin.
    Upstream,
}

/// One end of a connection half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The end that opened it (the client; on the upstream half, the box).
    Client,
    /// The end that was called (the origin; on the client half of an intercepted connection, the box in its place).
    Server,
}

/// What protects a DNS query on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsWithin {
    /// DNS over TLS (RFC 7858).
    Dot,
    /// DNS over HTTPS (RFC 8484).
    Doh,
}

/// Why a check was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotRun {
    /// This machine lacks something.
    Skipped(String),
    /// No machine could in this network.
    OutOfReach(String),
}

/// One line of the record: an event with its place in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the stream, from 0, without gaps.
    pub seq: u64,
    /// Microseconds since the run began.
    pub t_us: u64,
    /// The leg it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leg: Option<LegId>,
    /// The connection it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connection: Option<ConnectionId>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// The run began.
    #[serde(rename = "run:start")]
    RunStart {
        /// Title of the scenario.
        scenario: String,
        /// Version of mitmlab.
        version: String,
        /// `sealed` or `proxy`.
        network: String,
        /// Seconds to add to the scenario's clock to get the machine's clock.
        clock_offset_s: i64,
        /// The seed of every coin.
        seed: u64,
    },
    /// A check was run, or was not.
    #[serde(rename = "check:ran")]
    CheckRan {
        /// Its name.
        check: String,
        /// It is the twin of the check with that name.
        twin_of: Option<String>,
        /// Its control leg; checks may share one.
        control: Option<LegId>,
        /// Its test leg.
        test: Option<LegId>,
        /// All of the text in which a detector's finding is looked for.
        said: Option<String>,
        /// Why it was not run, if it was not.
        not_run: Option<NotRun>,
    },
    /// What is known of the run besides its connections: said at its end, so that it can be judged again.
    #[serde(rename = "run:facts")]
    RunFacts {
        /// Why this network.
        network_reason: String,
        /// What a reader must know.
        remarks: Vec<String>,
        /// The containment proof.
        containment: Vec<(String, bool)>,
        /// Only a part of the scenario's checks was chosen, or another client: it is not held to the whole.
        part: bool,
        /// A check that cannot run fails.
        strict: bool,
        /// Milliseconds that the run took.
        ms: u64,
    },
    /// The run ended.
    #[serde(rename = "run:end")]
    RunEnd {},
    /// A phase of the campaign began to be in force.
    #[serde(rename = "phase:enter")]
    PhaseEnter {
        /// Name of the phase.
        phase: String,
        /// The scenario's clock, RFC 3339.
        clock: String,
    },
    /// The operators' notice to subscribers.
    #[serde(rename = "notice:sent")]
    NoticeSent {
        /// Who is said to send it.
        from: String,
        /// The text.
        text: String,
    },
    /// A client was started.
    #[serde(rename = "leg:start")]
    LegStart {
        /// Name of the check it belongs to, if any.
        check: Option<String>,
        /// Control or test.
        kind: LegKind,
        /// Program and arguments, as started.
        argv: Vec<String>,
        /// What the client was made to trust.
        trust: Trust,
        /// Where it stood.
        vantage: Vantage,
        /// Environment that the lab set for it, `NAME=value`.
        environment: Vec<String>,
        /// Phase in force.
        phase: String,
    },
    /// A client ended, or was ended.
    #[serde(rename = "leg:end")]
    LegEnd {
        /// Exit code, if it exited.
        exit: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
        /// The deadline passed and the lab killed it with its children.
        timed_out: bool,
        /// Milliseconds that it ran.
        ms: u64,
        /// Bytes that it wrote on standard output and error.
        output_bytes: u64,
        /// Last lines of standard error (at most 4 KiB).
        stderr_tail: String,
        /// Beginning of standard output (at most 4 KiB).
        stdout_head: String,
        /// Why it could not be started, if it could not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_started: Option<String>,
    },
    /// A name was asked.
    #[serde(rename = "dns:query")]
    DnsQuery {
        /// Who asked.
        client: SocketAddr,
        /// The resolver's address that was asked.
        resolver: SocketAddr,
        /// Name, lower case, no final dot.
        name: String,
        /// Record type (`A`, `AAAA`, `HTTPS` ...).
        kind: String,
        /// `udp` or `tcp`.
        transport: Transport,
        /// Within TLS, where nobody on the path reads it; none in the clear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<DnsWithin>,
        /// What was answered: records in presentation form, or `NXDOMAIN`, `REFUSED`, `(silence)` ...
        answer: Vec<String>,
        /// The rule that changed the answer, if one did.
        rule: Option<String>,
        /// The phase whose rule it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<String>,
    },
    /// A connection was first seen.
    #[serde(rename = "connection:open")]
    ConnectionOpen {
        /// The client's address.
        client: SocketAddr,
        /// The address that the client dialled.
        destination: SocketAddr,
        /// The name that the client asked the proxy for, in the proxy network.
        asked: Option<String>,
        /// TCP or UDP.
        transport: Transport,
        /// Where the client stands.
        vantage: Vantage,
        /// Who saw it first.
        by: Observer,
    },
    /// A TLS ClientHello was read.
    #[serde(rename = "hello:seen")]
    HelloSeen {
        /// Half on which it was seen.
        half: Half,
        /// Who read it.
        by: Observer,
        /// What it says.
        hello: Box<Hello>,
    },
    /// The first bytes were no TLS ClientHello.
    #[serde(rename = "first-bytes:seen")]
    FirstBytes {
        /// `http`, `mail`, `xmpp`, `unknown`, `silence`, `malformed-hello`, `too-large-hello`.
        protocol: String,
        /// What a reader wants to know (a request line, a greeting), masked and cut.
        summary: String,
    },
    /// The box decided.
    #[serde(rename = "box:decision")]
    Decision(DecisionRecord),
    /// The box looked at the origin before it forged.
    #[serde(rename = "upstream:chain")]
    UpstreamChain {
        /// The genuine chain, leaf first.
        chain: Vec<Arc<Certificate>>,
        /// Whether the box found it trusted.
        trusted: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// The origin could not be reached, or no TLS came of it.
    #[serde(rename = "upstream:failed")]
    UpstreamFailed {
        /// What was tried and what came back.
        error: String,
    },
    /// A chain was presented to the client.
    #[serde(rename = "chain:presented")]
    ChainPresented {
        /// Who presented it.
        by: Observer,
        /// Leaf first, as sent.
        chain: Vec<Arc<Certificate>>,
        /// Profile by which it was forged; none for a genuine chain.
        profile: Option<String>,
        /// Microseconds that the forging took; 0 if it came from the cache.
        forge_us: u64,
    },
    /// A TLS handshake was completed, as seen by a terminating end.
    #[serde(rename = "handshake:done")]
    HandshakeDone {
        /// Which half.
        half: Half,
        /// Who saw it.
        by: Observer,
        /// Its parameters.
        handshake: Handshake,
    },
    /// A TLS alert went by (close_notify too).
    #[serde(rename = "alert")]
    Alert {
        /// Which half.
        half: Half,
        /// Who saw it.
        by: Observer,
        /// The alert.
        alert: Alert,
    },
    /// An application request was readable by whoever terminated TLS (or on plain HTTP).
    #[serde(rename = "request")]
    Request {
        /// Who read it.
        by: Observer,
        /// The request, secrets masked.
        request: Request,
    },
    /// An upgrade to TLS (STARTTLS, STLS) came a step further, or was hindered.
    #[serde(rename = "upgrade:stage")]
    Upgrade {
        /// Who saw it, or did it.
        by: Observer,
        /// `smtp`, `imap`, `pop3`, `xmpp`.
        protocol: String,
        /// The step.
        stage: UpgradeStage,
    },
    /// A secret crossed the box in the clear, on a connection that could have turned to TLS.
    #[serde(rename = "clear:crossed")]
    Clear {
        /// Who read it.
        by: Observer,
        /// `smtp`, `imap`, `pop3`, `xmpp`.
        protocol: String,
        /// Its kind and length, such as `password: 10 bytes`; never the secret.
        secret: String,
    },
    /// A whole exchange, where a recording keeps them.
    #[serde(rename = "exchange")]
    Exchange {
        /// Half on which it was read.
        half: Half,
        /// Who read it.
        by: Observer,
        /// The exchange, secrets masked.
        exchange: Box<Exchange>,
    },
    /// A frame of a WebSocket was readable by whoever terminated TLS.
    #[serde(rename = "websocket:frame")]
    Frame {
        /// Who read it.
        by: Observer,
        /// The frame, without what it says.
        frame: Frame,
    },
    /// One side closed one direction.
    #[serde(rename = "close")]
    Close {
        /// Which half.
        half: Half,
        /// Who saw it.
        by: Observer,
        /// Which side closed.
        side: Side,
        /// How.
        kind: CloseKind,
    },
    /// Nothing more will come on this half.
    #[serde(rename = "half:end")]
    HalfEnd {
        /// Which half.
        half: Half,
        /// Who counted.
        by: Observer,
        /// What crossed it.
        bytes: Bytes,
        /// An error that ended it, if one did.
        error: Option<String>,
    },
    /// The connection is over: no further event of it will come.
    #[serde(rename = "connection:end")]
    ConnectionEnd {},
    /// Something that a reader should know and that no other event says.
    #[serde(rename = "note")]
    Note {
        /// The text.
        text: String,
    },
}
