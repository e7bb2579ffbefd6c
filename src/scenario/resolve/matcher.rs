//! What a rule matches: lists expanded, names checked against the world, and whether one rule covers another.

use std::collections::HashSet;

use super::Resolver;
use super::lists::{Lists, pattern};
use crate::scenario::diagnostic::Kind;
use crate::scenario::plan::{Matcher, Schedule, Serve, World};
use crate::scenario::suggest;
use crate::scenario::words::Transport;
use crate::scenario::written::{At, MatchWritten, OneOrMany, Prefix};

/// Resolves what a rule matches. `meant`: the file says that it may have no hit.
pub(super) fn resolve(r: &mut Resolver<'_>, written: &At<MatchWritten>, lists: &Lists, world: &World, meant: bool) -> Matcher {
    let names =
        |r: &mut Resolver<'_>, given: &Option<At<OneOrMany<String>>>| given.as_ref().map(|g| expand(r, g, lists, world, meant));
    let (sni, host, name) = (names(r, &written.sni), names(r, &written.host), names(r, &written.name));
    let matcher = Matcher {
        sni,
        host,
        name,
        no_sni: value(&written.no_sni),
        port: list(&written.port),
        transport: value(&written.transport),
        alpn: list(&written.alpn),
        ech: value(&written.ech),
        direction: value(&written.direction),
        client: prefixes(&written.client),
        address: prefixes(&written.address),
        asn: list(&written.asn),
        origin: value(&written.origin),
        chance: written.chance.as_ref().map(|c| c.0),
        schedule: written.schedule.as_ref().map(|s| Schedule { daily: s.0.iter().map(|h| (h.0, h.1)).collect() }),
    };
    if !meant {
        against_world(r, written, &matcher, world);
    }
    if let (Some(no_sni), Some(_)) = (&written.no_sni, &written.sni)
        && *no_sni.value()
    {
        let spot = r.spot(no_sni);
        r.collector.report(Kind::Contradiction, &spot, "`no_sni` and `sni` cannot both hold");
    }
    empty_lists(r, written);
    matcher
}

/// True if every connection that `later` matches is matched by `earlier` too. Sure when it says so; says so seldom.
pub(super) fn covers(earlier: &Matcher, later: &Matcher) -> bool {
    earlier.chance.is_none()
        && names_cover(&earlier.sni, &later.sni)
        && names_cover(&earlier.host, &later.host)
        && names_cover(&earlier.name, &later.name)
        && one_covers(&earlier.no_sni, &later.no_sni)
        && list_covers(&earlier.port, &later.port)
        && one_covers(&earlier.transport, &later.transport)
        && list_covers(&earlier.alpn, &later.alpn)
        && one_covers(&earlier.ech, &later.ech)
        && one_covers(&earlier.direction, &later.direction)
        && list_covers(&earlier.client, &later.client)
        && list_covers(&earlier.address, &later.address)
        && list_covers(&earlier.asn, &later.asn)
        && one_covers(&earlier.origin, &later.origin)
        && one_covers(&earlier.schedule, &later.schedule)
}

/// True if a name fits one of the patterns `a.b`, `.b`, `*.b`, `~b`.
pub(super) fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern_fits(pattern, name))
}

fn pattern_fits(pattern: &str, name: &str) -> bool {
    if let Some(part) = pattern.strip_prefix('~') {
        return name.contains(part);
    }
    if let Some(parent) = pattern.strip_prefix("*.") {
        return name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent);
    }
    match pattern.strip_prefix('.') {
        Some(parent) => name == parent || name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
        None => pattern == name,
    }
}

