//! What crossed the network, kept within limits, and written at the end as one capture file that a reader can decrypt.
//!
//! Two ways in. Whoever has packets gives them as they are ([`Capture::packet`]). Whoever has streams (the explicit
//! proxy, a terminating end) opens a [`Tap`] and tells what it reads and writes, most simply by wrapping its socket
//! in [`super::Tapped`]; those packets are rebuilt, and the file says so.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::CloseKind;
use super::event::{ConnectionId, Half, Observer, Side};
use super::packets::{Piece, flow_of, rebuild};
use super::pcapng::{Link, Packet, Pcapng};
use super::recorder::{Began, FlowKey, Recorder};

/// How much is kept. What is beyond is counted, and the file says so where it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes per half of a connection, or per flow of packets on an interface. Of later packets only the headers are kept.
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
    began: Began,
    limits: Limits,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    streams: Vec<Stream>,
    by_half: HashMap<(ConnectionId, Half), usize>,
    packets: Vec<Seen>,
    of_flow: HashMap<(&'static str, u64), usize>,
    bytes: usize,
    packets_cut: usize,
    packets_dropped: u64,
}

/// A packet as it was seen.
#[derive(Debug)]
struct Seen {
    at_us: u64,
    interface: &'static str,
    link: Link,
    length: usize,
    bytes: Box<[u8]>,
}

#[derive(Debug)]
struct Stream {
    id: ConnectionId,
    half: Half,
    by: Observer,
    key: FlowKey,
    opened_us: u64,
    pieces: Vec<(u64, Piece)>,
    bytes: usize,
    dropped: u64,
    /// Bytes told so far, of the client's side and of the server's.
    told: [u64; 2],
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
    /// Packets of which only the headers were kept, because their flow was longer than the limits.
    pub shortened: usize,
    /// Packets that were dropped because the limits were reached, or because the kernel had no room for them.
    pub dropped: u64,
}

