//! The packet carrier: carries decisions out on the wire of the sealed network.
//!
//! The wire asks on its own thread, so what can be decided by looking at bytes is decided there; what has to ask the origin holds the
//! segment and is settled elsewhere. A connection that is taken over comes back as a stream that already carries what
//! the client had sent.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::block::{self, datagram::Datagrams};
use super::intercept::Ready;
use super::sniff::{Protocol, Seen, Sniffed, greeting, sniff};
use super::starttls::{Manner, Next, Prelude, Step, carry};
use super::stream::{end, tell_first};
use super::{Course, Middlebox};
use crate::network::Arrival;
use crate::network::wire::{Act, CloseFlag, Commander, Flow, FlowEnd, FlowId, Handler, OnBytes, OnDatagram, OnOpen, Said, Why};
use crate::record::{Bytes, CloseKind, Event, Half, Observer, Side};
use crate::scenario::{Direction, First, Place, Transport, Vantage};

mod udp;

/// The box, as the wire sees it.
pub struct Packets {
    middlebox: Arc<Middlebox>,
    runtime: Handle,
    commander: OnceLock<Commander>,
    flows: Mutex<HashMap<FlowId, Carried>>,
    datagrams: Datagrams,
}

/// A flow that the box has not finished with.
struct Carried {
    arrival: Arrival,
    ready: Option<Box<Ready>>,
    prelude: Option<Box<Following>>,
    taken: bool,
}

/// A flow's prelude, as far as it was shown.
struct Following {
    prelude: Prelude,
    agreed: bool,
}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("flows", &self.flows().len()).finish_non_exhaustive()
    }
}

impl Packets {
    /// A carrier for this box; connections are settled on `runtime`.
    pub fn new(middlebox: Arc<Middlebox>, runtime: Handle) -> Self {
        Self { middlebox, runtime, commander: OnceLock::new(), flows: Mutex::default(), datagrams: Datagrams::default() }
    }

    /// How the wire is spoken to; given once, when it has started.
    pub fn connect(&self, commander: Commander) {
        let _ = self.commander.set(commander); // a second wire would be a second carrier
    }

    /// Flows that are not over.
    pub fn open_flows(&self) -> usize {
        self.flows().len()
    }

    fn arrive(&self, flow: &Flow) -> Arrival {
        self.arrive_at(flow.client, flow.server, Transport::Tcp)
    }

    fn arrive_at(&self, client: SocketAddr, server: SocketAddr, transport: Transport) -> Arrival {
        let recorder = self.middlebox.recorder();
        let direction = self.direction(server);
        let vantage = if direction == Direction::Outbound { Vantage::Inside } else { Vantage::Outside };
        let leg = recorder.leg_of(client.ip());
        let id = recorder.open_new((client, server), None, transport, vantage, Observer::Wire, leg);
        Arrival {
            id,
            leg,
            client,
            destination: server,
            asked: None,
            vantage,
            direction,
            transport,
            ordinal: self.middlebox.standings().next_ordinal(leg),
        }
    }

    fn direction(&self, server: SocketAddr) -> Direction {
        match self.middlebox.plan.world.site(server.ip(), None).map(|site| site.place) {
            Some(Place::Inside) => Direction::Inbound,
            _ => Direction::Outbound,
        }
    }

    /// Settles a held flow away from the wire's thread.
    fn settle(self: &Arc<Self>, flow: FlowId, arrival: Arrival, seen: Seen) {
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            let act = match this.middlebox.settle(&arrival, &seen).await {
                Course::Forward => Act::Pass,
                Course::Act(action) => block::on_wire(&action),
                Course::Intercept(ready) => {
                    let mut flows = this.flows();
                    match flows.get_mut(&flow) {
                        Some(carried) => carried.ready = Some(ready),
                        None => return, // the client went meanwhile
                    }
                    Act::TakeOver
                }
            };
            if let Some(commander) = this.commander.get() {
                commander.resolve(flow, act);
            }
        });
    }

    /// Follows a flow that may turn to TLS, if the box has a say in it.
    fn follow(&self, flow: FlowId, arrival: &Arrival, protocol: Protocol, so_far: &[u8]) -> Option<OnBytes> {
        let mut prelude = self.middlebox.settle_prelude(arrival, protocol)?;
        tell_first(&self.middlebox, arrival, &Seen::Plain { protocol }, 0);
        let told = prelude.up(so_far).told; // it passed before anybody knew what it was
        carry::tell(self.middlebox.recorder(), arrival, &prelude, told);
        self.flows().get_mut(&flow)?.prelude = Some(Box::new(Following { prelude, agreed: false }));
        Some(OnBytes::Do(Act::Follow))
    }

    fn flows(&self) -> MutexGuard<'_, HashMap<FlowId, Carried>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An origin that was reached has the last word of a connection, and the wire sees its end before the origin's program does.
    fn end_after_the_origin(self: &Arc<Self>, arrival: Arrival, reached: bool) {
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            let recorder = this.middlebox.recorder();
            let is_over = |all: &[crate::record::Connection]| all.iter().any(|c| c.id == arrival.id && c.ended);
            let deadline = Instant::now() + if reached { LAST_WORD } else { Duration::ZERO };
            if !recorder.wait(deadline, is_over).await {
                this.over(&arrival);
            }
        });
    }

    fn over(&self, arrival: &Arrival) {
        let recorder = self.middlebox.recorder();
        recorder.emit(arrival.id, Event::ConnectionEnd {});
        recorder.forget((arrival.client, arrival.destination));
    }
}

