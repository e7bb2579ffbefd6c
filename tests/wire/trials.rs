//! The trials. Each dials an address of its own, for which it has written down what the box does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mitmlab::network::wire::{Act, Beyond, CloseFlag, OnDatagram, OnOpen, Residual, Scope, Side, Then, Throttle, Why};

use super::stage::{PATIENCE, Rule, Stage, at_client, with_options_off};

/// A name and what it runs.
pub(crate) type Named = (&'static str, fn(&Stage));

pub(crate) const ALL: &[Named] = &[
    ("takeover_v4", takeover_v4),
    ("takeover_v6", takeover_v6),
    ("takeover_of_one_byte_segments", takeover_of_one_byte_segments),
    ("takeover_when_the_server_spoke_first", takeover_when_the_server_spoke_first),
    ("takeover_later", takeover_later),
    ("takeover_carries_megabytes", takeover_carries_megabytes),
    ("bystander_tls_passes", bystander_tls_passes),
    ("bystander_bulk_is_identical", bystander_bulk_is_identical),
    ("the_box_is_one_hop", the_box_is_one_hop),
    ("reset_both", reset_both),
    ("reset_client_only", reset_client_only),
    ("close", close),
    ("alert", alert),
    ("page", page),
    ("injected_beside_the_path", injected_beside_the_path),
    ("drop_and_residual", drop_and_residual),
    ("drop_after", drop_after),
    ("refuse_and_unreachable", refuse_and_unreachable),
    ("hold_then_pass", hold_then_pass),
    ("hold_overdue_passes", hold_overdue_passes),
    ("client_resets_while_held", client_resets_while_held),
    ("throttle_shapes", throttle_shapes),
    ("throttle_polices", throttle_polices),
    ("throttle_delays", throttle_delays),
    ("stall_and_cut", stall_and_cut),
    ("own_flow_reaches_the_box", own_flow_reaches_the_box),
    ("datagrams", datagrams),
    ("two_hundred_at_once", two_hundred_at_once),
];

fn takeover_v4(stage: &Stage) {
    let to = stage.rule("157.240.1.2", Rule::Then(Act::TakeOver));
    let said = stage.curl(to, "www.facebook.com", &[]);
    assert!(said.contains("from the box"), "{said}");
    assert!(said.contains("rcgen self signed"), "{said}");
}

fn takeover_v6(stage: &Stage) {
    let to = stage.rule("2a03:2880::2", Rule::Then(Act::TakeOver));
    let said = stage.curl(to, "www.facebook.com", &["-6"]);
    assert!(said.contains("from the box"), "{said}");
}

fn takeover_of_one_byte_segments(stage: &Stage) {
    let to = stage.rule("157.240.2.5", Rule::Then(Act::TakeOver));
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    for byte in b"a line in one-byte segments\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_to_end(&mut stream), "the box got a line in one-byte segments\n");
    let segments = stage.wait("segments", |log| log.segments.get(&client).copied());
    assert!(segments >= 10, "{segments}");
    let (_, end) = stage.at_origin(client);
    assert_eq!(end, "ConnectionReset");
}

fn takeover_when_the_server_spoke_first(stage: &Stage) {
    let to = stage.rule("157.240.3.3", Rule::Then(Act::TakeOver));
    let mut stream = stage.dial(to);
    let mut greeting = [0; 11];
    stream.read_exact(&mut greeting).unwrap();
    stream.write_all(b"EHLO\r\n").unwrap();
    assert_eq!(read_to_end(&mut stream), "the box got EHLO\r\n");
    let to = stage.rule("157.240.4.3", Rule::Spoke(Act::Reset { to_client: true, to_server: true }));
    let mut stream = stage.dial(to);
    assert_eq!(stream.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

fn takeover_later(stage: &Stage) {
    let to = stage.rule("157.240.5.1", Rule::Hold);
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    echo_once(&mut stream, stage, client);
    let id = held(stage, client);
    stage.commander.act_on(id, Act::Alert(49));
    let mut alert = Vec::new();
    stream.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 49]);
}

/// Whatever the client's kernel negotiated: all options, no timestamps, no window scale, nothing.
fn takeover_carries_megabytes(stage: &Stage) {
    for (index, off) in
        [&[][..], &["tcp_timestamps"], &["tcp_window_scaling"], &["tcp_timestamps", "tcp_window_scaling", "tcp_sack"]]
            .into_iter()
            .enumerate()
    {
        for address in [format!("157.240.30.{}", 10 + index), format!("2a03:2880::30:1{index}")] {
            let to = stage.rule(&address, Rule::Then(Act::TakeOver));
            let mut stream = with_options_off(off, || stage.dial(to));
            let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            stream.write_all(b"echo\n").unwrap();
            let mut writer = stream.try_clone().unwrap();
            let copy = sent.clone();
            let thread = std::thread::spawn(move || {
                writer.write_all(&copy).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let begun = Instant::now();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            thread.join().unwrap();
            assert!(got == sent, "{} bytes back, without {off:?}", got.len());
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?} without {off:?}", begun.elapsed());
        }
    }
}

fn bystander_tls_passes(stage: &Stage) {
    for (address, more) in [("93.184.1.2", &[][..]), ("2606:2800::2", &["-6"][..])] {
        let said = stage.curl(SocketAddr::new(address.parse().unwrap(), 443), "www.kernel.org", more);
        assert!(said.contains("from the origin"), "{said}");
        let client =
            stage.wait("flow", |log| log.ended.iter().find(|(f, _)| f.server.ip().to_string() == address).map(|(f, _)| f.client));
        let end = stage.end_of(client);
        assert!(end.app_records_up >= 1 && end.app_records_down >= 1, "{end:?}");
        assert!(matches!(end.why, Why::Closed | Why::Reset), "{end:?}");
    }
}

fn bystander_bulk_is_identical(stage: &Stage) {
    for address in ["93.184.2.1", "2606:2800::1:1"] {
        let to = SocketAddr::new(address.parse().unwrap(), 443);
        let mut stream = stage.dial(to);
        let client = stream.local_addr().unwrap();
        let sent: Vec<u8> = (0..8_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let copy = sent.clone();
        let thread = std::thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        thread.join().unwrap();
        assert!(got == sent, "{} bytes differ", got.len());
        let end = stage.end_of(client);
        assert_eq!((end.bytes_up, end.bytes_down, end.why), (8_000_000, 8_000_000, Why::Closed));
        assert_eq!(end.closes, [(Side::Client, CloseFlag::Fin), (Side::Server, CloseFlag::Fin)]);
    }
}

fn the_box_is_one_hop(stage: &Stage) {
    for (hops, reaches) in [(1, false), (2, true)] {
        let to: SocketAddr = "93.184.3.1:443".parse().unwrap();
        let mut stream = stage.dial(to);
        let client = stream.local_addr().unwrap();
        socket2::SockRef::from(&stream).set_ttl_v4(hops).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
        stream.write_all(b"hello\n").unwrap();
        assert_eq!(stream.read(&mut [0; 9]).is_ok(), reaches, "with {hops} hops");
        let seen = stage.wait("flow", |log| log.origin.get(&client).map(|(bytes, _)| bytes.len()));
        assert_eq!(seen == 6, reaches);
    }
}

fn reset_both(stage: &Stage) {
    for address in ["157.240.6.1", "2a03:2880::6:1"] {
        let to = stage.rule(address, Rule::Then(Act::Reset { to_client: true, to_server: true }));
        let mut stream = stage.dial(to);
        let client = stream.local_addr().unwrap();
        stream.write_all(b"hello\n").unwrap();
        assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(stage.at_origin(client), (Vec::new(), "ConnectionReset".to_owned()));
        assert_eq!(stage.end_of(client).why, Why::Box);
    }
}

fn reset_client_only(stage: &Stage) {
    let to = stage.rule("157.240.7.1", Rule::Then(Act::Reset { to_client: true, to_server: false }));
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    stage.end_of(client);
    assert_eq!(stage.wait("origin", |log| log.origin.get(&client).cloned()), (Vec::new(), None));
}

fn close(stage: &Stage) {
    let to = stage.rule("157.240.8.1", Rule::Then(Act::Close));
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(read_to_end(&mut stream), "");
    assert_eq!(stage.at_origin(client), (Vec::new(), "ConnectionReset".to_owned()));
    drop(stream);
    assert_eq!(stage.end_of(client).closes, [(Side::Client, CloseFlag::Fin)]);
}

fn alert(stage: &Stage) {
    let to = stage.rule("157.240.9.2", Rule::Then(Act::Alert(112)));
    let said = stage.curl(to, "www.facebook.com", &[]);
    assert!(said.contains("unrecognized name"), "{said}");
}

fn page(stage: &Stage) {
    for (address, size) in [("157.240.10.1", 900), ("157.240.11.1", 400_000), ("2a03:2880::10:1", 900)] {
        let page = "blocked ".repeat(size / 8);
        let to = stage.rule(address, Rule::Then(Act::Inject { to_client: page.clone().into_bytes(), then: Then::Close }));
        let mut stream = stage.dial(to);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(read_to_end(&mut stream) == page);
    }
}

fn injected_beside_the_path(stage: &Stage) {
    let to = stage.rule("157.240.12.1", Rule::Then(Act::Inject { to_client: b"lie!\n".to_vec(), then: Then::Pass }));
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.write_all(b"truth is long\n").unwrap();
    let mut got = [0; 14];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"lie!\n is long\n");
    drop(stream);
    assert_eq!(stage.at_origin(client).0, b"truth is long\n");
}

fn drop_and_residual(stage: &Stage) {
    let residual = Residual { duration: Duration::from_secs(60), scope: Scope::ThreeTuple };
    let to = stage.rule("157.240.13.1", Rule::Then(Act::Drop { residual: Some(residual) }));
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(stage.wait("origin", |log| log.origin.get(&client).cloned()), (Vec::new(), None));
    let again = stage.try_dial(to).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::TimedOut);
    stage.wait("residual", |log| log.residual.pop());
    stage.try_dial("157.240.13.100:443".parse().unwrap()).unwrap();
}

fn drop_after(stage: &Stage) {
    let to = stage.rule("157.240.14.4", Rule::Then(Act::DropAfter { packets: 4 }));
    let mut stream = stage.dial(to);
    stream.write_all(b"hello\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut got = 0;
    let error = loop {
        match stream.read(&mut [0; 65_536]) {
            Ok(n) => got += n,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(got < 1_000_000, "{got}");
}

fn refuse_and_unreachable(stage: &Stage) {
    for (address, answer, kind) in [
        ("157.240.15.1", OnOpen::Refuse, ErrorKind::ConnectionRefused),
        ("2a03:2880::15:1", OnOpen::Refuse, ErrorKind::ConnectionRefused),
        ("157.240.16.1", OnOpen::Unreachable, ErrorKind::HostUnreachable),
        ("2a03:2880::16:1", OnOpen::Unreachable, ErrorKind::HostUnreachable),
        ("157.240.17.1", OnOpen::Drop, ErrorKind::TimedOut),
    ] {
        let to = stage.rule(address, Rule::Open(answer));
        assert_eq!(stage.try_dial(to).unwrap_err().kind(), kind, "{address}");
    }
}

fn hold_then_pass(stage: &Stage) {
    let to = stage.rule("157.240.18.1", Rule::Hold);
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.write_all(b"hello\n").unwrap();
    let id = held(stage, client);
    stream.write_all(b"more\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stage.commander.resolve(id, Act::Pass);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = [0; 11];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello\nmore\n");
}

fn hold_overdue_passes(stage: &Stage) {
    let to = stage.rule("157.240.19.1", Rule::Hold);
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    let begun = Instant::now();
    stream.write_all(b"hello\n").unwrap();
    let mut got = [0; 6];
    stream.read_exact(&mut got).unwrap();
    assert!(begun.elapsed() >= stage.options.hold_deadline);
    stage.wait("overdue", |log| log.overdue.contains(&client).then_some(()));
}

fn client_resets_while_held(stage: &Stage) {
    let to = stage.rule("157.240.20.1", Rule::Hold);
    let mut stream = stage.dial(to);
    let client = stream.local_addr().unwrap();
    stream.write_all(b"hello\n").unwrap();
    let id = held(stage, client);
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    assert_eq!(stage.at_origin(client), (Vec::new(), "ConnectionReset".to_owned()));
    assert_eq!(stage.end_of(client).why, Why::Reset);
    stage.commander.resolve(id, Act::TakeOver);
}

fn throttle_shapes(stage: &Stage) {
    let got = throttled(stage, "157.240.21.4", Beyond::Shape);
    assert!((40_000..=200_000).contains(&got), "{got}");
}

fn throttle_polices(stage: &Stage) {
    let got = throttled(stage, "157.240.22.4", Beyond::Police);
    assert!((4_000..=200_000).contains(&got), "{got}");
}

/// Bytes within two seconds at 400 kbit/s.
fn throttled(stage: &Stage, address: &str, beyond: Beyond) -> usize {
    let throttle = Throttle { up_bps: None, down_bps: Some(400_000), beyond, delay: Duration::ZERO };
    let to = stage.rule(address, Rule::Then(Act::Throttle(throttle)));
    let mut stream = stage.dial(to);
    stream.write_all(b"hello\n").unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    let mut got = 0;
    while let left = until.saturating_duration_since(Instant::now())
        && !left.is_zero()
    {
        stream.set_read_timeout(Some(left)).unwrap();
        got += stream.read(&mut [0; 65_536]).unwrap_or(0);
    }
    got
}

fn throttle_delays(stage: &Stage) {
    let delay = Duration::from_millis(800);
    let throttle = Throttle { up_bps: None, down_bps: None, beyond: Beyond::Police, delay };
    let to = stage.rule("157.240.23.1", Rule::Then(Act::Throttle(throttle)));
    let mut stream = stage.dial(to);
    let begun = Instant::now();
    stream.write_all(b"hello\n").unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    assert!((delay..Duration::from_secs(2)).contains(&begun.elapsed()));
}

fn stall_and_cut(stage: &Stage) {
    let to = stage.rule("157.240.24.4", Rule::Then(Act::Cut { after_bytes_down: 100_001 }));
    let mut stream = stage.dial(to);
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(read_to_end(&mut stream).len(), 100_001);
    let to = stage.rule("157.240.25.4", Rule::Then(Act::Stall { after_bytes_down: 100_001 }));
    let mut stream = stage.dial(to);
    stream.write_all(b"hello\n").unwrap();
    stream.read_exact(&mut vec![0; 100_001]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn own_flow_reaches_the_box(stage: &Stage) {
    for (local, remote) in [("10.0.0.2:2000", "157.240.26.1:443"), ("[fd00::2]:2000", "[2a03:2880::26:1]:443")] {
        let (local, remote): (SocketAddr, SocketAddr) = (local.parse().unwrap(), remote.parse().unwrap());
        let socket = socket2::Socket::new(socket2::Domain::for_address(local), socket2::Type::STREAM, None).unwrap();
        if local.is_ipv4() { socket.set_ip_transparent_v4(true) } else { socket.set_ip_transparent_v6(true) }.unwrap();
        socket.bind(&local.into()).unwrap();
        stage.commander.own_flow(local, remote);
        socket.connect_timeout(&remote.into(), PATIENCE).unwrap();
        let mut stream: std::net::TcpStream = socket.into();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"from the box\n").unwrap();
        let mut got = [0; 13];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"from the box\n");
        drop(stream);
        assert_eq!(stage.at_origin(local).0, b"from the box\n");
    }
}

fn datagrams(stage: &Stage) {
    let ask = |to: &str| {
        let to: SocketAddr = to.parse().unwrap();
        at_client(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect(to).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
            socket.send(b"ask").unwrap();
            let mut answer = [0; 100];
            socket.recv(&mut answer).map(|got| String::from_utf8_lossy(&answer[..got]).into_owned()).ok()
        })
    };
    assert_eq!(ask("10.0.1.2:443").as_deref(), Some("origin: ask"));
    stage.rule("157.240.27.1", Rule::Datagram(OnDatagram::Reply(b"forged".to_vec())));
    assert_eq!(ask("157.240.27.1:443").as_deref(), Some("forged"));
    stage.rule("157.240.27.2", Rule::Datagram(OnDatagram::DropFlow));
    assert_eq!(ask("157.240.27.2:443"), None);
}

fn two_hundred_at_once(stage: &Stage) {
    let taken = stage.rule("157.240.28.1", Rule::Then(Act::TakeOver));
    let passed: SocketAddr = "157.240.29.1:443".parse().unwrap();
    let mut streams: Vec<_> = (0..200).map(|i| (i, stage.dial(if i % 2 == 0 { taken } else { passed }))).collect();
    let mut clients = Vec::new();
    for (i, stream) in &mut streams {
        writeln!(stream, "number {i}").unwrap();
        clients.push(stream.local_addr().unwrap());
    }
    for (i, mut stream) in streams {
        let mut got = String::new();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_string(&mut got).unwrap();
        let by = if i % 2 == 0 { "the box got " } else { "" };
        assert_eq!(got, format!("{by}number {i}\n"));
    }
    for client in clients {
        stage.end_of(client);
    }
}

fn held(stage: &Stage, client: SocketAddr) -> mitmlab::network::wire::FlowId {
    stage.wait("hold", |log| log.held.iter().find(|(held, _)| *held == client).map(|(_, id)| *id))
}

fn echo_once(stream: &mut std::net::TcpStream, stage: &Stage, client: SocketAddr) {
    stream.write_all(b"hello\n").unwrap();
    stage.commander.resolve(held(stage, client), Act::Pass);
    stream.read_exact(&mut [0; 6]).unwrap();
}

fn read_to_end(stream: &mut std::net::TcpStream) -> String {
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    String::from_utf8_lossy(&got).into_owned()
}
