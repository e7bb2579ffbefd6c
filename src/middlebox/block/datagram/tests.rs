//! Counting packets, reading on, residuals, and a bound on what is read.

use super::*;
use crate::record::ConnectionId;
use crate::scenario::{Direction, Transport, Vantage};

fn ends(port: u16) -> Ends {
    (([10, 0, 0, 2], port).into(), ([192, 0, 2, 1], 443).into())
}

fn reading((client, destination): Ends) -> Box<Reading> {
    let arrival = Arrival {
        id: ConnectionId(1),
        leg: None,
        client,
        destination,
        asked: None,
        vantage: Vantage::Inside,
        direction: Direction::Outbound,
        transport: Transport::Udp,
        ordinal: 1,
    };
    Box::new(Reading { arrival, initials: Initials::new() })
}

fn never(_: Ask) -> Next {
    panic!("asked again")
}

#[test]
fn some_packets_pass_both_ways_and_then_none() {
    let (client, server) = ends(4000);
    let datagrams = Datagrams::default();
    let decide = |_| Next::Do(Some(Action::DropAfter { packets: 2 }));
    assert_eq!(datagrams.packet(client, server, decide), OnDatagram::Pass);
    assert_eq!(datagrams.packet(server, client, never), OnDatagram::Pass);
    assert_eq!(datagrams.packet(client, server, never), OnDatagram::Pass);
    assert_eq!(datagrams.packet(server, client, never), OnDatagram::DropFlow);
}

#[test]
fn a_flow_is_read_on_from_its_client_alone_until_it_is_decided() {
    let (client, server) = ends(4000);
    let datagrams = Datagrams::default();
    assert_eq!(datagrams.packet(client, server, |_| Next::Read(reading((client, server)))), OnDatagram::Pass);
    assert_eq!(datagrams.packet(server, client, never), OnDatagram::Pass);
    let silence = Action::Drop { residual_s: 0, residual: ResidualPer::default() };
    let decide = |ask| match ask {
        Ask::Go(_) => Next::Do(Some(silence)),
        other => panic!("{other:?}"),
    };
    assert_eq!(datagrams.packet(client, server, decide), OnDatagram::DropFlow);
    assert_eq!(datagrams.flows().reading, 0);
}

#[test]
fn a_residual_takes_new_flows_to_the_same_place_with_it() {
    let datagrams = Datagrams::default();
    let silence = |seconds| Next::Do(Some(Action::Drop { residual_s: seconds, residual: ResidualPer::ThreeTuple }));
    let (client, server) = ends(4000);
    assert_eq!(datagrams.packet(client, server, |_| silence(180)), OnDatagram::DropFlow);
    let (again, _) = ends(4001);
    let asked = |ask| {
        assert!(matches!(ask, Ask::Residual));
        Next::Do(None)
    };
    assert_eq!(datagrams.packet(again, server, asked), OnDatagram::DropFlow);
    let other_port = (server.ip(), 8443).into();
    assert_eq!(datagrams.packet(again, other_port, |_| silence(0)), OnDatagram::DropFlow);
    let (third, _) = ends(4002);
    assert_eq!(datagrams.packet(third, other_port, |_| Next::Do(None)), OnDatagram::Pass, "without a residual");
}

#[test]
fn what_is_given_up_is_decided_once() {
    let datagrams = Datagrams::default();
    let (client, server) = ends(4000);
    datagrams.packet(client, server, |_| Next::Read(reading((client, server))));
    assert!(datagrams.give_up((client, server)).is_some() && datagrams.give_up((client, server)).is_none());
    datagrams.decided((client, server), Some(&Action::Drop { residual_s: 0, residual: ResidualPer::default() }));
    assert_eq!(datagrams.packet(client, server, never), OnDatagram::DropFlow);
}

#[test]
fn no_more_than_a_bound_is_read_at_a_time() {
    let datagrams = Datagrams::default();
    for port in 0..=MOST_READING {
        let (client, server) = ends(port as u16 + 1);
        datagrams.packet(client, server, |ask| {
            assert!(matches!(ask, Ask::New { may_read } if may_read == (port < MOST_READING)));
            if port < MOST_READING { Next::Read(reading((client, server))) } else { Next::Do(None) }
        });
    }
    assert_eq!(datagrams.flows().reading, MOST_READING);
}