/// The wire holds the carrier through this.
#[derive(Clone, Debug)]
pub struct OnTheWire(pub Arc<Packets>);

impl Handler for OnTheWire {
    fn opened(&self, flow: &Flow) -> OnOpen {
        let this = &self.0;
        let arrival = this.arrive(flow);
        let answer = this.middlebox.settle_syn(&arrival);
        this.flows().insert(flow.id, Carried { arrival, ready: None, prelude: None, taken: false });
        answer.map_or(OnOpen::Pass, |action| block::on_open(&action))
    }

    fn first_bytes(&self, flow: &Flow, stream: &[u8], segments: u32) -> OnBytes {
        let this = &self.0;
        let Some(arrival) = this.flows().get(&flow.id).map(|carried| carried.arrival.clone()) else {
            return OnBytes::Do(Act::Pass);
        };
        let first = this.middlebox.plan.network.first;
        if first == First::Segment && segments > 1 {
            return OnBytes::Do(Act::Pass);
        }
        let seen = match sniff(stream, first) {
            Sniffed::More(_) => return OnBytes::More,
            Sniffed::Seen(seen) => seen,
        };
        if let Seen::Plain { protocol } = seen
            && let Some(followed) = this.follow(flow.id, &arrival, protocol, stream)
        {
            return followed;
        }
        tell_first(&this.middlebox, &arrival, &seen, segments);
        match this.middlebox.settle_now(&arrival, &seen) {
            Some(Course::Forward) => OnBytes::Do(Act::Pass),
            Some(Course::Act(action)) => OnBytes::Do(block::on_wire(&action)),
            Some(Course::Intercept(_)) | None => {
                this.settle(flow.id, arrival, seen);
                OnBytes::Hold
            }
        }
    }

    fn server_spoke(&self, flow: &Flow, bytes: &[u8]) -> OnBytes {
        let this = &self.0;
        let Some(arrival) = this.flows().get(&flow.id).map(|carried| carried.arrival.clone()) else { return OnBytes::More };
        this.follow(flow.id, &arrival, greeting(bytes), &[]).unwrap_or(OnBytes::More)
    }

    fn said(&self, flow: &Flow, side: crate::network::wire::Side, bytes: &[u8]) -> Said {
        let mut flows = self.0.flows();
        let Some(carried) = flows.get_mut(&flow.id) else { return Said::Enough(None) };
        let Some(following) = &mut carried.prelude else { return Said::Enough(None) };
        let mut ahead = following.prelude.clone();
        let step = match side {
            crate::network::wire::Side::Client => ahead.up(bytes),
            crate::network::wire::Side::Server => ahead.down(bytes),
        };
        if !step.keeps_lengths(bytes) {
            return Said::TakeBefore; // and the stream will take this step
        }
        following.prelude = ahead;
        let Step { onward, told, next, .. } = step;
        carry::tell(self.0.middlebox.recorder(), &carried.arrival, &following.prelude, told);
        let changed = (onward != bytes).then_some(onward);
        match (next, following.prelude.manner()) {
            (Next::Agreed, Manner::Intercept) => {
                following.agreed = true;
                Said::TakeAfter(changed)
            }
            (Next::Agreed, _) => Said::Enough(changed),
            _ => changed.map_or(Said::Pass, Said::Replace),
        }
    }

