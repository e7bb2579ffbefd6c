//! Following a flow that may turn to TLS: every segment of both sides is shown to the handler, in order, before it passes, and may be
//! overwritten in place. Where that does not do, both halves become sockets of ours.
//!
//! A segment ahead of its turn is swallowed, one that was shown before passes as it passed then: TCP brings the lost ones again.

use std::io;
use std::net::TcpStream;

use super::craft::part;
use super::flow::{Ctx, Fate, Port, Purpose, Stage, State, Taken};
use super::frame::{ACK, RST, SYN, Tcp, after};
use super::handler::{Said, Side};
use super::takeover::{Repair, forget};

/// How far each side was followed.
#[derive(Debug)]
pub(super) struct Followed {
    up: Track,
    down: Track,
}

#[derive(Debug)]
struct Track {
    /// Sequence number behind all that was shown.
    next: u32,
    /// What was overwritten, by its sequence number: it must look the same when it comes again.
    changed: Vec<(u32, Vec<u8>)>,
}

impl State {
    /// Follows from now on: what is passed on next is shown first.
    pub(super) fn begin_following(&mut self) {
        let track = |next| Track { next, changed: Vec::new() };
        let followed = Followed { up: track(self.client.sent), down: track(self.server.sent) };
        self.settle(Stage::Followed(Box::new(followed)));
    }

    /// What a followed flow does with a packet.
    pub(super) fn follow(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        let Stage::Followed(followed) = &mut self.stage else { return Fate::Consumed };
        let track = followed.track(side);
        let begin = tcp.data_seq();
        if tcp.len() == 0 || tcp.has(SYN | RST) {
            self.half_mut(side).pass(tcp, buffer);
            return Fate::Forward(Port::Divert);
        }
        if after(begin, track.next) {
            return Fate::Consumed;
        }
        let known = track.next.wrapping_sub(begin) as usize;
        if known >= tcp.len() {
            return self.pass_followed(side, tcp, buffer, ctx);
        }
        let fresh = &buffer[tcp.payload + known..tcp.end];
        match ctx.handler.said(&self.flow, side, fresh) {
            Said::Pass => self.shown(side, tcp, None),
            Said::Replace(bytes) => self.shown(side, tcp, Some(bytes)),
            Said::Enough(bytes) => {
                self.shown(side, tcp, bytes);
                let fate = self.pass_followed(side, tcp, buffer, ctx);
                self.settle(Stage::Passing);
                return fate;
            }
            Said::TakeAfter(bytes) => {
                self.shown(side, tcp, bytes);
                if let Fate::Forward(port) = self.pass_followed(side, tcp, buffer, ctx) {
                    ctx.out.push((port, buffer.to_vec()));
                }
                self.take_both(ctx);
                return Fate::Consumed;
            }
            Said::TakeBefore => {
                self.take_both(ctx);
                return self.step(side, tcp, buffer, ctx);
            }
        }
        self.pass_followed(side, tcp, buffer, ctx)
    }

    fn shown(&mut self, side: Side, tcp: &Tcp, replaced: Option<Vec<u8>>) {
        let Stage::Followed(followed) = &mut self.stage else { return };
        let track = followed.track(side);
        if let Some(bytes) = replaced.filter(|_| track.changed.len() < MOST_CHANGED) {
            track.changed.push((track.next, bytes));
        }
        track.next = tcp.data_seq().wrapping_add(tcp.len() as u32);
    }

    /// Passes a segment as it was decided before.
    fn pass_followed(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        let changed = match &mut self.stage {
            Stage::Followed(followed) => followed.track(side).apply(tcp, buffer),
            _ => None,
        };
        self.half_mut(side).pass(tcp, buffer);
        match changed {
            Some(frame) => {
                ctx.out.push((Port::Divert, frame));
                Fate::Consumed
            }
            None => Fate::Forward(Port::Divert),
        }
    }

    /// Makes both halves sockets of ours. Where the kernel refuses one, the flow passes.
    fn take_both(&mut self, ctx: &mut Ctx<'_>) {
        match self.both(ctx) {
            Ok((client, origin)) => {
                for frame in [
                    // Each side learns that its bytes arrived, each socket what its peer's clock and window say.
                    (Port::Divert, self.craft(Side::Server, ACK, self.server.sent, self.client.sent, &[])),
                    (Port::Divert, self.craft(Side::Client, ACK, self.client.sent, self.server.sent, &[])),
                    (Port::Hijack, self.craft(Side::Client, ACK, self.client.sent, self.client.acked, &[])),
                    (Port::Hijack, self.craft(Side::Server, ACK, self.server.sent, self.server.acked, &[])),
                ] {
                    ctx.out.push(frame);
                }
                self.settle(Stage::Both);
                let purpose = Purpose::Both(origin);
                ctx.taken.push(Taken { flow: self.flow.clone(), stream: client, purpose });
            }
            Err(error) => {
                ctx.handler.not_taken(&self.flow, error);
                self.settle(Stage::Passing);
            }
        }
    }

    /// A socket that continues the origin's half towards the client, and one that continues the client's towards the origin.
    fn both(&self, ctx: &mut Ctx<'_>) -> io::Result<(TcpStream, TcpStream)> {
        let towards_client = Repair {
            server: self.flow.server,
            client: self.flow.client,
            send: self.server.sent,
            receive: self.client.sent,
            client_options: self.client.options,
            server_options: self.server.options,
            clock: self.server.clock,
            window: self.client.window(&self.server),
        };
        let towards_origin = Repair {
            server: self.flow.client,
            client: self.flow.server,
            send: self.client.sent,
            receive: self.server.sent,
            client_options: self.server.options,
            server_options: self.client.options,
            clock: self.client.clock,
            window: self.server.window(&self.client),
        };
        let client = (ctx.take)(&towards_client)?;
        match (ctx.take)(&towards_origin) {
            Ok(origin) => Ok((client, origin)),
            Err(error) => {
                forget(client);
                Err(error)
            }
        }
    }
}

impl Followed {
    fn track(&mut self, side: Side) -> &mut Track {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }
}

impl Track {
    /// The frame with what was overwritten, if something of it was.
    fn apply(&self, tcp: &Tcp, buffer: &[u8]) -> Option<Vec<u8>> {
        let mut frame: Option<Vec<u8>> = None;
        for (seq, bytes) in &self.changed {
            let offset = seq.wrapping_sub(tcp.data_seq()) as i32;
            for (at, byte) in bytes.iter().enumerate() {
                let Ok(place) = usize::try_from(i64::from(offset) + at as i64) else { continue };
                if place < tcp.len() && buffer[tcp.payload + place] != *byte {
                    frame.get_or_insert_with(|| part(buffer, tcp, 0, tcp.len()))[tcp.payload + place] = *byte;
                }
            }
        }
        frame
    }
}

/// Overwritten segments of one direction that are remembered; a prelude has two or three.
const MOST_CHANGED: usize = 64;
