//! Links, addresses, neighbours, routes and rules of one network namespace, by rtnetlink(7).
//!
//! A socket belongs to the namespace where it was opened, whichever thread uses it. Every request is acknowledged
//! before the call returns. Not a general client: only what the lab's networks need.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage, RulePortRange};
use netlink_packet_route::{AddressFamily, IpProtocol, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::error::SealedError;
use crate::scenario::Transport;

/// A MAC address.
pub type Mac = [u8; 6];

/// One end of a veth pair.
#[derive(Clone, Debug)]
pub(super) struct End<'a> {
    pub(super) name: &'a str,
    pub(super) index: u32,
    pub(super) mac: Mac,
}

/// An address and the length of its prefix.
pub(super) type Prefix = (IpAddr, u8);

/// Where packets of a route go.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// They are for this namespace.
    Local,
    /// Out of a link, the destination being its neighbour.
    Link(u32),
    /// To a router behind a link.
    Gateway(IpAddr, u32),
    /// Nowhere; the sender gets ICMP destination unreachable.
    Unreachable,
}

/// A rule: which packets, and what is done with them.
#[derive(Clone, Debug)]
pub(super) struct Rule<'a> {
    pub(super) priority: u32,
    pub(super) six: bool,
    pub(super) from_link: Option<&'a str>,
    pub(super) transport: Option<Transport>,
    pub(super) source_port: Option<u16>,
    pub(super) port: Option<u16>,
    pub(super) then: Then,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Lookup(u8),
    Blackhole,
}

/// A rtnetlink socket.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens one in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, SealedError> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_cap_ack(true)?;
            Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(ANSWER) })
        };
        open().map_err(|source| SealedError::Netlink { what: "open a netlink socket".to_owned(), source })
    }

    /// A pair of links; the second is put into the namespace `there`, or stays here.
    pub(super) fn add_veth(&mut self, here: &End<'_>, peer: &End<'_>, there: Option<BorrowedFd<'_>>) -> Result<(), SealedError> {
        let mut far = LinkMessage::default();
        far.header.index = peer.index;
        far.attributes = vec![
            LinkAttribute::IfName(peer.name.to_owned()),
            LinkAttribute::Address(peer.mac.to_vec()),
            LinkAttribute::Group(GROUP),
        ];
        far.attributes.extend(there.map(|fd| LinkAttribute::NetNsFd(fd.as_raw_fd())));
        let mut link = LinkMessage::default();
        link.header.index = here.index;
        link.attributes = vec![
            LinkAttribute::IfName(here.name.to_owned()),
            LinkAttribute::Address(here.mac.to_vec()),
            LinkAttribute::Group(GROUP),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far)))]),
        ];
        self.request(RouteNetlinkMessage::NewLink(link), NEW, || format!("add link `{}`", here.name))
    }

    /// Removes every link that was added, with the other ends. At once: one by one, each would wait for a grace period.
    pub(super) fn delete_links(&mut self) -> Result<(), SealedError> {
        let mut all = LinkMessage::default();
        all.attributes = vec![LinkAttribute::Group(GROUP)];
        self.request(RouteNetlinkMessage::DelLink(all), 0, || "remove all links".to_owned())
    }

    /// Raises a link.
    pub(super) fn set_up(&mut self, index: u32) -> Result<(), SealedError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::NewLink(link), 0, || format!("raise link {index}"))
    }

    /// Gives a link an address, usable at once: no duplicate address detection (RFC 4862 section 5.4), and no route.
    pub(super) fn add_address(&mut self, index: u32, (address, length): Prefix) -> Result<(), SealedError> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.is_ipv6());
        message.header.prefix_len = length;
        message.header.index = index;
        message.attributes = vec![AddressAttribute::Address(address), AddressAttribute::Local(address)];
        if address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute));
        } else {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute));
        }
        self.request(RouteNetlinkMessage::NewAddress(message), REPLACE, || format!("add address {address}"))
    }

    /// Says which MAC address a neighbour has, for good.
    pub(super) fn add_neighbour(&mut self, index: u32, address: IpAddr, mac: Mac) -> Result<(), SealedError> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address.is_ipv6());
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        let destination = match address {
            IpAddr::V4(four) => NeighbourAddress::Inet(four),
            IpAddr::V6(six) => NeighbourAddress::Inet6(six),
        };
        message.attributes =
            vec![NeighbourAttribute::Destination(destination), NeighbourAttribute::LinkLayerAddress(mac.to_vec())];
        self.request(RouteNetlinkMessage::NewNeighbour(message), REPLACE, || format!("add neighbour {address}"))
    }

    /// Adds a route.
    pub(super) fn add_route(&mut self, table: u8, prefix: Prefix, to: To) -> Result<(), SealedError> {
        self.request(RouteNetlinkMessage::NewRoute(route(table, prefix, to)), REPLACE, || {
            format!("add route {}/{} to {to:?} in table {table}", prefix.0, prefix.1)
        })
    }

    /// Removes a route.
    pub(super) fn delete_route(&mut self, table: u8, prefix: Prefix, to: To) -> Result<(), SealedError> {
        self.request(RouteNetlinkMessage::DelRoute(route(table, prefix, to)), 0, || {
            format!("remove route {}/{} to {to:?} in table {table}", prefix.0, prefix.1)
        })
    }

    /// Adds a rule.
    pub(super) fn add_rule(&mut self, rule: &Rule<'_>) -> Result<(), SealedError> {
        self.request(RouteNetlinkMessage::NewRule(rule.message()), NEW, || format!("add {rule:?}"))
    }

    /// Removes a rule.
    pub(super) fn delete_rule(&mut self, rule: &Rule<'_>) -> Result<(), SealedError> {
        self.request(RouteNetlinkMessage::DelRule(rule.message()), 0, || format!("remove {rule:?}"))
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16, what: impl Fn() -> String) -> Result<(), SealedError> {
        self.exchange(message, flags).map_err(|source| SealedError::Netlink { what: what(), source })
    }

    fn exchange(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer, 0)?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&self.buffer).map_err(io::Error::other)?;
            if answer.header.sequence_number != self.sequence {
                continue;
            }
            return match answer.payload {
                NetlinkPayload::Error(error) => error.code.map_or(Ok(()), |_| Err(error.to_io())),
                other => Err(io::Error::other(format!("unexpected netlink answer {other:?}"))),
            };
        }
    }
}

