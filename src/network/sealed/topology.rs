//! The shape of the network: a chain of namespaces from the inside to the outside, with the box between them.
//!
//! ```text
//!  inside ── router ... ── box ── router ... ── outside
//!   domestic sites,        d0/d1 the wire         foreign sites, and port 53
//!   inside clients         h0/h1 taken over       of every address
//! ```
//!
//! Addresses of sites are local where the site is; every other address ends as ICMP unreachable. Neighbours are static,
//! so no packet waits for ARP or neighbour discovery, and captures hold nothing but what the experiment is about.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::address::{self, clients, everything, gateway, link, mac, single};
use super::error::SealedError;
use super::netlink::{End, LOCAL, LOOPBACK, MAIN, Mac, Netlink, Rule, Then, To};
use super::parameters::{self, Role};
use super::rules;
use super::space::Space;
use crate::scenario::{Transport, Vantage};

/// How the network is laid out.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// Routers between a client and the box. The first is where clients are connected, so 0 counts as 1.
    pub hops_inside: u8,
    /// Routers between the box and the foreign sites, which are the hop after them.
    pub hops_outside: u8,
    /// IPv6 too.
    pub ipv6: bool,
    /// Addresses of domestic sites, the ISP's resolver among them. Inside clients reach them without crossing the box.
    pub inside_sites: Vec<IpAddr>,
    /// Addresses of foreign sites.
    pub outside_sites: Vec<IpAddr>,
    /// What passes the wire from the beginning.
    pub diverted: Vec<Divert>,
}

/// Packets of these connections leave the kernel's path through the box and pass the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Divert {
    /// TCP or UDP.
    pub transport: Transport,
    /// The servers' port.
    pub port: u16,
}

/// A link that the wire reads and writes with AF_PACKET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireLink {
    /// Name in the box's namespace.
    pub name: &'static str,
    /// Index in the box's namespace.
    pub index: u32,
    /// MAC address.
    pub mac: Mac,
}

/// The wire's links, all in the box's namespace.
///
/// A packet that passes the wire is forwarded by the kernel twice, once to `d0` and once from it. So that the box is one
/// hop, as it is for packets that do not pass the wire, whoever writes to `d1` adds one to the TTL or hop limit.
/// Frames carry what offloading left undone (no checksum, up to 64 KiB): read and write them with PACKET_VNET_HDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireLinks {
    /// The kernel's end of the divert pair: diverted packets leave through it, and what passes on enters here again.
    pub d0: WireLink,
    /// The wire's end: frames are read here, and written here (to `d0.mac`) to pass on.
    pub d1: WireLink,
    /// The kernel's end of the hijack pair: what arrives here is delivered locally, whatever its destination.
    pub h0: WireLink,
    /// The wire's end: frames for taken-over connections are written here (to `h0.mac`).
    pub h1: WireLink,
}

/// The namespaces of a network.
#[derive(Debug)]
pub(super) struct Spaces {
    pub(super) inside: Arc<Space>,
    pub(super) middle: Arc<Space>,
    pub(super) outside: Arc<Space>,
    _routers: Vec<Arc<Space>>,
}

impl Topology {
    /// Makes it. The calling thread's namespace becomes the box.
    pub(super) fn build(&self) -> Result<Spaces, SealedError> {
        self.check()?;
        parameters::apply(Role::Box, self.ipv6)?;
        let middle = Arc::new(Space::here()?);
        self.build_around(&middle).inspect_err(|_| self.clear(&middle, &HashSet::new()))
    }

    fn build_around(&self, middle: &Arc<Space>) -> Result<Spaces, SealedError> {
        let before = usize::from(self.hops_inside.max(1));
        let others = Space::create_all(before + usize::from(self.hops_outside) + 1, self.ipv6)?;
        let mut chain: Vec<Arc<Space>> = others.into_iter().map(Arc::new).collect();
        chain.insert(before, Arc::clone(middle));
        self.connect(&chain, before)?;
        self.equip_inside(&mut chain[0].netlink())?;
        self.equip_box(&mut middle.netlink())?;
        let outside = Arc::clone(&chain[chain.len() - 1]);
        self.equip_outside(&mut outside.netlink(), chain.len() - 1)?;
        Ok(Spaces { inside: Arc::clone(&chain[0]), middle: Arc::clone(middle), outside, _routers: chain })
    }

