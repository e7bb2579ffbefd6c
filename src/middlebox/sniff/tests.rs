//! First bytes of every kind, in whole and in every prefix.

use proptest::prelude::*;

use super::*;
use crate::tls::hello::build::Build;

fn seen(bytes: &[u8]) -> Seen {
    match sniff(bytes, First::Stream) {
        Sniffed::Seen(seen) => seen,
        Sniffed::More(need) => panic!("wants {need} bytes of {:?}", String::from_utf8_lossy(bytes)),
    }
}

fn protocol(bytes: &[u8]) -> Protocol {
    match seen(bytes) {
        Seen::Plain { protocol } => protocol,
        other => panic!("{other:?}"),
    }
}

fn head(text: &str) -> HttpHead {
    seen(text.as_bytes()).http().cloned().expect("an HTTP head")
}

#[test]
fn protocols_are_told_by_their_first_words() {
    assert_eq!(protocol(b"EHLO client.test\r\n"), Protocol::Smtp);
    assert_eq!(protocol(b"a001 CAPABILITY\r\n"), Protocol::Imap);
    assert_eq!(protocol(b". starttls\r\n"), Protocol::Imap);
    assert_eq!(protocol(b"CAPA\r\n"), Protocol::Pop3);
    assert_eq!(protocol(b"<?xml version='1.0'?>"), Protocol::Xmpp);
    assert_eq!(protocol(b"<stream:stream to='a.test'>"), Protocol::Xmpp);
    assert_eq!(protocol(b"SSH-2.0-OpenSSH_9.9\r\n"), Protocol::Ssh);
    assert_eq!(protocol(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Protocol::Http2);
    assert_eq!(protocol(b"\x00\x01"), Protocol::Unknown);
    assert_eq!(protocol(b"hello there\r\n"), Protocol::Unknown);
    assert_eq!(protocol(b"GET / HTTP/3.7\r\n"), Protocol::Unknown);
}

#[test]
fn a_server_that_speaks_first_is_known_by_its_greeting() {
    assert_eq!(greeting(b"220 mail.test ESMTP\r\n"), Protocol::Smtp);
    assert_eq!(greeting(b"* OK [CAPABILITY IMAP4rev1]\r\n"), Protocol::Imap);
    assert_eq!(greeting(b"+OK ready\r\n"), Protocol::Pop3);
    assert_eq!(greeting(b"SSH-2.0-x\r\n"), Protocol::Ssh);
    assert_eq!(greeting(b"* what\r\n"), Protocol::Unknown);
}

#[test]
fn a_head_gives_method_target_host_and_fields() {
    let head = head("GET /a?b=c HTTP/1.1\r\nHost: WWW.Example.test.:8080\r\nX-A: 1\r\nx-a:2\r\n\r\nbody");
    assert_eq!((head.method.as_str(), head.target.as_str(), head.minor), ("GET", "/a?b=c", 1));
    assert_eq!((head.host.as_deref(), head.header("x-A"), head.headers.len()), (Some("www.example.test"), Some("1"), 3));
    assert_eq!(head.length, "GET /a?b=c HTTP/1.1\r\nHost: WWW.Example.test.:8080\r\nX-A: 1\r\nx-a:2\r\n\r\n".len());
    assert_eq!(head.summary(), "GET www.example.test /a");
}

#[test]
fn the_host_of_a_head_in_all_its_forms() {
    let host = |text: &str| head(text).host;
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n"), None);
    assert_eq!(host("GET / HTTP/1.1\nHost: bare-line-feeds.test\n\n").as_deref(), Some("bare-line-feeds.test"));
    assert_eq!(host("GET / HTTP/1.1\r\nHOST: [2001:DB8::1]:80\r\n\r\n").as_deref(), Some("2001:db8::1"));
    assert_eq!(host("GET http://u@one.test:80/ HTTP/1.1\r\nHost: two.test\r\n\r\n").as_deref(), Some("one.test"));
    assert_eq!(host("GET /?u=http://one.test/ HTTP/1.1\r\nHost: two.test\r\n\r\n").as_deref(), Some("two.test"));
}

#[test]
fn nothing_is_waited_for_without_end() {
    let endless = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(6000)].concat();
    assert_eq!(seen(&endless), Seen::NoHello(NoHello::TooLarge));
    assert_eq!(seen(&[b'a'; 20_000]), Seen::NoHello(NoHello::TooLarge));
    assert_eq!(seen(&[0x16, 3, 1, 0, 9, 1, 9, 9, 9, 0, 0, 0, 0, 0]), Seen::NoHello(NoHello::TooLarge));
}

#[test]
fn every_prefix_wants_more_or_has_the_answer() {
    let hello = Build::new().ciphers(&[1]).sni("a.test").records(30);
    let streams: [&[u8]; 8] = [
        &hello,
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PUT / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"STARTLED\r\n",
        b"a1 LOGIN x y\r\n",
        b"<?xml version='1.0'?>",
    ];
    for stream in streams {
        let whole = sniff(stream, First::Stream);
        assert!(matches!(whole, Sniffed::Seen(_)));
        for end in 0..stream.len() {
            match sniff(&stream[..end], First::Stream) {
                Sniffed::More(need) => assert!(need > end && need <= stream.len()),
                seen => assert_eq!(seen, whole, "after {end} bytes of {:?}", String::from_utf8_lossy(stream)),
            }
        }
    }
}

#[test]
fn one_segment_is_all_that_such_a_box_sees() {
    let stream = Build::new().sni("a.test").stream();
    assert_eq!(sniff(&stream[..40], First::Segment), Sniffed::Seen(Seen::NoHello(NoHello::Split)));
    assert_eq!(sniff(&[], First::Segment), Sniffed::More(1));
    assert!(matches!(sniff(&stream, First::Segment), Sniffed::Seen(Seen::Hello(_))));
}

#[test]
fn the_record_has_a_word_for_everything_but_a_hello() {
    assert_eq!(seen(&Build::new().sni("a.test").stream()).first_bytes(), None);
    let words = |bytes: &[u8]| seen(bytes).first_bytes().expect("not a hello");
    assert_eq!(words(b"EHLO a\r\n"), ("mail".into(), "smtp".into()));
    assert_eq!(words(b"GET /x?secret=1 HTTP/1.1\r\nHost: a.test\r\n\r\n"), ("http".into(), "GET a.test /x".into()));
    assert_eq!(words(&[0x16, 3, 1, 0, 0]).0, "malformed-hello");
    assert_eq!(ended(&[], Ended::Timeout).first_bytes(), Some(("silence".into(), "not a byte in time".into())));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = sniff(&bytes, First::Stream);
        let _ = greeting(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[A-Z]{0,5} ?[a-z:/@\\[\\].?]{0,20} ?(HTTP/1.[01])?(\r\n([A-Za-z: ]{0,9}\r\n){0,3})?") {
        let _ = sniff(text.as_bytes(), First::Stream);
    }
}