fn expand(r: &mut Resolver<'_>, given: &At<OneOrMany<String>>, lists: &Lists, world: &World, meant: bool) -> Vec<String> {
    let spot = r.spot(given);
    let mut patterns = Vec::new();
    for written in &given.0 {
        let Some(list) = written.strip_prefix('@') else {
            let Some(pattern) = pattern(r, written, &spot) else { continue };
            if !meant && !in_world(world, &pattern) {
                let known = world.sites.iter().flat_map(|s| s.names.iter().map(String::as_str));
                let hint = suggest::nearest(written, &known.collect::<Vec<_>>()).map(|near| format!("did you mean `{near}`?"));
                r.collector
                    .report(Kind::CannotMatch, &spot, format!("no site of the world is called `{written}`"))
                    .maybe(hint)
                    .hint("if that is meant, give the rule `unused_ok = \"why\"`");
            }
            patterns.push(pattern);
            continue;
        };
        let Some(names) = lists.get(list) else {
            let hint = suggest::hint(list, lists.keys().map(String::as_str))
                .or_else(|| Some(format!("`[lists]` with `{list} = \"names.txt\"`")));
            r.collector.report(Kind::UnknownName, &spot, format!("no list is called `{list}`")).maybe(hint);
            continue;
        };
        if !meant && !names.is_empty() && !names.iter().any(|name| in_world(world, name)) {
            r.collector.report(Kind::CannotMatch, &spot, format!("no site of the world has a name of the list `{list}`"));
        }
        patterns.extend(names.iter().cloned());
    }
    patterns
}

fn in_world(world: &World, pattern: &str) -> bool {
    world.sites.iter().any(|site| {
        is_exact(pattern) && site.is_named(pattern)
            || site.names.iter().any(|name| pattern_fits(pattern, name.strip_prefix("*.").unwrap_or(name)))
    })
}

/// Ports, networks and autonomous systems that nothing in the world has.
fn against_world(r: &mut Resolver<'_>, written: &MatchWritten, matcher: &Matcher, world: &World) {
    let services = || world.sites.iter().flat_map(|s| &s.services);
    if let Some(ports) = &written.port {
        for port in ports.0.iter().filter(|p| **p != DNS && services().all(|s| s.port != **p)) {
            let spot = r.spot(ports);
            let mut known: Vec<_> = services().map(|s| s.port).collect();
            known.sort_unstable();
            known.dedup();
            let known = known.iter().map(|port| format!("`{port}`")).collect::<Vec<_>>().join(", ");
            let report = r.collector.report(Kind::CannotMatch, &spot, format!("no service of the world is on port {port}"));
            report.maybe((!known.is_empty()).then(|| format!("its services are on the ports {known}")));
        }
    }
    if let Some(asns) = &written.asn {
        for asn in asns.0.iter().filter(|a| world.sites.iter().all(|s| s.asn != Some(**a))) {
            let spot = r.spot(asns);
            r.collector.report(Kind::CannotMatch, &spot, format!("no site of the world is in AS{asn}"));
        }
    }
    if let (Some(given), Some(prefixes)) = (&written.address, &matcher.address) {
        let addresses: Vec<_> = world.sites.iter().flat_map(|s| &s.addresses).chain(&world.isp_resolver).collect();
        for prefix in prefixes.iter().filter(|p| !addresses.iter().any(|a| inside(**a, **p))) {
            let spot = r.spot(given);
            r.collector.report(
                Kind::CannotMatch,
                &spot,
                format!("no site of the world has an address in {}/{}", prefix.0, prefix.1),
            );
        }
    }
    let https = services().any(|s| matches!(s.serve, Serve::Https { .. } | Serve::Exec { .. } | Serve::Loopback { .. }));
    if let Some(sni) = written.sni.as_ref().filter(|_| !https && matcher.transport != Some(Transport::Udp)) {
        let spot = r.spot(sni);
        r.collector.report(Kind::CannotMatch, &spot, "no service of the world speaks TLS");
    }
}

/// True if an address lies in a prefix of its own family.
pub(super) fn inside(address: std::net::IpAddr, (prefix, bits): (std::net::IpAddr, u8)) -> bool {
    use std::net::IpAddr;
    match (address, prefix) {
        (IpAddr::V4(a), IpAddr::V4(p)) => (a.to_bits() ^ p.to_bits()).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(p)) => (a.to_bits() ^ p.to_bits()).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0,
        _ => false,
    }
}

