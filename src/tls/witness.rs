//! What one end saw of a connection, said to the recorder as it happens. A genuine origin has one for each connection that it
//! accepts; the box has one for each half.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Counted, Ended, Tally, Turn, Way};
use crate::record::{
    Alert, Bytes, Certificate, CloseKind, ConnectionId, Event, Exchange, FlowKey, Half, Handshake, Hello, Observer, Recorder,
    Request, Side, Tap, TlsMeter,
};
use crate::scenario::{Transport, Vantage};

/// The witness of one connection. Cheap to clone.
#[derive(Clone)]
pub struct Witness(Arc<Inner>);

struct Inner {
    recorder: Recorder,
    key: FlowKey,
    id: ConnectionId,
    half: Half,
    by: Observer,
    /// Which end the witness is: the box is the client of its own upstream connections.
    us: Side,
    opened_here: bool,
    raw: Arc<Tally>,
    app: Arc<Tally>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handshaken: bool,
    /// The chain that is going to be sent, told when it is.
    pending: Option<Box<dyn FnOnce() -> Vec<Arc<Certificate>> + Send>>,
    closed: [bool; 2],
    plain: Vec<(Side, u8)>,
    error: Option<String>,
}

impl Witness {
    /// Finds the connection in the record, or opens it there.
    pub fn open(recorder: &Recorder, key: FlowKey, vantage: Vantage) -> Self {
        let known = recorder.find(key);
        let (id, half) = known.unwrap_or_else(|| recorder.open(key, Transport::Tcp, vantage, Observer::Origin));
        Self::with(recorder, key, id, half, Observer::Origin, known.is_none())
    }

    /// The same for a QUIC connection.
    pub fn open_udp(recorder: &Recorder, key: FlowKey, vantage: Vantage) -> Self {
        let known = recorder.find(key);
        let (id, half) = known.unwrap_or_else(|| recorder.open(key, Transport::Udp, vantage, Observer::Origin));
        Self::with(recorder, key, id, half, Observer::Origin, known.is_none())
    }

    /// The box's witness of a half of a connection that the record knows already.
    pub fn of(recorder: &Recorder, key: FlowKey, id: ConnectionId, half: Half, by: Observer) -> Self {
        Self::with(recorder, key, id, half, by, false)
    }

    fn with(recorder: &Recorder, key: FlowKey, id: ConnectionId, half: Half, by: Observer, opened_here: bool) -> Self {
        let us = if half == Half::Upstream && by == Observer::Box { Side::Client } else { Side::Server };
        Self(Arc::new(Inner {
            recorder: recorder.clone(),
            key,
            id,
            half,
            by,
            us,
            opened_here,
            raw: Arc::default(),
            app: Arc::default(),
            state: Mutex::default(),
        }))
    }

    /// Bytes above TLS.
    pub fn app(&self) -> &Arc<Tally> {
        &self.0.app
    }

    /// An alert of the client's that came in a CONNECTION_CLOSE frame of QUIC (RFC 9001 section 4.8).
    pub fn quic_alert(&self, number: u8) {
        let after = self.state().handshaken;
        self.alert(super::alert(self.peer(), number, Some(level(number)), None, after));
    }

    /// Bytes on the socket.
    pub fn raw(&self) -> &Arc<Tally> {
        &self.0.raw
    }

    /// The same witness on the other half, if the box is both ends of what follows an upgrade: to the origin, the box is the client.
    pub fn behind_the_box(&self) -> Option<Self> {
        let Inner { recorder, key, id, by, us, opened_here, raw, app, .. } = &*self.0;
        let (raw, app) = (Arc::clone(raw), Arc::clone(app));
        self.taken_over().then(|| {
            Self(Arc::new(Inner {
                recorder: recorder.clone(),
                key: *key,
                id: *id,
                half: Half::Upstream,
                by: *by,
                us: *us,
                opened_here: *opened_here,
                raw,
                app,
                state: Mutex::default(),
            }))
        })
    }

    /// Watches the socket of a TLS connection: bytes, RST, plaintext alerts.
    pub fn below_tls<S>(&self, stream: S, first: Vec<u8>) -> Counted<S> {
        let witness = self.clone();
        let tap = self.tap(&first);
        Counted::tapped(stream, tap, self.peer(), Arc::clone(&self.0.raw), move |turn| match turn {
            Turn::Alert { way, level, number } => witness.plain_alert(witness.sender(way), level, number),
            Turn::WriteFailed(error) => witness.failed(error),
            Turn::Eof | Turn::ReadFailed(_) | Turn::ShutDown => {}
        })
        .watching_alerts()
        .replaying(first)
    }

