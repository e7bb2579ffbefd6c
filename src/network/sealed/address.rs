//! Which addresses the lab uses for itself: clients and routers. Sites have the addresses that the scenario gives them.
//!
//! IPv4 is from the shared address space of RFC 6598, as real subscribers behind a carrier's NAT have; IPv6 is from the
//! documentation range of RFC 9637, which address selection (RFC 6724) treats like any global address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{Mac, Prefix};
use crate::scenario::Vantage;

/// The addresses of one run of a client, reserved before it starts so that a recorder knows whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddresses {
    pub(super) number: u32,
    /// Where it will stand.
    pub vantage: Vantage,
    /// Its IPv4 address.
    pub v4: Ipv4Addr,
    /// Its IPv6 address, if the network has IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl ClientAddresses {
    /// The addresses of client `number` (1 to [`MAX_CLIENTS`]) of a vantage.
    pub(super) fn new(number: u32, vantage: Vantage, ipv6: bool) -> Self {
        let (v4, v6) = client_base(vantage);
        let number = (number - 1) % MAX_CLIENTS + 1;
        // No address ends with .0 or .255: some programs take those for networks and broadcasts.
        let host = (number - 1) / 254 * 256 + (number - 1) % 254 + 1;
        let v4 = Ipv4Addr::from_bits(v4.to_bits() + 256 + host);
        let v6 = Ipv6Addr::from_bits(v6.to_bits() + 0x1_0000 + u128::from(number));
        Self { number, vantage, v4, v6: ipv6.then_some(v6) }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> {
        [Some(IpAddr::V4(self.v4)), self.v6.map(IpAddr::V6)].into_iter().flatten()
    }
}

/// All clients of a vantage.
pub(super) fn clients(vantage: Vantage) -> [Prefix; 2] {
    let (v4, v6) = client_base(vantage);
    [(v4.into(), 12), (v6.into(), 64)]
}

/// The router that clients of a vantage know.
pub(super) fn gateway(vantage: Vantage, six: bool) -> IpAddr {
    let (v4, v6) = client_base(vantage);
    if six { Ipv6Addr::from_bits(v6.to_bits() + 1).into() } else { Ipv4Addr::from_bits(v4.to_bits() + 1).into() }
}

/// The two addresses of the link with a number, the one nearer to the inside first.
pub(super) fn link(number: u8, six: bool) -> [IpAddr; 2] {
    [1, 2].map(|end| {
        if six {
            Ipv6Addr::new(0x3fff, 0x64, 0xf, u16::from(number), 0, 0, 0, end).into()
        } else {
            Ipv4Addr::new(100, 127, number, u8::try_from(end).unwrap_or(u8::MAX)).into()
        }
    })
}

/// True if the lab needs the address itself.
pub(super) fn is_reserved(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => four.is_unspecified() || four.is_loopback() || matches!(four.octets(), [100, 64..=127, ..]),
        IpAddr::V6(six) => six.is_unspecified() || six.is_loopback() || matches!(six.segments(), [0x3fff, 0x64, ..]),
    }
}

/// A locally administered MAC address (IEEE 802, second bit of the first byte) that tells what it belongs to.
pub(super) fn mac(kind: u8, number: u32, end: u8) -> Mac {
    let [_, a, b, c] = number.to_be_bytes();
    [0x02, kind, a, b, c, end]
}

/// Every address.
pub(super) fn everything(six: bool) -> Prefix {
    if six { (Ipv6Addr::UNSPECIFIED.into(), 0) } else { (Ipv4Addr::UNSPECIFIED.into(), 0) }
}

/// One address.
pub(super) fn single(address: IpAddr) -> Prefix {
    (address, if address.is_ipv6() { 128 } else { 32 })
}

fn client_base(vantage: Vantage) -> (Ipv4Addr, Ipv6Addr) {
    let (second, place) = match vantage {
        Vantage::Inside => (64, 0xa),
        Vantage::Outside => (96, 0xb),
    };
    (Ipv4Addr::new(100, second, 0, 0), Ipv6Addr::new(0x3fff, 0x64, place, 0, 0, 0, 0, 0))
}

/// Clients of one vantage in one process: a /12 without the addresses that end with .0 and .255, and one /24 spare.
const MAX_CLIENTS: u32 = 254 * 4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_addresses_of_their_own_within_their_prefix() {
        let mut seen = std::collections::HashSet::new();
        for number in 1..=2000 {
            let client = ClientAddresses::new(number, Vantage::Inside, true);
            assert!(seen.insert(client.v4));
            assert!(!matches!(client.v4.octets()[3], 0 | 255), "{}", client.v4);
            assert!(is_reserved(client.v4.into()) && client.v6.is_some_and(|six| is_reserved(six.into())));
        }
        let last = ClientAddresses::new(MAX_CLIENTS, Vantage::Outside, false);
        assert_eq!((last.v4.octets()[0], last.v6), (100, None));
        assert!((96..112).contains(&last.v4.octets()[1]), "{}", last.v4);
    }

    #[test]
    fn sites_may_have_any_other_address() {
        for free in ["10.0.0.1", "192.0.2.1", "157.240.22.35", "2001:db8::1", "fd00::1"] {
            assert!(!is_reserved(free.parse().unwrap()), "{free}");
        }
        for taken in ["100.64.1.1", "100.127.0.2", "3fff:64:a::5", "127.0.0.1", "::1", "::ffff:100.64.0.1"] {
            assert!(is_reserved(taken.parse().unwrap()), "{taken}");
        }
    }
}
