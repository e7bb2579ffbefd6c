//! What the judge must know beside the record: where a host is to be found, and which genuine chains are bad.

use std::net::IpAddr;

use crate::record::Connection;
use crate::scenario::{TlsVersion, World};

/// What a host's addresses are.
type AddressesOf<'a> = Box<dyn Fn(&str) -> Vec<IpAddr> + 'a>;
/// What is wrong with the genuine chain of a connection's server, if anything is.
type FaultOf<'a> = Box<dyn Fn(&Connection) -> Option<String> + 'a>;

/// The only version of TLS that a connection's server speaks, if it is one that no client should.
type OldOf<'a> = Box<dyn Fn(&Connection) -> Option<TlsVersion> + 'a>;

/// The world around a check, as far as a judge needs it.
pub struct Surroundings<'a> {
    /// Name of the phase in force.
    pub phase: &'a str,
    addresses: AddressesOf<'a>,
    fault: FaultOf<'a>,
    old: OldOf<'a>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl<'a> Surroundings<'a> {
    /// The surroundings that a scenario's world describes. This is for the test leg: pass the world that it saw.
    pub fn of(world: &'a World, phase: &'a str) -> Self {
        let around = Self::new(
            phase,
            |host| match host.parse() {
                Ok(literal) => vec![literal],
                Err(_) => world.named(host).map(|site| site.addresses.clone()).unwrap_or_default(),
            },
            |connection| {
                let name = connection.hello.as_ref().and_then(|h| h.sni.as_deref()).or(connection.asked.as_deref());
                let site = world.site(connection.destination.ip(), name)?;
                site.cert.fault().map(str::to_owned)
            },
        );
        let old = |connection: &Connection| {
            let name = connection.hello.as_ref().and_then(|h| h.sni.as_deref()).or(connection.asked.as_deref());
            world.site(connection.destination.ip(), name)?.old_tls(connection.destination.port())
        };
        Self { old: Box::new(old), ..around }
    }

    /// Surroundings of the caller's own making: the addresses of a host (empty if it has none), and what is wrong with
    /// the genuine chain that the server of a connection shows (none if nothing is).
    pub fn new(
        phase: &'a str,
        addresses: impl Fn(&str) -> Vec<IpAddr> + 'a,
        fault: impl Fn(&Connection) -> Option<String> + 'a,
    ) -> Self {
        Self { phase, addresses: Box::new(addresses), fault: Box::new(fault), old: Box::new(|_| None) }
    }

    /// True if the connection is about `host`: by any name that the client gave, or, if it gave none, by its address.
    pub(super) fn concerns(&self, connection: &Connection, host: &str) -> bool {
        if is_dns(connection) {
            return false;
        }
        let mut names = names_of(connection).peekable();
        if names.peek().is_some() {
            return names.any(|name| same_host(name, host));
        }
        self.is_address_of(connection.destination.ip(), host)
    }

    /// True if the address is one of the host's.
    pub(super) fn is_address_of(&self, address: IpAddr, host: &str) -> bool {
        (self.addresses)(host).contains(&address.to_canonical())
    }

    /// The only version of TLS that the connection's server speaks, if it is one that no client should.
    pub(super) fn too_old(&self, connection: &Connection) -> Option<TlsVersion> {
        (self.old)(connection)
    }

    /// Why the client had no reason to accept what the genuine server, or who stood in its place, presented.
    pub(super) fn fault(&self, connection: &Connection, host: &str) -> Option<String> {
        let known = (self.addresses)(host);
        let there = connection.destination.ip().to_canonical();
        if !known.is_empty() && !known.contains(&there) {
            return Some(format!("`{there}` is not an address of `{host}`"));
        }
        (self.fault)(connection)
    }
}

/// True if both are the same host: case, a final dot, a port and the brackets of an IPv6 address do not matter.
pub(super) fn same_host(a: &str, b: &str) -> bool {
    host_only(a).eq_ignore_ascii_case(host_only(b))
}

/// True if the connection carries DNS: it is how a host was looked up, not a way to talk to it.
pub(super) fn is_dns(connection: &Connection) -> bool {
    connection.destination.port() == 53
}

fn names_of(connection: &Connection) -> impl Iterator<Item = &str> {
    let sni = connection.hello.as_ref().and_then(|h| h.sni.as_deref());
    sni.into_iter().chain(connection.asked.as_deref()).chain(connection.requests.iter().filter_map(|r| r.host.as_deref()))
}

fn host_only(text: &str) -> &str {
    let text = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or(bracketed),
        None if text.matches(':').count() == 1 => text.split(':').next().unwrap_or(text),
        None => text,
    };
    text.strip_suffix('.').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::record::{Observer, Recorder};
    use crate::scenario::{Cert, Place, Site, Transport, Vantage};

    #[test]
    fn hosts_are_compared_as_hosts() {
        assert!(same_host("Bank.Lab.Test.", "bank.lab.test"));
        assert!(same_host("bank.lab.test:8443", "bank.lab.test"));
        assert!(same_host("[2001:db8::1]:443", "2001:db8::1"));
        assert!(!same_host("bank.lab.test", "lab.test"));
    }

    #[test]
    fn a_world_tells_addresses_and_faults() {
        let address = "192.0.2.10".parse().expect("an address");
        let site = Site {
            names: vec!["old.test".to_owned(), "*.old.test".to_owned()],
            addresses: vec![address],
            asn: None,
            place: Place::Outside,
            services: Vec::new(),
            cert: Cert::Expired,
            ech: None,
        };
        let world = World { sites: vec![site], ..World::default() };
        let around = Surroundings::of(&world, "always");
        let there = connection(SocketAddr::new(address, 443));
        assert!(around.is_address_of(address, "www.OLD.test"));
        assert!(around.is_address_of(address, "192.0.2.10"), "a literal is its own address");
        assert!(around.concerns(&there, "old.test") && !around.concerns(&there, "new.test"));
        assert_eq!(around.fault(&there, "old.test").as_deref(), Some("the genuine certificate has expired"));
        let elsewhere = connection(([192, 0, 2, 99], 443).into());
        assert_eq!(around.fault(&elsewhere, "old.test").as_deref(), Some("`192.0.2.99` is not an address of `old.test`"));
        assert_eq!(around.fault(&elsewhere, "unknown.test"), None);
        let lookup = connection(SocketAddr::new(address, 53));
        assert!(!around.concerns(&lookup, "old.test"), "asking for a name is not talking to it");
    }

    fn connection(destination: SocketAddr) -> Connection {
        let recorder = Recorder::new();
        let key = (([192, 0, 2, 2], 40000).into(), destination);
        let id = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Box).0;
        recorder.connection(id).expect("opened")
    }
}
