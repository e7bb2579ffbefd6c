//! Flows fed with packets made by hand: no sockets, no clock but the one that a test holds.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::craft::{Segment, segment};
use super::flow::{Fate, Port, reread};
use super::frame::{ACK, End, FIN, PSH, Parsed, RST, SYN, Tcp, parse};
use super::table::Table;
use super::takeover::Repair;
use super::{Act, Flow, FlowEnd, FlowId, Handler, OnBytes, OnOpen, Options, Residual, Said, Scope, Side, Throttle, Why};

mod follow;

type Answers = Box<dyn Fn(&[u8], u32) -> OnBytes + Send + Sync>;
type Says = Box<dyn Fn(Side, &[u8]) -> Said + Send + Sync>;

#[derive(Default)]
struct Log {
    opened: Vec<Flow>,
    asked: Vec<(Vec<u8>, u32)>,
    ended: Vec<FlowEnd>,
    prefixes: Vec<Vec<u8>>,
    repairs: Vec<Repair>,
    both: usize,
    overdue: usize,
    residual: usize,
}

struct Scripted {
    answers: Answers,
    greeting: Arc<Mutex<(OnBytes, Says)>>,
    log: Arc<Mutex<Log>>,
}

impl Handler for Scripted {
    fn opened(&self, flow: &Flow) -> OnOpen {
        self.log.lock().unwrap().opened.push(flow.clone());
        OnOpen::Pass
    }

    fn first_bytes(&self, _: &Flow, stream: &[u8], segments: u32) -> OnBytes {
        self.log.lock().unwrap().asked.push((stream.to_vec(), segments));
        (self.answers)(stream, segments)
    }

    fn server_spoke(&self, _: &Flow, _: &[u8]) -> OnBytes {
        self.greeting.lock().unwrap().0.clone()
    }

    fn said(&self, _: &Flow, side: Side, bytes: &[u8]) -> Said {
        (self.greeting.lock().unwrap().1)(side, bytes)
    }

    fn taken_both(&self, _: &Flow, _: TcpStream, _: TcpStream) {
        self.log.lock().unwrap().both += 1;
    }

    fn taken(&self, _: &Flow, _: TcpStream, prefix: Vec<u8>) {
        self.log.lock().unwrap().prefixes.push(prefix);
    }

    fn overdue(&self, _: &Flow) {
        self.log.lock().unwrap().overdue += 1;
    }

    fn residual(&self, _: &Flow) {
        self.log.lock().unwrap().residual += 1;
    }

    fn ended(&self, _: &Flow, end: FlowEnd) {
        self.log.lock().unwrap().ended.push(end);
    }
}

/// A table and the two ends of a connection through it.
struct Bench {
    table: Table,
    log: Arc<Mutex<Log>>,
    greeting: Arc<Mutex<(OnBytes, Says)>>,
    now: Instant,
    client: End,
    server: End,
    isn: u32,
}

const SERVER_ISN: u32 = 5_000;

impl Bench {
    fn new(answers: impl Fn(&[u8], u32) -> OnBytes + Send + Sync + 'static) -> Self {
        Self::with(Options::default(), answers)
    }

    fn with(options: Options, answers: impl Fn(&[u8], u32) -> OnBytes + Send + Sync + 'static) -> Self {
        let log: Arc<Mutex<Log>> = Arc::default();
        let seen = log.clone();
        let take = move |repair: &Repair| -> io::Result<TcpStream> {
            seen.lock().unwrap().repairs.push(repair.clone());
            let listener = TcpListener::bind("127.0.0.1:0")?;
            TcpStream::connect(listener.local_addr()?)
        };
        let says: Says = Box::new(|_, _| Said::Pass);
        let greeting = Arc::new(Mutex::new((OnBytes::More, says)));
        let handler = Arc::new(Scripted { answers: Box::new(answers), greeting: greeting.clone(), log: log.clone() });
        let end = |text: &str| End::from(text.parse::<SocketAddr>().unwrap());
        Self {
            table: Table::new(options, handler, Box::new(take), [0; 6]),
            log,
            greeting,
            now: Instant::now(),
            client: end("10.0.0.2:40000"),
            server: end("192.0.2.1:443"),
            isn: u32::MAX - 3, // every stream crosses the wrap-around
        }
    }

