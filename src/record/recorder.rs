//! The recorder: takes events in, gives them numbers and times, and hands them to the readers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use tokio::sync::{Notify, broadcast};

use super::connection::Connection;
use super::event::{ConnectionId, Entry, Event, Half, LegId, Observer};
use super::keep::Keep;
use crate::scenario::{Transport, Vantage};

/// What tells a connection apart on the wire: the client's address and the address that it dialled.
pub type FlowKey = (SocketAddr, SocketAddr);

/// A reader that is called for every entry, in order, under the recorder's lock: it must be quick and must not fail.
type Sink = Box<dyn FnMut(&Entry) + Send>;

/// The one place where events come together. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    began: Began,
    keep: OnceLock<Keep>,
    state: Mutex<State>,
    changed: Notify,
    live: broadcast::Sender<Arc<Entry>>,
}

#[derive(Default)]
struct State {
    /// Entries that are no longer kept.
    gone: u64,
    /// How many entries are kept at most; none for all of them.
    most: Option<usize>,
    /// Connections that were opened, those that are no longer kept too.
    opened: u64,
    entries: std::collections::VecDeque<Arc<Entry>>,
    connections: Vec<Connection>,
    place: HashMap<ConnectionId, usize>,
    flows: HashMap<FlowKey, (ConnectionId, Half)>,
    legs: HashMap<std::net::IpAddr, LegId>,
    sinks: Vec<Sink>,
}

/// The zero of a recorder's clock.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    start: Instant,
    wall: time::OffsetDateTime,
}

impl Began {
    /// Microseconds since then.
    pub fn elapsed_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The wall clock then.
    pub fn wall(&self) -> time::OffsetDateTime {
        self.wall
    }
}

/// How many entries a slow live reader may lag behind before it is told that it missed some.
const LIVE_BACKLOG: usize = 4096;

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("entries", &self.state().entries.len()).finish()
    }
}

