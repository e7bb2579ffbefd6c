//! One connection on its way through the box: what is known of it and what becomes of each of its packets.
//!
//! Pure: frames and a clock go in, frames come out; the only effect, making the socket of a takeover, is an argument.
//!
//! ```text
//!  SYN ─► Reading ──(the handler wants no more)──► Passing
//!            │  Hold                                  ▲
//!            ▼                                        │ Pass, or no answer in time
//!          Held ───────────── an act ─────────────────┤
//!                                                     ├─► Limited, Counted, Metered   some packets pass
//!                                                     ├─► Taken                       client's packets go to our socket
//!                                                     └─► Silent, Severed             nothing passes any more
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Options;
use super::act::{Act, Residual};
use super::assemble::Assembler;
use super::craft::{Segment, segment};
use super::follow::Followed;
use super::frame::{ACK, End, FIN, Parsed, RST, Tcp, VNET, parse};
use super::half::Half;
use super::handler::{CloseFlag, Flow, FlowEnd, Handler, OnOpen, PlainAlert, Side, Why};
use super::shape::Limiter;
use super::takeover::Repair;

/// A flow's state.
pub(super) struct State {
    pub(super) flow: Flow,
    pub(super) ends: (End, End),
    pub(super) client: Half,
    pub(super) server: Half,
    pub(super) stage: Stage,
    pub(super) last: Instant,
    /// The box has done its part and only the sides' last packets are awaited.
    pub(super) winding_up: bool,
    pub(super) ended: bool,
    pub(super) stream: Option<Assembler>,
    /// Data that came in the SYN; it counts if the server acknowledges it (RFC 7413 section 4.2).
    pub(super) in_syn: Vec<u8>,
    pub(super) segments: u32,
    /// The handler was told that the server spoke first.
    pub(super) spoke: bool,
    closes: Vec<(Side, CloseFlag)>,
}

/// What happens to a flow's packets.
pub(super) enum Stage {
    /// The SYN was answered for good.
    Answered(OnOpen),
    /// The first bytes are awaited and shown to the handler.
    Reading,
    /// A segment is kept until the decision.
    Held(Box<Hold>),
    /// Everything is shown to the handler, and passes.
    Followed(Box<Followed>),
    /// Everything passes.
    Passing,
    /// The rate is limited: up, down.
    Limited(Box<(Option<Limiter>, Option<Limiter>)>),
    /// So many packets pass yet.
    Counted(u32),
    /// The download passes up to this position; once the client has it all, the flow falls silent or (`cut`) is closed.
    Metered { until: u64, cut: bool },
    /// The client's packets go to a socket of ours; it is kept here if nobody else reads it.
    Taken { kept: Option<TcpStream> },
    /// Both sides' packets go to sockets of ours.
    Both,
    /// Everything is swallowed.
    Silent,
    /// Everything is swallowed and sides that were told are told again.
    Severed { to_client: bool, to_server: bool },
    /// A connection of the box itself: what comes goes to our socket.
    Own,
}

/// What is kept of a flow while its decision is awaited.
pub(super) struct Hold {
    /// The held segment first, then what came after it.
    pub(super) frames: VecDeque<(Side, Vec<u8>)>,
    pub(super) bytes: usize,
    pub(super) side: Side,
    /// Sequence number behind the held segment.
    pub(super) behind: u32,
    pub(super) deadline: Instant,
    /// What is done when the time is over, if not "pass".
    pub(super) then: Option<Act>,
}

/// A socket that continues a flow's half, and what it is for.
pub(super) struct Taken {
    pub(super) flow: Flow,
    pub(super) stream: TcpStream,
    pub(super) purpose: Purpose,
}

/// What a taken socket is for.
pub(super) enum Purpose {
    /// The handler has it, with what the client had already sent.
    Handler(Vec<u8>),
    /// The handler has it, and this one towards the origin.
    Both(TcpStream),
    /// The box says this, and closes.
    Say(Vec<u8>),
}