    /// What is done when the server speaks first, and with what is said after that.
    fn answer_greeting(&mut self, act: OnBytes, says: impl Fn(Side, &[u8]) -> Said + Send + Sync + 'static) {
        *self.greeting.lock().unwrap() = (act, Box::new(says));
    }

    /// Feeds a frame; returns everything that leaves, in order.
    fn feed(&mut self, mut frame: Vec<u8>) -> Vec<(Port, Tcp, Vec<u8>)> {
        let mut out = Vec::new();
        let fate = self.table.frame(self.now, &mut frame, &mut out);
        if let Fate::Forward(port) = fate {
            out.push((port, frame));
        }
        self.table.deliver();
        parsed(out)
    }

    fn up(&mut self, offset: u32, flags: u8, payload: &[u8]) -> Vec<(Port, Tcp, Vec<u8>)> {
        let seq = self.isn.wrapping_add(offset);
        let of = Segment { seq, ack: SERVER_ISN + 1, flags, payload, window: 500, ..Segment::between(self.client, self.server) };
        self.feed(segment(&of))
    }

    fn down(&mut self, offset: u32, flags: u8, acked: u32, payload: &[u8]) -> Vec<(Port, Tcp, Vec<u8>)> {
        let (seq, ack) = (SERVER_ISN + offset, self.isn.wrapping_add(acked));
        let of = Segment { seq, ack, flags, payload, window: 500, ..Segment::between(self.server, self.client) };
        self.feed(segment(&of))
    }

    fn shake(&mut self) -> FlowId {
        assert_eq!(self.up(0, SYN, &[]).len(), 1);
        assert_eq!(self.down(0, SYN | ACK, 1, &[]).len(), 1);
        assert_eq!(self.up(1, ACK, &[]).len(), 1);
        self.log.lock().unwrap().opened.last().unwrap().id
    }

    fn act(&mut self, id: FlowId, act: Act) -> Vec<(Port, Tcp, Vec<u8>)> {
        let mut out = Vec::new();
        self.table.act(self.now, id, act, true, &mut out);
        self.table.deliver();
        parsed(out)
    }

    fn later(&mut self, time: Duration) -> Vec<(Port, Tcp, Vec<u8>)> {
        let mut out = Vec::new();
        self.now += time;
        self.table.tick(self.now, &mut out);
        parsed(out)
    }

    fn asked(&self) -> Vec<(Vec<u8>, u32)> {
        self.log.lock().unwrap().asked.clone()
    }

    fn whys(&self) -> Vec<Why> {
        self.log.lock().unwrap().ended.iter().map(|end| end.why).collect()
    }
}

fn parsed(frames: Vec<(Port, Vec<u8>)>) -> Vec<(Port, Tcp, Vec<u8>)> {
    let read = |(port, frame): (Port, Vec<u8>)| {
        let tcp = reread(&frame).expect("TCP");
        (port, tcp, frame[tcp.payload..tcp.end].to_vec())
    };
    frames.into_iter().map(read).collect()
}

fn hold_at(length: usize) -> impl Fn(&[u8], u32) -> OnBytes + Send + Sync {
    move |stream, _| if stream.len() >= length { OnBytes::Hold } else { OnBytes::More }
}

#[test]
fn only_the_completing_segment_is_held() {
    let mut bench = Bench::new(hold_at(6));
    let id = bench.shake();
    assert_eq!(bench.up(1, ACK, b"abc").len(), 1);
    assert!(bench.up(4, ACK | PSH, b"def").is_empty());
    assert!(bench.up(4, ACK | PSH, b"def").is_empty(), "a retransmission is swallowed");
    assert!(bench.up(7, ACK, b"ghi").is_empty(), "what follows waits");
    assert!(bench.down(1, ACK, 4, &[]).is_empty());
    let out: Vec<_> = bench.act(id, Act::Pass).into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(out, [&b"def"[..], b"ghi", b""]);
    assert_eq!(bench.up(10, ACK, b"j").len(), 1);
    assert_eq!(bench.asked(), [(b"abc".to_vec(), 1), (b"abcdef".to_vec(), 2)]);
}

