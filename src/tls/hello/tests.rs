//! Hellos cut, broken and odd; and that no bytes at all make the reader panic.

use proptest::prelude::*;

use super::build::{Build, message};
use super::*;

fn usual() -> Build {
    Build::new()
        .ciphers(&[0x1a1a, 0x1301, 0xc02f])
        .sni("www.example.test")
        .alpn(&[b"h2", b"http/1.1"])
        .versions(&[0x0304, 0x0303])
}

fn hello(stream: &[u8]) -> ClientHello {
    match read(stream) {
        Outcome::Hello(hello, consumed) if consumed == stream.len() => *hello,
        other => panic!("{other:?}"),
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &u16::try_from(content.len()).expect("short").to_be_bytes(), content].concat()
}

#[test]
fn fields_are_read_as_sent() {
    let build = usual().groups(&[0x11ec, 0x001d]).formats(&[0]).signature_algorithms(&[0x0403]).extension(0xfe0d, &[0; 8]);
    let hello = hello(&build.extension(41, &[]).extension(42, &[]).extension(51, &[0, 6, 0x11, 0xec, 0, 2, 1, 2]).stream());
    assert_eq!(hello.sni(), Some("www.example.test"));
    assert_eq!(hello.alpn(), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(hello.ciphers(), [0x1a1a, 0x1301, 0xc02f]);
    assert_eq!(hello.supported_versions(), [0x0304, 0x0303]);
    assert_eq!((hello.record_version(), hello.legacy_version(), hello.records()), (0x0301, 0x0303, 1));
    assert_eq!((hello.groups(), hello.key_shares()), (&[0x11ec, 0x001d][..], &[0x11ec][..]));
    assert_eq!((hello.ec_formats(), hello.signature_algorithms()), (&[0][..], &[0x0403][..]));
    assert_eq!((hello.random(), hello.session_id(), hello.compression()), (&[0x5a; 32][..], &[7; 32][..], &[0][..]));
    assert!(hello.ech() && hello.psk() && hello.early_data() && hello.unreadable().is_empty());
    let kinds: Vec<u16> = hello.extensions().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [0, 16, 43, 10, 11, 13, 0xfe0d, 41, 42, 51]);
}

#[test]
fn every_cutting_into_records_gives_the_same_message() {
    let build = usual();
    for most in 1..=build.message().len() {
        let hello = hello(&build.records(most));
        assert_eq!(hello.raw(), build.message());
        assert_eq!(hello.records() as usize, build.message().len().div_ceil(most));
    }
}

#[test]
fn every_prefix_is_incomplete_and_asks_for_no_more_than_there_will_be() {
    for stream in [usual().stream(), usual().records(1), usual().records(40), big(65_000).stream()] {
        for end in 0..stream.len() {
            match read(&stream[..end]) {
                Outcome::Incomplete { need_at_least } => assert!(need_at_least > end && need_at_least <= stream.len()),
                other => panic!("{other:?} after {end} bytes"),
            }
        }
    }
}

fn big(length: usize) -> Build {
    usual().extension(0x5555, &vec![1; length])
}

#[test]
fn what_follows_the_hello_is_not_touched() {
    let mut stream = usual().stream();
    let length = stream.len();
    stream.extend(record(0x17, b"early data"));
    assert!(matches!(read(&stream), Outcome::Hello(_, consumed) if consumed == length));
}

#[test]
fn a_hello_of_64_kib_is_read_and_a_longer_one_is_not() {
    assert_eq!(hello(&big(65_000).stream()).records(), 4);
    let claims_too_much = record(0x16, &[1, 1, 0, 0]);
    assert_eq!(read(&claims_too_much), Outcome::TooLarge);
    let wasteful: Vec<u8> = big(65_000).records(1);
    assert_eq!(read(&wasteful), Outcome::TooLarge);
}