    fn check(&self) -> Result<(), SealedError> {
        let mut sites = self.inside_sites.iter().chain(&self.outside_sites);
        if let Some(&address) = sites.find(|site| address::is_reserved(**site)) {
            return Err(SealedError::Reserved { address });
        }
        match [self.hops_inside, self.hops_outside].into_iter().max() {
            Some(hops) if hops > MAX_HOPS => Err(SealedError::Hops { hops, limit: MAX_HOPS }),
            _ => Ok(()),
        }
    }

    /// Links between neighbours of the chain, and the routes along it.
    fn connect(&self, chain: &[Arc<Space>], the_box: usize) -> Result<(), SealedError> {
        for (number, pair) in (0u8..).zip(chain.windows(2)) {
            let [left, right] = pair else { continue };
            let names = link_names(usize::from(number), the_box);
            let macs = [mac(MAC_LINK, number.into(), 1), mac(MAC_LINK, number.into(), 2)];
            let near = End { name: names[0], index: UP, mac: macs[0] };
            let far = End { name: names[1], index: DOWN, mac: macs[1] };
            left.netlink().add_veth(&near, &far, Some(right.as_fd()))?;
            self.connect_end(&mut left.netlink(), UP, number, 0, macs[1])?;
            self.connect_end(&mut right.netlink(), DOWN, number, 1, macs[0])?;
            self.route_outwards(&mut left.netlink(), number)?;
            self.route_inwards(&mut right.netlink(), MAIN, number)?;
        }
        Ok(())
    }

    /// One end of a link: its address, the other end as neighbour.
    fn connect_end(&self, net: &mut Netlink, index: u32, number: u8, end: usize, peer: Mac) -> Result<(), SealedError> {
        net.set_up(LOOPBACK)?;
        net.set_up(index)?;
        self.families().try_for_each(|six| {
            let addresses = link(number, six);
            net.add_address(index, single(addresses[end]))?;
            net.add_route(MAIN, single(addresses[1 - end]), To::Link(index))?;
            net.add_neighbour(index, addresses[1 - end], peer)
        })
    }

    fn route_outwards(&self, net: &mut Netlink, number: u8) -> Result<(), SealedError> {
        self.families().try_for_each(|six| net.add_route(MAIN, everything(six), To::Gateway(link(number, six)[1], UP)))
    }

    fn route_inwards(&self, net: &mut Netlink, table: u8, number: u8) -> Result<(), SealedError> {
        let sites = self.inside_sites.iter().copied().map(single);
        let inside = sites.chain(clients(Vantage::Inside)).filter(|(address, _)| self.ipv6 || address.is_ipv4());
        for prefix in inside {
            let via = link(number, prefix.0.is_ipv6())[0];
            net.add_route(table, prefix, To::Gateway(via, DOWN))?;
        }
        Ok(())
    }

    fn equip_inside(&self, net: &mut Netlink) -> Result<(), SealedError> {
        self.equip_place(net, Vantage::Inside, &self.inside_sites)
    }

    fn equip_outside(&self, net: &mut Netlink, links: usize) -> Result<(), SealedError> {
        self.equip_place(net, Vantage::Outside, &self.outside_sites)?;
        let last = u8::try_from(links.saturating_sub(1)).unwrap_or(u8::MAX);
        self.route_inwards(net, DNS_TABLE, last)?;
        for six in self.families() {
            net.add_route(DNS_TABLE, everything(six), To::Local)?;
            for transport in [Transport::Udp, Transport::Tcp] {
                let rule = Rule::new(DNS_PRIORITY, six, Then::Lookup(DNS_TABLE));
                net.add_rule(&Rule { transport: Some(transport), port: Some(53), ..rule })?;
            }
        }
        Ok(())
    }

