//! Packets from memory through the table: for fuzzing, and for the test that replays what fuzzing found. Nothing is sent.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::act::{Beyond, Residual, Scope};
use super::flow::Fate;
use super::frame::{Parsed, VNET, parse};
use super::table::Table;
use super::{Act, Flow, Handler, OnBytes, OnDatagram, Options, Said, Side, Then, Throttle};

/// Feeds IP packets, each behind a word on its time and its length (two octets), to an empty table. What a flow's first byte says is
/// done to it. Tells how many packets passed or were answered.
pub fn feed_packets(bytes: &[u8]) -> usize {
    let take = |_: &_| Err(io::Error::other("there are no sockets here"));
    let mut table = Table::new(Options::default(), Arc::new(ByFirstByte), Box::new(take), [0; 6]);
    let (mut now, mut rest, mut left) = (Instant::now(), bytes, 0);
    while let [wait, high, low, tail @ ..] = rest {
        let (packet, tail) = tail.split_at(tail.len().min(usize::from(u16::from_be_bytes([*high, *low]))));
        rest = tail;
        let (mut frame, mut out) = (framed(packet), Vec::new());
        let fate = table.frame(now, &mut frame, &mut out);
        now += Duration::from_millis(u64::from(*wait) * 20);
        table.tick(now, &mut out);
        table.deliver();
        assert!(out.iter().all(|(_, frame)| !matches!(parse(frame, [0; 6]), Parsed::Local)), "what is sent can be read");
        left += out.len() + usize::from(matches!(fate, Fate::Forward(_)));
    }
    table.shutdown(now, &mut Vec::new());
    assert_eq!(table.live(), 0, "a table that is shut down holds no flow");
    left
}

/// The packet as the packet socket would give it.
fn framed(packet: &[u8]) -> Vec<u8> {
    let kind: u16 = if packet.first().is_some_and(|first| first >> 4 == 6) { 0x86dd } else { 0x0800 };
    [&[0; VNET + 12][..], &kind.to_be_bytes(), packet].concat()
}

struct ByFirstByte;

impl Handler for ByFirstByte {
    fn first_bytes(&self, _: &Flow, stream: &[u8], _: u32) -> OnBytes {
        let throttle =
            Throttle { up_bps: Some(8_000), down_bps: Some(8_000), beyond: Beyond::Shape, delay: Duration::from_millis(50) };
        OnBytes::Do(match stream.first().map(|byte| byte % 16) {
            None | Some(0) => return OnBytes::More,
            Some(1) => return OnBytes::Hold,
            Some(2) => Act::Follow,
            Some(3) => Act::TakeOver,
            Some(4) => Act::Reset { to_client: true, to_server: true },
            Some(5) => Act::Close,
            Some(6) => Act::Alert(40),
            Some(7) => Act::Drop { residual: Some(Residual { duration: Duration::from_secs(1), scope: Scope::ThreeTuple }) },
            Some(8) => Act::DropAfter { packets: 2 },
            Some(9) => Act::Throttle(throttle),
            Some(10) => Act::Throttle(Throttle { beyond: Beyond::Police, ..throttle }),
            Some(11) => Act::Stall { after_bytes_down: 5 },
            Some(12) => Act::Cut { after_bytes_down: 5 },
            Some(13) => Act::Inject { to_client: b"instead".to_vec(), then: Then::Close },
            Some(14) => Act::Inject { to_client: b"before".to_vec(), then: Then::Pass },
            Some(_) => Act::Pass,
        })
    }

    fn server_spoke(&self, flow: &Flow, bytes: &[u8]) -> OnBytes {
        self.first_bytes(flow, bytes, 1)
    }

    fn said(&self, _: &Flow, _: Side, bytes: &[u8]) -> Said {
        match bytes.first().map(|byte| byte % 4) {
            Some(1) => Said::Replace(vec![b'X'; bytes.len()]),
            Some(2) => Said::Enough(None),
            Some(3) => Said::TakeBefore,
            _ => Said::Pass,
        }
    }

    fn datagram(&self, _: std::net::SocketAddr, _: std::net::SocketAddr, payload: &[u8]) -> OnDatagram {
        match payload.first().map(|byte| byte % 4) {
            Some(1) => OnDatagram::Drop,
            Some(2) => OnDatagram::DropFlow,
            Some(3) => OnDatagram::ReplyAndPass(payload.to_vec()),
            _ => OnDatagram::Pass,
        }
    }

    fn taken(&self, _: &Flow, _: TcpStream, _: Vec<u8>) {}
}
