//! Reading the first bytes of a flow, segment by segment, until the handler has seen enough.
//!
//! A frame may stand for several segments (GSO): each is shown on its own, as a box without the sender's kernel would
//! see it, and only the one that completes the decision is kept.

use std::collections::VecDeque;

use super::act::Act;
use super::assemble::{Assembler, Pushed};
use super::craft::part;
use super::flow::{Ctx, Fate, Hold, Port, Stage, State};
use super::frame::{RST, SYN, Tcp, after};
use super::handler::{OnBytes, Side};

impl State {
    /// What an undecided flow does with a packet.
    pub(super) fn read(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        if tcp.len() == 0 || tcp.has(SYN | RST) {
            if side == Side::Client && tcp.has(SYN) && tcp.len() <= IN_SYN {
                self.in_syn = buffer[tcp.payload..tcp.end].to_vec();
            }
            self.half_mut(side).pass(tcp, buffer);
            return Fate::Forward(Port::Divert);
        }
        match side {
            Side::Client => self.read_client(tcp, buffer, ctx),
            Side::Server => self.read_server(tcp, buffer, ctx),
        }
    }

    fn read_client(&mut self, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        let size = if tcp.gso == 0 { tcp.len() } else { tcp.gso };
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.begin_stream(ctx.options.window),
        };
        for from in (0..tcp.len()).step_by(size) {
            let to = (from + size).min(tcp.len());
            let seq = tcp.data_seq().wrapping_add(from as u32);
            let pushed = stream.push(seq, &buffer[tcp.payload + from..tcp.payload + to]);
            let answer = match pushed {
                Pushed::Known => continue,
                Pushed::Beyond => {
                    self.segments += 1;
                    continue;
                }
                // Far beyond what was read: not this stream's next bytes.
                Pushed::Overflow if after(seq, stream.next()) => continue,
                Pushed::Overflow => OnBytes::Do(Act::Pass),
                Pushed::Grew => {
                    self.segments += 1;
                    ctx.handler.first_bytes(&self.flow, stream.stream(), self.segments)
                }
            };
            if answer != OnBytes::More {
                self.stream = Some(stream);
                return self.answer(answer, Side::Client, tcp, buffer, (from, to), ctx);
            }
        }
        self.stream = Some(stream);
        self.client.pass(tcp, buffer);
        Fate::Forward(Port::Divert)
    }

    fn begin_stream(&mut self, window: usize) -> Assembler {
        let first = self.client.isn.wrapping_add(1);
        let mut stream = Assembler::new(first, window);
        let accepted = self.server.acked.wrapping_sub(first) as usize;
        if self.server.known && accepted <= self.in_syn.len() {
            stream.push(first, &self.in_syn[..accepted]);
        }
        self.in_syn = Vec::new();
        stream
    }

    fn read_server(&mut self, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        if !self.spoke && self.segments == 0 {
            self.spoke = true;
            let to = if tcp.gso == 0 { tcp.len() } else { tcp.gso };
            let answer = ctx.handler.server_spoke(&self.flow, &buffer[tcp.payload..tcp.payload + to]);
            if answer != OnBytes::More {
                return self.answer(answer, Side::Server, tcp, buffer, (0, to), ctx);
            }
        }
        self.server.pass(tcp, buffer);
        Fate::Forward(Port::Divert)
    }

    /// Acts on the handler's answer about the payload bytes `from..to` of the frame at hand.
    fn answer(
        &mut self,
        answer: OnBytes,
        side: Side,
        tcp: &Tcp,
        buffer: &[u8],
        (from, to): (usize, usize),
        ctx: &mut Ctx<'_>,
    ) -> Fate {
        if answer == OnBytes::Do(Act::Pass) {
            self.settle(Stage::Passing);
            self.half_mut(side).pass(tcp, buffer);
            return Fate::Forward(Port::Divert);
        }
        if answer == OnBytes::Do(Act::Follow) {
            return self.begin(side, tcp, buffer, to, ctx);
        }
        if from > 0 {
            self.send(side, part(buffer, tcp, 0, from), ctx);
        }
        let held = if (from, to) == (0, tcp.len()) { buffer.to_vec() } else { part(buffer, tcp, from, to) };
        let mut hold = Hold {
            bytes: held.len(),
            frames: VecDeque::from([(side, held)]),
            side,
            behind: tcp.data_seq().wrapping_add(to as u32),
            deadline: ctx.now + ctx.options.hold_deadline,
            then: None,
        };
        if to < tcp.len() {
            hold.push(side, part(buffer, tcp, to, tcp.len()));
        }
        self.stage = Stage::Held(Box::new(hold));
        if let OnBytes::Do(act) = answer {
            self.apply(act, ctx);
        }
        Fate::Consumed
    }

    /// Begins to follow. What the client said was shown already, up to `to`.
    fn begin(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], to: usize, ctx: &mut Ctx<'_>) -> Fate {
        if side == Side::Server {
            self.begin_following();
            return self.step(side, tcp, buffer, ctx);
        }
        if to == tcp.len() {
            self.client.pass(tcp, buffer);
            self.begin_following();
            return Fate::Forward(Port::Divert);
        }
        self.send(side, part(buffer, tcp, 0, to), ctx);
        self.begin_following();
        self.release(side, part(buffer, tcp, to, tcp.len()), ctx);
        Fate::Consumed
    }

    /// The stream that the client has sent so far, and the sequence number behind it.
    pub(super) fn read_so_far(&mut self) -> (Vec<u8>, u32) {
        match self.stream.take() {
            Some(stream) => {
                let next = stream.next();
                (stream.into_stream(), next)
            }
            None if matches!(self.stage, Stage::Reading | Stage::Held(_)) => (Vec::new(), self.client.isn.wrapping_add(1)),
            None => (Vec::new(), self.client.sent),
        }
    }
}

/// Most data of a SYN that is kept.
const IN_SYN: usize = 1460;