    /// Watches the application's side of a TLS connection: bytes, close_notify, encrypted alerts.
    pub fn above_tls<S>(&self, stream: S) -> Counted<S> {
        let witness = self.clone();
        Counted::new(stream, Arc::clone(&self.0.app), move |turn| match turn {
            Turn::Eof => {
                witness.alert(super::alert(witness.peer(), super::CLOSE_NOTIFY, Some(1), Some(false), true));
                witness.close(witness.peer(), CloseKind::CloseNotify);
            }
            Turn::ReadFailed(error) | Turn::WriteFailed(error) => witness.failed(error),
            Turn::ShutDown => {
                witness.alert(super::alert(witness.0.us, super::CLOSE_NOTIFY, Some(1), Some(false), true));
                witness.close(witness.0.us, CloseKind::CloseNotify);
            }
            Turn::Alert { .. } => {}
        })
    }

    /// Watches a connection without TLS: what is on the socket is what the application says.
    pub fn plain<S>(&self, stream: S, first: Vec<u8>) -> Counted<S> {
        let witness = self.clone();
        let tap = self.tap(&first);
        Counted::tapped(stream, tap, self.peer(), Arc::clone(&self.0.raw), move |turn| match turn {
            Turn::Eof => witness.close(witness.peer(), CloseKind::Fin),
            Turn::ReadFailed(error) | Turn::WriteFailed(error) => witness.failed(error),
            Turn::ShutDown => witness.close(witness.0.us, CloseKind::Fin),
            Turn::Alert { .. } => {}
        })
        .replaying(first)
    }

    /// Watches the client's side of a connection that passes: bytes and closes, nothing else.
    pub fn passing<S>(&self, stream: S, first: Vec<u8>) -> Counted<S> {
        self.0.raw.add_read(first.len());
        self.plain(stream, first)
    }

    /// Who listens to the socket, if anybody. What was read before anybody listened is the end of `first`.
    fn tap(&self, first: &[u8]) -> Option<Tap> {
        let tap = self.0.recorder.tap(self.0.id, self.0.half, self.0.by, self.0.key)?;
        let untold = self.0.raw.read().saturating_sub(tap.told(self.peer()));
        let untold = usize::try_from(untold).unwrap_or(usize::MAX).min(first.len());
        if untold > 0 {
            tap.sent(self.peer(), &first[first.len() - untold..]);
        }
        Some(tap)
    }

    /// A ClientHello was read.
    pub fn hello(&self, hello: &Hello) {
        self.emit(Event::HelloSeen { half: self.0.half, by: self.0.by, hello: Box::new(hello.clone()) });
    }

    /// The first bytes were something else.
    pub fn first_bytes(&self, protocol: &str, summary: String) {
        if self.0.half == Half::Client && !self.taken_over() {
            self.emit(Event::FirstBytes { protocol: protocol.to_owned(), summary });
        }
    }

    /// rustls has asked for the chain: it is going to be sent, unless the rest of the hello does not suit.
    pub fn will_present(&self, described: impl FnOnce() -> Vec<Arc<Certificate>> + Send + 'static) {
        self.state().pending = Some(Box::new(described));
    }

    /// The chain was sent, if there is one to send. What the box is shown is the box's to tell.
    pub fn presented(&self) {
        let pending = self.state().pending.take();
        if let (Some(described), Half::Client) = (pending, self.0.half) {
            let chain = described();
            self.emit(Event::ChainPresented { by: self.0.by, chain, profile: None, forge_us: 0 });
        }
    }

    /// The handshake is complete.
    pub fn handshake(&self, handshake: Handshake) {
        self.state().handshaken = true;
        self.emit(Event::HandshakeDone { half: self.0.half, by: self.0.by, handshake });
    }

    /// A request was answered. On the upstream half it is the box that tells.
    pub fn request(&self, request: Request) {
        if self.0.half == Half::Client {
            self.emit(Event::Request { by: self.0.by, request });
        }
    }

    /// A whole exchange was read, on whatever half.
    pub fn exchange(&self, exchange: Exchange) {
        self.emit(Event::Exchange { half: self.0.half, by: self.0.by, exchange: Box::new(exchange) });
    }

    /// Where it writes things down.
    pub fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Something else to know.
    pub fn note(&self, text: String) {
        self.emit(Event::Note { text });
    }

    /// An error of the stream: an alert, a close, or something for `error`.
    pub fn failed(&self, error: &io::Error) {
        self.ended(&super::classify(error));
    }

    /// How it ended.
    pub fn ended(&self, ended: &Ended) {
        match ended {
            Ended::AlertReceived(number) => self.by_error(self.peer(), *number),
            Ended::Refused { alert: Some(number), .. } => self.by_error(self.0.us, *number),
            _ => {}
        }
        if let Some(kind) = ended.close() {
            self.close(if *ended == Ended::Deadline { self.0.us } else { self.peer() }, kind);
        }
        if !matches!(ended, Ended::Fin | Ended::Rst) {
            self.state().error.get_or_insert_with(|| ended.text());
        }
    }