/// Which link a frame leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// Back where it came from, to be routed on.
    Divert,
    /// To the box's own sockets.
    Hijack,
}

/// What becomes of the frame at hand; frames in [`Ctx::out`] go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Forward(Port),
    Consumed,
}

/// What a flow works with.
pub(super) struct Ctx<'a> {
    pub(super) now: Instant,
    pub(super) options: &'a Options,
    pub(super) handler: &'a dyn Handler,
    pub(super) take: &'a mut dyn FnMut(&Repair) -> io::Result<TcpStream>,
    pub(super) out: &'a mut Vec<(Port, Vec<u8>)>,
    /// Sockets of takeovers, for when everything in `out` is sent: not earlier, or the socket's first words would run
    /// ahead of the acknowledgement that tells it the client's clock.
    pub(super) taken: &'a mut Vec<Taken>,
    /// A residual drop that the flow's act asked for.
    pub(super) residual: &'a mut Option<Residual>,
}

impl State {
    pub(super) fn new(flow: Flow, ends: (End, End), stage: Stage, now: Instant) -> Self {
        Self {
            flow,
            ends,
            client: Half::default(),
            server: Half::default(),
            stage,
            last: now,
            winding_up: false,
            ended: false,
            stream: None,
            in_syn: Vec::new(),
            segments: 0,
            spoke: false,
            closes: Vec::new(),
        }
    }

    /// A packet of this flow came.
    pub(super) fn packet(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        self.last = ctx.now;
        let reset = tcp.has(RST) && self.credible(side, tcp);
        self.half_mut(side).observe(tcp, buffer);
        if reset {
            return self.reset(side, tcp, buffer, ctx);
        }
        if tcp.has(FIN) && !tcp.has(RST) {
            self.note(side, CloseFlag::Fin);
            self.winding_up |= side == Side::Client && !self.passes();
        }
        let fate = self.step(side, tcp, buffer, ctx);
        if self.passes() && self.closed(Side::Client) && self.closed(Side::Server) {
            self.finish(Why::Closed, ctx);
        }
        fate
    }

    /// What the stage does with a packet.
    pub(super) fn step(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        match &mut self.stage {
            Stage::Passing => {
                self.half_mut(side).pass(tcp, buffer);
                Fate::Forward(Port::Divert)
            }
            Stage::Reading => self.read(side, tcp, buffer, ctx),
            Stage::Followed(_) => self.follow(side, tcp, buffer, ctx),
            Stage::Both => {
                self.half_mut(side).pass(tcp, buffer);
                Fate::Forward(Port::Hijack)
            }
            Stage::Held(hold) => hold.keep(side, tcp, buffer),
            Stage::Limited(_) => self.limit(side, tcp, buffer, ctx),
            Stage::Counted(left) => {
                if *left == 0 {
                    self.stage = Stage::Silent;
                    return Fate::Consumed;
                }
                *left = left.saturating_sub(tcp.segments());
                self.half_mut(side).pass(tcp, buffer);
                Fate::Forward(Port::Divert)
            }
            Stage::Metered { .. } => self.meter(side, tcp, buffer, ctx),
            Stage::Taken { .. } if side == Side::Client => {
                self.client.pass(tcp, buffer);
                Fate::Forward(Port::Hijack)
            }
            Stage::Taken { .. } => self.tell_again(side, tcp, ctx),
            Stage::Severed { to_client, to_server } => {
                if if side == Side::Client { *to_client } else { *to_server } {
                    self.tell_again(side, tcp, ctx);
                }
                Fate::Consumed
            }
            Stage::Own => Fate::Forward(Port::Hijack),
            Stage::Answered(_) | Stage::Silent => Fate::Consumed,
        }
    }

