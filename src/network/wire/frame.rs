//! Reading a frame as the packet socket gives it: virtio header, Ethernet, IPv4 or IPv6, TCP or UDP.
//!
//! Nothing is copied: a parsed frame is a set of offsets into its buffer. What is not plain unicast IP with plain TCP or
//! UDP (fragments, extension headers, jumbograms, cut or odd lengths) is [`Parsed::Other`] and travels unread.
//! Formats: virtio 1.2 section 5.1.6, RFC 791, RFC 8200, RFC 9293 section 3.1, RFC 768.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One end of a connection: an address (IPv4 as `::ffff:a.b.c.d`) and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct End {
    pub(super) ip: u128,
    pub(super) port: u16,
}

/// A frame's meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parsed {
    /// Plain TCP.
    Tcp(Tcp),
    /// Plain UDP.
    Udp(Udp),
    /// IP that is passed on unread.
    Other(Network),
    /// Not for forwarding: ARP, neighbour discovery, multicast, no IP at all.
    Local,
}

/// Where the network header is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub(super) v6: bool,
    /// Offset of the IP header.
    pub(super) l3: usize,
}

/// A TCP segment, or several in one frame (`gso`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) net: Network,
    pub(super) src: End,
    pub(super) dst: End,
    /// Offset of the TCP header.
    pub(super) l4: usize,
    /// Offset of the payload.
    pub(super) payload: usize,
    /// Offset behind the payload.
    pub(super) end: usize,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Payload bytes of each segment that this frame stands for; 0 if it is one segment.
    pub(super) gso: usize,
}

/// A UDP datagram, or several in one frame (`gso`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Udp {
    pub(super) net: Network,
    pub(super) src: End,
    pub(super) dst: End,
    pub(super) payload: usize,
    /// Offset behind the last datagram's payload.
    pub(super) end: usize,
    /// Payload bytes of each datagram that this frame stands for, the last one may have fewer; 0 if it is one datagram.
    pub(super) gso: usize,
}

/// Reads `buffer` (virtio header and frame) that came in on the link with address `mac`.
pub(super) fn parse(buffer: &[u8], mac: [u8; 6]) -> Parsed {
    if buffer.len() < L3 + 20 || buffer[VNET..VNET + 6] != mac {
        return Parsed::Local;
    }
    match be16(buffer, VNET + 12) {
        0x0800 => parse_v4(buffer),
        0x86dd => parse_v6(buffer),
        _ => Parsed::Local,
    }
}

impl Tcp {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Payload length.
    pub(super) fn len(&self) -> usize {
        self.end - self.payload
    }

    /// Sequence number behind everything that this frame occupies, SYN and FIN included.
    pub(super) fn next_seq(&self) -> u32 {
        let flags = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq.wrapping_add(self.len() as u32).wrapping_add(flags)
    }

    /// Sequence number of the first payload byte.
    pub(super) fn data_seq(&self) -> u32 {
        self.seq.wrapping_add(u32::from(self.has(SYN)))
    }

    /// TCP segments that this frame stands for.
    pub(super) fn segments(&self) -> u32 {
        if self.gso == 0 { 1 } else { (self.len().div_ceil(self.gso) as u32).max(1) }
    }

    /// The bytes of the options.
    pub(super) fn options<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.l4 + 20..self.payload]
    }
}

impl End {
    /// The end as the standard library writes it.
    pub(super) fn address(self) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from_bits(self.ip).to_canonical(), self.port)
    }

    /// True unless it is a mapped IPv4 address.
    pub(super) fn is_v6(self) -> bool {
        Ipv6Addr::from_bits(self.ip).to_ipv4_mapped().is_none()
    }

    fn v4(bytes: &[u8], port: u16) -> Self {
        let address = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
        Self { ip: address.to_ipv6_mapped().to_bits(), port }
    }

    fn v6(bytes: &[u8], port: u16) -> Self {
        let ip = bytes.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Self { ip, port }
    }
}

impl From<SocketAddr> for End {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self { ip: ip.to_bits(), port: address.port() }
    }
}

/// True if sequence number `a` is after `b` (RFC 9293 section 3.4).
pub(super) fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

/// Undoes the hop that the frame's way to the link cost (the kernel routed it here and will route it again), so that the box as
/// a whole costs one. IPv4's checksum is updated as RFC 1624 section 3 says.
pub(super) fn restore_hop(buffer: &mut [u8], net: Network) {
    let at = net.l3 + if net.v6 { 7 } else { 8 };
    let Some(hops) = buffer[at].checked_add(1) else { return };
    if net.v6 {
        buffer[at] = hops;
        return;
    }
    let old = be16(buffer, at);
    buffer[at] = hops;
    let new = be16(buffer, at);
    let sum = u32::from(!be16(buffer, net.l3 + 10)) + u32::from(!old) + u32::from(new);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    buffer[net.l3 + 10..net.l3 + 12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
}

/// The remaining hops of a packet.
pub(super) fn hops(buffer: &[u8], net: Network) -> u8 {
    buffer[net.l3 + if net.v6 { 7 } else { 8 }]
}

/// Writes the Ethernet addresses.
pub(super) fn readdress(buffer: &mut [u8], to: [u8; 6], from: [u8; 6]) {
    buffer[VNET..VNET + 6].copy_from_slice(&to);
    buffer[VNET + 6..VNET + 12].copy_from_slice(&from);
}

pub(super) fn be16(buffer: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([buffer[at], buffer[at + 1]])
}

pub(super) fn be32(buffer: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]])
}