    fn taken_both(&self, flow: &Flow, client: TcpStream, origin: TcpStream) {
        let this = Arc::clone(&self.0);
        let found = this.flows().get_mut(&flow.id).and_then(|carried| {
            carried.taken = true;
            Some((carried.arrival.clone(), carried.prelude.take()?))
        });
        let Some((arrival, following)) = found else { return };
        let (id, runtime) = (flow.id, this.runtime.clone());
        runtime.spawn(async move {
            let Following { prelude, agreed } = *following;
            match nonblocking(client).and_then(|client| Ok((client, nonblocking(origin)?))) {
                Ok((client, origin)) => {
                    let carried = carry::Carried { client, origin, prelude, first: Default::default(), agreed };
                    Box::pin(carry::carry(&this.middlebox, &arrival, carried)).await;
                }
                Err(error) => {
                    let text = format!("both halves were taken over and a socket failed: {error}");
                    this.middlebox.recorder().emit(arrival.id, Event::Note { text });
                }
            }
            end(&this.middlebox, &arrival).await;
            if let Some(commander) = this.commander.get() {
                commander.release(id);
            }
        });
    }

    fn taken(&self, flow: &Flow, stream: TcpStream, prefix: Vec<u8>) {
        let this = Arc::clone(&self.0);
        let found = this.flows().get_mut(&flow.id).and_then(|carried| {
            carried.taken = true;
            Some((carried.arrival.clone(), carried.ready.take()?))
        });
        let Some((arrival, ready)) = found else { return };
        let id = flow.id;
        let runtime = this.runtime.clone();
        runtime.spawn(async move {
            match nonblocking(stream) {
                Ok(stream) => this.middlebox.serve(&arrival, *ready, stream, prefix).await,
                Err(error) => {
                    let text = format!("the connection was taken over and its socket failed: {error}");
                    this.middlebox.recorder().emit(arrival.id, Event::Note { text });
                }
            }
            this.over(&arrival);
            if let Some(commander) = this.commander.get() {
                commander.release(id);
            }
        });
    }

    fn not_taken(&self, flow: &Flow, error: io::Error) {
        let this = &self.0;
        let Some((arrival, ready)) = this.flows().get_mut(&flow.id).map(|c| (c.arrival.clone(), c.ready.take())) else { return };
        let text = format!("the kernel did not let the box take the connection over, so it passed: {error}");
        this.middlebox.recorder().emit(arrival.id, Event::Note { text });
        this.middlebox.passed_after_all(&arrival, "takeover-failed");
        if let Some(ready) = ready {
            this.runtime.spawn(ready.abandon());
        }
    }

    fn overdue(&self, flow: &Flow) {
        let Some(arrival) = self.0.flows().get(&flow.id).map(|c| c.arrival.clone()) else { return };
        self.0.middlebox.passed_after_all(&arrival, "overdue");
    }

    fn datagram(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> OnDatagram {
        self.0.datagram(from, to, payload)
    }

    fn residual(&self, flow: &Flow) {
        let arrival = self.0.arrive(flow);
        self.0.middlebox.residual(&arrival);
        self.0.flows().insert(flow.id, Carried { arrival, ready: None, prelude: None, taken: false });
    }

    fn ended(&self, flow: &Flow, end: FlowEnd) {
        let Some(carried) = self.0.flows().remove(&flow.id) else { return };
        if let Some(ready) = carried.ready {
            self.0.runtime.spawn(ready.abandon());
        }
        if carried.taken {
            return; // whoever holds the stream tells the rest
        }
        let recorder = self.0.middlebox.recorder();
        let id = carried.arrival.id;
        for (side, flag) in &end.closes {
            let kind = if *flag == CloseFlag::Fin { CloseKind::Fin } else { CloseKind::Rst };
            recorder.emit(id, Event::Close { half: Half::Client, by: Observer::Wire, side: of(*side), kind });
        }
        for alert in &end.plaintext_alerts {
            let alert = crate::tls::alert(of(alert.side), alert.number, Some(alert.level), Some(true), false);
            recorder.emit(id, Event::Alert { half: Half::Client, by: Observer::Wire, alert });
        }
        let bytes = Bytes { raw_up: end.bytes_up, raw_down: end.bytes_down, app_up: None, app_down: None };
        let error = matches!(end.why, Why::Idle | Why::Box).then(|| format!("{:?}", end.why).to_lowercase());
        recorder.emit(id, Event::HalfEnd { half: Half::Client, by: Observer::Wire, bytes, error });
        self.0.end_after_the_origin(carried.arrival, end.bytes_up > 0);
    }
}

fn nonblocking(stream: TcpStream) -> io::Result<tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)
}

fn of(side: crate::network::wire::Side) -> Side {
    match side {
        crate::network::wire::Side::Client => Side::Client,
        crate::network::wire::Side::Server => Side::Server,
    }
}

/// How long the wire waits for an origin's last word. It comes within a millisecond on an idle machine.
const LAST_WORD: Duration = Duration::from_millis(500);