    /// A namespace with sites and clients.
    fn equip_place(&self, net: &mut Netlink, vantage: Vantage, sites: &[IpAddr]) -> Result<(), SealedError> {
        for six in self.families() {
            net.add_address(LOOPBACK, single(gateway(vantage, six)))?;
        }
        for prefix in clients(vantage).into_iter().filter(|(address, _)| self.ipv6 || address.is_ipv4()) {
            net.add_route(MAIN, prefix, To::Unreachable)?;
        }
        let sites = sites.iter().filter(|site| self.ipv6 || site.is_ipv4());
        sites.copied().try_for_each(|site| net.add_route(LOCAL, single(site), To::Local))
    }

    fn equip_box(&self, net: &mut Netlink) -> Result<(), SealedError> {
        let links = wire_links();
        for (kernel, user) in [(&links.d0, &links.d1), (&links.h0, &links.h1)] {
            net.add_veth(&kernel.end(), &user.end(), None)?;
            net.set_up(kernel.index)?;
            net.set_up(user.index)?;
        }
        for six in self.families() {
            let [own, beyond] = link(DIVERT_LINK, six);
            net.add_address(links.d0.index, single(own))?;
            net.add_route(MAIN, single(beyond), To::Link(links.d0.index))?;
            net.add_neighbour(links.d0.index, beyond, links.d1.mac)?;
            rules::prepare(net, six, To::Gateway(beyond, links.d0.index))?;
        }
        Ok(())
    }

    /// Takes everything out of the box's namespace again; the other namespaces end when nobody holds them.
    pub(super) fn clear(&self, middle: &Space, diverted: &HashSet<Divert>) {
        let mut net = middle.netlink();
        for six in self.families() {
            for what in diverted {
                let _ = rules::undivert(&mut net, six, *what);
            }
            rules::clear(&mut net, six);
        }
        // An error means that there were none: the network may have been made in part only.
        let _ = net.delete_links();
    }

    /// The address families in use: false for IPv4, true for IPv6.
    pub(super) fn families(&self) -> impl Iterator<Item = bool> + use<> {
        [false, true].into_iter().take(if self.ipv6 { 2 } else { 1 })
    }
}

impl WireLink {
    fn end(&self) -> End<'_> {
        End { name: self.name, index: self.index, mac: self.mac }
    }
}

/// The wire's links.
pub(super) fn wire_links() -> WireLinks {
    let link = |name, number: u8| WireLink { name, index: FIRST_WIRE + u32::from(number), mac: mac(MAC_WIRE, 0, number) };
    WireLinks { d0: link("d0", 0), d1: link("d1", 1), h0: link("h0", 2), h1: link("h1", 3) }
}

fn link_names(number: usize, the_box: usize) -> [&'static str; 2] {
    [if number == the_box { BOX_OUT } else { "up" }, if number + 1 == the_box { BOX_IN } else { "down" }]
}

/// True if an interface of the box's namespace is one of this network's: its other end is in the box or in a namespace of ours.
pub fn is_own_link(name: &str) -> bool {
    [BOX_IN, BOX_OUT].contains(&name) || wire_links_names().contains(&name)
}

fn wire_links_names() -> [&'static str; 4] {
    let links = wire_links();
    [links.d0.name, links.d1.name, links.h0.name, links.h1.name]
}

/// The box's link towards the inside.
pub(super) const BOX_IN: &str = "i0";
/// The box's link towards the outside.
pub(super) const BOX_OUT: &str = "o0";
/// Index of the link towards the inside, in every namespace of the chain. Kernels with tunnels built in use the first ones.
pub(super) const DOWN: u32 = 100;
/// Index of the link towards the outside, in every namespace of the chain.
pub(super) const UP: u32 = 101;
/// First index of the links to clients.
pub(super) const FIRST_CLIENT: u32 = 1000;
/// Kind byte in MAC addresses of clients' links.
pub(super) const MAC_CLIENT: u8 = 3;

const FIRST_WIRE: u32 = 110;
const MAC_LINK: u8 = 1;
const MAC_WIRE: u8 = 2;
const DIVERT_LINK: u8 = 254;
const DNS_TABLE: u8 = 53;
const DNS_PRIORITY: u32 = 50;
/// Two chains of this length and the box stay well below the usual initial TTL of 64 (RFC 1700).
const MAX_HOPS: u8 = 24;
