//! What crossed the network, kept within limits, and written at the end as one capture file that a reader can decrypt.
//!
//! Two ways in. Whoever has packets gives them as they are ([`Capture::packet`]). Whoever has streams (the explicit
//! proxy, a terminating end) opens a [`Tap`] and tells what it reads and writes, most simply by wrapping its socket
//! in [`super::Tapped`]; those packets are rebuilt, and the file says so.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::CloseKind;
use super::event::{ConnectionId, Half, Side};
use super::keylog::KeyLog;
use super::packets::{Piece, rebuild};
use super::pcapng::{Link, Packet, Pcapng};
use super::recorder::{FlowKey, Recorder};

/// How much is kept. What is beyond is counted, and the file says so where it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes per half of a connection.
    pub per_half: usize,
    /// Bytes altogether.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_half: 1 << 20, total: 128 << 20 }
    }
}

/// Keeps what crossed the network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Capture {
    recorder: Recorder,
    limits: Limits,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    streams: Vec<Stream>,
    packets: Vec<(u64, String, Link, Vec<u8>)>,
    bytes: usize,
    packets_dropped: u64,
}

#[derive(Debug)]
struct Stream {
    id: ConnectionId,
    half: Half,
    key: FlowKey,
    opened_us: u64,
    pieces: Vec<(u64, Piece)>,
    bytes: usize,
    dropped: u64,
}

/// One stream that is being listened to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tap {
    capture: Capture,
    at: usize,
}

/// What a written capture holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureSummary {
    /// Packets as they were.
    pub packets: usize,
    /// Packets rebuilt from streams.
    pub rebuilt: usize,
    /// Streams that were longer than the limits.
    pub cut: usize,
    /// Packets that were dropped because the limits were reached.
    pub dropped: u64,
}

impl Capture {
    /// An empty capture with the recorder's clock.
    pub fn new(recorder: &Recorder, limits: Limits) -> Self {
        Self { recorder: recorder.clone(), limits, kept: Arc::default() }
    }

    /// Opens a stream: half `half` of connection `id`, between these addresses (client or dialling end first).
    pub fn tap(&self, id: ConnectionId, half: Half, key: FlowKey) -> Tap {
        let opened_us = self.recorder.elapsed_us();
        let mut kept = self.kept();
        kept.streams.push(Stream { id, half, key, opened_us, pieces: Vec::new(), bytes: 0, dropped: 0 });
        Tap { capture: self.clone(), at: kept.streams.len() - 1 }
    }

    /// Keeps a packet as it was seen on an interface.
    pub fn packet(&self, interface: &str, link: Link, bytes: &[u8]) {
        let at_us = self.recorder.elapsed_us();
        let mut kept = self.kept();
        if kept.bytes + bytes.len() > self.limits.total {
            kept.packets_dropped += 1;
            return;
        }
        kept.bytes += bytes.len();
        kept.packets.push((at_us, interface.to_owned(), link, bytes.to_vec()));
    }

    /// Writes what was kept, in the order of time: names of the world first, then the secrets, then packets.
    pub fn write(&self, path: &Path, names: &[(IpAddr, String)], keys: Option<&KeyLog>) -> io::Result<CaptureSummary> {
        let out = io::BufWriter::new(super::create_private(path)?);
        let mut file = Pcapng::new(out, concat!("mitmlab ", env!("CARGO_PKG_VERSION")))?;
        file.names(names.iter().map(|(address, name)| (*address, name.as_str())))?;
        if let Some(keys) = keys {
            file.secrets(&keys.lines())?;
        }
        let started_us = u64::try_from(self.recorder.started().unix_timestamp_nanos() / 1000).unwrap_or(0);
        let (summary, mut packets) = self.kept().packets();
        packets.sort_by_key(|p| p.at_us);
        let mut interfaces: BTreeMap<String, u32> = BTreeMap::new();
        for p in &packets {
            let interface = match interfaces.get(&p.interface) {
                Some(known) => *known,
                None => file.interface(p.link, &p.interface, p.description)?,
            };
            interfaces.insert(p.interface.clone(), interface);
            let at_us = started_us.saturating_add(p.at_us);
            file.packet(&Packet { interface, at_us, bytes: &p.bytes, comment: p.comment.as_deref() })?;
        }
        file.finish()?;
        Ok(summary)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap {
    /// One side sent these bytes.
    pub fn sent(&self, from: Side, bytes: &[u8]) {
        let at_us = self.capture.recorder.elapsed_us();
        let mut kept = self.capture.kept();
        let room = self.capture.limits.total.saturating_sub(kept.bytes);
        let stream = &mut kept.streams[self.at];
        let room = room.min(self.capture.limits.per_half.saturating_sub(stream.bytes));
        let room = if stream.dropped > 0 { 0 } else { room }; // nothing after a gap
        let fits = bytes.len().min(room);
        stream.dropped += (bytes.len() - fits) as u64;
        stream.bytes += fits;
        if fits > 0 {
            stream.pieces.push((at_us, Piece::Data(from, bytes[..fits].to_vec())));
        }
        kept.bytes += fits;
    }

    /// One side closed.
    pub fn closed(&self, side: Side, kind: CloseKind) {
        let at_us = self.capture.recorder.elapsed_us();
        self.capture.kept().streams[self.at].pieces.push((at_us, Piece::Close(side, kind)));
    }
}

struct Out {
    at_us: u64,
    interface: String,
    link: Link,
    description: &'static str,
    bytes: Vec<u8>,
    comment: Option<String>,
}

impl Kept {
    fn packets(&self) -> (CaptureSummary, Vec<Out>) {
        let mut summary = CaptureSummary { packets: self.packets.len(), dropped: self.packets_dropped, ..Default::default() };
        let seen = self.packets.iter().map(|(at_us, interface, link, bytes)| Out {
            at_us: *at_us,
            interface: interface.clone(),
            link: *link,
            description: "packets as they were on the lab's wire",
            bytes: bytes.clone(),
            comment: None,
        });
        let mut all: Vec<Out> = seen.collect();
        for stream in &self.streams {
            let packets = stream.rebuilt();
            summary.rebuilt += packets.len();
            summary.cut += usize::from(stream.dropped > 0);
            all.extend(packets);
        }
        (summary, all)
    }
}

impl Stream {
    fn rebuilt(&self) -> Vec<Out> {
        let packets = rebuild(self.key.0, self.key.1, self.opened_us, &self.pieces);
        let half = match self.half {
            Half::Client => "client",
            Half::Upstream => "upstream",
        };
        let last = packets.len().saturating_sub(1);
        let comment = |n: usize| match n {
            0 => Some(format!("{}, {half} half: rebuilt from its byte stream", self.id)),
            n if n == last && self.dropped > 0 => Some(format!("{} further bytes of this stream were not kept", self.dropped)),
            _ => None,
        };
        let as_out = |(n, packet): (usize, super::packets::Rebuilt)| Out {
            at_us: packet.at_us,
            interface: format!("{half} (rebuilt)"),
            link: Link::Ip,
            description: "rebuilt from byte streams: times, bytes and closes are true, packet sizes and TCP numbers are not",
            bytes: packet.bytes,
            comment: comment(n),
        };
        packets.into_iter().enumerate().map(as_out).collect()
    }
}