fn parse_v4(buffer: &[u8]) -> Parsed {
    let net = Network { v6: false, l3: L3 };
    let ip = &buffer[L3..];
    if ip[0] >> 4 != 4 {
        return Parsed::Local;
    }
    let header = usize::from(ip[0] & 15) * 4;
    let total = usize::from(be16(ip, 2));
    let fragment = be16(ip, 6) & 0x3fff != 0; // more fragments, or an offset
    if fragment || header < 20 || total < header || total > ip.len() {
        return Parsed::Other(net);
    }
    let ports = |at: usize| (be16(buffer, at), be16(buffer, at + 2));
    let l4 = L3 + header;
    if total < header + 8 {
        return Parsed::Other(net);
    }
    let (from, to) = ports(l4);
    let (src, dst) = (End::v4(&ip[12..16], from), End::v4(&ip[16..20], to));
    transport(buffer, net, ip[9], l4, L3 + total, src, dst)
}

fn parse_v6(buffer: &[u8]) -> Parsed {
    let net = Network { v6: true, l3: L3 };
    let ip = &buffer[L3..];
    if ip.len() < 40 || ip[0] >> 4 != 6 {
        return Parsed::Local;
    }
    let neighbours = 133..=137; // RFC 4861 section 4
    if ip[6] == 58 && ip.len() > 40 && neighbours.contains(&ip[40]) {
        return Parsed::Local;
    }
    let length = usize::from(be16(ip, 4));
    if length < 8 || length + 40 > ip.len() {
        return Parsed::Other(net);
    }
    let l4 = L3 + 40;
    let src = End::v6(&ip[8..24], be16(buffer, l4));
    let dst = End::v6(&ip[24..40], be16(buffer, l4 + 2));
    transport(buffer, net, ip[6], l4, l4 + length, src, dst)
}

fn transport(buffer: &[u8], net: Network, protocol: u8, l4: usize, end: usize, src: End, dst: End) -> Parsed {
    let gso = gso(buffer);
    match protocol {
        6 if end >= l4 + 20 => {
            let header = usize::from(buffer[l4 + 12] >> 4) * 4;
            if header < 20 || l4 + header > end {
                return Parsed::Other(net);
            }
            Parsed::Tcp(Tcp {
                net,
                src,
                dst,
                l4,
                payload: l4 + header,
                end,
                seq: be32(buffer, l4 + 4),
                ack: be32(buffer, l4 + 8),
                flags: buffer[l4 + 13],
                window: be16(buffer, l4 + 14),
                gso: if end - l4 - header > gso { gso } else { 0 },
            })
        }
        17 => {
            let all = end - l4 - 8;
            Parsed::Udp(Udp { net, src, dst, payload: l4 + 8, end, gso: if all > gso { gso } else { 0 } })
        }
        _ => Parsed::Other(net),
    }
}

fn gso(buffer: &[u8]) -> usize {
    let kind = buffer[1] & 0x7f; // without the ECN mark
    if kind == 0 { 0 } else { usize::from(u16::from_ne_bytes([buffer[4], buffer[5]])) }
}

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const CWR: u8 = 0x80;

/// Length of the virtio header.
pub(super) const VNET: usize = 10;
/// Offset of the network header.
pub(super) const L3: usize = VNET + 14;

#[cfg(test)]
mod tests {
    use super::super::craft::{Segment, segment};
    use super::*;
    use proptest::prelude::*;

    fn sample(v6: bool) -> Vec<u8> {
        let (src, dst) = if v6 { ("[fd00::2]:4000", "[2001:db8::1]:443") } else { ("10.0.0.2:4000", "192.0.2.1:443") };
        let end = |text: &str| End::from(text.parse::<SocketAddr>().unwrap());
        let mut out =
            segment(&Segment { seq: 7, ack: 9, flags: PSH | ACK, payload: b"hello", ..Segment::between(end(src), end(dst)) });
        readdress(&mut out, [1; 6], [2; 6]);
        out
    }

    #[test]
    fn reads_what_was_crafted() {
        for v6 in [false, true] {
            let frame = sample(v6);
            let Parsed::Tcp(tcp) = parse(&frame, [1; 6]) else { panic!("no TCP") };
            assert_eq!((tcp.seq, tcp.ack, tcp.len(), tcp.net.v6), (7, 9, 5, v6));
            assert_eq!(&frame[tcp.payload..tcp.end], b"hello");
            assert_eq!(tcp.dst.address().port(), 443);
            assert_eq!(tcp.dst.is_v6(), v6);
        }
    }

    #[test]
    fn foreign_and_odd_frames_are_not_tcp() {
        let frame = sample(false);
        assert!(matches!(parse(&frame, [9; 6]), Parsed::Local), "another link's address");
        let mut fragment = frame.clone();
        fragment[L3 + 6] = 0x20;
        assert!(matches!(parse(&fragment, [1; 6]), Parsed::Other(_)));
        let mut extension = sample(true);
        extension[L3 + 6] = 0; // hop-by-hop options
        assert!(matches!(parse(&extension, [1; 6]), Parsed::Other(_)));
    }

    #[test]
    fn a_restored_hop_keeps_the_checksum_right() {
        let mut frame = sample(false);
        for _ in 0..300 {
            let before = hops(&frame, Network { v6: false, l3: L3 });
            restore_hop(&mut frame, Network { v6: false, l3: L3 });
            assert_eq!(super::super::craft::checksum(&frame[L3..L3 + 20], 0), 0);
            assert_eq!(hops(&frame, Network { v6: false, l3: L3 }), before.saturating_add(1));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), v6 in any::<bool>()) {
            let mut frame = sample(v6);
            let keep = L3 + 1;
            frame.truncate(keep);
            frame.append(&mut bytes);
            if let Parsed::Tcp(tcp) = parse(&frame, [1; 6]) {
                prop_assert!(tcp.end <= frame.len() && tcp.payload <= tcp.end);
                let _ = super::super::options::Options::parse(tcp.options(&frame));
            }
        }
    }
}
