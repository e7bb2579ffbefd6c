//! What the world's names lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::reply::Data;
use super::svcb::Binding;
use crate::scenario::World;

/// Everything that is known of a name (lower case, no final dot); none if it does not exist. A name above an existing
/// one exists, too (RFC 8020), and so do service names below one (`_https._tcp.example`): with no records.
pub(super) fn look_up(world: &World, name: &str) -> Option<Vec<Data>> {
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(vec![Data::A(Ipv4Addr::LOCALHOST), Data::Aaaa(Ipv6Addr::LOCALHOST)]); // RFC 6761 section 6.3
    }
    if let Some(address) = reversed(name) {
        let names: Vec<Data> = names_of(world, address).map(Data::Ptr).collect();
        return (!names.is_empty()).then_some(names);
    }
    let mut addresses: Vec<Data> = Vec::new();
    // A site that has the very name outranks one that has it by wildcard (RFC 4592 section 2.2.1).
    let exact = |name: &str| world.sites.iter().find(|s| s.names.iter().any(|own| own.eq_ignore_ascii_case(name)));
    if let Some(site) = exact(name).or_else(|| world.named(name)) {
        addresses.extend(site.addresses.iter().copied().map(Data::from));
        addresses.extend(Binding::of(site).map(Data::Https));
        return Some(addresses);
    }
    (is_above(world, name) || is_service_of(world, name)).then_some(addresses)
}

fn is_above(world: &World, name: &str) -> bool {
    let below = |own: &String| {
        let own = own.to_ascii_lowercase();
        own.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    };
    name.is_empty() || world.sites.iter().flat_map(|s| &s.names).any(below)
}

fn is_service_of(world: &World, name: &str) -> bool {
    let mut host = name;
    while let Some((label, rest)) = host.split_once('.').filter(|(label, _)| label.starts_with('_') && label.len() > 1) {
        let _ = label;
        host = rest;
    }
    host != name && world.named(host).is_some()
}

fn names_of(world: &World, address: IpAddr) -> impl Iterator<Item = String> + '_ {
    let here = world.sites.iter().filter(move |s| s.addresses.contains(&address));
    here.filter_map(|s| s.names.iter().find(|n| !n.starts_with('*') && n.parse::<IpAddr>().is_err()))
        .map(|n| n.to_ascii_lowercase())
}

/// The address that a reverse name means (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = octets.split('.').map(|o| o.parse::<u8>().ok());
        let (d, c, b, a) = (octets.next()??, octets.next()??, octets.next()??, octets.next()??);
        return octets.next().is_none().then(|| IpAddr::from([a, b, c, d]));
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let digits: Option<Vec<u128>> =
        nibbles.split('.').map(|n| if n.len() == 1 { u8::from_str_radix(n, 16).ok().map(u128::from) } else { None }).collect();
    let digits = digits.filter(|d| d.len() == 32)?;
    Some(IpAddr::from(Ipv6Addr::from(digits.iter().rev().fold(0, |address, digit| address << 4 | digit))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_names() {
        assert_eq!(reversed("7.2.0.192.in-addr.arpa"), "192.0.2.7".parse().ok());
        assert_eq!(reversed("0.192.in-addr.arpa"), None);
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(reversed(six), "2001:db8::1".parse().ok());
        assert_eq!(reversed("é.ip6.arpa"), None);
    }
}
