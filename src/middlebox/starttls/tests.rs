//! Conversations through every manner, whole and in pieces; hostile bytes.

use proptest::prelude::*;

use super::{Manner, Next, Prelude, Step, Told};
use crate::middlebox::sniff::Protocol;
use crate::record::UpgradeStage;

/// Plays a conversation (`>` client, `<` server) in pieces of a size; what each side got, what was told, how it ended.
fn play(protocol: Protocol, manner: Manner, lines: &[&str], size: usize) -> (String, String, Vec<Told>, Next) {
    let mut prelude = Prelude::new(protocol, manner).expect("a protocol with an upgrade");
    let (mut up, mut down, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut ended = Next::GoOn;
    for line in lines {
        for piece in line.as_bytes()[1..].chunks(size) {
            let client = line.starts_with('>');
            let Step { onward, back, told: more, next } = if client { prelude.up(piece) } else { prelude.down(piece) };
            let (to, from) = if client { (&mut up, &mut down) } else { (&mut down, &mut up) };
            to.extend(onward);
            from.extend(back);
            told.extend(more);
            if next != Next::GoOn {
                ended = next;
            }
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(up), text(down), told, ended)
}

fn stages(told: &[Told]) -> Vec<&'static str> {
    told.iter().filter_map(|one| if let Told::Stage(stage) = one { Some(stage.as_str()) } else { None }).collect()
}

const SMTP: &[&str] = &[
    "<220 mail.test ESMTP\r\n",
    ">EHLO me\r\n",
    "<250-mail.test\r\n250-SIZE 100\r\n250 STARTTLS\r\n",
    ">STARTTLS\r\n",
    "<220 2.0.0 go\r\n",
];
const IMAP: &[&str] = &[
    "<* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n",
    ">a1 CAPABILITY\r\n",
    "<* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n",
    ">a2 starttls\r\n",
    "<a2 OK begin\r\n",
];
const POP3: &[&str] = &["<+OK hi\r\n", ">CAPA\r\n", "<+OK list\r\nUSER\r\nSTLS\r\n.\r\n", ">STLS\r\n", "<+OK begin\r\n"];
const XMPP: &[&str] = &[
    "><?xml version='1.0'?><stream:stream to='chat.test' xmlns='jabber:client'>",
    "<<?xml version='1.0'?><stream:stream from='chat.test'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>\
      <required/></starttls></stream:features>",
    "><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
];
const ALL: [(Protocol, &[&str]); 4] =
    [(Protocol::Smtp, SMTP), (Protocol::Imap, IMAP), (Protocol::Pop3, POP3), (Protocol::Xmpp, XMPP)];

#[test]
fn a_prelude_that_is_watched_passes_byte_for_byte_to_its_agreement() {
    for (protocol, conversation) in ALL {
        let of =
            |side: char| conversation.iter().filter(|line| line.starts_with(side)).map(|line| &line[1..]).collect::<String>();
        for size in [1, 3, 7, 1000] {
            let (up, down, told, ended) = play(protocol, Manner::Intercept, conversation, size);
            assert_eq!((up, down), (of('>'), of('<')), "{protocol}");
            assert_eq!((stages(&told), ended), (vec!["offered", "asked", "agreed"], Next::Agreed), "{protocol} {size}");
        }
    }
}

#[test]
fn a_stripped_server_has_no_capability_and_does_not_know_the_command() {
    for size in [1, 3, 7, 1000] {
        let (up, down, told, _) = play(Protocol::Smtp, Manner::Strip, &SMTP[..4], size);
        assert_eq!(up, "EHLO me\r\n");
        assert_eq!(down, "220 mail.test ESMTP\r\n250-mail.test\r\n250 SIZE 100\r\n502 5.5.1 Command not implemented\r\n");
        assert_eq!(stages(&told), ["offered", "stripped", "asked", "stripped"]);
        let (up, down, ..) = play(Protocol::Imap, Manner::Strip, &IMAP[..4], size);
        assert_eq!(up, "a1 CAPABILITY\r\n");
        assert!(!down.contains("STARTTLS") && down.contains("[CAPABILITY IMAP4rev1 AUTH=PLAIN]"), "{down}");
        assert!(down.ends_with("\r\na2 BAD Unknown command\r\n"), "{down}");
        let (_, down, ..) = play(Protocol::Pop3, Manner::Strip, &POP3[..4], size);
        assert_eq!(down, "+OK hi\r\n+OK list\r\nUSER\r\n.\r\n-ERR Unknown command\r\n");
        let (up, down, _, ended) = play(Protocol::Xmpp, Manner::Strip, &XMPP[..3], size);
        assert_eq!(up, &XMPP[0][1..]);
        assert!(down.contains("<stream:features></stream:features><stream:error><unsupported-stanza-type"), "{down}");
        assert_eq!(ended, Next::Close);
    }
}

#[test]
fn a_command_behind_a_chunk_is_a_command_and_one_inside_of_it_is_not() {
    let chunked = [
        "<220 hi\r\n",
        ">EHLO me\r\n",
        "<250-mail.test\r\n250-CHUNKING\r\n250 STARTTLS\r\n",
        ">MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 10 LAST\r\nSTARTTLS\r\nSTARTTLS\r\n",
        "<250 a\r\n250 b\r\n250 taken\r\n",
        ">NOOP\r\n",
        "<250 here\r\n",
    ];
    for size in [1, 3, 7, 1000] {
        let (up, down, told, _) = play(Protocol::Smtp, Manner::Refuse, &chunked, size);
        assert!(up.contains("BDAT 10 LAST\r\nSTARTTLS\r\nNOOP\r\n"), "{up}");
        assert!(down.ends_with("250 taken\r\n454 4.7.0 TLS not available due to temporary reason\r\n250 here\r\n"), "{down}");
        assert_eq!(stages(&told), ["offered", "asked", "refused"]);
        let clear: Vec<_> =
            told.iter().filter_map(|one| if let Told::Clear(what) = one { Some(what.as_str()) } else { None }).collect();
        assert_eq!(clear, ["message: 10 bytes"]);
    }
}

#[test]
fn a_refused_upgrade_was_announced() {
    for size in [1, 1000] {
        let (up, down, told, _) = play(Protocol::Smtp, Manner::Refuse, &SMTP[..4], size);
        assert!(!up.contains("STARTTLS") && down.contains("250 STARTTLS\r\n454 4.7.0 "), "{down}");
        assert_eq!(stages(&told), ["offered", "asked", "refused"]);
        assert!(play(Protocol::Imap, Manner::Refuse, &IMAP[..4], size).1.ends_with("a2 NO TLS not available\r\n"));
        assert!(play(Protocol::Pop3, Manner::Refuse, &POP3[..4], size).1.ends_with("-ERR TLS not available\r\n"));
        assert!(play(Protocol::Xmpp, Manner::Refuse, &XMPP[..3], size).1.contains("<failure"));
    }
}

#[test]
fn a_mangled_prelude_keeps_every_length() {
    for (protocol, conversation) in ALL {
        for size in [1, 3, 7, 1000] {
            let (up, down, told, _) = play(protocol, Manner::Mangle, &conversation[..conversation.len() - 1], size);
            let lengths = |side: char| {
                conversation[..conversation.len() - 1].iter().filter(|l| l.starts_with(side)).map(|l| l.len() - 1).sum::<usize>()
            };
            assert_eq!((up.len(), down.len()), (lengths('>'), lengths('<')), "{protocol}");
            for text in [&up, &down] {
                let upper = text.to_ascii_uppercase();
                assert!(!upper.contains("STARTTLS'") && !upper.contains(" STARTTLS") && !upper.contains("STLS\r"), "{text}");
            }
            assert!(stages(&told).starts_with(&["offered", "mangled", "asked"]), "{told:?}");
        }
    }
    let (up, down, ..) = play(Protocol::Smtp, Manner::Mangle, &SMTP[..4], 1000);
    assert_eq!((up.as_str(), down.ends_with("250 XXXXXXXX\r\n")), ("EHLO me\r\nXXXXXXXX\r\n", true));
}

#[test]
fn answers_of_the_box_wait_for_their_turn() {
    let pipelined = ["<220 hi\r\n", ">EHLO me\r\nSTARTTLS\r\nNOOP\r\n", "<250-hi\r\n250 PIPELINING\r\n250 noop\r\n"];
    let (up, down, ..) = play(Protocol::Smtp, Manner::Refuse, &pipelined, 1000);
    assert_eq!(up, "EHLO me\r\nNOOP\r\n");
    assert_eq!(down, "220 hi\r\n250-hi\r\n250 PIPELINING\r\n454 4.7.0 TLS not available due to temporary reason\r\n250 noop\r\n");
}

#[test]
fn secrets_in_the_clear_are_told_by_kind_and_length() {
    let smtp = [
        "<220 hi\r\n",
        ">EHLO me\r\n",
        "<250 hi\r\n",
        ">AUTH PLAIN AGEAYg==\r\n",
        "<235 ok\r\n",
        ">MAIL FROM:<a@b.test>\r\n",
        "<250 ok\r\n",
        ">DATA\r\n",
        "<354 go\r\n",
        ">STARTTLS\r\nSubject: x\r\n\r\nSTARTTLS\r\n.\r\n",
        "<250 ok\r\n",
    ];
    for manner in [Manner::Watch, Manner::Strip, Manner::Refuse, Manner::Mangle] {
        let (up, _, told, _) = play(Protocol::Smtp, manner, &smtp, 5);
        assert!(up.contains("\r\nSTARTTLS\r\n.\r\n"), "a letter is left alone: {up}");
        let clear: Vec<_> =
            told.iter().filter_map(|t| if let Told::Clear(secret) = t { Some(secret.as_str()) } else { None }).collect();
        assert_eq!(clear, ["sasl response: 8 bytes", "message: 34 bytes"]);
        assert!(!told.contains(&Told::Stage(UpgradeStage::Asked)));
    }
    let attempt = ["<220 hi\r\n", ">STARTTLS\r\nAUTH PLAIN AGEAYg==\r\n"];
    for size in [1, 4, 1000] {
        let (_, _, told, _) = play(Protocol::Smtp, Manner::Refuse, &attempt, size);
        assert_eq!(told.last(), Some(&Told::Clear("sasl response: 8 bytes".to_owned())), "after an attempt, in pieces of {size}");
    }
    let xmpp = [XMPP[0], "><auth mechanism='PLAIN'>AGEAYg==</auth><message><body>hello</body></message>"];
    let (_, _, told, _) = play(Protocol::Xmpp, Manner::Watch, &xmpp, 4);
    assert_eq!(told, ["sasl response: 8 bytes", "message: 5 bytes"].map(|secret| Told::Clear(secret.to_owned())));
}

#[test]
fn what_comes_behind_the_command_is_told() {
    for (protocol, attack) in [
        (Protocol::Smtp, ">STARTTLS\r\nMAIL FROM:<eve@x.test>\r\n"),
        (Protocol::Imap, ">a2 STARTTLS\r\nb LOGIN eve x\r\n"),
        (Protocol::Pop3, ">STLS\r\nUSER eve\r\n"),
    ] {
        let conversation = ALL.iter().find(|(p, _)| *p == protocol).expect("listed").1;
        let lines = [&conversation[..3], &[attack, conversation[4]]].concat();
        let (_, _, told, ended) = play(protocol, Manner::Intercept, &lines, 1000);
        assert!(told.iter().any(|one| matches!(one, Told::Injected(_))), "{told:?}");
        assert_eq!(ended, Next::Agreed);
    }
    let (_, down, told, _) = play(Protocol::Smtp, Manner::Intercept, &[SMTP[0], SMTP[3], "<220 go\r\n250 injected\r\n"], 1000);
    assert!(down.ends_with("250 injected\r\n") && told.contains(&Told::Injected(14)), "{told:?}");
}

#[test]
fn long_lines_and_nuls_pass_unread() {
    for manner in [Manner::Watch, Manner::Strip, Manner::Refuse, Manner::Mangle] {
        for (protocol, _) in ALL.iter().filter(|(p, _)| *p != Protocol::Xmpp) {
            let mut prelude = Prelude::new(*protocol, manner).expect("an upgrade");
            let long = [vec![b'A'; 200_000], b"\0\r\n".to_vec()].concat();
            assert_eq!(prelude.up(&long).onward, long, "{protocol}");
            assert_eq!(prelude.down(&long).onward, long, "{protocol}");
        }
    }
}

#[test]
fn a_line_whose_beginning_has_passed_is_not_answered() {
    let padded = format!(">STARTTLS{}\r\n", " ".repeat(200));
    let literal = ["<* OK hi\r\n", ">a LOGIN {10}\r\n", "<+ go\r\n", ">x STARTTLS", ">\r\n"];
    for size in [1, 50, 1000] {
        for manner in [Manner::Strip, Manner::Refuse] {
            let (up, down, told, _) = play(Protocol::Smtp, manner, &[SMTP[0], &padded], size);
            assert_eq!((&up, down.as_str()), (&padded[1..].to_owned(), "220 mail.test ESMTP\r\n"), "in pieces of {size}");
            assert_eq!(stages(&told), ["asked"]);
            let (up, _, told, _) = play(Protocol::Imap, manner, &literal, size);
            assert_eq!(up, "a LOGIN {10}\r\nx STARTTLS\r\n", "a literal is no command");
            assert_eq!(stages(&told), [""; 0]);
        }
    }
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Smtp), Just(Protocol::Imap), Just(Protocol::Pop3), Just(Protocol::Xmpp)]
}

