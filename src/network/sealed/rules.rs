//! The box's routing rules: what passes the wire, what is delivered locally, what the kernel must not touch.

use super::address::everything;
use super::error::SealedError;
use super::netlink::{Netlink, Rule, Then, To};
use super::topology::{BOX_IN, BOX_OUT, Divert};

/// The rules that hold as long as the network: the wire's own ends, and delivery of taken-over connections.
pub(super) fn prepare(net: &mut Netlink, six: bool, wire: To) -> Result<(), SealedError> {
    net.add_route(DIVERT_TABLE, everything(six), wire)?;
    net.add_route(LOCAL_TABLE, everything(six), To::Local)?;
    standing(six).iter().try_for_each(|rule| net.add_rule(rule))
}

/// Takes back what [`prepare`] did, as far as it was done.
pub(super) fn clear(net: &mut Netlink, six: bool) {
    for rule in standing(six) {
        let _ = net.delete_rule(&rule);
    }
    let _ = net.delete_route(LOCAL_TABLE, everything(six), To::Local);
}

/// Diverts packets of connections in both directions, whichever side opened them.
pub(super) fn divert(net: &mut Netlink, six: bool, what: Divert) -> Result<(), SealedError> {
    diverting(six, what).iter().try_for_each(|rule| net.add_rule(rule))
}

/// Leaves them to the kernel again.
pub(super) fn undivert(net: &mut Netlink, six: bool, what: Divert) -> Result<(), SealedError> {
    let mut result = Ok(());
    for rule in diverting(six, what) {
        result = result.and(net.delete_rule(&rule));
    }
    result
}

fn standing(six: bool) -> [Rule<'static>; 3] {
    // The kernel would be a second forwarder for what arrives at the wire's ends.
    let d1 = Rule { from_link: Some("d1"), ..Rule::new(10, six, Then::Blackhole) };
    let h1 = Rule { from_link: Some("h1"), ..Rule::new(11, six, Then::Blackhole) };
    let h0 = Rule { from_link: Some("h0"), ..Rule::new(20, six, Then::Lookup(LOCAL_TABLE)) };
    [d1, h1, h0]
}

fn diverting(six: bool, what: Divert) -> [Rule<'static>; 4] {
    let rule = |link, source_port, port| Rule {
        from_link: Some(link),
        transport: Some(what.transport),
        source_port,
        port,
        ..Rule::new(DIVERT_PRIORITY, six, Then::Lookup(DIVERT_TABLE))
    };
    let port = Some(what.port);
    [rule(BOX_IN, None, port), rule(BOX_OUT, port, None), rule(BOX_OUT, None, port), rule(BOX_IN, port, None)]
}

const DIVERT_TABLE: u8 = 50;
const LOCAL_TABLE: u8 = 100;
const DIVERT_PRIORITY: u32 = 100;