#[test]
fn no_name_several_names_and_odd_names() {
    assert_eq!(hello(&Build::new().ciphers(&[1]).stream()).sni(), None);
    let two = hello(&Build::new().names(&[b"first.test", b"second.test"]).stream());
    assert_eq!((two.sni(), two.names().len()), (Some("first.test"), 2));
    let odd = |name: &[u8]| {
        let hello = Build::new().names(&[name]).hello();
        let name = hello.names()[0].clone();
        (name.normal().to_owned(), name.oddity(), name.raw().to_vec())
    };
    assert_eq!(odd(b"WWW.Example.TEST."), ("www.example.test".into(), Some(Oddity::FinalDot), b"WWW.Example.TEST.".to_vec()));
    assert_eq!(odd(b"a\0b").1, Some(Oddity::Nul));
    assert_eq!(odd(b"").1, Some(Oddity::Empty));
    assert_eq!(odd(b"a b").1, Some(Oddity::Unprintable));
    assert_eq!(odd(&[0xff, b'a']), ("\u{fffd}a".into(), Some(Oddity::Unprintable), vec![0xff, b'a']));
    assert_eq!(odd(b"192.0.2.1").1, Some(Oddity::Address([192, 0, 2, 1].into())));
    assert_eq!(odd(b"[::1]").1, Some(Oddity::Address("::1".parse().expect("an address"))));
    assert_eq!(odd(b"under_score.test").1, None);
}

#[test]
fn extensions_with_a_broken_body_are_kept_and_named() {
    let hello = hello(&Build::new().extension(0, &[]).extension(16, &[0, 9, 1]).extension(0x1234, &[9]).sni("b.test").stream());
    assert_eq!(hello.unreadable(), [0, 16]);
    assert_eq!((hello.sni(), hello.extension(0x1234)), (Some("b.test"), Some(&[9][..])));
}

#[test]
fn what_is_no_hello_says_why() {
    let malformed = |stream: &[u8]| match read(stream) {
        Outcome::Malformed(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(malformed(&[0x80, 0x2e, 0x01, 0x00, 0x02, 0, 21]), Malformed::SslV2);
    assert_eq!(malformed(&[0x80, 0x2e, 0x01, 0x03, 0x01, 0, 21]), Malformed::SslV2);
    assert_eq!(malformed(&record(0x16, &[])), Malformed::EmptyRecord);
    assert_eq!(malformed(&[0x16, 3, 1, 0x40, 0x01]), Malformed::LongRecord(16385));
    assert_eq!(malformed(&record(0x16, &message(2, &[0; 40]))), Malformed::OtherMessage(2));
    assert_eq!(malformed(&record(0x16, &message(1, &[3, 3, 0]))), Malformed::Short("random"));
    let half = usual().message();
    assert_eq!(malformed(&[record(0x16, &half[..50]), record(0x15, &[2, 80])].concat()), Malformed::Interleaved(0x15));
    assert_eq!(malformed(&record(0x16, &[half, vec![0; 4]].concat())), Malformed::Trailing(4));
    for text in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x", &[0x16, 0x02], &[0x15, 3, 1, 0, 2], &[0x80, 0, 2], &[0xff; 9]] {
        assert_eq!(read(text), Outcome::NotTls, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
        let _ = read_message(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0usize..200, byte: u8, end in 0usize..400) {
        let mut stream = usual().grease(0x2a2a).records(70);
        let length = stream.len();
        stream[at % length] = byte;
        let _ = read(&stream[..end.min(length)]);
    }

    #[test]
    fn an_answer_never_changes_when_more_bytes_come(at in 0usize..200, byte: u8) {
        let mut stream = usual().records(70);
        let length = stream.len();
        stream[at % length] = byte;
        let mut answer: Option<Outcome> = None;
        for end in 0..=length {
            let now = read(&stream[..end]);
            match &answer {
                Some(before) => prop_assert_eq!(before, &now),
                None if matches!(now, Outcome::Incomplete { .. }) => {}
                None => answer = Some(now),
            }
        }
    }
}
