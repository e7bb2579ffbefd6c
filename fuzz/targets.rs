//! What is fuzzed: one function for each reader of foreign bytes, shared by the fuzz targets and by the test that replays their corpora.
//!
//! A function takes any bytes and must come back, soon, without a panic. What else must hold is asserted where it is cheap to say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use mitmlab::forge::profile::LeafKey;
use mitmlab::forge::{ForgeError, Forger, Options, Profile, diff, profiles};
use mitmlab::middlebox::relay::Tap as _;
use mitmlab::middlebox::sniff::{self, Protocol, Seen, Sniffed};
use mitmlab::middlebox::starttls::{Manner, Next, Prelude, Step, Told};
use mitmlab::middlebox::tap::HttpTap;
use mitmlab::middlebox::tap::websocket::Frames;
use mitmlab::network::proxy::{self, Kind};
use mitmlab::network::resolver::{Resolver, Way};
use mitmlab::pki::PublicPki;
use mitmlab::record::{Frame, Observer, Recorder, Side, TlsMeter};
use mitmlab::scenario::{self, Cert, Clock, First, MailService, Place, Site, Transport, Vantage, World};
use mitmlab::tls::RecordWatch;
use mitmlab::tls::hello::{self, Outcome};
use mitmlab::tls::quic::Initials;
use mitmlab::x509::der;
use mitmlab::x509::extension::IssuerFacts;
use mitmlab::x509::key::{KeyKind, spki_key_id};
use mitmlab::x509::ocsp::CertId;
use mitmlab::x509::tbs::{Parsed, Tbs};
use rustls_pki_types::CertificateDer;

/// A name, as in `fuzz_targets` and `corpus`, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ALL: &[Target] = &[
    ("client_hello", client_hello),
    ("tls_records", tls_records),
    ("quic", quic),
    ("first_bytes", first_bytes),
    ("greeting", greeting),
    ("prelude", prelude),
    ("conversation", conversation),
    ("websocket", websocket),
    ("smtp", smtp),
    ("imap", imap),
    ("pop3", pop3),
    ("dns", dns),
    ("proxy_request", proxy_request),
    #[cfg(target_os = "linux")]
    ("packets", packets),
    ("certificate", certificate),
    ("certificate_in_words", certificate_in_words),
    ("ocsp", ocsp),
    ("profile", profile),
    ("scenario", scenario),
];

/// A ClientHello in records; what is read can be told.
pub(crate) fn client_hello(bytes: &[u8]) {
    if let Outcome::Hello(hello, _) = hello::read(bytes) {
        let told = hello.to_record(Transport::Tcp, 1);
        assert!(told.ja3.len() == 32, "{}", told.ja3);
    }
    let _ = hello::read_message(bytes);
}

/// TLS records that nobody here decrypts: whatever the pieces, the same alerts are found and the same is counted.
pub(crate) fn tls_records(bytes: &[u8]) {
    let found = |piece: usize| {
        let (mut watch, mut alerts) = (RecordWatch::new(), Vec::new());
        bytes.chunks(piece).for_each(|part| watch.feed(part, |level, number| alerts.push((level, number))));
        alerts
    };
    assert_eq!(found(1), found(bytes.len().max(1)));
    let mut meter = TlsMeter::new();
    for (client, said) in pieces(bytes) {
        meter.sent(if client { Side::Client } else { Side::Server }, said);
    }
    let _ = (meter.bytes(), meter.is_done(), meter.refused_in_secret());
}

/// A QUIC client's datagrams, each behind two bytes of length. With the highest bit set it is the frames of a packet that was opened: random
/// bytes would never come past the encryption.
pub(crate) fn quic(bytes: &[u8]) {
    let (mut rest, mut initials) = (bytes, Initials::new());
    while let Some((&[high, low], more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high & 0x07, low])).min(more.len());
        let (one, after) = more.split_at(length);
        let _ = if high & 0x80 == 0 { initials.datagram(one) } else { initials.frames(one) };
        rest = after;
    }
}

