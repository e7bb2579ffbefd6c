//! Making packets of the box's own: TCP segments, UDP datagrams, ICMP errors, and parts of a frame that stands for
//! several segments. RFC 9293 section 3.1, RFC 768, RFC 792, RFC 4443, RFC 1071.
//!
//! Every frame begins with a virtio header; its Ethernet addresses are left for the sender to fill in.

use super::frame::{ACK, CWR, End, FIN, L3, PSH, Tcp, VNET};

/// A TCP segment to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) src: End,
    pub(super) dst: End,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// Window, as it is written (not scaled).
    pub(super) window: u16,
    /// Timestamps option, where the connection uses it.
    pub(super) time: Option<(u32, u32)>,
    pub(super) payload: &'a [u8],
}

#[cfg(test)]
impl Segment<'_> {
    /// An empty segment between two ends.
    pub(super) fn between(src: End, dst: End) -> Self {
        Self { src, dst, seq: 0, ack: 0, flags: ACK, window: 0, time: None, payload: &[] }
    }
}

/// Makes a TCP segment.
pub(super) fn segment(of: &Segment<'_>) -> Vec<u8> {
    let header = 20 + if of.time.is_some() { 12 } else { 0 };
    let mut out = network(of.src, of.dst, 6, header + of.payload.len());
    let l4 = out.len();
    out.extend_from_slice(&of.src.port.to_be_bytes());
    out.extend_from_slice(&of.dst.port.to_be_bytes());
    out.extend_from_slice(&of.seq.to_be_bytes());
    let ack = if of.flags & ACK == 0 { 0 } else { of.ack };
    out.extend_from_slice(&ack.to_be_bytes());
    out.extend_from_slice(&[(header as u8 / 4) << 4, of.flags]);
    out.extend_from_slice(&of.window.to_be_bytes());
    out.extend_from_slice(&[0; 4]); // checksum, urgent pointer
    if let Some((value, echo)) = of.time {
        out.extend_from_slice(&[1, 1, 8, 10]);
        out.extend_from_slice(&value.to_be_bytes());
        out.extend_from_slice(&echo.to_be_bytes());
    }
    out.extend_from_slice(of.payload);
    seal(&mut out, of.src, of.dst, 6, l4, 16);
    out
}

