//! The recorder: takes events in, gives them numbers and times, and hands them to the readers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::{Notify, broadcast};

use super::connection::Connection;
use super::event::{ConnectionId, Entry, Event, Half, LegId, Observer};
use crate::scenario::{Transport, Vantage};

/// What tells a connection apart on the wire: the client's address and the address that it dialled.
pub type FlowKey = (SocketAddr, SocketAddr);

/// A reader that is called for every entry, in order, under the recorder's lock: it must be quick and must not fail.
type Sink = Box<dyn FnMut(&Entry) + Send>;

/// The one place where events come together. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    start: Instant,
    state: Mutex<State>,
    changed: Notify,
    live: broadcast::Sender<Arc<Entry>>,
}

#[derive(Default)]
struct State {
    entries: Vec<Arc<Entry>>,
    connections: Vec<Connection>,
    place: HashMap<ConnectionId, usize>,
    flows: HashMap<FlowKey, (ConnectionId, Half)>,
    legs: HashMap<std::net::IpAddr, LegId>,
    sinks: Vec<Sink>,
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
            start: Instant::now(),
            state: Mutex::default(),
            changed: Notify::new(),
            live: broadcast::Sender::new(LIVE_BACKLOG),
        }))
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

    /// Opens a connection, or gives the number it already has. `by` is who sees it now.
    pub fn open(&self, key: FlowKey, transport: Transport, vantage: Vantage, by: Observer) -> (ConnectionId, Half) {
        if let Some(known) = self.find(key) {
            return known;
        }
        (self.open_new(key, None, transport, vantage, by, None), Half::Client)
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
        let mut state = self.state();
        let id = ConnectionId(state.connections.len() as u64 + 1);
        state.flows.insert(key, (id, Half::Client));
        let leg = leg.or_else(|| state.legs.get(&key.0.ip()).copied());
        let event = Event::ConnectionOpen { client: key.0, destination: key.1, asked, transport, vantage, by };
        self.push(&mut state, leg, Some(id), event);
        id
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
        self.state().entries.clone()
    }

    /// Entries from position `seq` on, at most `most`.
    pub fn entries_after(&self, seq: u64, most: usize) -> Vec<Arc<Entry>> {
        let state = self.state();
        let from = usize::try_from(seq).unwrap_or(usize::MAX).min(state.entries.len());
        state.entries[from..].iter().take(most).cloned().collect()
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

    fn push(&self, state: &mut MutexGuard<'_, State>, leg: Option<LegId>, connection: Option<ConnectionId>, event: Event) {
        let entry = Arc::new(Entry {
            seq: state.entries.len() as u64,
            t_us: u64::try_from(self.0.start.elapsed().as_micros()).unwrap_or(u64::MAX),
            leg,
            connection,
            event,
        });
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
        state.entries.push(entry);
        self.0.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
