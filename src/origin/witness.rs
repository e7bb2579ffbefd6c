//! What a server saw of one connection, said to the recorder as it happens.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pki::Issued;
use crate::pki::tls::{self, Counted, Ended, Tally, Turn, Way};
use crate::record::FlowKey;
use crate::record::{Alert, Bytes, CloseKind, ConnectionId, Event, Half, Handshake, Hello, Observer, Recorder, Request, Side};
use crate::scenario::{Transport, Vantage};

/// The witness of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Witness(Arc<Inner>);

struct Inner {
    recorder: Recorder,
    key: FlowKey,
    id: ConnectionId,
    half: Half,
    opened_here: bool,
    raw: Arc<Tally>,
    app: Arc<Tally>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handshaken: bool,
    pending: Option<Arc<Issued>>,
    closed: [bool; 2],
    plain: Vec<(Side, u8)>,
    error: Option<String>,
}

impl Witness {
    /// Finds the connection in the record, or opens it there.
    pub(super) fn open(recorder: &Recorder, key: FlowKey, vantage: Vantage) -> Self {
        let known = recorder.find(key);
        let (id, half) = known.unwrap_or_else(|| recorder.open(key, Transport::Tcp, vantage, Observer::Origin));
        Self(Arc::new(Inner {
            recorder: recorder.clone(),
            key,
            id,
            half,
            opened_here: known.is_none(),
            raw: Arc::default(),
            app: Arc::default(),
            state: Mutex::default(),
        }))
    }

    /// Bytes on the socket.
    pub(super) fn raw(&self) -> &Arc<Tally> {
        &self.0.raw
    }

    /// Watches the socket of a TLS connection: bytes, RST, plaintext alerts.
    pub(super) fn below_tls<S>(&self, stream: S, first: Vec<u8>) -> Counted<S> {
        let witness = self.clone();
        Counted::new(stream, Arc::clone(&self.0.raw), move |turn| match turn {
            Turn::Alert { way, level, number } => witness.plain_alert(side(way), level, number),
            Turn::WriteFailed(error) => witness.failed(error),
            Turn::Eof | Turn::ReadFailed(_) | Turn::ShutDown => {}
        })
        .watching_alerts()
        .replaying(first)
    }

    /// Watches the application's side of a TLS connection: bytes, close_notify, encrypted alerts.
    pub(super) fn above_tls<S>(&self, stream: S) -> Counted<S> {
        let witness = self.clone();
        Counted::new(stream, Arc::clone(&self.0.app), move |turn| match turn {
            Turn::Eof => {
                witness.alert(tls::alert(Side::Client, tls::CLOSE_NOTIFY, Some(1), Some(false), true));
                witness.close(Side::Client, CloseKind::CloseNotify);
            }
            Turn::ReadFailed(error) | Turn::WriteFailed(error) => witness.failed(error),
            Turn::ShutDown => {
                witness.alert(tls::alert(Side::Server, tls::CLOSE_NOTIFY, Some(1), Some(false), true));
                witness.close(Side::Server, CloseKind::CloseNotify);
            }
            Turn::Alert { .. } => {}
        })
    }

    /// Watches a connection without TLS: what is on the socket is what the application says.
    pub(super) fn plain<S>(&self, stream: S, first: Vec<u8>) -> Counted<S> {
        let witness = self.clone();
        Counted::new(stream, Arc::clone(&self.0.raw), move |turn| match turn {
            Turn::Eof => witness.close(Side::Client, CloseKind::Fin),
            Turn::ReadFailed(error) | Turn::WriteFailed(error) => witness.failed(error),
            Turn::ShutDown => witness.close(Side::Server, CloseKind::Fin),
            Turn::Alert { .. } => {}
        })
        .replaying(first)
    }

    /// A ClientHello was read.
    pub(super) fn hello(&self, hello: &Hello) {
        self.emit(Event::HelloSeen { half: self.0.half, by: Observer::Origin, hello: Box::new(hello.clone()) });
    }

    /// The first bytes were something else.
    pub(super) fn first_bytes(&self, protocol: &str, summary: String) {
        if self.0.half == Half::Client && !self.taken_over() {
            self.emit(Event::FirstBytes { protocol: protocol.to_owned(), summary });
        }
    }

    /// rustls has asked for the chain: it is going to be sent, unless the rest of the hello does not suit.
    pub(super) fn will_present(&self, issued: &Arc<Issued>) {
        self.state().pending = Some(Arc::clone(issued));
    }

    /// The chain was sent, if there is one to send. What the box is shown is the box's to tell.
    pub(super) fn presented(&self) {
        let pending = self.state().pending.take();
        if let (Some(issued), Half::Client) = (pending, self.0.half) {
            let chain = issued.described().to_vec();
            self.emit(Event::ChainPresented { by: Observer::Origin, chain, profile: None, forge_us: 0 });
        }
    }

