//! All flows: finding the one a frame belongs to, beginning, ending and forgetting them. Pure, like [`super::flow`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use super::act::{Act, Residual, Scope};
use super::craft::unreachable;
use super::flow::{Ctx, Fate, Port, Purpose, Stage, State, Taken};
use super::frame::{ACK, End, Parsed, RST, SYN, Tcp, hops, parse, restore_hop};
use super::handler::{Flow, FlowId, Handler, OnOpen, Side, Why};
use super::takeover::Repair;
use super::{Options, Release};

mod udp;

/// Makes the socket of a takeover.
pub(super) type Take = Box<dyn FnMut(&Repair) -> io::Result<TcpStream> + Send>;

/// The flows.
pub(super) struct Table {
    options: Options,
    handler: Arc<dyn Handler>,
    take: Take,
    mac: [u8; 6],
    flows: HashMap<Key, usize, BuildHasherDefault<Mix>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    live: usize,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    residuals: HashMap<(End, End), Instant>,
    silenced: HashMap<Key, Instant>,
    taken: Vec<Taken>,
}

struct Slot {
    generation: u32,
    armed: Option<Instant>,
    state: Option<Box<State>>,
}

/// Two ends, the lower one first: the same for both directions.
type Key = (End, End);

impl Table {
    /// An empty table for frames that come in on the link with address `mac`.
    pub(super) fn new(options: Options, handler: Arc<dyn Handler>, take: Take, mac: [u8; 6]) -> Self {
        Self {
            options,
            handler,
            take,
            mac,
            flows: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            live: 0,
            timers: BinaryHeap::new(),
            residuals: HashMap::new(),
            silenced: HashMap::new(),
            taken: Vec::new(),
        }
    }

    /// Connections that have not ended, the box's own not counted.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// A frame came. What is to be sent before it is added to `out`.
    pub(super) fn frame(&mut self, now: Instant, buffer: &mut [u8], out: &mut Vec<(Port, Vec<u8>)>) -> Fate {
        match parse(buffer, self.mac) {
            Parsed::Tcp(tcp) => {
                let hops = hops(buffer, tcp.net);
                restore_hop(buffer, tcp.net);
                self.tcp(now, &tcp, buffer, hops, out)
            }
            Parsed::Udp(udp) => {
                restore_hop(buffer, udp.net);
                self.udp(now, &udp, buffer, out)
            }
            Parsed::Other(net) => {
                restore_hop(buffer, net);
                Fate::Forward(Port::Divert)
            }
            Parsed::Local => Fate::Consumed,
        }
    }

    /// Carries out an act on a flow, if it still is (and, for `only_held`, if it waits for one).
    pub(super) fn act(&mut self, now: Instant, id: FlowId, act: Act, only_held: bool, out: &mut Vec<(Port, Vec<u8>)>) {
        let Some(index) = self.index(id) else { return };
        self.with(now, index, out, |state, ctx| {
            let held = matches!(state.stage, Stage::Held(_));
            let open = matches!(
                state.stage,
                Stage::Taken { .. } | Stage::Both | Stage::Own | Stage::Answered(_) | Stage::Severed { .. }
            );
            if held || !only_held && !open && !state.ended {
                state.apply(act, ctx);
            }
        });
    }

    /// The owner of a taken stream is done with it.
    pub(super) fn release(&mut self, now: Instant, Release(id): Release) {
        let Some(index) = self.index(id) else { return };
        if let Some(state) = &mut self.slots[index].state {
            state.last = now;
            state.winding_up = true;
        }
        self.arm(index);
    }

    /// What comes from `remote` to `local` belongs to a socket of the box.
    pub(super) fn own(&mut self, now: Instant, local: End, remote: End, out: &mut Vec<(Port, Vec<u8>)>) {
        let key = key(local, remote);
        if let Some(index) = self.flows.get(&key) {
            self.forget(now, *index, Why::Replaced, out);
        }
        self.insert(now, (local, remote), u8::MAX, Stage::Own, out);
    }

    /// There are sockets to [`Table::deliver`].
    pub(super) fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Gives taken sockets to whom they are for. To be called when everything in `out` was sent.
    pub(super) fn deliver(&mut self) {
        for Taken { flow, stream, purpose } in std::mem::take(&mut self.taken) {
            match purpose {
                Purpose::Handler(prefix) => self.handler.taken(&flow, stream, prefix),
                Purpose::Both(origin) => self.handler.taken_both(&flow, stream, origin),
                Purpose::Say(bytes) => {
                    let index = self.index(flow.id);
                    if let Some(state) = index.and_then(|index| self.slots[index].state.as_mut()) {
                        state.say(stream, &bytes);
                    }
                }
            }
        }
    }