    /// Says that nothing more will come, once.
    pub(super) fn finish(&mut self, why: Why, ctx: &mut Ctx<'_>) {
        if std::mem::replace(&mut self.ended, true) || matches!(self.stage, Stage::Own) {
            return;
        }
        let alerts = |half: &Half, side| {
            half.records.alerts.iter().map(move |(level, number)| (side, *level, *number)).collect::<Vec<_>>()
        };
        let both = [alerts(&self.client, Side::Client), alerts(&self.server, Side::Server)].concat();
        let end = FlowEnd {
            bytes_up: self.client.bytes,
            bytes_down: self.server.bytes,
            closes: self.closes.clone(),
            plaintext_alerts: both.into_iter().map(|(side, level, number)| PlainAlert { side, level, number }).collect(),
            app_records_up: self.client.records.app_records,
            app_records_down: self.server.records.app_records,
            why,
        };
        if let Stage::Taken { kept } = &mut self.stage {
            *kept = None;
        }
        ctx.handler.ended(&self.flow, end);
    }

    /// When [`State::wake`] has something to do.
    pub(super) fn due(&self, options: &Options) -> Instant {
        let quiet = self.last + self.patience(options);
        match &self.stage {
            Stage::Held(hold) => hold.deadline.min(quiet),
            Stage::Limited(both) => [&both.0, &both.1].into_iter().flatten().filter_map(Limiter::wake).fold(quiet, Instant::min),
            _ => quiet,
        }
    }

    /// Does what is due. False: the flow is to be forgotten.
    pub(super) fn wake(&mut self, ctx: &mut Ctx<'_>) -> bool {
        match &mut self.stage {
            Stage::Held(hold) if hold.deadline <= ctx.now => {
                let then = hold.then.take();
                if then.is_none() {
                    ctx.handler.overdue(&self.flow);
                }
                self.apply(then.unwrap_or(Act::Pass), ctx);
            }
            Stage::Limited(both) => {
                for limiter in [&mut both.0, &mut both.1].into_iter().flatten() {
                    while let Some(frame) = limiter.due(ctx.now) {
                        ctx.out.push((Port::Divert, frame));
                    }
                }
            }
            _ => {}
        }
        if ctx.now < self.last + self.patience(ctx.options) {
            return true;
        }
        if self.ended {
            return false;
        }
        let why = if self.winding_up { Why::Box } else { Why::Idle };
        self.finish(why, ctx);
        self.winding_up
    }

    /// The state of what one side sent.
    pub(super) fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// A TCP segment of the box's own from `side` to the other one, with the connection's numbers.
    pub(super) fn craft(&self, side: Side, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
        let (half, other, src, dst) = match side {
            Side::Client => (&self.client, &self.server, self.ends.0, self.ends.1),
            Side::Server => (&self.server, &self.client, self.ends.1, self.ends.0),
        };
        let times = half.options.time.is_some() && other.options.time.is_some();
        let time = (times && flags & RST == 0).then_some((half.clock, other.clock));
        segment(&Segment { src, dst, seq, ack, flags, window: half.window(other), time, payload })
    }

    /// Forgets the first bytes: nobody will ask for them.
    pub(super) fn settle(&mut self, stage: Stage) {
        self.stream = None;
        self.stage = stage;
    }

    /// Sends a frame of this flow on its way, through whatever the stage does with it.
    pub(super) fn release(&mut self, side: Side, frame: Vec<u8>, ctx: &mut Ctx<'_>) {
        let Some(tcp) = reread(&frame) else { return };
        if let Fate::Forward(port) = self.step(side, &tcp, &frame, ctx) {
            ctx.out.push((port, frame));
        }
    }

    /// Passes a frame on.
    pub(super) fn send(&mut self, side: Side, frame: Vec<u8>, ctx: &mut Ctx<'_>) {
        if let Some(tcp) = reread(&frame) {
            self.half_mut(side).pass(&tcp, &frame);
            ctx.out.push((Port::Divert, frame));
        }
    }