fn any_manner() -> impl Strategy<Value = Manner> {
    prop_oneof![Just(Manner::Watch), Just(Manner::Intercept), Just(Manner::Strip), Just(Manner::Refuse), Just(Manner::Mangle)]
}

/// Pieces of both sides: words of the protocols among noise.
fn any_talk() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let words = prop_oneof![
        Just(b"STARTTLS".to_vec()),
        Just(b"a STARTTLS\r\n".to_vec()),
        Just(b"STLS\r\n".to_vec()),
        Just(b"250-".to_vec()),
        Just(b"250 STARTTLS\r\n".to_vec()),
        Just(b"220 ".to_vec()),
        Just(b"* CAPABILITY STARTTLS\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"{9}\r\n".to_vec()),
        Just(b"DATA\r\n354 \r\n".to_vec()),
        Just(b".\r\n".to_vec()),
        Just(b"<starttls".to_vec()),
        Just(b"/>".to_vec()),
        Just(b"<auth>".to_vec()),
        Just(b"CAPA\r\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec((any::<bool>(), words), 0..40)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_in_place_means_in_place(protocol in any_protocol(), manner in any_manner(), talk in any_talk()) {
        let mut prelude = Prelude::new(protocol, manner).expect("an upgrade");
        for (up, bytes) in talk {
            let step = if up { prelude.up(&bytes) } else { prelude.down(&bytes) };
            if matches!(manner, Manner::Watch | Manner::Intercept) {
                prop_assert_eq!(&step.onward, &bytes);
            }
            if manner == Manner::Mangle {
                prop_assert!(step.keeps_lengths(&bytes));
            }
        }
    }

    #[test]
    fn pieces_do_not_matter(protocol in any_protocol(), manner in any_manner(), talk in any_talk(), size in 1_usize..9) {
        let run = |size: usize| {
            let mut prelude = Prelude::new(protocol, manner).expect("an upgrade");
            let (mut up, mut down) = (Vec::new(), Vec::new());
            for (client, bytes) in &talk {
                for piece in bytes.chunks(size.max(1)) {
                    let step = if *client { prelude.up(piece) } else { prelude.down(piece) };
                    let (to, from) = if *client { (&mut up, &mut down) } else { (&mut down, &mut up) };
                    to.extend(step.onward);
                    from.extend(step.back);
                    if step.next != Next::GoOn {
                        return (up, down);
                    }
                }
            }
            (up, down)
        };
        // In place, a word that is cut is spoilt, not overwritten from its beginning; and an end cuts what comes behind it.
        if matches!(manner, Manner::Watch | Manner::Intercept) && protocol != Protocol::Xmpp {
            let (whole, cut) = (run(usize::MAX), run(size));
            prop_assert!(whole.0.starts_with(&cut.0) && whole.1.starts_with(&cut.1));
        }
    }
}
