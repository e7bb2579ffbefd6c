//! UDP flows as they come from the wire: QUIC is read until its hello is whole, then decided as TLS is; everything else is decided unread,
//! on its first packet.
//!
//! Packets pass while the box reads: a server cannot answer a hello that it has not got whole, so nothing is lost by that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::block::datagram::{Ask, Ends, Next, Reading};
use super::super::sniff::Seen;
use super::super::stream::tell_first;
use super::Packets;
use crate::network::Arrival;
use crate::network::wire::OnDatagram;
use crate::record::Event;
use crate::scenario::{Action, First, Transport};
use crate::tls::hello::ClientHello;
use crate::tls::quic::{Initials, Look, Unread};

impl Packets {
    /// What is done with a datagram.
    pub(super) fn datagram(self: &Arc<Self>, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> OnDatagram {
        self.datagrams.packet(from, to, |ask| match ask {
            Ask::New { may_read } => self.first_datagram((from, to), payload, may_read),
            Ask::Go(reading) => self.next_datagram(reading, payload),
            Ask::Residual => {
                let arrival = self.arrive_at(from, to, Transport::Udp);
                self.middlebox.residual(&arrival);
                self.over(&arrival);
                Next::Do(None)
            }
        })
    }

    /// A flow begins. Without a rule about datagrams, one that is no QUIC is nobody's connection.
    fn first_datagram(self: &Arc<Self>, ends: Ends, payload: &[u8], may_read: bool) -> Next {
        let mut initials = Initials::new();
        let look = if may_read { initials.datagram(payload) } else { Look::Unread(Unread::TooMuch) };
        let (from, to) = ends;
        if !initials.is_quic() && !self.middlebox.has_say_in_udp(from, to) {
            return Next::Do(None);
        }
        let arrival = self.arrive_at(from, to, Transport::Udp);
        self.look(Reading { arrival, initials }.into(), look, true)
    }

    fn next_datagram(self: &Arc<Self>, mut reading: Box<Reading>, payload: &[u8]) -> Next {
        let look = reading.initials.datagram(payload);
        self.look(reading, look, false)
    }

    fn look(self: &Arc<Self>, reading: Box<Reading>, look: Look, begins: bool) -> Next {
        let arrival = &reading.arrival;
        match look {
            // A box that looks at the first segment alone looks at the first datagram alone.
            Look::More if self.middlebox.plan.network.first == First::Segment => Next::Do(self.decide(arrival, None, begins)),
            // What no hello could change is decided at once.
            Look::More if self.middlebox.decides_unread(arrival) => Next::Do(self.decide(arrival, None, begins)),
            Look::More => {
                if begins {
                    self.give_up_later((arrival.client, arrival.destination));
                }
                Next::Read(reading)
            }
            Look::Hello(hello, datagrams) => {
                let seen = Seen::Hello(hello);
                tell_first(&self.middlebox, arrival, &seen, datagrams);
                Next::Do(self.decide(arrival, seen.hello(), begins))
            }
            Look::Unread(why) => {
                if reading.initials.is_quic() || self.middlebox.plan.world.speaks_quic(arrival.destination) {
                    let (protocol, summary) = ("quic".to_owned(), why.to_string());
                    self.middlebox.recorder().emit(arrival.id, Event::FirstBytes { protocol, summary });
                }
                Next::Do(self.decide(arrival, None, begins))
            }
        }
    }

    /// `begins`: on the flow's first packet, so that nothing of it has passed.
    fn decide(self: &Arc<Self>, arrival: &Arrival, hello: Option<&ClientHello>, begins: bool) -> Option<Action> {
        let action = self.middlebox.settle_datagram(arrival, hello);
        match (&action, self.middlebox.plan.world.speaks_quic(arrival.destination)) {
            // What passes to a server that speaks QUIC is the server's to tell on, to its end.
            (None, true) => {}
            // It may have got the beginning of a hello, or more, and is about to tell the record of it.
            (Some(action), true) if !begins || matches!(action, Action::DropAfter { .. }) => {
                self.end_after_the_origin(arrival.clone(), true)
            }
            _ => self.over(arrival),
        }
        action
    }

    /// A hello that is not whole by then never will be: clients send what was lost again within a second or two.
    fn give_up_later(self: &Arc<Self>, ends: Ends) {
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            for _ in 0..2 {
                // A packet that is being read at that very moment holds the flow: then it is the next time's.
                tokio::time::sleep(WHOLE_HELLO).await;
                let Some(reading) = this.datagrams.give_up(ends) else { continue };
                let (protocol, summary) = ("quic".to_owned(), "a hello that was not finished in time".to_owned());
                this.middlebox.recorder().emit(reading.arrival.id, Event::FirstBytes { protocol, summary });
                let action = this.decide(&reading.arrival, None, false);
                this.datagrams.decided(ends, action.as_ref());
            }
        });
    }
}

/// How long a hello may take (RFC 9002 section 6.2: the first retransmission comes after about a second, the next after two more).
const WHOLE_HELLO: Duration = Duration::from_secs(4);
