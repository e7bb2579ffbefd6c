//! Which site and which service a connection is for.

use std::net::SocketAddr;

use super::Origins;
use super::mail::Mail;
use crate::scenario::{Serve, Service, Site};

/// What a connection came for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected<'a> {
    pub(super) site: &'a Site,
    pub(super) service: &'a Service,
}

/// Why nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nobody {
    /// No site has that address here.
    NoSite,
    /// No site at that address serves that port.
    NoService,
}

impl Nobody {
    /// For the record.
    pub(super) fn text(self, at: SocketAddr) -> String {
        match self {
            Self::NoSite => format!("no site of the world has the address {}", at.ip()),
            Self::NoService => format!("no site at {} serves port {}", at.ip(), at.port()),
        }
    }
}

impl Origins {
    /// The site with that name among those that share the address and serve the port; else the first of them, as real
    /// servers have a default host.
    pub(super) fn select(&self, at: SocketAddr, name: Option<&str>) -> Result<Selected<'_>, Nobody> {
        let mut known = false;
        let mut first = None;
        for site in self.world.sites.iter().filter(|s| s.addresses.contains(&at.ip())) {
            if self.place.is_some_and(|place| place != site.place) {
                continue;
            }
            known = true;
            let Some(service) = site.services.iter().find(|s| s.port == at.port()) else { continue };
            if name.is_some_and(|name| site.is_named(name)) {
                return Ok(Selected { site, service });
            }
            first.get_or_insert(Selected { site, service });
        }
        first.ok_or(if known { Nobody::NoService } else { Nobody::NoSite })
    }

    /// The mail server there, if it is one.
    pub(super) fn mail_at(&self, at: SocketAddr) -> Option<Mail> {
        self.select(at, None).ok().and_then(|selected| Mail::of(&selected.service.serve))
    }

    /// True if the server speaks first there, or may: the first bytes are not ours to wait for.
    pub(super) fn relays(&self, at: SocketAddr) -> bool {
        self.select(at, None).is_ok_and(|s| matches!(s.service.serve, Serve::Exec { .. } | Serve::Loopback { .. }))
    }
}
