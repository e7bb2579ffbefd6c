//! Whether a rule's conditions hold, one function per kind of condition.

use std::net::IpAddr;

use time::Time;

use super::Context;
use super::names::{List, Lists, holds};
use super::walk::Occasion;
use crate::middlebox::sniff::Seen;
use crate::scenario::{Matcher, Schedule};
use crate::tls::hello::ClientHello;

/// Everything but schedule, chance and origin.
pub(super) fn matches(when: &Matcher, lists: Option<&Lists>, occasion: Occasion<'_>, context: &Context) -> bool {
    by_address(when, context) && by_content(when, lists, occasion)
}

/// What is known before a byte was sent.
fn by_address(when: &Matcher, context: &Context) -> bool {
    one_of(&when.port, |ports| ports.contains(&context.destination.port()))
        && one_of(&when.client, |prefixes| in_prefixes(prefixes, context.client.ip()))
        && one_of(&when.address, |prefixes| in_prefixes(prefixes, context.destination.ip()))
        && one_of(&when.asn, |asns| context.asn.is_some_and(|asn| asns.contains(&asn)))
        && when.transport.is_none_or(|transport| transport == context.transport)
        && when.direction.is_none_or(|direction| direction == context.direction)
}

/// True if a hello could make these conditions hold: they ask for something that only a hello has, and all else fits.
pub(super) fn may_match_hello(when: &Matcher, context: &Context) -> bool {
    let reads = when.sni.is_some() || when.no_sni.is_some() || when.ech.is_some() || when.alpn.is_some();
    reads && when.host.is_none() && when.name.is_none() && by_address(when, context)
}

/// What the bytes say. A condition on bytes that this occasion has not got does not hold.
fn by_content(when: &Matcher, lists: Option<&Lists>, occasion: Occasion<'_>) -> bool {
    let (hello, head, query) = match occasion {
        Occasion::FirstBytes(Seen::Hello(hello)) => (Some(&**hello), None, None),
        Occasion::FirstBytes(Seen::Http(head)) => (None, Some(head), None),
        Occasion::Datagram(hello) => (hello, None, None),
        Occasion::FirstBytes(_) | Occasion::Syn => (None, None, None),
        Occasion::Query(name) => (None, None, Some(name)),
    };
    let listed = |given: bool, list: List, name: Option<&str>| !given || name.is_some_and(|n| holds(when, lists, list, n));
    listed(when.sni.is_some(), List::Sni, hello.and_then(ClientHello::sni))
        && listed(when.host.is_some(), List::Host, head.and_then(|h| h.host.as_deref()))
        && listed(when.name.is_some(), List::Name, query)
        && when.no_sni.is_none_or(|wanted| hello.is_some_and(|h| h.sni().is_none() == wanted))
        && when.ech.is_none_or(|wanted| hello.is_some_and(|h| h.ech() == wanted))
        && one_of(&when.alpn, |wanted| hello.is_some_and(|h| offers_one(h, wanted)))
}

/// RFC 7301 section 3.1: protocol names are compared byte for byte.
fn offers_one(hello: &ClientHello, wanted: &[String]) -> bool {
    hello.alpn().iter().any(|offered| wanted.iter().any(|w| w.as_bytes() == offered))
}

/// True if a condition that the rule may have holds, or the rule has not got it.
fn one_of<T>(given: &Option<Vec<T>>, holds: impl FnOnce(&[T]) -> bool) -> bool {
    given.as_deref().is_none_or(holds)
}

fn in_prefixes(prefixes: &[(IpAddr, u8)], address: IpAddr) -> bool {
    let address = address.to_canonical();
    prefixes.iter().any(|&(network, length)| in_prefix(network.to_canonical(), length, address))
}

/// True if the first `length` bits are the same. Addresses of another family never match.
fn in_prefix(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let length = u32::from(length);
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits() ^ address.to_bits()).checked_shr(32u32.saturating_sub(length)).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (network.to_bits() ^ address.to_bits()).checked_shr(128u32.saturating_sub(length)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// True within one of the spans: begin included, end not. An end before the begin crosses midnight; an end at the begin is
/// the whole day.
pub(super) fn in_schedule(schedule: &Schedule, now: Time) -> bool {
    schedule.daily.iter().any(|&(begin, end)| if begin < end { begin <= now && now < end } else { begin <= now || now < end })
}

#[cfg(test)]
mod tests {
    use time::macros::time;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn prefixes_of_every_length() {
        assert!(in_prefix(ip("10.1.0.0"), 16, ip("10.1.255.255")) && !in_prefix(ip("10.1.0.0"), 16, ip("10.2.0.0")));
        assert!(in_prefix(ip("10.1.2.3"), 32, ip("10.1.2.3")) && !in_prefix(ip("10.1.2.3"), 32, ip("10.1.2.2")));
        assert!(in_prefix(ip("0.0.0.0"), 0, ip("203.0.113.9")) && !in_prefix(ip("0.0.0.0"), 0, ip("::1")));
        assert!(in_prefix(ip("2001:db8::"), 32, ip("2001:db8:1::1")) && !in_prefix(ip("2001:db8::"), 32, ip("2001:db9::1")));
        assert!(in_prefix(ip("::"), 0, ip("2001:db8::1")) && in_prefix(ip("10.0.0.1"), 255, ip("10.0.0.1")));
        assert!(in_prefixes(&[(ip("10.0.0.0"), 8)], ip("::ffff:10.1.1.1")));
    }

    #[test]
    fn hours_begin_inclusive_and_may_cross_midnight() {
        let day = Schedule { daily: vec![(time!(9:00), time!(17:00))] };
        assert!(in_schedule(&day, time!(9:00)) && in_schedule(&day, time!(16:59:59)));
        assert!(!in_schedule(&day, time!(17:00)) && !in_schedule(&day, time!(8:59:59)));
        let night = Schedule { daily: vec![(time!(21:00), time!(0:00)), (time!(23:00), time!(5:00))] };
        assert!(in_schedule(&night, time!(21:00)) && in_schedule(&night, time!(0:00)) && in_schedule(&night, time!(4:59)));
        assert!(!in_schedule(&night, time!(5:00)) && !in_schedule(&night, time!(20:59)));
        let always = Schedule { daily: vec![(time!(0:00), time!(0:00))] };
        assert!(in_schedule(&always, time!(0:00)) && in_schedule(&always, time!(12:00)));
        assert!(!in_schedule(&Schedule { daily: vec![] }, time!(12:00)));
    }
}