impl CaptureSummary {
    /// What the capture lacks, in words; none if nothing.
    pub fn losses(&self) -> Option<String> {
        let parts = [
            (self.cut as u64, "streams were cut at the limit"),
            (self.shortened as u64, "packets were kept without their payload"),
            (self.dropped, "packets were not kept"),
        ];
        let told: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

impl Capture {
    /// An empty capture with the recorder's clock.
    pub fn new(recorder: &Recorder, limits: Limits) -> Self {
        Self { began: recorder.began(), limits, kept: Arc::default() }
    }

    /// Opens a stream: half `half` of connection `id`, between these addresses (client or dialling end first), as `by` sees it. None
    /// if somebody else tells of it already; the same one may go on where it was.
    pub fn tap(&self, id: ConnectionId, half: Half, by: Observer, key: FlowKey) -> Option<Tap> {
        let opened_us = self.began.elapsed_us();
        let mut kept = self.kept();
        let at = match kept.by_half.get(&(id, half)) {
            Some(&at) if kept.streams[at].by != by => return None,
            Some(&at) => at,
            None => {
                let stream = Stream { id, half, by, key, opened_us, pieces: Vec::new(), bytes: 0, dropped: 0, told: [0; 2] };
                kept.streams.push(stream);
                let at = kept.streams.len() - 1;
                kept.by_half.insert((id, half), at);
                at
            }
        };
        drop(kept);
        Some(Tap { capture: self.clone(), at })
    }

    /// Keeps a packet as it was seen on an interface, `at` microseconds since the recorder's clock was 0.
    pub fn packet(&self, at_us: u64, interface: &'static str, link: Link, bytes: &[u8]) {
        let flow = (interface, flow_of(link, bytes));
        let mut kept = self.kept();
        let of_flow = kept.of_flow.get(&flow).copied().unwrap_or_default();
        let keep = if of_flow < self.limits.per_half { bytes.len() } else { bytes.len().min(HEADERS) };
        if kept.bytes + keep > self.limits.total {
            kept.packets_dropped += 1;
            return;
        }
        kept.packets_cut += usize::from(keep < bytes.len());
        kept.bytes += keep;
        kept.of_flow.insert(flow, of_flow + keep);
        kept.packets.push(Seen { at_us, interface, link, length: bytes.len(), bytes: bytes[..keep].into() });
    }

    /// Tells of packets that never came here.
    pub fn lost(&self, packets: u64) {
        self.kept().packets_dropped += packets;
    }

    /// When the clock of its times was 0.
    pub fn began(&self) -> Began {
        self.began
    }

    /// Writes what was kept, in the order of time: names of the world first, then the secrets (key log lines), then packets.
    pub fn write(&self, path: &Path, names: &[(IpAddr, String)], secrets: Option<&str>) -> io::Result<CaptureSummary> {
        let out = io::BufWriter::new(super::create_private(path)?);
        let mut file = Pcapng::new(out, concat!("mitmlab ", env!("CARGO_PKG_VERSION")))?;
        file.names(names.iter().map(|(address, name)| (*address, name.as_str())))?;
        if let Some(secrets) = secrets.filter(|secrets| !secrets.is_empty()) {
            file.secrets(secrets)?;
        }
        let started_us = u64::try_from(self.began.wall().unix_timestamp_nanos() / 1000).unwrap_or(0);
        let kept = self.kept();
        let (summary, rebuilt) = kept.packets();
        let seen = kept.packets.iter().map(Seen::out);
        let mut packets: Vec<Out<'_>> = seen.chain(rebuilt).collect();
        packets.sort_by_key(|p| p.at_us);
        // In the order of their names: the client's side first.
        let mut interfaces: BTreeMap<String, (u32, &Out<'_>)> = packets.iter().map(|p| (p.interface.clone(), (0, p))).collect();
        for (name, (number, p)) in &mut interfaces {
            *number = file.interface(p.link, name, p.description)?;
        }
        for p in &packets {
            let interface = interfaces.get(&p.interface).map_or(0, |(number, _)| *number);
            let at_us = started_us.saturating_add(p.at_us);
            file.packet(&Packet { interface, at_us, bytes: &p.bytes, length: p.length, comment: p.comment.as_deref() })?;
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
        let at_us = self.capture.began.elapsed_us();
        let mut kept = self.capture.kept();
        let room = self.capture.limits.total.saturating_sub(kept.bytes);
        let stream = &mut kept.streams[self.at];
        stream.told[usize::from(from == Side::Server)] += bytes.len() as u64;
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

    /// How many bytes of this side were told so far.
    pub fn told(&self, from: Side) -> u64 {
        self.capture.kept().streams[self.at].told[usize::from(from == Side::Server)]
    }

    /// One side closed.
    pub fn closed(&self, side: Side, kind: CloseKind) {
        let at_us = self.capture.began.elapsed_us();
        self.capture.kept().streams[self.at].pieces.push((at_us, Piece::Close(side, kind)));
    }
}

struct Out<'a> {
    at_us: u64,
    interface: String,
    link: Link,
    description: &'static str,
    bytes: std::borrow::Cow<'a, [u8]>,
    length: usize,
    comment: Option<String>,
}

impl Seen {
    fn out(&self) -> Out<'_> {
        Out {
            at_us: self.at_us,
            interface: self.interface.to_owned(),
            link: self.link,
            description: "packets as they were on the lab's wire; segments that the kernel had not cut yet are whole",
            bytes: (&*self.bytes).into(),
            length: self.length,
            comment: None,
        }
    }
}

impl Kept {
    fn packets(&self) -> (CaptureSummary, Vec<Out<'static>>) {
        let mut summary = CaptureSummary {
            packets: self.packets.len(),
            shortened: self.packets_cut,
            dropped: self.packets_dropped,
            ..Default::default()
        };
        let mut all = Vec::new();
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
    fn rebuilt(&self) -> Vec<Out<'static>> {
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
            length: packet.bytes.len(),
            bytes: packet.bytes.into(),
            comment: comment(n),
        };
        packets.into_iter().enumerate().map(as_out).collect()
    }
}

/// Bytes of a packet whose payload is not kept: Ethernet, IPv6 and TCP with all options are 114.
const HEADERS: usize = 128;
