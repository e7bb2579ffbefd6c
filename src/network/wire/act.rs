//! What may be done to a connection on the wire.

use std::time::Duration;

/// What is done to a connection from now on. Sequence numbers are those of the connection; nothing is guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The held segment goes on its way as if nothing had been, and so does everything after it.
    Pass,
    /// Everything passes, and is shown to [`super::Handler::said`] first, from this segment on if the server sent it, behind it if
    /// the client did.
    Follow,
    /// The client's half becomes a socket of ours ([`super::Handler::taken`]); the origin's half is reset.
    TakeOver,
    /// RST with the exact sequence number; the held segment and everything later is swallowed. A side that is told and
    /// speaks again is told again; a side that is not told hears nothing more.
    Reset {
        /// The client is told.
        to_client: bool,
        /// The origin is told.
        to_server: bool,
    },
    /// FIN to the client, RST to the origin.
    Close,
    /// A fatal TLS alert with this AlertDescription in the clear (RFC 8446 section 6), then as [`Act::Close`].
    Alert(u8),
    /// Swallows the held segment and all that follows, both ways.
    Drop {
        /// New connections are swallowed too, for a while.
        residual: Option<Residual>,
    },
    /// Lets the held segment and then this many more packets pass, both directions together; swallows the rest.
    DropAfter {
        /// Packets that pass after the held one.
        packets: u32,
    },
    /// Limits the rate.
    Throttle(Throttle),
    /// Lets this much go down to the client, then swallows everything both ways without a word.
    Stall {
        /// Payload bytes towards the client, counted from the decision.
        after_bytes_down: u64,
    },
    /// Lets this much go down to the client, then acts as [`Act::Close`].
    Cut {
        /// Payload bytes towards the client, counted from the decision.
        after_bytes_down: u64,
    },
    /// Says something to the client in the origin's name: a block page, a redirect.
    Inject {
        /// What is said.
        to_client: Vec<u8>,
        /// And then.
        then: Then,
    },
}

/// What follows an injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The connection ends: FIN to the client behind the injected bytes, RST to the origin. The origin never sees the
    /// held segment.
    Close,
    /// The held segment passes too. The origin's answer has the same sequence numbers, so the client takes whichever
    /// bytes come first: the race of a box beside the path.
    Pass,
}

/// For how long, and for whom, a drop outlives its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residual {
    /// For how long from the decision. A connection that is swallowed for it does not prolong it.
    pub duration: Duration,
    /// Which new connections.
    pub scope: Scope,
}

/// Which new connections a residual drop takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Same client address, server address and server port.
    ThreeTuple,
    /// Same client port too.
    FourTuple,
}

/// A rate limit. Each direction has its own account. Rates are of TCP payload, as a client measures them: headers are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Bits per second from the client; none leaves the direction alone.
    pub up_bps: Option<u64>,
    /// Bits per second towards the client; none leaves the direction alone.
    pub down_bps: Option<u64>,
    /// What happens to packets beyond the rate.
    pub beyond: Beyond,
    /// By how much the held segment is delayed (and what follows it).
    pub delay: Duration,
}

/// What happens to packets beyond the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// They are dropped. Each second of the clock has its allowance: a burst that spends it at once is followed by silence, as
    /// measured on Russia's throttler of 2021 (Xue et al., IMC 2021: 16 KB within 100 ms, then 900 ms of loss).
    Police,
    /// They wait their turn (a bounded queue; what does not fit is dropped).
    Shape,
}
