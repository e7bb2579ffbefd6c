//! What a plan asks of the lab: which ports the box must see, whether packets, DNS or an authority are needed.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::plan::{CheckClient, Matcher, Phase, Plan, Rule, Serve, Site};
use super::words::{Action, First, Place, Transport};

/// What a plan asks of the lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// TCP ports that the box must see.
    pub tcp: BTreeSet<u16>,
    /// UDP ports that the box must see.
    pub udp: BTreeSet<u16>,
    /// Some rule is about addresses or hours alone: every port of every transport must be seen.
    pub every_port: bool,
    /// Some rule intercepts: an authority is needed.
    pub intercepts: bool,
    /// Some rule is about DNS.
    pub dns: bool,
    /// What needs packets, in words: only the sealed network does it exactly. Empty if the explicit proxy is as good.
    pub packets: Vec<String>,
    /// The authority wants byte-for-byte fidelity: refused outside of the sealed network.
    pub exact: bool,
    /// Profiles that forge, each once.
    pub profiles: Vec<String>,
}

impl Plan {
    /// What the lab must provide to run this plan.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs { exact: self.authority.as_ref().is_some_and(|a| a.exact), ..Needs::default() };
        for rule in self.phases.iter().flat_map(|p| &p.rules) {
            self.ports_of(rule, &mut needs);
            needs.intercepts |= rule.action == Action::Intercept;
            needs.dns |= rule.when.name.is_some() || matches!(rule.action, Action::Dns(_));
            if let Some(why) = packets(rule) {
                needs.packets.push(format!("rule `{}`: {why}", rule.name));
            }
        }
        if self.phases.iter().any(|phase| !phase.rules.is_empty()) {
            needs.udp.extend(self.quic_ports()); // read for the record, whatever the rules are about
        }
        if self.network.first == First::Segment {
            needs.packets.push("`first_segment`: a proxy sees a stream, not segments".to_owned());
        }
        let phases = self.phases.iter().filter_map(|p| p.profile.clone());
        for profile in self.authority.iter().map(|a| a.profile.clone()).chain(phases) {
            if !needs.profiles.contains(&profile) {
                needs.profiles.push(profile);
            }
        }
        needs
    }

    /// Ports that pass through the box's user space, TCP and UDP. All others are routed past it.
    pub fn diverted_ports(&self) -> BTreeSet<(Transport, u16)> {
        let needs = self.needs();
        let tcp = needs.tcp.into_iter().map(|p| (Transport::Tcp, p));
        let udp = needs.udp.into_iter().map(|p| (Transport::Udp, p));
        tcp.chain(udp).collect()
    }

    /// The ports of sites that speak HTTP/3.
    fn quic_ports(&self) -> impl Iterator<Item = u16> {
        let services = self.world.sites.iter().flat_map(|site| &site.services);
        services.filter(|s| matches!(s.serve, Serve::Https { http3: true, .. })).map(|s| s.port)
    }

    /// The sites in the country, or abroad.
    pub fn sites_at(&self, place: Place) -> impl Iterator<Item = &Site> {
        self.world.sites.iter().filter(move |site| site.place == place)
    }

    /// The phase that is in force at a moment, by index; none between phases.
    pub fn phase_at(&self, moment: OffsetDateTime) -> Option<usize> {
        self.phases.iter().position(|phase| phase.holds(moment))
    }

    /// The phase with a name, by index.
    pub fn phase_named(&self, name: &str) -> Option<usize> {
        self.phases.iter().position(|phase| phase.name == name)
    }

    fn ports_of(&self, rule: &Rule, needs: &mut Needs) {
        let when = &rule.when;
        let ports = when.port.clone().unwrap_or_else(|| self.implied_ports(when, needs));
        if when.transport != Some(Transport::Udp) {
            needs.tcp.extend(&ports);
        }
        let udp_too = when.name.is_some() || matches!(rule.action, Action::Dns(_)) || !speaks_tcp_only(rule);
        if when.transport == Some(Transport::Udp) || (when.transport.is_none() && udp_too) {
            needs.udp.extend(&ports);
        }
    }

    /// The ports of a rule that names none: those of the services that it can be about.
    fn implied_ports(&self, when: &Matcher, needs: &mut Needs) -> Vec<u16> {
        let services = || self.world.sites.iter().flat_map(|s| &s.services);
        let named =
            when.sni.is_some() || when.no_sni.is_some() || when.alpn.is_some() || when.ech.is_some() || when.origin.is_some();
        if when.name.is_some() {
            return vec![53];
        }
        if when.host.is_some() {
            return services()
                .filter(|s| !matches!(s.serve, Serve::Https { .. } | Serve::Dot | Serve::Chat { .. } | Serve::Mail { .. }))
                .map(|s| s.port)
                .collect();
        }
        if named {
            return services().filter(|s| !matches!(s.serve, Serve::Http { .. })).map(|s| s.port).collect();
        }
        needs.every_port = true;
        services().map(|s| s.port).chain([53]).collect()
    }
}

impl Phase {
    /// True if the phase is in force at a moment. A phase without dates always is.
    pub fn holds(&self, moment: OffsetDateTime) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.to.is_none_or(|to| moment < to)
    }
}

impl CheckClient {
    /// Program and arguments.
    pub fn argv(&self) -> &[String] {
        match self {
            Self::Command(argv) => argv,
            Self::Detector(detector) => &detector.run,
        }
    }
}

/// True if what the rule matches or does exists in TCP only.
fn speaks_tcp_only(rule: &Rule) -> bool {
    let tcp_action = !matches!(rule.action, Action::Forward | Action::Drop { .. } | Action::DropAfter { .. });
    tcp_action || rule.when.host.is_some() || rule.when.origin.is_some()
}

/// Why a rule needs packets, if it does.
fn packets(rule: &Rule) -> Option<&'static str> {
    match rule.action {
        Action::Reset { .. } => Some("a reset with the origin's own sequence numbers"),
        Action::DropAfter { .. } => Some("counts packets"),
        Action::Throttle { .. } => Some("drops or delays packets"),
        Action::DropSyn | Action::Refuse | Action::Unreachable => Some("answers the first packet"),
        Action::Drop { .. } => Some("swallows packets on the way"),
        _ if rule.when.transport == Some(Transport::Udp) => Some("is about UDP"),
        _ => None,
    }
}