/// Makes a UDP datagram.
pub(super) fn datagram(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let mut out = network(src, dst, 17, 8 + payload.len());
    let l4 = out.len();
    out.extend_from_slice(&src.port.to_be_bytes());
    out.extend_from_slice(&dst.port.to_be_bytes());
    out.extend_from_slice(&((8 + payload.len()) as u16).to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(payload);
    seal(&mut out, src, dst, 17, l4, 6);
    if out[l4 + 6..l4 + 8] == [0, 0] {
        out[l4 + 6..l4 + 8].copy_from_slice(&[0xff, 0xff]); // RFC 768: zero means no checksum
    }
    out
}

/// Makes "host unreachable" (RFC 792 type 3 code 1) or "address unreachable" (RFC 4443 type 1 code 3) about the packet in
/// `buffer`, from the router `from` to its sender.
pub(super) fn unreachable(buffer: &[u8], about: &Tcp, from: End) -> Vec<u8> {
    let quoted = &buffer[about.net.l3..about.end];
    let (kind, protocol) = if about.net.v6 { ([1, 3], 58) } else { ([3, 1], 1) };
    let quoted = &quoted[..quoted.len().min(if about.net.v6 { 1232 } else { 548 })]; // RFC 4443 2.4 (c), RFC 1812 4.3.2.3
    let mut out = network(from, about.src, protocol, 8 + quoted.len());
    let l4 = out.len();
    out.extend_from_slice(&kind);
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(quoted);
    if about.net.v6 {
        seal(&mut out, from, about.src, protocol, l4, 2);
    } else {
        let sum = checksum(&out[l4..], 0);
        out[l4 + 2..l4 + 4].copy_from_slice(&sum.to_be_bytes());
    }
    out
}

/// The part of a frame that carries its payload bytes `from..to`: same headers, own sequence number and lengths.
/// It stands for several segments again if it holds more than one.
pub(super) fn part(buffer: &[u8], tcp: &Tcp, from: usize, to: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(tcp.payload + to - from);
    out.extend_from_slice(&buffer[..tcp.payload]);
    out.extend_from_slice(&buffer[tcp.payload + from..tcp.payload + to]);
    let seq = if from == 0 { tcp.seq } else { tcp.data_seq().wrapping_add(from as u32) };
    out[tcp.l4 + 4..tcp.l4 + 8].copy_from_slice(&seq.to_be_bytes());
    if to < tcp.len() {
        out[tcp.l4 + 13] &= !(FIN | PSH);
    }
    if from > 0 {
        out[tcp.l4 + 13] &= !CWR; // RFC 3168 section 6.1.2: once per window
    }
    let l4_length = out.len() - tcp.l4;
    if tcp.net.v6 {
        out[tcp.net.l3 + 4..tcp.net.l3 + 6].copy_from_slice(&(l4_length as u16).to_be_bytes());
    } else {
        let total = (out.len() - tcp.net.l3) as u16;
        out[tcp.net.l3 + 2..tcp.net.l3 + 4].copy_from_slice(&total.to_be_bytes());
        header_checksum(&mut out[tcp.net.l3..tcp.l4]);
    }
    if tcp.gso == 0 || to - from <= tcp.gso {
        out[1] = 0;
        out[4..6].fill(0);
    }
    // The kernel completes the checksum (virtio 1.2 section 5.1.6.2): it wants the pseudo header's sum in its place.
    let sum = fold(pseudo(tcp.src, tcp.dst, 6, l4_length));
    out[tcp.l4 + 16..tcp.l4 + 18].copy_from_slice(&sum.to_be_bytes());
    out[0] = NEEDS_CHECKSUM;
    out[2..4].copy_from_slice(&((tcp.payload - VNET) as u16).to_ne_bytes());
    out[6..8].copy_from_slice(&((tcp.l4 - VNET) as u16).to_ne_bytes());
    out[8..10].copy_from_slice(&16_u16.to_ne_bytes());
    out
}

/// A fatal TLS alert in the clear (RFC 8446 section 6, RFC 5246 section 7.2).
pub(super) fn alert(number: u8) -> [u8; 7] {
    [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, number]
}

/// The Internet checksum (RFC 1071) of `bytes` on top of `start`.
pub(super) fn checksum(bytes: &[u8], start: u32) -> u16 {
    !fold(sum(bytes, start))
}

fn network(src: End, dst: End, protocol: u8, length: usize) -> Vec<u8> {
    let v6 = dst.is_v6();
    let mut out = Vec::with_capacity(L3 + 40 + length);
    out.resize(VNET + 12, 0);
    if v6 {
        out.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&[protocol, HOPS]);
        out.extend_from_slice(&src.ip.to_be_bytes());
        out.extend_from_slice(&dst.ip.to_be_bytes());
    } else {
        out.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
        out.extend_from_slice(&((20 + length) as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, HOPS, protocol, 0, 0]); // do not fragment
        out.extend_from_slice(&src.ip.to_be_bytes()[12..]);
        out.extend_from_slice(&dst.ip.to_be_bytes()[12..]);
        header_checksum(&mut out[L3..]);
    }
    out
}

