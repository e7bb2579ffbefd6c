//! Real clients send and read back, in the clear, after an upgrade, and with TLS first.

use mitmlab::record::Connection;
use mitmlab::scenario::MailService;

use crate::bench::{Bench, NAME, have, run, said};

const LETTER: &str =
    "From: alice@mail.test\r\nTo: bob@mail.test\r\nSubject: from a real client\r\n\r\n.a line with a dot\r\nthe end\r\n";

#[tokio::test]
async fn curl_sends_and_reads_back() {
    if !have("curl") {
        return;
    }
    let bench = Bench::new().await;
    let letter = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(letter.path(), LETTER).expect("written");
    let upload = letter.path().to_str().expect("UTF-8");
    let send = ["--mail-from", "alice@mail.test", "--mail-rcpt", "bob@mail.test", "-T", upload, "--user", "alice:wonderland"];
    let with_tls: Vec<&str> = send.iter().copied().chain(["--ssl-reqd"]).collect();
    for (scheme, service, args) in [
        ("smtp", MailService::Smtp, &send[..]),
        ("smtp", MailService::Smtp, &with_tls),
        ("smtp", MailService::Submission, &with_tls),
        ("smtps", MailService::Smtps, &send),
    ] {
        let output = bench.curl(scheme, service, "/me.test", args).await;
        assert!(output.status.success(), "{service}: {}", said(&output));
    }
    let user = ["--user", "bob:hatstand"];
    let user_tls = ["--user", "bob:hatstand", "--ssl-reqd"];
    for (scheme, service, path, args) in [
        ("imap", MailService::Imap, "/INBOX;MAILINDEX=2", &user[..]),
        ("imap", MailService::Imap, "/INBOX;UID=3", &user_tls),
        ("imaps", MailService::Imaps, "/INBOX;MAILINDEX=5", &user),
        ("pop3", MailService::Pop3, "/2", &user),
        ("pop3", MailService::Pop3, "/3", &user_tls),
        ("pop3s", MailService::Pop3s, "/5", &user),
    ] {
        let output = bench.curl(scheme, service, path, args).await;
        let read = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && read.contains("\r\n.a line with a dot\r\nthe end\r\n"),
            "{service}{path}: {}",
            said(&output)
        );
        assert!(read.starts_with("Return-Path: <alice@mail.test>\r\nReceived: from me.test"), "{read}");
    }
    let all = bench.ended(10).await;
    check_record(&all);
    let strict = Bench::with(false, |origins| origins).await;
    let output = strict.curl("imap", MailService::Imap, "/INBOX;MAILINDEX=1", &user).await;
    assert!(!output.status.success(), "a careful server: {}", said(&output));
    let output = strict.curl("imap", MailService::Imap, "/INBOX;MAILINDEX=1", &user_tls).await;
    assert!(output.status.success(), "{}", said(&output));
}