/// The first bytes of a connection: TLS, an HTTP head, another protocol. A decision that was made stays when more comes.
pub(crate) fn first_bytes(bytes: &[u8]) {
    let _ = sniff::sniff(bytes, First::Segment);
    let mut decided = false;
    for end in (0..=bytes.len()).step_by(bytes.len() / 64 + 1) {
        match sniff::sniff(&bytes[..end], First::Stream) {
            Sniffed::More(least) => assert!(!decided && least > end, "asks for {least} bytes and has {end}"),
            Sniffed::Seen(seen) => {
                let _ = seen.first_bytes();
                decided = true;
            }
        }
    }
}

/// What a server says first.
pub(crate) fn greeting(bytes: &[u8]) {
    let _ = sniff::greeting(bytes).may_start_tls();
}

/// A conversation before its upgrade to TLS, in every manner of the box: watched bytes are the same bytes, in place means in place, and
/// where a segment ends decides nothing.
pub(crate) fn prelude(bytes: &[u8]) {
    let pieces: Vec<(bool, &[u8])> = pieces(bytes).collect();
    let Some(protocol) = protocol(&pieces) else { return };
    for manner in [Manner::Watch, Manner::Intercept, Manner::Strip, Manner::Refuse, Manner::Mangle] {
        let whole = play(protocol, manner, pieces.iter().copied());
        if manner == Manner::Mangle {
            continue; // a word that is cut is spoilt, not overwritten from its beginning
        }
        let small = 1 + bytes.len() / 512;
        let parts = pieces.iter().flat_map(|&(client, said)| said.chunks(small).map(move |part| (client, part)));
        let cut = play(protocol, manner, parts);
        // What comes behind the end of a prelude is not carried: in one piece more of it is there already, and is told.
        assert!(whole.up.starts_with(&cut.up) && whole.down.starts_with(&cut.down), "{manner:?}: {whole:?}, in parts {cut:?}");
        assert!(
            whole.next == cut.next && (whole.next == Next::Close || whole.stages == cut.stages),
            "{manner:?}: {whole:?}, in parts {cut:?}"
        );
    }
}

/// A conversation that the box reads along: HTTP, a WebSocket, mail. The first byte of each piece says who speaks.
pub(crate) fn conversation(bytes: &[u8]) {
    let recorder = Recorder::new();
    let key = (SocketAddr::new(HERE, 40_000), SocketAddr::new(HERE, 443));
    let (id, _) = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Box);
    let mut tap = HttpTap::new(recorder.clone(), id, Observer::Box, None);
    for (client, said) in pieces(bytes) {
        if client { tap.up(said) } else { tap.down(said) }
    }
}

/// Frames of a WebSocket: whatever the pieces, the same frames are told.
pub(crate) fn websocket(bytes: &[u8]) {
    let told = |piece: usize| {
        let (mut frames, mut told) = (Frames::from(Side::Client), Vec::<Frame>::new());
        bytes.chunks(piece).for_each(|part| frames.read(part, &mut |frame| told.push(frame)));
        told
    };
    assert_eq!(told(1), told(bytes.len().max(1)));
}

/// A client's side of SMTP.
pub(crate) fn smtp(bytes: &[u8]) {
    mitmlab::origin::feed_mail(MailService::Smtp, bytes);
}

/// A client's side of IMAP.
pub(crate) fn imap(bytes: &[u8]) {
    mitmlab::origin::feed_mail(MailService::Imap, bytes);
}

/// A client's side of POP3.
pub(crate) fn pop3(bytes: &[u8]) {
    mitmlab::origin::feed_mail(MailService::Pop3, bytes);
}

/// DNS, in a datagram and in a stream. No answer is longer than a datagram may be.
pub(crate) fn dns(bytes: &[u8]) {
    static RESOLVER: LazyLock<Resolver> = LazyLock::new(|| Resolver::new(Arc::new(some_world()), Recorder::new()));
    let (client, resolver) = (SocketAddr::new(HERE, 40_000), SocketAddr::new(HERE, 53));
    let answer = RESOLVER.answer(bytes, Way { client, resolver, transport: Transport::Udp, within: None });
    assert!(answer.replies.iter().all(|reply| reply.len() <= 4096));
    let answer = RESOLVER.answer(bytes, Way { client, resolver, transport: Transport::Tcp, within: None });
    assert!(answer.replies.iter().all(|reply| reply.len() <= 65_535));
}

