//! Bytes that no honest client sends: the documented outcome, and what the record says.

use std::time::Duration;

use mitmlab::record::CloseKind;
use mitmlab::scenario::MailService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::Bench;

/// Reads until `what` was said.
async fn until(stream: &mut TcpStream, what: &str) -> String {
    let mut got = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&got).contains(what) {
            if stream.read_buf(&mut got).await.is_ok_and(|count| count == 0) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await;
    let text = String::from_utf8_lossy(&got).into_owned();
    assert!(text.contains(what), "no {what:?} in {text:?}");
    text
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut got)).await.expect("the server ends it");
    String::from_utf8_lossy(&got).into_owned()
}

/// A command in the same segment as STARTTLS must not be answered inside of TLS (RFC 3207 section 6, CVE-2011-0411).
#[tokio::test]
async fn nothing_is_carried_over_the_upgrade() {
    let bench = Bench::new().await;
    for (service, greeting, attack, answer) in [
        (MailService::Smtp, "220 ", "EHLO me\r\nSTARTTLS\r\nMAIL FROM:<eve@x.test>\r\n", "220 2.0.0"),
        (MailService::Imap, "* OK", "a STARTTLS\r\nb LOGIN eve x\r\n", "a OK"),
        (MailService::Pop3, "+OK", "STLS\r\nUSER eve\r\n", "+OK go"),
    ] {
        let mut stream = bench.dial(service).await;
        until(&mut stream, greeting).await;
        stream.write_all(attack.as_bytes()).await.expect("sent");
        let answered = until(&mut stream, answer).await;
        assert!(!answered.contains("from them") && !answered.contains("b NO") && !answered.contains("password?"), "{answered}");
        // And the handshake that follows is served: the injected command was no part of it.
        let mut tls = secured(stream).await;
        let command: &[u8] = match service {
            MailService::Smtp => b"MAIL FROM:<a@x.test>\r\n",
            MailService::Imap => b"c CAPABILITY\r\n",
            _ => b"PASS x\r\n",
        };
        tls.write_all(command).await.expect("sent");
        let mut answer = vec![0; 512];
        let count = tls.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        let expected = match service {
            MailService::Smtp => "503", // EHLO is forgotten
            MailService::Imap => "* CAPABILITY IMAP4rev1",
            _ => "-ERR USER comes first",
        };
        assert!(answer.starts_with(expected), "{service}: {answer}");
    }
    for connection in bench.ended(3).await {
        assert!(connection.notes.iter().any(|note| note.contains("thrown away")), "{:?}", connection.notes);
    }
}

async fn secured(stream: TcpStream) -> tokio_rustls::client::TlsStream<TcpStream> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(Anybody))
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    tokio::time::timeout(Duration::from_secs(10), connector.connect(name, stream)).await.expect("in time").expect("a handshake")
}

#[tokio::test]
async fn long_lines_and_nuls_are_refused_and_the_session_goes_on() {
    let bench = Bench::new().await;
    for (service, command, refused, answered) in [
        (MailService::Smtp, "NOOP\r\n", "500 5.5.2", "250 2.0.0"),
        (MailService::Imap, "z NOOP\r\n", "* BAD line", "z OK"),
        (MailService::Pop3, "CAPA\r\n", "-ERR line", "UIDL"),
    ] {
        let mut stream = bench.dial(service).await;
        let hostile = [vec![b'A'; 200_000], b"\r\nNO\0OP\r\n".to_vec(), command.as_bytes().to_vec()].concat();
        let (mut reading, mut writing) = stream.split();
        let mut got = Vec::new();
        let both = async {
            writing.write_all(&hostile).await.expect("sent");
            while !String::from_utf8_lossy(&got).contains(answered) {
                assert_ne!(reading.read_buf(&mut got).await.expect("read"), 0, "{}", String::from_utf8_lossy(&got));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), both).await.expect("in time");
        assert_eq!(String::from_utf8_lossy(&got).matches(refused).count(), 2, "{service}");
    }
}

#[tokio::test]
async fn no_second_message_is_smuggled() {
    let bench = Bench::new().await;
    let mut stream = bench.dial(MailService::Smtp).await;
    let head = "EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<bob@x.test>\r\nDATA\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    until(&mut stream, "354").await;
    stream.write_all(b"hi\n.\r\nMAIL FROM:<eve@x.test>\r\n.\r\nQUIT\r\n").await.expect("sent");
    let answers = rest(&mut stream).await;
    assert!(answers.starts_with("550 5.6.0") && answers.contains("\r\n221 "), "{answers}");
}

#[tokio::test]
async fn silence_and_other_protocols_end_in_the_record() {
    let quick = Duration::from_millis(300);
    let bench = Bench::with(true, |origins| origins.with_patience(quick, quick)).await;
    let mut silent = bench.dial(MailService::Imap).await;
    assert!(rest(&mut silent).await.ends_with("* BYE too slow\r\n"));
    let mut early = bench.dial(MailService::Imaps).await;
    early.write_all(b"a LOGIN alice wonderland\r\n").await.expect("sent");
    assert!(!rest(&mut early).await.contains("OK"), "no IMAP before TLS");
    let mut web = bench.dial(MailService::Smtp).await;
    web.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    assert!(rest(&mut web).await.contains("500 5.5.1"));
    let mut half = bench.dial(MailService::Smtp).await;
    half.write_all(b"EHLO me\r\nSTARTTLS\r\n").await.expect("sent");
    until(&mut half, "220 2.0.0").await;
    half.write_all(b"QUIT\r\n").await.expect("sent");
    assert_eq!(rest(&mut half).await, "");
    let all = bench.ended(4).await;
    assert_eq!(all[0].client_half.closes[0].kind, CloseKind::Deadline, "{:?}", all[0].client_half);
    assert!(all[3].notes.iter().any(|note| note.contains("no ClientHello")), "{:?}", all[3].notes);
    assert!(!format!("{all:?}").contains("wonderland"));
}

#[derive(Debug)]
struct Anybody;

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256, rustls::SignatureScheme::RSA_PSS_SHA256]
    }
}