fn seal(out: &mut [u8], src: End, dst: End, protocol: u8, l4: usize, at: usize) {
    let start = pseudo(src, dst, protocol, out.len() - l4);
    let sum = checksum(&out[l4..], start);
    out[l4 + at..l4 + at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn header_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = checksum(header, 0);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 9293 section 3.1 and RFC 8200 section 8.1. The mapped prefix of IPv4 ends in `ffff`, which adds nothing to a
/// one's complement sum but a zero's other name; it is left out all the same.
fn pseudo(src: End, dst: End, protocol: u8, length: usize) -> u32 {
    let skip = if dst.is_v6() { 0 } else { 12 };
    let start = sum(&src.ip.to_be_bytes()[skip..], u32::from(protocol) + length as u32);
    sum(&dst.ip.to_be_bytes()[skip..], start)
}

fn sum(bytes: &[u8], start: u32) -> u32 {
    let mut total = u64::from(start);
    let mut pairs = bytes.chunks_exact(2);
    for pair in &mut pairs {
        total += u64::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    if let [last] = pairs.remainder() {
        total += u64::from(*last) << 8;
    }
    while total >> 32 != 0 {
        total = (total & 0xffff_ffff) + (total >> 32);
    }
    total as u32
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// Hop limit of the box's own packets; one is spent when the kernel routes the frame, and 64 leave.
const HOPS: u8 = 65;
/// VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CHECKSUM: u8 = 1;

#[cfg(test)]
mod tests {
    use super::super::frame::{Parsed, SYN, parse};
    use super::*;
    use std::net::SocketAddr;

    fn ends(v6: bool) -> (End, End) {
        let (a, b) = if v6 { ("[fd00::2]:4000", "[2001:db8::1]:443") } else { ("10.0.0.2:4000", "192.0.2.1:443") };
        (End::from(a.parse::<SocketAddr>().unwrap()), End::from(b.parse::<SocketAddr>().unwrap()))
    }

    fn whole(v6: bool, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = ends(v6);
        segment(&Segment { seq: u32::MAX - 2, flags: ACK | PSH | FIN, time: Some((1, 2)), payload, ..Segment::between(src, dst) })
    }

    #[test]
    fn checksums_of_a_segment_add_up() {
        for v6 in [false, true] {
            let (src, dst) = ends(v6);
            let frame = whole(v6, b"odd");
            let Parsed::Tcp(tcp) = parse(&frame, [0; 6]) else { panic!("no TCP") };
            assert_eq!(checksum(&frame[tcp.l4..], pseudo(src, dst, 6, frame.len() - tcp.l4)), 0);
        }
    }

    #[test]
    fn parts_continue_each_other() {
        for v6 in [false, true] {
            let mut frame = whole(v6, &[b"aaaa", &b"bbbb"[..], b"cc"].concat());
            frame[1] = if v6 { 4 } else { 1 };
            frame[4..6].copy_from_slice(&4_u16.to_ne_bytes());
            let Parsed::Tcp(tcp) = parse(&frame, [0; 6]) else { panic!("no TCP") };
            assert_eq!((tcp.gso, tcp.segments()), (4, 3));
            let first = part(&frame, &tcp, 0, 4);
            let rest = part(&frame, &tcp, 4, 10);
            let Parsed::Tcp(a) = parse(&first, [0; 6]) else { panic!("no TCP") };
            let Parsed::Tcp(b) = parse(&rest, [0; 6]) else { panic!("no TCP") };
            assert_eq!((a.gso, a.has(FIN), a.len(), a.next_seq()), (0, false, 4, b.seq));
            assert_eq!((b.gso, b.segments(), b.has(FIN), b.next_seq()), (4, 2, true, tcp.next_seq()));
            assert_eq!(&rest[b.payload..b.end], b"bbbbcc");
        }
    }

    #[test]
    fn an_unreachable_quotes_the_packet() {
        for v6 in [false, true] {
            let (src, dst) = ends(v6);
            let syn = segment(&Segment { flags: SYN, ..Segment::between(src, dst) });
            let Parsed::Tcp(tcp) = parse(&syn, [0; 6]) else { panic!("no TCP") };
            let icmp = unreachable(&syn, &tcp, dst);
            assert!(icmp.ends_with(&syn[tcp.net.l3..]));
        }
    }
}
