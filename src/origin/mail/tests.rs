//! Sessions without a transport: what each protocol answers, to honest and to hostile input.

use super::*;

fn setting(service: MailService, security: Security, clear_login: bool) -> Setting {
    let starttls = !service.is_implicit();
    let mail = Mail { service, starttls, clear_login };
    let client = std::net::Ipv4Addr::new(192, 0, 2, 9).into();
    Setting { mail, security, name: "mail.test".to_owned(), client, office: Arc::default() }
}

fn open(service: MailService, security: Security) -> Box<dyn Session> {
    let setting = setting(service, security, true);
    match service.protocol() {
        MailProtocol::Smtp => Box::new(smtp::Smtp::new(setting)),
        MailProtocol::Imap => Box::new(imap::Imap::new(setting)),
        MailProtocol::Pop3 => Box::new(pop3::Pop3::new(setting)),
    }
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.bytes).into_owned()
}

/// Says lines one after the other; the beginnings of the answers.
fn say(session: &mut dyn Session, lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| text(&session.line(line.as_bytes())).lines().last().unwrap_or_default().to_owned()).collect()
}

fn begin(answers: &[String], expected: &[&str]) {
    let fits = answers.len() == expected.len() && answers.iter().zip(expected).all(|(a, e)| a.starts_with(e));
    assert!(fits, "{answers:#?} is not {expected:?}");
}

#[test]
fn smtp_delivers_to_its_accounts_and_relays_nothing() {
    let mut smtp = open(MailService::Smtp, Security::Clear);
    assert!(text(&smtp.greeting()).starts_with("220 mail.test ESMTP"));
    let lines = [
        "MAIL FROM:<a@b.test>",
        "EHLO me",
        "mail from:<a@b.test> size=40",
        "RCPT TO:<eve@else.test>",
        "DATA",
        "RCPT TO:<bob@x.test>",
    ];
    begin(&say(&mut *smtp, &lines), &["503", "250", "250", "550", "554", "250"]);
    assert_eq!(smtp.line(b"DATA").next, Next::Message);
    let reply = smtp.content(Content::Whole(b"Subject: hi\r\n\r\nhello\r\n".to_vec()));
    assert!(text(&reply).starts_with("250"));
    assert_eq!((reply.told[0].status, &reply.told[0].secrets[..]), (Some(250), &["message: 22 bytes".to_owned()][..]));
    let lines = ["MAIL FROM:<> SIZE=99999999", "MAIL FROM:x", "MAIL FROM:<a> ODD=1", "VRFY bob", "\u{e9}", "QUIT"];
    begin(&say(&mut *smtp, &lines), &["552", "501", "555", "252", "500", "221"]);
}

#[test]
fn smtp_takes_a_message_in_chunks_and_reads_those_that_it_refuses() {
    let mut smtp = open(MailService::Smtp, Security::Clear);
    assert!(text(&smtp.line(b"EHLO me")).ends_with("250 CHUNKING\r\n"));
    // Octets follow at once, so they are read before they are refused.
    assert_eq!((smtp.line(b"BDAT 4 LAST").bytes, smtp.line(b"BDAT 4 LAST").next), (Vec::new(), Next::Bytes(4)));
    assert!(text(&smtp.content(Content::Whole(b"QUIT".to_vec()))).starts_with("503"));
    begin(&say(&mut *smtp, &["MAIL FROM:<a@b.test>", "RCPT TO:<bob@x.test>"]), &["250", "250"]);
    assert_eq!(smtp.line(b"BDAT 9").next, Next::Bytes(9));
    assert!(text(&smtp.content(Content::Whole(b"Subject: ".to_vec()))).starts_with("250"));
    begin(&say(&mut *smtp, &["DATA", "RCPT TO:<bob@x.test>", "MAIL FROM:<a@b.test>"]), &["503", "503", "503"]);
    assert_eq!(smtp.line(b"bdat 13 last").next, Next::Bytes(13));
    let reply = smtp.content(Content::Whole(b"hi\r\n\r\nhello\r\n".to_vec()));
    assert!(text(&reply).starts_with("250"));
    assert_eq!((reply.told[0].method.as_str(), &reply.told[0].secrets[..]), ("BDAT", &["message: 22 bytes".to_owned()][..]));
    // What is no length leaves nobody who knows where the next command begins.
    let lost = smtp.line(b"BDAT many");
    assert_eq!((text(&lost).get(..3), lost.next), (Some("501"), Next::Close));
}