    /// When [`Table::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<(Port, Vec<u8>)>) {
        while let Some(Reverse((due, id))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            let Some(index) = self.index(FlowId(id)) else { continue };
            if self.slots[index].armed != Some(due) {
                continue;
            }
            self.slots[index].armed = None;
            let mut keep = true;
            self.with(now, index, out, |state, ctx| keep = state.wake(ctx));
            if !keep {
                self.forget(now, index, Why::Idle, out);
            }
        }
    }

    /// Ends everything: what is held passes.
    pub(super) fn shutdown(&mut self, now: Instant, out: &mut Vec<(Port, Vec<u8>)>) {
        for index in 0..self.slots.len() {
            self.forget(now, index, Why::Shutdown, out);
        }
    }

    fn tcp(&mut self, now: Instant, tcp: &Tcp, buffer: &[u8], hops: u8, out: &mut Vec<(Port, Vec<u8>)>) -> Fate {
        let key = key(tcp.src, tcp.dst);
        let begins = tcp.flags & (SYN | ACK | RST) == SYN;
        let index = match self.flows.get(&key).copied() {
            Some(index) if !(begins && self.replaced(index, tcp)) => index,
            // A flow that was under way before the box saw it: the box has no part in it.
            None if !begins => return Fate::Forward(Port::Divert),
            old => {
                if let Some(index) = old {
                    self.forget(now, index, Why::Replaced, out);
                }
                self.begin(now, tcp, hops, out)
            }
        };
        let Some(state) = &self.slots[index].state else { return Fate::Forward(Port::Divert) };
        let side = if tcp.src == state.ends.0 { Side::Client } else { Side::Server };
        if let Stage::Answered(answer) = state.stage {
            return self.answer(answer, begins, index, tcp, buffer, out);
        }
        let mut fate = Fate::Consumed;
        self.with(now, index, out, |state, ctx| fate = state.packet(side, tcp, buffer, ctx));
        fate
    }

    /// True if this SYN begins another connection than the one in the table.
    fn replaced(&self, index: usize, syn: &Tcp) -> bool {
        let Some(state) = &self.slots[index].state else { return true };
        if syn.src != state.ends.0 {
            return state.ended;
        }
        let other = state.client.known && state.client.isn != syn.seq;
        let over = state.ended || state.winding_up || matches!(state.stage, Stage::Silent | Stage::Own) || !state.server.known;
        other && over || state.ended && !matches!(state.stage, Stage::Answered(_))
    }

    fn begin(&mut self, now: Instant, syn: &Tcp, hops: u8, out: &mut Vec<(Port, Vec<u8>)>) -> usize {
        let residual = self.is_residual(now, syn.src, syn.dst);
        let index = self.insert(now, (syn.src, syn.dst), hops, Stage::Reading, out);
        let Some(state) = &mut self.slots[index].state else { return index };
        if residual {
            self.handler.residual(&state.flow);
            state.stage = Stage::Silent;
            return index;
        }
        match self.handler.opened(&state.flow) {
            OnOpen::Pass => {}
            OnOpen::Drop => state.stage = Stage::Silent,
            other => {
                state.winding_up = true;
                state.stage = Stage::Answered(other);
            }
        }
        self.arm(index);
        index
    }

    fn answer(
        &mut self,
        answer: OnOpen,
        syn: bool,
        index: usize,
        tcp: &Tcp,
        buffer: &[u8],
        out: &mut Vec<(Port, Vec<u8>)>,
    ) -> Fate {
        let Some(state) = &mut self.slots[index].state else { return Fate::Consumed };
        if !syn {
            return Fate::Consumed;
        }
        state.client.observe(tcp, buffer);
        let frame = match answer {
            OnOpen::Refuse => state.craft(Side::Server, RST | ACK, 0, tcp.next_seq(), &[]),
            _ => {
                let router =
                    if tcp.net.v6 { self.options.router_v6.map(IpAddr::V6) } else { self.options.router_v4.map(IpAddr::V4) };
                unreachable(buffer, tcp, router.map_or(tcp.dst, |ip| End::from(std::net::SocketAddr::new(ip, 0))))
            }
        };
        out.push((Port::Divert, frame));
        Fate::Consumed
    }

    /// Runs `work` on a flow with all that it needs, and does the books afterwards.
    fn with(&mut self, now: Instant, index: usize, out: &mut Vec<(Port, Vec<u8>)>, work: impl FnOnce(&mut State, &mut Ctx<'_>)) {
        let Some(state) = &mut self.slots[index].state else { return };
        let (was, mut residual) = (state.ended, None);
        let mut ctx = Ctx {
            now,
            options: &self.options,
            handler: &*self.handler,
            take: &mut *self.take,
            out,
            taken: &mut self.taken,
            residual: &mut residual,
        };
        work(state, &mut ctx);
        let ends = state.ends;
        if !was && state.ended && !matches!(state.stage, Stage::Own) {
            self.live -= 1;
        }
        if let Some(residual) = residual {
            self.remember(now, ends, residual);
        }
        self.arm(index);
    }

    /// Sees to it that the flow is woken in time. A timer that is too early finds nothing to do and is set anew, so a busy
    /// flow has one timer only.
    fn arm(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(state) = &slot.state else { return };
        let due = state.due(&self.options);
        if slot.armed.is_none_or(|armed| due < armed) {
            slot.armed = Some(due);
            self.timers.push(Reverse((due, state.flow.id.0)));
        }
    }

    fn insert(&mut self, now: Instant, ends: (End, End), hops: u8, stage: Stage, out: &mut Vec<(Port, Vec<u8>)>) -> usize {
        if self.flows.len() >= self.options.max_flows {
            self.evict(now, out);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, armed: None, state: None });
            self.slots.len() - 1
        });
        let id = FlowId(u64::from(self.slots[index].generation) << 32 | index as u64);
        let flow = Flow { id, client: ends.0.address(), server: ends.1.address(), hops, opened: now };
        self.live += usize::from(!matches!(stage, Stage::Own));
        self.slots[index].state = Some(Box::new(State::new(flow, ends, stage, now)));
        self.flows.insert(key(ends.0, ends.1), index);
        self.arm(index);
        index
    }

    fn forget(&mut self, now: Instant, index: usize, why: Why, out: &mut Vec<(Port, Vec<u8>)>) {
        self.with(now, index, out, |state, ctx| {
            if matches!(state.stage, Stage::Held(_)) {
                state.apply(Act::Pass, ctx);
            }
            state.finish(why, ctx);
        });
        let slot = &mut self.slots[index];
        let Some(state) = slot.state.take() else { return };
        slot.armed = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.flows.remove(&key(state.ends.0, state.ends.1));
        self.free.push(index);
    }

    /// Makes room: forgets the sixty-fourth part that was quiet the longest, ended flows first.
    fn evict(&mut self, now: Instant, out: &mut Vec<(Port, Vec<u8>)>) {
        let age = |slot: &Slot| slot.state.as_ref().map(|state| (!state.ended, state.last));
        let mut ages: Vec<_> = self.slots.iter().enumerate().filter_map(|(i, slot)| age(slot).map(|age| (age, i))).collect();
        let count = (ages.len() / 64).max(1).min(ages.len());
        if count == 0 {
            return;
        }
        ages.select_nth_unstable(count - 1);
        for (_, index) in ages.drain(..count) {
            self.forget(now, index, Why::Replaced, out);
        }
    }

    fn index(&self, FlowId(id): FlowId) -> Option<usize> {
        let index = (id & 0xffff_ffff) as usize;
        let slot = self.slots.get(index)?;
        (u64::from(slot.generation) == id >> 32 && slot.state.is_some()).then_some(index)
    }

    fn remember(&mut self, now: Instant, (client, server): (End, End), residual: Residual) {
        if self.residuals.len() >= self.options.max_flows {
            self.residuals.retain(|_, until| *until > now);
        }
        if self.residuals.len() < self.options.max_flows {
            let port = if residual.scope == Scope::FourTuple { client.port } else { 0 };
            self.residuals.insert((End { port, ..client }, server), now + residual.duration);
        }
    }

    fn is_residual(&self, now: Instant, client: End, server: End) -> bool {
        let until = |port| self.residuals.get(&(End { port, ..client }, server));
        !self.residuals.is_empty() && [client.port, 0].into_iter().filter_map(until).any(|until| *until > now)
    }
}

fn key(a: End, b: End) -> Key {
    if a <= b { (a, b) } else { (b, a) }
}

/// A multiplying hash: keys are addresses of the lab's own, nobody picks them to collide.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(5) ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
}