    fn reset(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        self.note(side, CloseFlag::Rst);
        let fate = match (&self.stage, side) {
            // What it said last never reached the server: the reset must fit what did.
            (Stage::Held(_), Side::Client) => {
                let rst = self.craft(Side::Client, RST, self.client.sent, 0, &[]);
                ctx.out.push((Port::Divert, rst));
                Fate::Consumed
            }
            (Stage::Held(_), Side::Server) => Fate::Forward(Port::Divert),
            (Stage::Taken { .. } | Stage::Silent | Stage::Severed { .. } | Stage::Answered(_), Side::Server) => {
                return Fate::Consumed;
            }
            _ => self.step(side, tcp, buffer, ctx),
        };
        if matches!(self.stage, Stage::Held(_)) {
            self.settle(Stage::Passing);
        }
        self.finish(Why::Reset, ctx);
        fate
    }

    /// True if a RST is one that its receiver may believe: its number is near what the receiver expects (RFC 5961
    /// section 3.2 wants it exact; the box cannot know what is still on its way). Any other is passed and forgotten.
    fn credible(&self, side: Side, tcp: &Tcp) -> bool {
        let (from, to) = match side {
            Side::Client => (&self.client, &self.server),
            Side::Server => (&self.server, &self.client),
        };
        if !from.known || !to.known {
            return side == Side::Client || tcp.ack == self.client.next;
        }
        let window = i64::from(to.window(from)) << to.options.scale.unwrap_or(0);
        let ahead = i64::from(tcp.seq.wrapping_sub(to.acked) as i32);
        (-1..=window.max(65_535)).contains(&ahead)
    }

    fn note(&mut self, side: Side, flag: CloseFlag) {
        if !self.closes.contains(&(side, flag)) {
            self.closes.push((side, flag));
        }
    }

    fn closed(&self, side: Side) -> bool {
        self.closes.contains(&(side, CloseFlag::Fin))
    }

    /// True if both sides' packets reach each other.
    fn passes(&self) -> bool {
        matches!(
            self.stage,
            Stage::Reading | Stage::Followed(_) | Stage::Passing | Stage::Limited(_) | Stage::Counted(_) | Stage::Metered { .. }
        )
    }

    /// How long it may be quiet before something is done about it.
    fn patience(&self, options: &Options) -> Duration {
        match (self.ended, self.passes(), &self.stage) {
            (true, true, _) => options.linger,
            (true, false, _) | (false, _, Stage::Own) => options.silence,
            _ if self.winding_up => options.linger,
            _ if !self.server.known => options.silence,
            _ => options.idle,
        }
    }

    /// The side speaks to a connection that it was told is gone: RST with the number that it asks for (RFC 9293
    /// section 3.10.7.1).
    fn tell_again(&mut self, side: Side, tcp: &Tcp, ctx: &mut Ctx<'_>) -> Fate {
        if tcp.has(ACK) && !tcp.has(RST) {
            let rst = self.craft(side.other(), RST, tcp.ack, 0, &[]);
            ctx.out.push((Port::Divert, rst));
        }
        Fate::Consumed
    }
}

impl Hold {
    fn keep(&mut self, side: Side, tcp: &Tcp, buffer: &[u8]) -> Fate {
        let repeated = side == self.side && tcp.len() > 0 && !super::frame::after(tcp.next_seq(), self.behind);
        if !repeated {
            self.push(side, buffer.to_vec());
        }
        Fate::Consumed
    }

    pub(super) fn push(&mut self, side: Side, frame: Vec<u8>) {
        if self.bytes + frame.len() <= HELD_BYTES && self.frames.len() < HELD_FRAMES {
            self.bytes += frame.len();
            self.frames.push_back((side, frame));
        }
    }
}

/// Parses a frame that was parsed before.
pub(super) fn reread(frame: &[u8]) -> Option<Tcp> {
    let mac = frame.get(VNET..VNET + 6)?.try_into().ok()?;
    match parse(frame, mac) {
        Parsed::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}

/// What waits behind a held segment; beyond it packets are lost, and TCP brings them again.
const HELD_BYTES: usize = 1024 * 1024;
const HELD_FRAMES: usize = 256;
