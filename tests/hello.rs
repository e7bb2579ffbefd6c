//! Hellos of real clients (tests/data/README.md): each parses whole, in every prefix and in every cutting, says the name
//! that the client was given, and has the fingerprints that the snapshot holds.

use std::fs;
use std::path::PathBuf;

use mitmlab::middlebox::sniff::{Seen, Sniffed, sniff};
use mitmlab::scenario::{First, Transport};
use mitmlab::tls::fingerprint;
use mitmlab::tls::hello::{ClientHello, Outcome, read, read_message};

/// Every captured hello: the client's name and version, and the bytes that it sent.
fn captured() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("hello-")?.strip_suffix(".bin")?.to_owned();
            Some((name, fs::read(&path).expect("its bytes")))
        })
        .collect();
    found.sort();
    assert!(found.len() >= 15, "the captured hellos are in tests/data");
    found
}

fn parse(client: &str, stream: &[u8]) -> ClientHello {
    match read(stream) {
        Outcome::Hello(hello, consumed) if consumed == stream.len() => *hello,
        other => panic!("{client}: {other:?}"),
    }
}

#[test]
fn every_client_is_read_and_says_its_name() {
    for (client, stream) in captured() {
        let hello = parse(&client, &stream);
        let expected = (!client.ends_with("no-sni")).then_some("www.example.test");
        assert_eq!(hello.sni(), expected, "{client}");
        assert!(hello.unreadable().is_empty(), "{client}: {:?}", hello.unreadable());
        assert!(hello.names().iter().all(|name| name.oddity().is_none()), "{client}");
        assert_eq!((hello.records(), hello.random().len()), (1, 32), "{client}");
    }
}

#[test]
fn fingerprints_stay_as_they_are() {
    let mut lines = String::new();
    for (client, stream) in captured() {
        let record = parse(&client, &stream).to_record(Transport::Tcp, 1);
        lines += &format!("{client}\n  ja4 {}\n  ja3 {}\n", record.ja4, record.ja3);
        lines += &format!("  alpn {:?} ech {} versions {:04x?}\n", record.alpn, record.ech, record.versions);
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn every_prefix_wants_more_but_never_more_than_there_is() {
    for (client, stream) in captured() {
        for end in 0..stream.len() {
            match sniff(&stream[..end], First::Stream) {
                Sniffed::More(need) => assert!(need > end && need <= stream.len(), "{client} {end}"),
                Sniffed::Seen(seen) => panic!("{client} {end}: {seen:?}"),
            }
        }
        assert!(matches!(sniff(&stream, First::Stream), Sniffed::Seen(Seen::Hello(_))), "{client}");
    }
}

#[test]
fn the_same_hello_in_records_of_any_size() {
    for (client, stream) in captured() {
        let whole = parse(&client, &stream);
        for most in [1, 2, 3, 5, 64, 100, 1000] {
            let cut: Vec<u8> = whole.raw().chunks(most).flat_map(|piece| [&record(piece.len())[..], piece].concat()).collect();
            let hello = parse(&client, &cut);
            assert_eq!(hello.raw(), whole.raw(), "{client}");
            assert_eq!(hello.records() as usize, whole.raw().len().div_ceil(most), "{client}");
            assert_eq!(fingerprint::ja3(&hello), fingerprint::ja3(&whole), "{client}");
        }
        assert_eq!(read_message(whole.raw()).map(|h| h.raw().to_vec()), Ok(whole.raw().to_vec()), "{client}");
    }
}

/// A record's header (RFC 8446 section 5.1).
fn record(length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(length).expect("short").to_be_bytes();
    [0x16, 3, 1, high, low]
}

#[test]
fn a_post_quantum_hello_is_longer_than_a_segment() {
    let (client, stream) = captured().into_iter().find(|(client, _)| client.starts_with("chromium")).expect("chromium's hello");
    let hello = parse(&client, &stream);
    assert!(stream.len() > 1460 && hello.key_shares().contains(&0x11ec), "X25519MLKEM768 is offered");
    assert!(hello.ech() && hello.ciphers().iter().any(|&c| fingerprint::is_grease(c)));
}

#[test]
fn one_wrong_byte_never_makes_it_panic() {
    for (_, stream) in captured() {
        for at in 0..stream.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = stream.clone();
                damaged[at] ^= flip;
                if let Outcome::Hello(hello, _) = read(&damaged) {
                    let _ = hello.to_record(Transport::Tcp, 1);
                }
            }
        }
    }
}