#[test]
fn smtp_logs_in_and_tells_no_secret() {
    let mut smtp = open(MailService::Submission, Security::First);
    begin(&say(&mut *smtp, &["EHLO me", "MAIL FROM:<a@b.test>"]), &["250", "530"]);
    let login = smtp.line(b"AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=");
    assert!(text(&login).starts_with("235"), "{}", text(&login));
    assert_eq!(login.told[0].secrets, ["sasl response: 24 bytes"]);
    begin(&say(&mut *smtp, &["MAIL FROM:<a@b.test>", "RSET", "AUTH LOGIN", "STARTTLS"]), &["250", "250", "503", "502"]);
}

#[test]
fn a_careful_server_takes_no_password_in_the_clear() {
    let careful = |service, security| setting(service, security, false);
    let mut smtp = smtp::Smtp::new(careful(MailService::Smtp, Security::Clear));
    assert!(!text(&smtp.line(b"EHLO me")).contains("AUTH"));
    begin(&say(&mut smtp, &["AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ="]), &["530"]);
    let mut imap = imap::Imap::new(careful(MailService::Imap, Security::Clear));
    assert!(text(&imap.greeting()).contains("LOGINDISABLED"));
    begin(&say(&mut imap, &["a LOGIN alice wonderland"]), &["a NO [PRIVACYREQUIRED]"]);
    let mut pop = pop3::Pop3::new(careful(MailService::Pop3, Security::Clear));
    assert!(!text(&pop.line(b"CAPA")).contains("USER"));
    begin(&say(&mut pop, &["USER alice"]), &["-ERR [AUTH]"]);
    let mut imap = imap::Imap::new(careful(MailService::Imap, Security::Upgraded));
    begin(&say(&mut imap, &["a LOGIN alice wonderland"]), &["a OK"]);
}

#[test]
fn the_upgrade_is_offered_once() {
    for (service, command, answer) in
        [(MailService::Smtp, "STARTTLS", "220"), (MailService::Imap, "a STARTTLS", "a OK"), (MailService::Pop3, "STLS", "+OK")]
    {
        let reply = open(service, Security::Clear).line(command.as_bytes());
        assert_eq!(reply.next, Next::Tls, "{service}");
        assert!(text(&reply).starts_with(answer));
        let reply = open(service, Security::Upgraded).line(command.as_bytes());
        assert_eq!(reply.next, Next::Line, "{service}: {}", text(&reply));
    }
}