impl Rule<'_> {
    /// A rule for every packet, to be narrowed by the caller.
    pub(super) fn new(priority: u32, six: bool, then: Then) -> Self {
        Self { priority, six, from_link: None, transport: None, source_port: None, port: None, then }
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = family(self.six);
        message.attributes.push(RuleAttribute::Priority(self.priority));
        match self.then {
            Then::Lookup(table) => {
                message.header.action = RuleAction::ToTable;
                message.header.table = table;
            }
            Then::Blackhole => message.header.action = RuleAction::Blackhole,
        }
        let exactly = |port| RulePortRange { start: port, end: port };
        message.attributes.extend(self.from_link.map(|name| RuleAttribute::Iifname(name.to_owned())));
        message.attributes.extend(self.transport.map(|transport| {
            RuleAttribute::IpProtocol(match transport {
                Transport::Tcp => IpProtocol::Tcp,
                Transport::Udp => IpProtocol::Udp,
            })
        }));
        message.attributes.extend(self.source_port.map(|port| RuleAttribute::SourcePortRange(exactly(port))));
        message.attributes.extend(self.port.map(|port| RuleAttribute::DestinationPortRange(exactly(port))));
        message
    }
}

fn route(table: u8, (destination, length): Prefix, to: To) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination.is_ipv6());
    message.header.destination_prefix_length = length;
    message.header.table = table;
    message.header.protocol = RouteProtocol::Static;
    (message.header.kind, message.header.scope) = match to {
        To::Local => (RouteType::Local, RouteScope::Host),
        To::Link(_) => (RouteType::Unicast, RouteScope::Link),
        To::Gateway(..) => (RouteType::Unicast, RouteScope::Universe),
        To::Unreachable => (RouteType::Unreachable, RouteScope::Universe),
    };
    if length > 0 {
        message.attributes.push(RouteAttribute::Destination(destination.into()));
    }
    match to {
        To::Local => message.attributes.push(RouteAttribute::Oif(LOOPBACK)),
        To::Link(link) => message.attributes.push(RouteAttribute::Oif(link)),
        To::Gateway(gateway, link) => {
            message.attributes.extend([RouteAttribute::Gateway(gateway.into()), RouteAttribute::Oif(link)]);
        }
        To::Unreachable => {}
    }
    message
}

fn family(six: bool) -> AddressFamily {
    if six { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

/// The index of `lo` in every network namespace.
pub(super) const LOOPBACK: u32 = 1;
/// The routing table that is looked into when no rule says otherwise.
pub(super) const MAIN: u8 = RouteHeader::RT_TABLE_MAIN;
/// The table of addresses that are this namespace's own; looked into first.
pub(super) const LOCAL: u8 = 255;

/// The group of every link of the lab, so that they can be removed together (ip-link(8)).
const GROUP: u32 = 77;
const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
const REPLACE: u16 = NLM_F_CREATE | NLM_F_REPLACE;
/// Acknowledgements are 36 bytes, with NETLINK_CAP_ACK errors too.
const ANSWER: usize = 4096;
