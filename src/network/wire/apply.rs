//! Carrying out an act on a flow: now, on the held segment, and on everything later.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::act::{Act, Beyond, Then, Throttle};
use super::craft::{alert, part};
use super::flow::{Ctx, Fate, Hold, Port, Purpose, Stage, State, Taken};
use super::frame::{ACK, FIN, PSH, RST, Tcp};
use super::handler::Side;
use super::shape::{Limiter, Turn};
use super::takeover::Repair;

impl State {
    /// Carries out `act`.
    pub(super) fn apply(&mut self, act: Act, ctx: &mut Ctx<'_>) {
        match act {
            Act::Pass => self.go_on(Stage::Passing, ctx),
            Act::Follow => {
                // What was held passes unseen: a flow that is to be followed is not held.
                self.go_on(Stage::Passing, ctx);
                self.begin_following();
            }
            Act::Drop { residual } => {
                *ctx.residual = residual;
                self.settle(Stage::Silent);
            }
            Act::DropAfter { packets } => {
                let held = u32::from(matches!(self.stage, Stage::Held(_)));
                self.go_on(Stage::Counted(packets.saturating_add(held)), ctx);
            }
            Act::Throttle(throttle) => self.throttle(throttle, ctx),
            Act::Stall { after_bytes_down } => self.go_on(self.metered(after_bytes_down, false), ctx),
            Act::Cut { after_bytes_down } => self.go_on(self.metered(after_bytes_down, true), ctx),
            Act::Reset { to_client, to_server } => self.sever(to_client, to_server, ctx),
            Act::TakeOver => {
                if let Some((stream, prefix)) = self.take_over(ctx) {
                    ctx.taken.push(Taken { flow: self.flow.clone(), stream, purpose: Purpose::Handler(prefix) });
                }
            }
            Act::Close => self.say_and_close(&[], ctx),
            Act::Alert(number) => self.say_and_close(&alert(number), ctx),
            Act::Inject { to_client, then: Then::Close } => self.say_and_close(&to_client, ctx),
            Act::Inject { to_client, then: Then::Pass } => {
                self.interject(&to_client, ctx);
                self.go_on(Stage::Passing, ctx);
            }
        }
    }

    /// Enters a stage and sends what was held through it.
    fn go_on(&mut self, stage: Stage, ctx: &mut Ctx<'_>) {
        let old = std::mem::replace(&mut self.stage, Stage::Silent);
        self.settle(stage);
        if let Stage::Held(hold) = old {
            for (side, frame) in hold.frames {
                self.release(side, frame, ctx);
            }
        }
    }

    fn throttle(&mut self, throttle: Throttle, ctx: &mut Ctx<'_>) {
        let Throttle { up_bps, down_bps, beyond, delay } = throttle;
        if let Stage::Held(hold) = &mut self.stage
            && !delay.is_zero()
        {
            hold.deadline = ctx.now + delay;
            hold.then = Some(Act::Throttle(Throttle { delay: Duration::ZERO, ..throttle }));
            return;
        }
        let limiter = |rate: Option<u64>, beyond: Beyond| rate.map(|rate| Limiter::new(rate, beyond, ctx.now));
        let both = Box::new((limiter(up_bps, beyond), limiter(down_bps, beyond)));
        self.go_on(Stage::Limited(both), ctx);
    }

    /// What a limited flow does with a packet. Frames that stand for several segments are taken apart: a limit is on packets.
    pub(super) fn limit(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        let size = if tcp.gso == 0 { tcp.len().max(1) } else { tcp.gso };
        for from in (0..tcp.len().max(1)).step_by(size) {
            let frame = part(buffer, tcp, from, (from + size).min(tcp.len()));
            let Stage::Limited(both) = &mut self.stage else { return Fate::Consumed };
            let limiter = if side == Side::Client { &mut both.0 } else { &mut both.1 };
            let Some(limiter) = limiter else {
                self.half_mut(side).pass(tcp, buffer);
                return Fate::Forward(Port::Divert);
            };
            let payload = size.min(tcp.len() - from);
            match limiter.ask(payload, ctx.now) {
                Turn::Now => self.send(side, frame, ctx),
                Turn::Later => {
                    limiter.wait(frame.clone(), payload);
                    if let Some(tcp) = super::flow::reread(&frame) {
                        self.half_mut(side).pass(&tcp, &frame);
                    }
                }
                Turn::Never => {}
            }
        }
        Fate::Consumed
    }

    fn metered(&self, bytes: u64, cut: bool) -> Stage {
        Stage::Metered { until: self.server.bytes.saturating_add(bytes), cut }
    }

    /// What a metered flow does with a packet: to the byte, and lost ones may come again.
    pub(super) fn meter(&mut self, side: Side, tcp: &Tcp, buffer: &[u8], ctx: &mut Ctx<'_>) -> Fate {
        let Stage::Metered { until, cut } = self.stage else { return Fate::Consumed };
        if side == Side::Server && tcp.len() > 0 {
            let begin = self.server.position(tcp.data_seq());
            let rest = until.saturating_sub(begin).min(tcp.len() as u64) as usize;
            if rest < tcp.len() {
                if rest > 0 {
                    self.send(side, part(buffer, tcp, 0, rest), ctx);
                }
                return Fate::Consumed;
            }
        }
        if side == Side::Client && self.server.position(self.client.acked) >= until {
            self.settle(Stage::Silent);
            if cut {
                self.settle(Stage::Passing); // where a takeover starts from
                self.say_and_close(&[], ctx);
            }
            return Fate::Consumed;
        }
        self.half_mut(side).pass(tcp, buffer);
        Fate::Forward(Port::Divert)
    }

