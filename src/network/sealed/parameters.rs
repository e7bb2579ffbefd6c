//! Kernel parameters of the lab's network namespaces (Documentation/networking/ip-sysctl.rst of the kernel).
//!
//! /proc/sys/net shows the namespace of the thread that looks.

use std::fs;
use std::path::Path;

use super::error::SealedError;

/// What a namespace is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It forwards packets, and may be where every address is local.
    Router,
    /// It forwards packets and holds the wire and taken-over connections.
    Box,
    /// A program under test runs in it.
    Client,
}

/// Sets the parameters of the calling thread's namespace, before it has any link but `lo`.
pub(super) fn apply(role: Role, ipv6: bool) -> Result<(), SealedError> {
    match role {
        Role::Router => set(ROUTER)?,
        Role::Box => {
            set(ROUTER)?;
            set(BOX)?;
        }
        Role::Client => allow_ping(),
    }
    if !Path::new("/proc/sys/net/ipv6").is_dir() {
        return if ipv6 { Err(SealedError::NoIpv6) } else { Ok(()) };
    }
    set(COMMON_V6)?;
    if role == Role::Client { Ok(()) } else { set(ROUTER_V6) }
}

/// The client's group may ping without a privilege. A convenience: where it cannot be set, ping says so itself.
fn allow_ping() {
    let group = rustix::process::getegid().as_raw();
    let _ = fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{group} {group}"));
}

fn set(parameters: &[(&str, &str)]) -> Result<(), SealedError> {
    parameters.iter().try_for_each(|(name, value)| {
        fs::write(Path::new("/proc/sys/net").join(name), value)
            .map_err(|source| SealedError::Parameter { name: format!("net/{name}"), source })
    })
}

const ROUTER: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    // The way back may be another one (through the wire), and sources may be addresses that are local here.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/lo/rp_filter", "0"),
    ("ipv4/conf/all/accept_local", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // Every time-exceeded and unreachable is sent: an experiment must not depend on how many came before.
    ("ipv4/icmp_ratelimit", "0"),
    // Servers of the user's own, without a privilege, listen where their protocol does.
    ("ipv4/ip_unprivileged_port_start", "0"),
];

const BOX: &[(&str, &str)] = &[
    // Once a connection is taken over, early demux would find its socket and the forwarding path drop the packet.
    ("ipv4/tcp_early_demux", "0"),
    ("ipv4/ip_early_demux", "0"),
    // Connections of the box itself, made with a client's address, never collide with the client's own (32768-60999).
    ("ipv4/ip_local_port_range", "61000 65535"),
];

const COMMON_V6: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/lo/disable_ipv6", "0"),
    // Addresses are usable at once (RFC 4862 section 5.4 is for networks with strangers), and only given ones exist.
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

const ROUTER_V6: &[(&str, &str)] = &[("ipv6/conf/all/forwarding", "1"), ("ipv6/icmp/ratelimit", "0")];
