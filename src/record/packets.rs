//! TCP packets for byte streams that were never seen as packets (the explicit proxy, a terminating end), so that a capture
//! reader can show them. Order, times, bytes and the kind of close are true; segment sizes, sequence numbers,
//! acknowledgements and TTLs are made up. Whoever writes them marks them as rebuilt.

use std::net::{IpAddr, SocketAddr};

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

use super::connection::CloseKind;
use super::event::Side;
use super::pcapng::Link;

/// Something that happened on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes from one side.
    Data(Side, Vec<u8>),
    /// One side closed its direction.
    Close(Side, CloseKind),
}

/// A packet with its time: an IP header and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rebuilt {
    pub(super) at_us: u64,
    pub(super) bytes: Vec<u8>,
}

/// Makes the packets of one stream that was opened at `opened_us`.
pub(super) fn rebuild(client: SocketAddr, server: SocketAddr, opened_us: u64, pieces: &[(u64, Piece)]) -> Vec<Rebuilt> {
    let mut line = Line::new(client, server);
    line.open(opened_us);
    for (at_us, piece) in pieces {
        match piece {
            Piece::Data(from, bytes) => line.data(*at_us, *from, bytes),
            Piece::Close(side, CloseKind::Rst) => line.reset(*at_us, *side),
            Piece::Close(side, CloseKind::Fin | CloseKind::CloseNotify) => line.finish(*at_us, *side),
            Piece::Close(_, CloseKind::Deadline) => {} // nothing was sent
        }
    }
    line.packets
}

/// A number for the flow that a packet belongs to, the same for both directions.
pub(super) fn flow_of(link: Link, bytes: &[u8]) -> u64 {
    let sliced = match link {
        Link::Ethernet => SlicedPacket::from_ethernet(bytes),
        Link::Ip => SlicedPacket::from_ip(bytes),
    };
    let Ok(sliced) = sliced else { return 0 };
    let ports = match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => [tcp.source_port(), tcp.destination_port()],
        Some(TransportSlice::Udp(udp)) => [udp.source_port(), udp.destination_port()],
        _ => [0; 2],
    };
    let hosts = match sliced.net {
        Some(NetSlice::Ipv4(ip)) => [IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr())],
        Some(NetSlice::Ipv6(ip)) => [IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr())],
        _ => return 0,
    };
    let mut ends = [(hosts[0], ports[0]), (hosts[1], ports[1])];
    ends.sort_unstable();
    let mut hasher = DefaultHasher::new();
    ends.hash(&mut hasher);
    hasher.finish()
}

/// The two ends with their sequence numbers; index 0 is the client.
struct Line {
    ends: [SocketAddr; 2],
    next: [u32; 2],
    closed: [bool; 2],
    packets: Vec<Rebuilt>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    ack: bool,
    psh: bool,
    fin: bool,
    rst: bool,
}

impl Line {
    fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { ends: [client, server], next: [FIRST_CLIENT, FIRST_SERVER], closed: [false; 2], packets: Vec::new() }
    }

    fn open(&mut self, at_us: u64) {
        self.packet(at_us, 0, Flags { syn: true, ..Flags::default() }, &[]);
        self.next[0] = self.next[0].wrapping_add(1);
        self.packet(at_us, 1, Flags { syn: true, ack: true, ..Flags::default() }, &[]);
        self.next[1] = self.next[1].wrapping_add(1);
        self.packet(at_us, 0, ACK, &[]);
    }

    fn data(&mut self, at_us: u64, from: Side, bytes: &[u8]) {
        let from = index(from);
        if self.closed[from] || bytes.is_empty() {
            return;
        }
        for segment in bytes.chunks(SEGMENT) {
            self.packet(at_us, from, Flags { psh: true, ..ACK }, segment);
            self.next[from] = self.next[from].wrapping_add(segment.len() as u32);
        }
        self.packet(at_us, 1 - from, ACK, &[]);
    }

    fn finish(&mut self, at_us: u64, side: Side) {
        let from = index(side);
        if self.closed[from] {
            return;
        }
        self.packet(at_us, from, Flags { fin: true, ..ACK }, &[]);
        self.next[from] = self.next[from].wrapping_add(1);
        self.closed[from] = true;
        self.packet(at_us, 1 - from, ACK, &[]);
    }

    fn reset(&mut self, at_us: u64, side: Side) {
        if self.closed != [true; 2] {
            self.packet(at_us, index(side), Flags { rst: true, ..ACK }, &[]);
            self.closed = [true; 2];
        }
    }

    fn packet(&mut self, at_us: u64, from: usize, flags: Flags, payload: &[u8]) {
        let (source, destination) = (self.ends[from], self.ends[1 - from]);
        let ip = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => PacketBuilder::ipv4(a.octets(), b.octets(), TTL),
            (a, b) => PacketBuilder::ipv6(as_v6(a), as_v6(b), TTL),
        };
        let mut tcp = ip.tcp(source.port(), destination.port(), self.next[from], WINDOW);
        if flags.ack {
            tcp = tcp.ack(self.next[1 - from]);
        }
        tcp = if flags.syn { tcp.syn() } else { tcp };
        tcp = if flags.psh { tcp.psh() } else { tcp };
        tcp = if flags.fin { tcp.fin() } else { tcp };
        tcp = if flags.rst { tcp.rst() } else { tcp };
        let mut bytes = Vec::with_capacity(tcp.size(payload.len()));
        if tcp.write(&mut bytes, payload).is_ok() {
            self.packets.push(Rebuilt { at_us, bytes });
        }
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

fn as_v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

const ACK: Flags = Flags { syn: false, ack: true, psh: false, fin: false, rst: false };
/// Payload bytes per packet: what fits an Ethernet frame with IPv6 and TCP headers.
const SEGMENT: usize = 1440;
const WINDOW: u16 = u16::MAX;
const TTL: u8 = 64;
/// First sequence numbers: round, so that a reader sees that they are made up.
const FIRST_CLIENT: u32 = 1_000_000;
const FIRST_SERVER: u32 = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_back_out_of_the_packets() {
        for (client, server) in [("192.0.2.2:40000", "192.0.2.10:443"), ("[2001:db8::2]:40000", "[2001:db8::1]:443")] {
            let (client, server) = (client.parse().expect("an address"), server.parse().expect("an address"));
            let up: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
            let pieces = [
                (10, Piece::Data(Side::Client, up.clone())),
                (20, Piece::Data(Side::Server, b"answer".to_vec())),
                (30, Piece::Close(Side::Client, CloseKind::Fin)),
                (35, Piece::Data(Side::Client, b"after its FIN".to_vec())),
                (40, Piece::Close(Side::Server, CloseKind::Rst)),
                (50, Piece::Close(Side::Client, CloseKind::Rst)),
            ];
            let (mut seen, mut last) = ([Vec::new(), Vec::new()], None);
            for packet in rebuild(client, server, 5, &pieces) {
                let sliced = SlicedPacket::from_ip(&packet.bytes).expect("a packet");
                let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("no TCP") };
                let from = usize::from(tcp.source_port() == 443);
                seen[from].extend_from_slice(tcp.payload());
                let sum = match sliced.net.expect("an IP header") {
                    NetSlice::Ipv4(ip) => tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()),
                    NetSlice::Ipv6(ip) => tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()),
                    NetSlice::Arp(_) => panic!("no IP"),
                };
                assert_eq!(sum.expect("short enough"), tcp.checksum());
                last = Some((tcp.rst(), packet.at_us));
            }
            assert_eq!(seen, [up, b"answer".to_vec()]);
            assert_eq!(last, Some((true, 40)));
        }
    }
}
