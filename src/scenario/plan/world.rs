//! Finding a site of the world: by name, by address, by what it serves. What a name's letters mean is [`Site::is_named`]'s.

use std::net::{IpAddr, SocketAddr};

use super::{Serve, Service, Site, World};

impl World {
    /// The site at an address, by name if several share it.
    pub fn site(&self, address: IpAddr, name: Option<&str>) -> Option<&Site> {
        let mut here = self.sites.iter().filter(|s| s.addresses.contains(&address)).peekable();
        let first = *here.peek()?;
        Some(name.and_then(|name| here.find(|s| s.is_named(name))).unwrap_or(first))
    }

    /// True if a site serves HTTP/3 there.
    pub fn speaks_quic(&self, at: SocketAddr) -> bool {
        let quick = |service: &Service| service.port == at.port() && matches!(service.serve, Serve::Https { http3: true, .. });
        self.sites.iter().any(|site| site.addresses.contains(&at.ip()) && site.services.iter().any(quick))
    }

    /// The site with a name.
    pub fn named(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|s| s.is_named(name))
    }
}