/// What a client asks of the explicit proxy: HTTP CONNECT, an absolute target, SOCKS5. A plain request is passed on in origin form.
pub(crate) fn proxy_request(bytes: &[u8]) {
    match proxy::feed_request(bytes) {
        Ok((kind, target, prefix)) => {
            assert!(target.port != 0 && !target.to_string().is_empty());
            let head = prefix.split(|&byte| byte == b'\n').next().unwrap_or_default();
            assert!(kind != Kind::Absolute || head.ends_with(b"\r") && !head.starts_with(b"CONNECT "), "{}", head.escape_ascii());
        }
        Err(reply) => assert!(reply.is_empty() || reply.starts_with(b"HTTP/1.1 ") || reply.starts_with(&[5])),
    }
}

/// Packets on the wire, each behind a word on its time and its length.
#[cfg(target_os = "linux")]
pub(crate) fn packets(bytes: &[u8]) {
    mitmlab::network::wire::feed_packets(bytes);
}

/// An origin's certificate: forged or refused. What is forged can be read, and is no much larger than what it was forged from.
pub(crate) fn certificate(bytes: &[u8]) {
    static FORGERS: LazyLock<Vec<Forger>> = LazyLock::new(|| ["qaznet-2019", "corporate"].map(quick).into());
    let genuine = CertificateDer::from(bytes.to_vec());
    let dialled = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for forger in FORGERS.iter() {
        if let Ok(forged) = forger.forge(std::slice::from_ref(&genuine), Some("odd.example"), dialled, None) {
            assert!(Parsed::read(&forged.chain[0]).is_ok() && forged.chain[0].len() < bytes.len() + 4096);
        }
    }
}

/// A certificate in words, as reports show it, and the writer: what was read is written as it was.
pub(crate) fn certificate_in_words(bytes: &[u8]) {
    let Ok(parsed) = Parsed::read(bytes) else { return };
    let rows = diff::compare(&parsed, &parsed);
    assert!(rows.iter().all(|row| row.same), "{rows:?}");
    let shown: usize = rows.iter().map(|row| row.genuine.len()).sum();
    assert!(shown < 64 * bytes.len() + 4096, "{shown} bytes in words");
    assert_eq!(Tbs::read(&parsed.tbs.write()), Ok(parsed.tbs));
}

/// A request at the genuine OCSP responder: posted, in a path, and one that is sound but for a serial number of any octets.
pub(crate) fn ocsp(bytes: &[u8]) {
    static PKI: LazyLock<Arc<PublicPki>> = LazyLock::new(|| PublicPki::new(&Clock::of_this_machine()).expect("a public PKI"));
    let answer = |path: &str, posted: Option<&[u8]>| {
        let answer = PKI.answer("ocsp.mitmlab.test", path, posted).expect("a responder always answers");
        assert!(answer.body.first() == Some(&0x30) && answer.body.len() < 64 * 1024 + 2 * bytes.len());
        answer.body
    };
    answer("", Some(bytes));
    answer(&format!("/{}", String::from_utf8_lossy(bytes)), None);
    let root = Parsed::read(&PKI.roots_der()[0]).expect("the lab's root").tbs;
    let key_id = spki_key_id(&root.spki);
    let issuer = IssuerFacts { subject: root.subject.clone(), issuer: root.issuer, serial: root.serial, key_id };
    let id = CertId::of(&issuer, bytes);
    let list = der::sequence(&[&der::sequence(&[&id.raw])]);
    assert!(answer("", Some(&der::sequence(&[&der::sequence(&[&list])])))[..10].windows(3).any(|three| three == [0x0a, 1, 0]));
}