fn empty_lists(r: &mut Resolver<'_>, written: &MatchWritten) {
    let empty = [
        written.sni.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.host.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.name.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.alpn.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.port.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.asn.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.client.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.address.as_ref().filter(|l| l.0.is_empty()).map(At::span),
        written.schedule.as_ref().filter(|l| l.0.is_empty()).map(At::span),
    ];
    for span in empty.into_iter().flatten() {
        let spot = crate::scenario::diagnostic::Spot { source: r.origin.source, span };
        r.collector.report(Kind::CannotMatch, &spot, "an empty list matches nothing").hint("leave the key out to match all");
    }
}

fn value<T: Copy>(written: &Option<At<T>>) -> Option<T> {
    written.as_ref().map(|w| *w.value())
}

fn list<T: Clone>(written: &Option<At<OneOrMany<T>>>) -> Option<Vec<T>> {
    written.as_ref().map(|w| w.0.clone())
}

fn prefixes(written: &Option<At<OneOrMany<Prefix>>>) -> Option<Vec<(std::net::IpAddr, u8)>> {
    written.as_ref().map(|w| w.0.iter().map(|p| (p.0, p.1)).collect())
}

fn one_covers<T: PartialEq>(earlier: &Option<T>, later: &Option<T>) -> bool {
    earlier.is_none() || earlier == later
}

fn list_covers<T: PartialEq>(earlier: &Option<Vec<T>>, later: &Option<Vec<T>>) -> bool {
    match (earlier, later) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => later.iter().all(|one| earlier.contains(one)),
    }
}

/// Lists may be long: exact names are looked up, only the other patterns are tried one by one.
fn names_cover(earlier: &Option<Vec<String>>, later: &Option<Vec<String>>) -> bool {
    let (Some(earlier), Some(later)) = (earlier, later) else { return earlier.is_none() };
    let known: HashSet<&str> = earlier.iter().map(String::as_str).collect();
    let loose: Vec<String> = earlier.iter().filter(|p| !is_exact(p)).cloned().collect();
    !later.is_empty() && later.iter().all(|one| known.contains(one.as_str()) || (is_exact(one) && fits(&loose, one)))
}

fn is_exact(pattern: &str) -> bool {
    !pattern.starts_with(['.', '*', '~'])
}

/// The port of DNS (RFC 1035 section 4.2), which the lab's resolvers serve in every world.
const DNS: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    fn sni(names: &[&str]) -> Matcher {
        Matcher { sni: Some(names.iter().map(|n| (*n).to_owned()).collect()), ..Matcher::default() }
    }

    #[test]
    fn patterns_fit_as_the_language_says() {
        let fits = |pattern: &str, name: &str| pattern_fits(pattern, name);
        assert!(fits("a.test", "a.test") && !fits("a.test", "b.a.test"));
        assert!(fits(".a.test", "a.test") && fits(".a.test", "x.b.a.test") && !fits(".a.test", "ba.test"));
        assert!(fits("*.a.test", "b.a.test") && !fits("*.a.test", "a.test") && !fits("*.a.test", "x.b.a.test"));
        assert!(fits("~t.co", "reddit.com") && !fits("~t.co", "kernel.org"));
    }

    #[test]
    fn a_rule_covers_what_is_narrower() {
        assert!(covers(&Matcher::default(), &sni(&["a.test"])));
        assert!(covers(&sni(&[".a.test"]), &sni(&["b.a.test"])));
        assert!(!covers(&sni(&["a.test"]), &Matcher::default()));
        let narrower = Matcher { port: Some(vec![443]), ..sni(&["a.test"]) };
        assert!(covers(&sni(&["a.test"]), &narrower) && !covers(&narrower, &sni(&["a.test"])));
    }

    #[test]
    fn prefixes_hold_their_addresses() {
        let at = |text: &str| text.parse().unwrap();
        assert!(inside(at("192.0.2.7"), (at("192.0.2.0"), 24)) && !inside(at("192.0.3.7"), (at("192.0.2.0"), 24)));
        assert!(inside(at("192.0.3.7"), (at("0.0.0.0"), 0)) && inside(at("2001:db8::1"), (at("::"), 0)));
        assert!(!inside(at("2001:db8::1"), (at("0.0.0.0"), 0)));
    }
}
