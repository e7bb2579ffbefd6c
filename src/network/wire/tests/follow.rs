//! Flows that are followed: in order, in place, and taken over on both sides.

use super::*;

/// A flow whose server greets and that is followed from there; `X` takes the place of `S`, and these words end it.
fn following() -> Bench {
    let mut bench = Bench::new(|_, _| OnBytes::Do(Act::Pass));
    bench.answer_greeting(OnBytes::Do(Act::Follow), |_: Side, bytes: &[u8]| match bytes {
        b"before" => Said::TakeBefore,
        b"after" => Said::TakeAfter(None),
        b"enough" => Said::Enough(None),
        _ if bytes.contains(&b'S') => Said::Replace(bytes.iter().map(|b| if *b == b'S' { b'X' } else { *b }).collect()),
        _ => Said::Pass,
    });
    bench.shake();
    bench
}

fn payloads(out: &[(Port, Tcp, Vec<u8>)]) -> Vec<&[u8]> {
    out.iter().map(|(_, _, bytes)| bytes.as_slice()).collect()
}

#[test]
fn what_was_overwritten_is_overwritten_again() {
    let mut bench = following();
    assert_eq!(payloads(&bench.down(1, ACK, 1, b"220 S")), [b"220 X"]);
    assert_eq!(payloads(&bench.up(1, ACK, b"abcS")), [b"abcX"]);
    assert_eq!(payloads(&bench.down(1, ACK, 5, b"220 S")), [b"220 X"], "retransmitted");
    assert!(bench.down(9, ACK, 5, b"ahead").is_empty(), "out of its turn");
    assert_eq!(payloads(&bench.down(4, ACK, 5, b" SnewS")), [b" XnewX"], "half of it was shown before");
    assert_eq!(payloads(&bench.up(3, ACK, b"cS")), [b"cX"]);
    bench.up(5, ACK, b"enough");
    assert_eq!(payloads(&bench.up(11, ACK, b"S")), [b"S"], "nobody looks any more");
}

#[test]
fn both_halves_are_continued_where_they_were() {
    let mut bench = following();
    bench.down(1, ACK, 1, b"220 hi");
    bench.up(1, ACK, b"hello");
    let out = bench.down(7, ACK, 6, b"before");
    let repairs = bench.log.lock().unwrap().repairs.clone();
    let (to_client, to_origin) = (&repairs[0], &repairs[1]);
    assert_eq!((to_client.send, to_client.receive), (SERVER_ISN + 7, bench.isn.wrapping_add(6)));
    assert_eq!((to_origin.send, to_origin.receive), (bench.isn.wrapping_add(6), SERVER_ISN + 7));
    assert_eq!((to_origin.server, to_origin.client), (bench.client.address(), bench.server.address()));
    let (port, _, bytes) = out.last().expect("the segment itself");
    assert_eq!((*port, bytes.as_slice()), (Port::Hijack, &b"before"[..]));
    assert_eq!(bench.log.lock().unwrap().both, 1);
    assert_eq!(bench.up(6, ACK, b"more")[0].0, Port::Hijack);
    assert_eq!(bench.down(13, ACK, 6, b"more")[0].0, Port::Hijack);
}

#[test]
fn consent_reaches_the_client_before_the_takeover() {
    let mut bench = following();
    let out = bench.down(1, ACK, 1, b"after");
    assert_eq!((out[0].0, out[0].2.as_slice()), (Port::Divert, &b"after"[..]));
    let repairs = bench.log.lock().unwrap().repairs.clone();
    assert_eq!((repairs[0].send, repairs[1].receive), (SERVER_ISN + 6, SERVER_ISN + 6));
    assert_eq!(bench.down(1, ACK, 1, b"after")[0].0, Port::Hijack, "the socket tells the origin that it has this");
}

proptest! {
    #[test]
    fn the_client_gets_every_byte_once_however_it_is_cut(cuts in proptest::collection::vec((0_usize..60, 1_usize..20), 1..60)) {
        let stream: Vec<u8> = (0..60).map(|n| if n % 7 == 0 { b'S' } else { b'a' + n % 26 }).collect();
        let mut bench = following();
        let mut got = vec![None; stream.len()];
        let in_order = (0..60).step_by(9).map(|from| (from, 9));
        for (from, length) in cuts.into_iter().chain(in_order) {
            let to = (from + length).min(stream.len());
            for (_, tcp, bytes) in bench.down(1 + from as u32, ACK, 1, &stream[from..to]) {
                let at = tcp.data_seq().wrapping_sub(SERVER_ISN + 1) as usize;
                for (offset, byte) in bytes.into_iter().enumerate() {
                    prop_assert!(got[at + offset].is_none_or(|before| before == byte));
                    got[at + offset] = Some(byte);
                }
            }
        }
        let expected: Vec<_> = stream.iter().map(|b| Some(if *b == b'S' { b'X' } else { *b })).collect();
        prop_assert_eq!(got, expected);
    }
}