/// A profile: a recipe or a finding. By a recipe that is sound a certificate can be forged, or not, as documented.
pub(crate) fn profile(bytes: &[u8]) {
    static GENUINE: LazyLock<Vec<u8>> = LazyLock::new(|| include_bytes!("corpus/certificate/plain").to_vec());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Profile::parse("fuzzed", text) {
        Ok(profile) => {
            let Ok(forger) = forger(profile) else { return };
            let genuine = CertificateDer::from(GENUINE.clone());
            if let Ok(forged) = forger.forge(&[genuine], Some("odd.example"), HERE, None) {
                assert!(forged.chain.iter().all(|certificate| Parsed::read(certificate).is_ok()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A scenario: a plan or diagnostics.
pub(crate) fn scenario(bytes: &[u8]) {
    static PROFILES: LazyLock<Vec<&'static str>> = LazyLock::new(|| profiles().iter().map(|listed| listed.name).collect());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(diagnostics) = scenario::load_text("fuzzed.toml", text, &PROFILES) {
        assert!(!diagnostics.to_string().is_empty());
    }
}

/// Pieces of a conversation, which end with 0xff: true and the words of a client behind `>`, else a server's behind any other byte.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    bytes.split(|&byte| byte == 0xff).filter_map(|piece| piece.split_first().map(|(who, said)| (*who == b'>', said)))
}

/// The protocol of a conversation, as the box finds it: by a server's greeting, else by a client's first words.
fn protocol(pieces: &[(bool, &[u8])]) -> Option<Protocol> {
    let protocol = match pieces.first()? {
        (false, said) => Some(sniff::greeting(said)).filter(|protocol| protocol.may_start_tls()),
        (true, _) => None,
    };
    let said: Vec<u8> = pieces.iter().filter(|(client, _)| *client).flat_map(|(_, said)| said.iter().copied()).collect();
    let protocol = protocol.or_else(|| match sniff::sniff(&said, First::Stream) {
        Sniffed::Seen(Seen::Plain { protocol }) => Some(protocol),
        _ => None,
    });
    protocol.filter(|protocol| protocol.may_start_tls())
}

/// What both sides were sent, and what was told.
#[derive(Debug, Default)]
struct Played {
    up: Vec<u8>,
    down: Vec<u8>,
    stages: Vec<String>,
    next: Next,
}

/// A conversation to the end of its prelude.
fn play<'a>(protocol: Protocol, manner: Manner, pieces: impl Iterator<Item = (bool, &'a [u8])>) -> Played {
    let mut prelude = Prelude::new(protocol, manner).expect("a protocol with an upgrade");
    let mut played = Played::default();
    for (client, said) in pieces {
        let step = if client { prelude.up(said) } else { prelude.down(said) };
        let in_place = step.keeps_lengths(said);
        let Step { onward, back, told, next } = step;
        match manner {
            Manner::Watch | Manner::Intercept => assert!(in_place && onward == said),
            Manner::Mangle => assert!(in_place),
            Manner::Strip | Manner::Refuse => {}
        }
        let (to, from) = if client { (&mut played.up, &mut played.down) } else { (&mut played.down, &mut played.up) };
        to.extend(onward);
        from.extend(back);
        played.stages.extend(
            told.iter().filter_map(|told| if let Told::Stage(stage) = told { Some(stage.as_str().into()) } else { None }),
        );
        played.next = next;
        if next != Next::GoOn {
            break;
        }
    }
    played
}

/// A few names of each kind.
fn some_world() -> World {
    let site = |names: &[&str], addresses: &[&str]| Site {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: addresses.iter().filter_map(|address| address.parse().ok()).collect(),
        asn: None,
        place: Place::Outside,
        services: Vec::new(),
        cert: Cert::Good,
        ech: Some(vec![0, 4, 0xfe, 0x0d, 0, 0]),
    };
    let many: Vec<String> = (1..=200).map(|number| format!("198.18.1.{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    World {
        sites: vec![site(&["a.test", "*.w.test"], &["192.0.2.7", "2001:db8::7"]), site(&["m.test"], &many)],
        ..World::default()
    }
}

fn quick(name: &str) -> Forger {
    forger(Profile::load(name).expect("a profile of the project")).expect("a forger")
}

/// A forger with keys that take no time to make: what is fuzzed is reading and writing.
fn forger(mut profile: Profile) -> Result<Forger, ForgeError> {
    profile.root.key = KeyKind::P256;
    profile.intermediate.iter_mut().for_each(|intermediate| intermediate.key = KeyKind::P256);
    profile.leaf.key = LeafKey::Kind(KeyKind::P256);
    let options = Options { hosts: vec!["example".to_owned()], warm_keys: 0, ..Options::default() };
    Forger::new(profile, Clock::of_this_machine(), options)
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