    fn sever(&mut self, to_client: bool, to_server: bool, ctx: &mut Ctx<'_>) {
        if to_client {
            self.tell(Side::Client, ctx);
        }
        if to_server {
            self.tell(Side::Server, ctx);
        }
        self.winding_up = true;
        self.settle(Stage::Severed { to_client, to_server });
    }

    /// RST to `side`, in the other one's name. A receiver believes the exact number only (RFC 5961 section 3.2): what was passed
    /// on, and, where it has not acknowledged all of that, what it has acknowledged.
    fn tell(&mut self, side: Side, ctx: &mut Ctx<'_>) {
        let (sender, receiver) = match side {
            Side::Client => (&self.server, &self.client),
            Side::Server => (&self.client, &self.server),
        };
        if !sender.known {
            // Before the server spoke: the answer to a SYN (RFC 9293 section 3.10.7.1).
            let rst = self.craft(side.other(), RST | ACK, 0, receiver.next, &[]);
            return ctx.out.push((Port::Divert, rst));
        }
        let mut numbers = vec![sender.sent];
        if receiver.known && receiver.acked != sender.sent {
            numbers.push(receiver.acked);
        }
        for seq in numbers {
            let rst = self.craft(side.other(), RST | ACK, seq, receiver.next, &[]);
            ctx.out.push((Port::Divert, rst));
        }
    }

    /// Makes the client's half a socket of ours and resets the origin's. Where the kernel refuses, the flow passes.
    fn take_over(&mut self, ctx: &mut Ctx<'_>) -> Option<(TcpStream, Vec<u8>)> {
        let (prefix, receive) = self.read_so_far();
        let repair = Repair {
            server: self.flow.server,
            client: self.flow.client,
            send: self.server.sent,
            receive,
            client_options: self.client.options,
            server_options: self.server.options,
            clock: self.server.clock,
            window: self.client.window(&self.server),
        };
        let taken = if self.server.known { (ctx.take)(&repair) } else { Err(io::ErrorKind::NotConnected.into()) };
        let stream = match taken {
            Ok(stream) => stream,
            Err(error) => {
                ctx.handler.not_taken(&self.flow, error);
                self.go_on(Stage::Passing, ctx);
                return None;
            }
        };
        self.tell(Side::Server, ctx);
        // The client learns that its bytes arrived, the socket what the client's clock and window say.
        ctx.out.push((Port::Divert, self.craft(Side::Server, ACK, self.server.sent, receive, &[])));
        ctx.out.push((Port::Hijack, self.craft(Side::Client, ACK, receive, self.client.acked, &[])));
        let old = std::mem::replace(&mut self.stage, Stage::Taken { kept: None });
        if let Stage::Held(hold) = old {
            self.hand_over(*hold, ctx);
        }
        Some((stream, prefix))
    }

    /// What the client sent behind the held segment is for the socket; what the server sent is for nobody.
    fn hand_over(&mut self, hold: Hold, ctx: &mut Ctx<'_>) {
        for (index, (side, frame)) in hold.frames.into_iter().enumerate() {
            let Some(tcp) = super::flow::reread(&frame) else { continue };
            let first = index == 0 && hold.side == Side::Client;
            if first {
                self.client.pass(&tcp, &frame);
            }
            // The held segment itself is in the prefix, but a FIN in it is news.
            if side == Side::Client && (!first || tcp.has(FIN)) {
                self.release(side, frame, ctx);
            }
        }
    }

    /// Takes over to say one last thing. The kernel sees to retransmission and to the FIN.
    fn say_and_close(&mut self, bytes: &[u8], ctx: &mut Ctx<'_>) {
        if let Some((stream, _)) = self.take_over(ctx) {
            self.winding_up = true;
            ctx.taken.push(Taken { flow: self.flow.clone(), stream, purpose: Purpose::Say(bytes.to_vec()) });
        }
    }

    /// Says it.
    pub(super) fn say(&mut self, mut stream: TcpStream, bytes: &[u8]) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let written = stream.write(bytes).unwrap_or(0);
        if written < bytes.len() {
            return finish_elsewhere(stream, bytes[written..].to_vec());
        }
        // An error means that the client is gone already.
        let _ = stream.shutdown(Shutdown::Write);
        // Kept open for reading: closing with unread bytes would turn the FIN into a RST (RFC 2525 section 2.17).
        if let Stage::Taken { kept } = &mut self.stage {
            *kept = Some(stream);
        }
    }

    /// Segments in the server's name ahead of its own answer.
    fn interject(&mut self, bytes: &[u8], ctx: &mut Ctx<'_>) {
        let default = if self.ends.0.is_v6() { 1220 } else { 536 }; // RFC 9293 section 3.7.1
        let size = usize::from(self.client.options.mss.unwrap_or(default)).saturating_sub(12).max(64);
        for (index, chunk) in bytes.chunks(size).enumerate() {
            let seq = self.server.sent.wrapping_add((index * size) as u32);
            let frame = self.craft(Side::Server, PSH | ACK, seq, self.client.next, chunk);
            ctx.out.push((Port::Divert, frame));
        }
    }
}

/// More than the socket's buffer takes at once: a thread of its own writes it, for as long as the client reads.
fn finish_elsewhere(mut stream: TcpStream, rest: Vec<u8>) {
    let write = move || {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&rest)?;
        stream.shutdown(Shutdown::Write)
    };
    // Without a thread the client gets a page cut short, and the FIN behind it.
    let _ = std::thread::Builder::new().name("wire-say".into()).spawn(write);
}

/// How long a client may take to read on.
const PATIENCE: Duration = Duration::from_secs(10);