impl Recorder {
    /// A recorder whose clock starts now.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            began: Began { start: Instant::now(), wall: time::OffsetDateTime::now_utc() },
            keep: OnceLock::new(),
            state: Mutex::default(),
            changed: Notify::new(),
            live: broadcast::Sender::new(LIVE_BACKLOG),
        }))
    }

    /// The wall clock when the recorder's clock was 0. No event holds it, so that two recordings can be compared.
    pub fn started(&self) -> time::OffsetDateTime {
        self.0.began.wall
    }

    /// Microseconds since the recorder's clock was 0.
    pub fn elapsed_us(&self) -> u64 {
        self.0.began.elapsed_us()
    }

    /// When the recorder's clock was 0.
    pub fn began(&self) -> Began {
        self.0.began
    }

    /// Keeps from now on what events do not hold. The first word counts.
    pub fn keep(&self, keep: Keep) {
        let _ = self.0.keep.set(keep); // said already
    }

    /// What is kept besides events, if anything.
    pub fn kept(&self) -> Option<&Keep> {
        self.0.keep.get()
    }

    /// Adds a reader. It is given what was recorded so far first.
    pub fn add_sink(&self, mut sink: impl FnMut(&Entry) + Send + 'static) {
        let mut state = self.state();
        for entry in &state.entries {
            sink(entry);
        }
        state.sinks.push(Box::new(sink));
    }

    /// A live feed of entries from now on; a reader that lags misses some and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.0.live.subscribe()
    }

    /// Says that every connection from this address belongs to this leg.
    pub fn assign(&self, client: std::net::IpAddr, leg: LegId) {
        self.state().legs.insert(client, leg);
    }

    /// The leg that an address was assigned to.
    pub fn leg_of(&self, client: std::net::IpAddr) -> Option<LegId> {
        self.state().legs.get(&client).copied()
    }

    /// The leg of a client address: of its open connection if there is one, else of everything from that host.
    pub fn leg_from(&self, client: SocketAddr) -> Option<LegId> {
        let state = self.state();
        let known = state.connections.iter().rev().find(|c| c.client == client && !c.ended).and_then(|c| c.leg);
        known.or_else(|| state.legs.get(&client.ip()).copied())
    }

    /// Opens a connection, or gives the number it already has. `by` is who sees it now.
    pub fn open(&self, key: FlowKey, transport: Transport, vantage: Vantage, by: Observer) -> (ConnectionId, Half) {
        let mut state = self.state(); // held over both steps: two who see the same first packet must not open it twice
        match state.flows.get(&key) {
            Some(known) => *known,
            None => (self.open_in(&mut state, key, None, transport, vantage, by, None), Half::Client),
        }
    }

    /// Opens a connection that is certainly new (a SYN, an accepted proxy request), whatever the key said before.
    pub fn open_new(
        &self,
        key: FlowKey,
        asked: Option<String>,
        transport: Transport,
        vantage: Vantage,
        by: Observer,
        leg: Option<LegId>,
    ) -> ConnectionId {
        self.open_in(&mut self.state(), key, asked, transport, vantage, by, leg)
    }

    /// Says that a connection of the box's own, from the box to the origin, is the upstream half of `id`.
    pub fn alias(&self, key: FlowKey, id: ConnectionId) {
        self.state().flows.insert(key, (id, Half::Upstream));
    }

    /// The connection with these addresses, if one is open.
    pub fn find(&self, key: FlowKey) -> Option<(ConnectionId, Half)> {
        self.state().flows.get(&key).copied()
    }

    /// Forgets the addresses (the port may be used again); the connection's truth stays.
    pub fn forget(&self, key: FlowKey) {
        self.state().flows.remove(&key);
    }

    /// Records an event of a connection.
    pub fn emit(&self, id: ConnectionId, event: Event) {
        let mut state = self.state();
        let leg = state.place.get(&id).and_then(|&at| state.connections[at].leg);
        self.push(&mut state, leg, Some(id), event);
    }

    /// Records an event of a leg, or of the run.
    pub fn emit_run(&self, leg: Option<LegId>, event: Event) {
        let mut state = self.state();
        self.push(&mut state, leg, None, event);
    }

    /// Every entry so far.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.state().entries.iter().cloned().collect()
    }

    /// The entries of a leg, and of its connections.
    pub fn entries_of(&self, leg: LegId) -> Vec<Entry> {
        self.state().entries.iter().filter(|entry| entry.leg == Some(leg)).map(|entry| Entry::clone(entry)).collect()
    }

    /// Entries from position `seq` on, at most `most`. Those that are no longer kept are left out.
    pub fn entries_after(&self, seq: u64, most: usize) -> Vec<Arc<Entry>> {
        let state = self.state();
        let from = usize::try_from(seq.saturating_sub(state.gone)).unwrap_or(usize::MAX).min(state.entries.len());
        state.entries.range(from..).take(most).cloned().collect()
    }

    /// The position that the next entry will have.
    pub fn next_seq(&self) -> u64 {
        self.state().next_seq()
    }

    /// Completes when there is an entry at position `seq`.
    pub async fn grown(&self, seq: u64) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.state().next_seq() > seq {
                return;
            }
            changed.await;
        }
    }

    /// Keeps at most `most` entries from now on, and an eighth as many connections: for a lab that stays up. The oldest go first;
    /// a connection that is open stays.
    pub fn keep_at_most(&self, most: usize) {
        let mut state = self.state();
        state.most = Some(most.max(64));
        state.shed();
    }

    /// Forgets every entry so far and every connection that has ended. Numbers go on from where they are. Sinks are not concerned.
    pub fn clear(&self) {
        let mut state = self.state();
        state.gone = state.next_seq();
        state.entries.clear();
        state.retain(|connection| !connection.ended);
    }

    /// The connections so far, in order of first sight.
    pub fn connections(&self) -> Vec<Connection> {
        self.state().connections.clone()
    }

    /// The connections of a leg.
    pub fn connections_of(&self, leg: LegId) -> Vec<Connection> {
        self.state().connections.iter().filter(|c| c.leg == Some(leg)).cloned().collect()
    }

    /// One connection.
    pub fn connection(&self, id: ConnectionId) -> Option<Connection> {
        let state = self.state();
        state.place.get(&id).map(|&at| state.connections[at].clone())
    }

    /// Waits until `done` says yes of the connections, or the deadline passes. True if it said yes.
    pub async fn wait(&self, deadline: Instant, mut done: impl FnMut(&[Connection]) -> bool) -> bool {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done(&self.state().connections) {
                return true;
            }
            if tokio::time::timeout_at(deadline.into(), changed).await.is_err() {
                return done(&self.state().connections);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of `open_new` and the lock")]
    fn open_in(
        &self,
        state: &mut MutexGuard<'_, State>,
        key: FlowKey,
        asked: Option<String>,
        transport: Transport,
        vantage: Vantage,
        by: Observer,
        leg: Option<LegId>,
    ) -> ConnectionId {
        state.opened += 1;
        let id = ConnectionId(state.opened);
        state.flows.insert(key, (id, Half::Client));
        let leg = leg.or_else(|| state.legs.get(&key.0.ip()).copied());
        let event = Event::ConnectionOpen { client: key.0, destination: key.1, asked, transport, vantage, by };
        self.push(state, leg, Some(id), event);
        id
    }

    fn push(&self, state: &mut MutexGuard<'_, State>, leg: Option<LegId>, connection: Option<ConnectionId>, event: Event) {
        let entry = Arc::new(Entry { seq: state.next_seq(), t_us: self.elapsed_us(), leg, connection, event });
        let state = &mut **state;
        if let Some(opened) = Connection::opened(&entry) {
            state.place.insert(opened.id, state.connections.len());
            state.connections.push(opened);
        } else if let Some(&at) = connection.and_then(|id| state.place.get(&id)) {
            state.connections[at].apply(&entry);
        }
        for sink in &mut state.sinks {
            sink(&entry);
        }
        let _ = self.0.live.send(Arc::clone(&entry)); // nobody listening is fine
        state.entries.push_back(entry);
        state.shed();
        self.0.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn next_seq(&self) -> u64 {
        self.gone + self.entries.len() as u64
    }

    /// Lets the oldest go if there are too many: a quarter at once, so that it is seldom done.
    fn shed(&mut self) {
        let Some(most) = self.most else { return };
        if self.entries.len() > most {
            let surplus = self.entries.len() - most + most / 4;
            self.entries.drain(..surplus);
            self.gone += surplus as u64;
        }
        if self.connections.len() > most / 8 {
            let mut surplus = self.connections.len() - most / 8 + most / 32;
            self.retain(|connection| {
                let goes = connection.ended && surplus > 0;
                surplus -= usize::from(goes);
                !goes
            });
        }
    }

    fn retain(&mut self, keep: impl FnMut(&Connection) -> bool) {
        self.connections.retain(keep);
        self.place = self.connections.iter().enumerate().map(|(at, connection)| (connection.id, at)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Alert, Bytes, CloseKind, Side};

    fn key(port: u16) -> FlowKey {
        (([192, 0, 2, 2], port).into(), ([192, 0, 2, 10], 443).into())
    }

    fn alert(number: u8) -> Alert {
        let name = "alert".to_owned();
        Alert { from: Side::Client, level: None, number, name, plaintext: None, after_handshake: false }
    }

    #[test]
    fn two_observers_of_one_connection_open_it_once() {
        let recorder = Recorder::new();
        for port in 1..200 {
            let other = recorder.clone();
            let open = move |r: &Recorder, by| r.open(key(port), Transport::Tcp, Vantage::Inside, by).0;
            let there = std::thread::spawn(move || open(&other, Observer::Wire));
            assert_eq!(open(&recorder, Observer::Origin), there.join().expect("no panic"));
        }
        assert_eq!(recorder.connections().len(), 199);
    }

    #[test]
    fn the_word_of_an_end_outranks_the_wire() {
        for wire_first in [true, false] {
            let recorder = Recorder::new();
            let id = recorder.open(key(1), Transport::Tcp, Vantage::Inside, Observer::Wire).0;
            let say = |by: Observer, number: u8, app: u64, side: Side| {
                let half = Half::Client;
                recorder.emit(id, Event::Alert { half, by, alert: alert(number) });
                recorder.emit(id, Event::Close { half, by, side, kind: CloseKind::Fin });
                let bytes = Bytes { raw_up: 500 + app, raw_down: 0, app_up: Some(app), app_down: Some(0) };
                recorder.emit(id, Event::HalfEnd { half, by, bytes, error: Some(format!("{by:?}")) });
            };
            let wire = || say(Observer::Wire, 80, 60, Side::Server);
            if wire_first {
                wire();
            }
            say(Observer::Origin, 48, 0, Side::Client);
            if !wire_first {
                wire();
            }
            let half = recorder.connection(id).expect("opened").client_half;
            assert_eq!(half.alerts.iter().map(|a| a.number).collect::<Vec<_>>(), [48]);
            assert_eq!((half.closes.len(), half.closes[0].side), (1, Side::Client));
            assert_eq!((half.bytes.app_up, half.bytes.raw_up), (Some(0), 560));
            assert_eq!(half.error.as_deref(), Some("Origin"));
        }
    }

    #[test]
    fn what_is_forgotten_leaves_its_numbers_behind() {
        let recorder = Recorder::new();
        let open = |port| recorder.open(key(port), Transport::Tcp, Vantage::Inside, Observer::Wire).0;
        let (first, second) = (open(1), open(2));
        recorder.emit(first, Event::ConnectionEnd {});
        recorder.clear();
        assert_eq!(recorder.connections().iter().map(|c| c.id).collect::<Vec<_>>(), [second]);
        assert_eq!((recorder.next_seq(), recorder.entries().len(), open(3)), (3, 0, ConnectionId(3)));
        assert_eq!(recorder.entries_after(0, 9).iter().map(|e| e.seq).collect::<Vec<_>>(), [3]);
        recorder.emit(second, Event::ConnectionEnd {});
        assert!(recorder.connection(second).is_some_and(|c| c.ended));
    }

    #[test]
    fn a_recorder_with_a_limit_keeps_the_newest_and_what_is_open() {
        let recorder = Recorder::new();
        recorder.keep_at_most(64);
        let open = |port| recorder.open(key(port), Transport::Tcp, Vantage::Inside, Observer::Wire).0;
        let stays = open(1);
        for port in 2..500 {
            recorder.emit(open(port), Event::ConnectionEnd {});
        }
        assert!(recorder.entries().len() <= 64 && recorder.connections().len() <= 10);
        assert!(recorder.connection(stays).is_some());
        assert_eq!(recorder.entries().last().map(|e| e.seq + 1), Some(recorder.next_seq()));
    }

    #[test]
    fn a_late_sink_hears_everything_and_folding_gives_the_same_truth() {
        let recorder = Recorder::new();
        let id = recorder.open(key(1), Transport::Tcp, Vantage::Inside, Observer::Wire).0;
        recorder.emit(id, Event::Note { text: "a".to_owned() });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        recorder.add_sink(move |entry| into.lock().expect("no panic").push(entry.clone()));
        recorder.emit(id, Event::ConnectionEnd {});
        let heard = heard.lock().expect("no panic");
        assert_eq!(heard.iter().map(|e| e.seq).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Connection::fold(heard.iter()), recorder.connections());
    }
}