#[test]
fn a_takeover_continues_both_sequences() {
    let mut bench = Bench::new(hold_at(6));
    let id = bench.shake();
    bench.up(1, ACK, b"abc");
    bench.down(1, ACK, 4, b"220");
    bench.up(4, ACK | PSH, b"def");
    bench.up(7, ACK, b"ghi");
    bench.down(4, ACK, 4, b"lost");
    let out = bench.act(id, Act::TakeOver);
    let repair = bench.log.lock().unwrap().repairs[0].clone();
    assert_eq!((repair.send, repair.receive), (SERVER_ISN + 4, bench.isn.wrapping_add(7)));
    assert_eq!(bench.log.lock().unwrap().prefixes, [b"abcdef".to_vec()]);
    let rst = out.iter().find(|(_, tcp, _)| tcp.has(RST)).unwrap();
    assert_eq!((rst.1.seq, rst.1.dst), (bench.isn.wrapping_add(4), bench.server));
    let ack = out.iter().find(|(port, tcp, _)| *port == Port::Divert && tcp.dst == bench.client).unwrap();
    assert_eq!(ack.1.ack, bench.isn.wrapping_add(7));
    assert_eq!(out.last().unwrap().2, b"ghi");
    assert_eq!(out.last().unwrap().0, Port::Hijack);
    assert_eq!(bench.up(10, ACK, b"jkl")[0].0, Port::Hijack);
    let again = bench.down(4, ACK, 4, b"lost");
    assert!(again.len() == 1 && again[0].1.has(RST), "the origin is told again");
}

#[test]
fn a_superframe_is_read_segment_by_segment() {
    let mut bench = Bench::new(|_, segments| if segments == 2 { OnBytes::Hold } else { OnBytes::More });
    let id = bench.shake();
    let seq = bench.isn.wrapping_add(1);
    let of = Segment { seq, ack: SERVER_ISN + 1, payload: b"aaaabbbbccccdd", ..Segment::between(bench.client, bench.server) };
    let mut frame = segment(&of);
    frame[1] = 1;
    frame[4..6].copy_from_slice(&4_u16.to_ne_bytes());
    let out = bench.feed(frame);
    assert_eq!(out.iter().map(|(_, _, bytes)| &bytes[..]).collect::<Vec<_>>(), [b"aaaa"]);
    assert_eq!(bench.asked(), [(b"aaaa".to_vec(), 1), (b"aaaabbbb".to_vec(), 2)]);
    let out = bench.act(id, Act::Pass);
    assert_eq!(out.iter().map(|(_, _, bytes)| &bytes[..]).collect::<Vec<_>>(), [&b"bbbb"[..], b"ccccdd"]);
    assert_eq!(out[1].1.segments(), 2);
}

#[test]
fn data_in_the_syn_counts_if_it_was_accepted() {
    for accepted in [true, false] {
        let mut bench = Bench::new(hold_at(6));
        bench.up(0, SYN, b"abc");
        bench.down(0, SYN | ACK, if accepted { 4 } else { 1 }, &[]);
        let held = bench.up(4, ACK, b"def").is_empty();
        assert_eq!(held, accepted);
        if !accepted {
            assert!(bench.up(1, ACK, b"abc").is_empty(), "the retransmission completes it");
        }
    }
}

