//! What the wire asks and tells: the interface between packets and decisions.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::act::Act;

/// Number of a flow, never used twice in a [`super::Wire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.0)
    }
}

/// A TCP connection that passes the box.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its number.
    pub id: FlowId,
    /// Who sent the SYN.
    pub client: SocketAddr,
    /// To whom.
    pub server: SocketAddr,
    /// Hop limit (TTL) with which the SYN arrived at the box, before the box took its own hop.
    pub hops: u8,
    /// When the SYN was seen.
    pub opened: Instant,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who sent the SYN.
    Client,
    /// Who got it.
    Server,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The answer to a new flow's SYN. Retransmitted SYNs get the same answer without another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOpen {
    /// It passes.
    Pass,
    /// It is swallowed.
    Drop,
    /// It is answered with RST.
    Refuse,
    /// It is answered with ICMP host unreachable, ICMPv6 address unreachable.
    Unreachable,
}

/// The answer to first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnBytes {
    /// Too early to say: forward this segment and ask again when there is more.
    More,
    /// Keep this segment; [`super::Commander::resolve`] follows.
    Hold,
    /// Do this now.
    Do(Act),
}

/// The answer to a piece of a followed flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It passes.
    Pass,
    /// It passes with these bytes in place of its own; as many.
    Replace(Vec<u8>),
    /// It passes, perhaps overwritten, and so does everything after it, unseen.
    Enough(Option<Vec<u8>>),
    /// It passes, perhaps overwritten; then both halves become sockets of ours ([`Handler::taken_both`]).
    TakeAfter(Option<Vec<u8>>),
    /// Both halves become sockets of ours, and it is the first that one of them will read.
    TakeBefore,
}

/// The answer to a UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDatagram {
    /// It passes.
    Pass,
    /// It is swallowed.
    Drop,
    /// It is swallowed, and so is every later one between the two ends until none came for ten minutes.
    DropFlow,
    /// It is swallowed and its sender gets this answer in the other end's name.
    Reply(Vec<u8>),
    /// Its sender gets this answer at once, and the datagram passes all the same.
    ReplyAndPass(Vec<u8>),
}

/// How a direction was closed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseFlag {
    /// FIN.
    Fin,
    /// RST.
    Rst,
}

/// A TLS alert that went by unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAlert {
    /// Who sent it.
    pub side: Side,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// AlertDescription.
    pub number: u8,
}

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Both sides sent FIN.
    Closed,
    /// One side sent RST.
    Reset,
    /// The box ended it, and the sides fell silent.
    Box,
    /// Nothing came for a long time.
    Idle,
    /// Its port pair was taken by a new connection, or the table was full.
    Replaced,
    /// The wire was stopped.
    Shutdown,
}

/// What became of a flow. Of one that was taken over, this tells the client's packets; how its stream went is known to
/// whoever holds the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEnd {
    /// Payload bytes from the client, each counted once.
    pub bytes_up: u64,
    /// Payload bytes that the origin sent and that passed, each counted once.
    pub bytes_down: u64,
    /// FIN and RST as they were seen, in order.
    pub closes: Vec<(Side, CloseFlag)>,
    /// TLS alerts seen in the clear.
    pub plaintext_alerts: Vec<PlainAlert>,
    /// TLS records of type application_data from the client.
    pub app_records_up: u64,
    /// TLS records of type application_data from the origin.
    pub app_records_down: u64,
    /// Why it ended.
    pub why: Why,
}

/// Decides about connections. Called on the wire's own thread: whatever takes longer than a look at bytes answers
/// [`OnBytes::Hold`] and resolves later from elsewhere.
pub trait Handler: Send + Sync + 'static {
    /// The SYN of a new flow.
    fn opened(&self, flow: &Flow) -> OnOpen {
        let _ = flow;
        OnOpen::Pass
    }

    /// The client's stream so far, contiguous from its first byte, grew; it came in `segments` data segments. Called until it
    /// answers something other than [`OnBytes::More`].
    fn first_bytes(&self, flow: &Flow, stream: &[u8], segments: u32) -> OnBytes;

    /// The server spoke before the client did. Asked once per flow.
    fn server_spoke(&self, flow: &Flow, bytes: &[u8]) -> OnBytes {
        let _ = (flow, bytes);
        OnBytes::More
    }

    /// The connection was taken over: `stream` leads to the client, who had already sent `prefix`. The stream is blocking,
    /// with TCP_NODELAY.
    fn taken(&self, flow: &Flow, stream: TcpStream, prefix: Vec<u8>);

    /// A side of a followed flow ([`super::Act::Follow`]) said something new. In order, each byte once, without gaps.
    fn said(&self, flow: &Flow, side: Side, bytes: &[u8]) -> Said {
        let _ = (flow, side, bytes);
        Said::Pass
    }

    /// Both halves were taken over: one socket leads to the client, one to the origin. Blocking, with TCP_NODELAY.
    fn taken_both(&self, flow: &Flow, client: TcpStream, origin: TcpStream) {
        let _ = (flow, client, origin);
    }

    /// A takeover was asked for and the kernel refused: the flow passes.
    fn not_taken(&self, flow: &Flow, error: io::Error) {
        let _ = (flow, error);
    }

    /// No answer came for a held flow in time: it passes.
    fn overdue(&self, flow: &Flow) {
        let _ = flow;
    }

    /// A UDP datagram of a diverted port, either direction.
    fn datagram(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> OnDatagram {
        let _ = (from, to, payload);
        OnDatagram::Pass
    }

    /// A SYN was swallowed because of an earlier flow's [`super::Residual`]; `opened` is not asked.
    fn residual(&self, flow: &Flow) {
        let _ = flow;
    }

    /// Nothing more will come. Once per flow.
    fn ended(&self, flow: &Flow, end: FlowEnd) {
        let _ = (flow, end);
    }
}