#[test]
fn imap_reads_what_lies_in_the_mailbox() {
    let mut imap = open(MailService::Imaps, Security::First);
    begin(&say(&mut *imap, &["a FETCH 1 FLAGS", "b LOGIN alice \"wonderland\"", "c SELECT nothing"]), &["a NO", "b OK", "c NO"]);
    let opened = text(&imap.line(b"d SELECT INBOX"));
    assert!(opened.starts_with("* 1 EXISTS\r\n") && opened.ends_with("d OK [READ-WRITE] open\r\n"), "{opened}");
    let fetched = imap.line(b"e UID FETCH 1:* (FLAGS BODY[])");
    assert!(text(&fetched).starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {"), "{}", text(&fetched));
    assert_eq!(fetched.told[1].target, "(message)");
    let part = text(&imap.line(b"f FETCH 1 (BODY.PEEK[HEADER.FIELDS (Subject)]<0.9> RFC822.SIZE)"));
    assert!(part.starts_with("* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)]<0> {9}\r\nSubject:  RFC822.SIZE"), "{part}");
    let envelope = text(&imap.line(b"g FETCH 1 ALL"));
    assert!(envelope.contains("\"Welcome\" ((\"The post office\" NIL \"post\" \"mail.test\"))"), "{envelope}");
    let found = text(&imap.line(b"h SEARCH SUBJECT welcome SEEN"));
    assert!(found.starts_with("* SEARCH 1\r\n"), "{found}");
    let lines = ["i STORE 1 +FLAGS (\\Deleted)", "j EXPUNGE", "k NOOP", "l FETCH 1 NOTHING", "m SEARCH ODD", "n LOGOUT"];
    begin(&say(&mut *imap, &lines), &["i OK", "j OK", "k OK", "l BAD", "m OK", "n OK"]);
}

#[test]
fn imap_takes_literals_and_refuses_large_ones() {
    let mut imap = open(MailService::Imap, Security::Clear);
    let asked = imap.line(b"a LOGIN {5}");
    assert_eq!((text(&asked).as_str(), asked.next), ("+ go ahead\r\n", Next::Bytes(5)));
    assert!(imap.content(Content::Whole(b"alice".to_vec())).bytes.is_empty());
    let done = imap.line(b" wonderland");
    assert!(text(&done).starts_with("a OK"), "{}", text(&done));
    assert_eq!(done.told[0].secrets, ["name or password: 5 bytes"]);
    assert!(text(&imap.line(b"b APPEND INBOX {99999999}")).starts_with("b NO [TOOBIG]"));
    let reply = imap.line(b"c APPEND INBOX {99999999+}");
    assert_eq!(reply.next, Next::Close, "it comes unasked, and cannot be told from commands");
}

#[test]
fn pop3_hands_out_and_deletes() {
    let mut pop = open(MailService::Pop3, Security::Clear);
    let lines = [
        "STAT",
        "PASS wonderland",
        "USER alice",
        "PASS no",
        "USER alice",
        "PASS wonderland",
        "STAT",
        "RETR 2",
        "RETR 0",
        "LIST 1",
    ];
    begin(&say(&mut *pop, &lines), &["-ERR", "-ERR", "+OK", "-ERR", "+OK", "+OK 1", "+OK 1 ", "-ERR", "-ERR", "+OK 1 "]);
    let mail = pop.line(b"RETR 1");
    assert!(text(&mail).starts_with("+OK") && text(&mail).ends_with("ends with it.\r\n.\r\n"), "{}", text(&mail));
    assert_eq!(mail.told[1].secrets.len(), 1);
    assert!(text(&pop.line(b"TOP 1 0")).ends_with(">\r\n\r\n.\r\n"));
    begin(&say(&mut *pop, &["DELE 1", "RETR 1", "RSET", "DELE 1", "QUIT"]), &["+OK", "-ERR", "+OK", "+OK", "+OK"]);
}

#[test]
fn whoever_errs_without_end_is_left() {
    for service in [MailService::Smtp, MailService::Imap, MailService::Pop3] {
        let mut session = open(service, Security::Clear);
        let count = (0..100).take_while(|_| session.line(b"a nonsense").next != Next::Close).count();
        assert!(count < 30, "{service}: {count}");
    }
}

proptest::proptest! {
    /// Nothing that comes is more than an answer: no panic, no endless growth.
    #[test]
    fn no_line_breaks_a_session(lines in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..60), 0..12)) {
        for service in MailService::ALL {
            let mut session = open(service, Security::Clear);
            for line in &lines {
                let reply = session.line(line);
                if matches!(reply.next, Next::Bytes(_) | Next::Message) {
                    session.content(Content::Whole(line.clone()));
                }
                proptest::prop_assert!(reply.bytes.len() < 10_000);
            }
        }
    }
}