#[test]
fn resets_fit_what_each_side_has() {
    let both = Act::Reset { to_client: true, to_server: true };
    let mut bench = Bench::new(move |stream, _| if stream.len() > 3 { OnBytes::Do(both.clone()) } else { OnBytes::More });
    bench.shake();
    bench.up(1, ACK, b"abc");
    bench.down(1, ACK, 4, b"hi");
    let out = bench.up(4, ACK, b"def");
    let seqs = |to| out.iter().filter(|(_, tcp, _)| tcp.dst == to).map(|(_, tcp, _)| tcp.seq).collect::<Vec<_>>();
    assert_eq!(seqs(bench.server), [bench.isn.wrapping_add(4)]);
    assert_eq!(seqs(bench.client), [SERVER_ISN + 3, SERVER_ISN + 1]);
    assert!(bench.up(4, ACK, b"def")[0].1.has(RST));
    bench.later(Duration::from_secs(3));
    assert_eq!(bench.whys(), [Why::Box]);
}

#[test]
fn closes_are_noted_and_forgotten() {
    let mut bench = Bench::new(|_, _| OnBytes::Do(Act::Pass));
    bench.shake();
    bench.up(1, ACK, b"abc");
    assert_eq!(bench.up(4, FIN | ACK, &[]).len(), 1);
    assert_eq!(bench.down(1, FIN | ACK, 4, &[]).len(), 1, "simultaneous close");
    assert_eq!((bench.whys(), bench.table.live()), (vec![Why::Closed], 0));
    assert_eq!(bench.up(5, ACK, &[]).len(), 1, "the last acknowledgement passes");
    bench.later(Duration::from_secs(3));
    bench.isn = 77;
    bench.shake();
    assert_eq!(bench.log.lock().unwrap().opened.len(), 2);
}

#[test]
fn a_port_is_reused_at_once() {
    let mut bench = Bench::new(|_, _| OnBytes::Do(Act::Drop { residual: None }));
    bench.shake();
    assert!(bench.up(1, ACK, b"abc").is_empty());
    bench.isn = 99;
    bench.shake();
    assert_eq!(bench.whys(), [Why::Replaced]);
}

#[test]
fn a_residual_drop_swallows_the_next_syn() {
    let residual = Residual { duration: Duration::from_secs(60), scope: Scope::ThreeTuple };
    let mut bench = Bench::new(move |_, _| OnBytes::Do(Act::Drop { residual: Some(residual) }));
    bench.shake();
    bench.up(1, ACK, b"abc");
    bench.client.port += 1;
    assert!(bench.up(0, SYN, &[]).is_empty());
    assert_eq!(bench.log.lock().unwrap().residual, 1);
    bench.now += Duration::from_secs(61);
    bench.client.port += 1;
    assert_eq!(bench.up(0, SYN, &[]).len(), 1);
}

#[test]
fn held_too_long_passes_and_a_delay_is_kept() {
    let mut bench = Bench::new(hold_at(3));
    bench.shake();
    assert!(bench.up(1, ACK, b"abc").is_empty());
    assert!(bench.later(Duration::from_secs(9)).is_empty());
    assert_eq!(bench.later(Duration::from_secs(2))[0].2, b"abc");
    assert_eq!(bench.log.lock().unwrap().overdue, 1);
    let throttle = Throttle { up_bps: None, down_bps: None, beyond: super::Beyond::Police, delay: Duration::from_secs(3) };
    let mut bench = Bench::new(move |_, _| OnBytes::Do(Act::Throttle(throttle)));
    bench.shake();
    assert!(bench.up(1, ACK, b"abc").is_empty());
    assert!(bench.later(Duration::from_secs(2)).is_empty());
    assert_eq!(bench.later(Duration::from_secs(1))[0].2, b"abc");
}

#[test]
fn a_reset_that_nobody_would_believe_changes_nothing() {
    let mut bench = Bench::new(|_, _| OnBytes::Do(Act::Pass));
    bench.shake();
    bench.up(1, ACK, b"abc");
    bench.down(1 << 20, RST, 4, &[]);
    assert!(bench.whys().is_empty());
    bench.down(1, RST, 4, &[]);
    assert_eq!(bench.whys(), [Why::Reset]);
}

#[test]
fn the_first_packet_of_an_old_flow_passes_and_leaves_no_trace() {
    let mut bench = Bench::new(|_, _| OnBytes::Hold);
    assert_eq!(bench.up(500, ACK | PSH, b"mid-way").len(), 1);
    assert_eq!((bench.table.live(), bench.asked().len()), (0, 0));
}