    /// The handshake is complete.
    pub(super) fn handshake(&self, handshake: Handshake) {
        self.state().handshaken = true;
        self.emit(Event::HandshakeDone { half: self.0.half, by: Observer::Origin, handshake });
    }

    /// A request was answered. On the upstream half it is the box that tells.
    pub(super) fn request(&self, request: Request) {
        if self.0.half == Half::Client {
            self.emit(Event::Request { by: Observer::Origin, request });
        }
    }

    /// Something else to know.
    pub(super) fn note(&self, text: String) {
        self.emit(Event::Note { text });
    }

    /// An error of the stream: an alert, a close, or something for `error`.
    pub(super) fn failed(&self, error: &io::Error) {
        self.ended(&tls::classify(error));
    }

    /// How it ended.
    pub(super) fn ended(&self, ended: &Ended) {
        match ended {
            Ended::AlertReceived(number) => self.by_error(Side::Client, *number),
            Ended::Refused { alert: Some(number), .. } => self.by_error(Side::Server, *number),
            _ => {}
        }
        if let Some(kind) = ended.close() {
            self.close(if *ended == Ended::Deadline { Side::Server } else { Side::Client }, kind);
        }
        if !matches!(ended, Ended::Fin | Ended::Rst) {
            self.state().error.get_or_insert_with(|| ended.text());
        }
    }

    /// A side closed. The first word of each side counts.
    pub(super) fn close(&self, side: Side, kind: CloseKind) {
        let at = usize::from(side == Side::Server);
        if !std::mem::replace(&mut self.state().closed[at], true) && !self.taken_over() {
            self.emit(Event::Close { half: self.0.half, by: Observer::Origin, side, kind });
        }
    }

    /// True if that side has closed.
    pub(super) fn has_closed(&self, side: Side) -> bool {
        self.state().closed[usize::from(side == Side::Server)]
    }

    /// Nothing more will come. `tls` says whether raw and application bytes differ.
    pub(super) fn end(&self, counts: Counts) {
        let (raw, app) = (&self.0.raw, &self.0.app);
        let (app_up, app_down) = match counts {
            Counts::Tls => (Some(app.read()), Some(app.written())),
            Counts::Plain => (Some(raw.read()), Some(raw.written())),
            Counts::Opaque => (None, None),
        };
        if !self.taken_over() {
            let bytes = Bytes { raw_up: raw.read(), raw_down: raw.written(), app_up, app_down };
            let error = self.state().error.take();
            self.emit(Event::HalfEnd { half: self.0.half, by: Observer::Origin, bytes, error });
            if self.0.half == Half::Client {
                self.emit(Event::ConnectionEnd {});
            }
        }
        if self.0.opened_here || self.0.half == Half::Upstream {
            self.0.recorder.forget(self.0.key);
        }
    }

    /// The box ended this connection or took it over before a byte of it reached us: what is left here is an empty
    /// shell, and the truth about the client's half is the box's to tell.
    fn taken_over(&self) -> bool {
        let shell = self.0.half == Half::Client && !self.0.opened_here && self.0.raw.read() == 0;
        let connection = shell.then(|| self.0.recorder.connection(self.0.id)).flatten();
        connection.is_some_and(|c| c.decision().is_some_and(|d| d.action != "forward"))
    }

    /// An alert that an error of rustls tells of. If it went unencrypted, the watch below has told it already, and
    /// knows its number better than the error does.
    fn by_error(&self, from: Side, number: u8) {
        let state = self.state();
        let told = state.plain.iter().any(|&(side, plain)| side == from && (plain == number || from == Side::Server));
        let after = state.handshaken;
        drop(state);
        if !told {
            self.alert(tls::alert(from, number, Some(level(number)), Some(false), after));
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
        self.alert(tls::alert(from, number, Some(level), Some(true), after));
    }

    fn alert(&self, alert: Alert) {
        self.emit(Event::Alert { half: self.0.half, by: Observer::Origin, alert });
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
pub(super) enum Counts {
    /// Terminated here.
    Tls,
    /// No TLS.
    Plain,
    /// Relayed: not ours to read.
    Opaque,
}

fn side(way: Way) -> Side {
    match way {
        Way::In => Side::Client,
        Way::Out => Side::Server,
    }
}

/// rustls reports an alert only if it ends the connection; close_notify and user_canceled alone are warnings.
fn level(number: u8) -> u8 {
    if matches!(number, tls::CLOSE_NOTIFY | tls::USER_CANCELED) { 1 } else { 2 }
}