    /// A side closed. The first word of each side counts.
    pub fn close(&self, side: Side, kind: CloseKind) {
        let at = usize::from(side == Side::Server);
        if !std::mem::replace(&mut self.state().closed[at], true) && !self.taken_over() {
            self.emit(Event::Close { half: self.0.half, by: self.0.by, side, kind });
        }
    }

    /// True if that side has closed.
    pub fn has_closed(&self, side: Side) -> bool {
        self.state().closed[usize::from(side == Side::Server)]
    }

    /// What record headers told of a relayed connection.
    pub fn metered(&self, meter: &TlsMeter, by: Observer) {
        if self.taken_over() {
            return; // its records are those of the box's own half
        }
        for event in meter.events(self.0.half, by) {
            self.emit(event);
        }
    }

    /// Nothing more will come. `tls` says whether raw and application bytes differ.
    pub fn end(&self, counts: Counts) {
        let (raw, app) = (&self.0.raw, &self.0.app);
        let (raw_up, raw_down) = self.up_and_down(raw);
        let (app_up, app_down) = match counts {
            Counts::Tls => self.up_and_down(app),
            Counts::Plain => (raw_up, raw_down),
            Counts::Metered(bytes) => (bytes.app_up.unwrap_or(0), bytes.app_down.unwrap_or(0)),
            Counts::Opaque => (0, 0),
        };
        let readable = |count: u64| (counts != Counts::Opaque).then_some(count);
        if !self.taken_over() {
            let bytes = Bytes { raw_up, raw_down, app_up: readable(app_up), app_down: readable(app_down) };
            let error = self.state().error.take();
            self.emit(Event::HalfEnd { half: self.0.half, by: self.0.by, bytes, error });
            if self.0.half == Half::Client && self.0.by == Observer::Origin {
                self.emit(Event::ConnectionEnd {}); // the box's carriers tell it themselves
            }
        }
        if self.0.opened_here || self.0.half == Half::Upstream {
            self.0.recorder.forget(self.0.key);
        }
    }

    /// The box took this connection over, or ended it before a byte of it reached us: what is left here is a shell, and
    /// the truth about the client's half is the box's to tell.
    fn taken_over(&self) -> bool {
        if self.0.by != Observer::Origin || self.0.half != Half::Client || self.0.opened_here {
            return false;
        }
        let connection = self.0.recorder.connection(self.0.id);
        let untouched = self.0.raw.read() == 0;
        connection.is_some_and(|c| c.intercepted() || (untouched && !c.reaches_origin()))
    }

    /// An alert that an error of rustls tells of. If it went unencrypted, the watch below has told it already, and
    /// knows its number better than the error does.
    fn by_error(&self, from: Side, number: u8) {
        let state = self.state();
        let told = state.plain.iter().any(|&(side, plain)| side == from && (plain == number || from == self.0.us));
        let after = state.handshaken;
        drop(state);
        if !told {
            self.alert(super::alert(from, number, Some(level(number)), Some(false), after));
        }
    }

    fn plain_alert(&self, from: Side, level: u8, number: u8) {
        if from == Side::Client {
            self.presented(); // what it answers to
        }
        let mut state = self.state();
        state.plain.push((from, number));
        let after = state.handshaken;
        drop(state);
        self.alert(super::alert(from, number, Some(level), Some(true), after));
    }

    /// The other end.
    fn peer(&self) -> Side {
        match self.0.us {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn sender(&self, way: Way) -> Side {
        if way == Way::In { self.peer() } else { self.0.us }
    }

    fn up_and_down(&self, tally: &Tally) -> (u64, u64) {
        match self.0.us {
            Side::Server => (tally.read(), tally.written()),
            Side::Client => (tally.written(), tally.read()),
        }
    }

    fn alert(&self, alert: Alert) {
        self.emit(Event::Alert { half: self.0.half, by: self.0.by, alert });
    }

    fn emit(&self, event: Event) {
        self.0.recorder.emit(self.0.id, event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the byte counts of a connection mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Terminated here.
    Tls,
    /// No TLS.
    Plain,
    /// Relayed, and counted by record headers.
    Metered(Bytes),
    /// Relayed: not ours to read.
    Opaque,
}

/// rustls reports an alert only if it ends the connection; close_notify and user_canceled alone are warnings.
fn level(number: u8) -> u8 {
    if matches!(number, super::CLOSE_NOTIFY | super::USER_CANCELED) { 1 } else { 2 }
}