#[test]
fn a_full_table_makes_room() {
    let mut bench = Bench::with(Options { max_flows: 128, ..Options::default() }, |_, _| OnBytes::More);
    for port in 1..=1000 {
        bench.client.port = port;
        bench.now += Duration::from_millis(1);
        bench.shake();
    }
    assert!((100..=128).contains(&bench.table.live()), "{}", bench.table.live());
    assert_eq!(bench.up(1, ACK, b"abc").len(), 1);
    bench.later(Duration::from_secs(3600));
    bench.later(Duration::from_secs(3600));
    assert_eq!((bench.table.live(), bench.whys().len()), (0, 1000));
}

proptest! {
    #[test]
    fn passing_changes_nothing_and_the_prefix_is_the_stream(
        bytes in proptest::collection::vec(any::<u8>(), 1..600),
        pieces in proptest::collection::vec((any::<u16>(), 1_usize..120), 0..60),
        size in 1_usize..90,
    ) {
        let mut bench = Bench::new(|_, _| OnBytes::More);
        bench.shake();
        let whole = (0..bytes.len()).step_by(size).map(|from| (from, (from + size).min(bytes.len())));
        let some = pieces.iter().map(|(at, length)| {
            let from = usize::from(*at) % bytes.len();
            (from, (from + length).min(bytes.len()))
        });
        for (from, to) in some.chain(whole) {
            let out = bench.up(1 + from as u32, ACK, &bytes[from..to]);
            prop_assert_eq!(out.len(), 1);
            prop_assert_eq!(&out[0].2[..], &bytes[from..to]);
        }
        let asked = bench.asked();
        prop_assert!(asked.windows(2).all(|pair| pair[0].0.len() < pair[1].0.len() && pair[1].0.starts_with(&pair[0].0)));
        prop_assert_eq!(&asked.last().unwrap().0, &bytes);
    }

    #[test]
    fn no_sequence_of_packets_makes_it_panic(
        packets in proptest::collection::vec((any::<bool>(), any::<u8>(), 0_u32..40, 0_usize..30, 0_u64..4000), 0..80),
        answer in 0_u8..9,
    ) {
        let act = [
            Act::Pass, Act::TakeOver, Act::Close, Act::Drop { residual: None }, Act::DropAfter { packets: 3 },
            Act::Stall { after_bytes_down: 9 }, Act::Cut { after_bytes_down: 9 }, Act::Reset { to_client: true, to_server: false },
            Act::Throttle(Throttle {
                up_bps: Some(800), down_bps: Some(800), beyond: super::Beyond::Shape, delay: Duration::from_millis(100),
            }),
        ][usize::from(answer)].clone();
        let mut bench = Bench::new(move |stream, _| if stream.len() > 20 { OnBytes::Do(act.clone()) } else { OnBytes::More });
        for (up, flags, offset, length, wait) in packets {
            let payload = vec![7; length];
            let seq = if up { bench.isn.wrapping_add(offset) } else { SERVER_ISN + offset };
            let (src, dst) = if up { (bench.client, bench.server) } else { (bench.server, bench.client) };
            let of = Segment { seq, ack: SERVER_ISN, flags, payload: &payload, window: 1, time: None, src, dst };
            let mut out = Vec::new();
            bench.table.frame(bench.now, &mut segment(&of), &mut out);
            bench.now += Duration::from_millis(wait);
            bench.table.tick(bench.now, &mut out);
            bench.table.deliver();
            for (_, frame) in out {
                prop_assert!(matches!(parse(&frame, [0; 6]), Parsed::Tcp(_)));
            }
        }
        let mut out = Vec::new();
        bench.table.shutdown(bench.now, &mut out);
        prop_assert_eq!(bench.table.live(), 0);
        let log = bench.log.lock().unwrap();
        prop_assert_eq!(log.opened.len(), log.ended.len());
    }
}