/// In order of the calls above.
fn check_record(all: &[Connection]) {
    let secured = |c: &Connection| c.client_half.handshake.is_some();
    assert_eq!(all.iter().map(secured).collect::<Vec<_>>(), [false, true, true, true, false, true, true, false, true, true]);
    for connection in all {
        let text = format!("{connection:?}");
        for secret in ["wonderland", "hatstand", "AGFsaWNl", "a line with a dot"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        let secrets: Vec<_> = connection.requests.iter().flat_map(|r| &r.secrets).collect();
        assert!(secrets.iter().any(|s| s.starts_with("message: ")), "{secrets:?}");
        assert!(secrets.iter().any(|s| s.starts_with("sasl response") || s.starts_with("password")), "{secrets:?}");
        let half = &connection.client_half;
        assert_eq!(half.bytes.app_up == Some(half.bytes.raw_up), !secured(connection), "{half:?}");
        assert!(half.error.is_none(), "{half:?}");
    }
    let words: Vec<_> = all[1].requests.iter().map(|r| (r.method.as_str(), r.status)).collect();
    assert_eq!(words[..3], [("EHLO", Some(250)), ("STARTTLS", Some(220)), ("EHLO", Some(250))]);
    assert!(words.contains(&("AUTH", Some(235))), "{words:?}");
    assert_eq!(all[1].requests[0].protocol, "smtp");
    assert_eq!(all[1].hello.as_ref().and_then(|h| h.sni.as_deref()), Some(NAME));
}

#[tokio::test]
async fn python_sends_and_reads_back() {
    if !have("python3") {
        return;
    }
    let bench = Bench::new().await;
    let ports: Vec<String> = MailService::ALL.iter().map(|service| bench.port(*service)).collect();
    let mut args = vec!["-c", PYTHON, bench.root(), NAME];
    args.extend(ports.iter().map(String::as_str));
    let output = run("python3", &args, b"").await;
    assert!(output.status.success() && said(&output).contains("all well"), "{}", said(&output));
    for connection in bench.ended(12).await {
        assert!(!connection.requests.is_empty(), "{connection:?}");
    }
}

/// Root, host, and the ports in the order of `MailService::ALL`.
const PYTHON: &str = r#"
import imaplib, poplib, smtplib, ssl, sys
root, host = sys.argv[1:3]
smtp, smtps, submission, imap, imaps, pop, pops = map(int, sys.argv[3:])
strict = lambda: ssl.create_default_context(cafile=root)
letter = 'From: alice@mail.test\r\nTo: bob@mail.test\r\nSubject: python\r\n\r\nhello\r\n'

def send(server, login, tls):
    with server:
        if tls:
            server.starttls(context=strict())
        if login:
            server.login('alice', 'wonderland')
        assert server.sendmail('alice@mail.test', ['bob@mail.test'], letter) == {}

send(smtplib.SMTP(host, smtp), False, False)
send(smtplib.SMTP(host, smtp), True, True)
send(smtplib.SMTP(host, submission), True, True)
send(smtplib.SMTP_SSL(host, smtps, context=strict()), True, False)
try:
    send(smtplib.SMTP(host, submission), False, True)
    sys.exit('submission without a login')
except smtplib.SMTPSenderRefused as refused:
    assert refused.smtp_code == 530
try:
    smtplib.SMTP(host, submission).starttls(context=ssl.create_default_context())
    sys.exit('an unknown root')
except ssl.SSLCertVerificationError:
    pass

def read(server, tls):
    if tls:
        server.starttls(ssl_context=strict())
    server.login('bob', 'hatstand')
    assert server.select('INBOX')[1] == [b'5']
    assert server.search(None, 'SUBJECT', 'python')[1] == [b'2 3 4 5']
    _, found = server.fetch('5', '(UID FLAGS RFC822)')
    assert b'hello' in found[0][1], found
    server.append('INBOX', '', None, b'Subject: kept\r\n\r\nkept\r\n')
    assert server.noop()[0] == 'OK'
    server.uid('STORE', '6', '+FLAGS', r'(\Deleted)')
    server.store('6', '+FLAGS', r'(\Deleted)')
    assert server.expunge()[0] == 'OK'
    server.close()
    server.logout()

read(imaplib.IMAP4(host, imap), False)
read(imaplib.IMAP4(host, imap), True)
read(imaplib.IMAP4_SSL(host, imaps, ssl_context=strict()), False)

def fetch(server, tls):
    if tls:
        server.stls(context=strict())
    server.user('bob')
    server.pass_('hatstand')
    count, size = server.stat()
    assert count == 5 and server.list()[1] and server.uidl()[1]
    assert b'hello' in server.retr(5)[1]
    server.dele(1)
    server.rset()
    server.quit()

fetch(poplib.POP3(host, pop), False)
fetch(poplib.POP3(host, pop), True)
fetch(poplib.POP3_SSL(host, pops, context=strict()), False)
print('all well')
"#;

#[tokio::test]
async fn swaks_sends_in_every_way() {
    if !have("swaks") {
        return;
    }
    let bench = Bench::new().await;
    let user = ["--auth-user", "alice", "--auth-password", "wonderland"];
    for (service, more) in [
        (MailService::Smtp, &["--pipeline"][..]),
        (MailService::Smtp, &["--tls"]),
        (MailService::Submission, &["--tls", "--auth", "LOGIN"]),
        (MailService::Smtps, &["--tlsc", "--auth", "PLAIN"]),
    ] {
        let (port, to) = (bench.port(service), "bob@mail.test");
        let mut args = vec!["--server", NAME, "--port", &port, "--to", to, "--from", "alice@mail.test", "--timeout", "20"];
        args.extend_from_slice(more);
        if more.contains(&"--auth") {
            args.extend_from_slice(&user);
        }
        let output = run("swaks", &args, b"").await;
        assert!(output.status.success(), "{service} {more:?}: {}", said(&output));
    }
    bench.ended(4).await;
}

#[tokio::test]
async fn openssl_starts_tls_in_every_protocol() {
    if !have("openssl") {
        return;
    }
    let bench = Bench::new().await;
    for (service, protocol, command) in [
        (MailService::Smtp, Some("smtp"), "EHLO me\r\nQUIT\r\n"),
        (MailService::Submission, Some("smtp"), "EHLO me\r\nQUIT\r\n"),
        (MailService::Imap, Some("imap"), "a LOGOUT\r\n"),
        (MailService::Pop3, Some("pop3"), "QUIT\r\n"),
        (MailService::Smtps, None, "QUIT\r\n"),
        (MailService::Imaps, None, "a LOGOUT\r\n"),
        (MailService::Pop3s, None, "QUIT\r\n"),
    ] {
        let connect = format!("{NAME}:{}", bench.port(service));
        let mut args =
            vec!["s_client", "-connect", &connect, "-servername", NAME, "-CAfile", bench.root(), "-verify_return_error"];
        args.extend(["-verify_hostname", NAME, "-quiet"]);
        if let Some(protocol) = protocol {
            args.extend(["-starttls", protocol]);
        }
        let output = run("openssl", &args, command.as_bytes()).await;
        assert!(output.status.success(), "{service}: {}", said(&output));
    }
    for connection in bench.ended(7).await {
        assert!(connection.client_half.handshake.is_some(), "{connection:?}");
    }
}
