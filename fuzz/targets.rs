//! What is fuzzed: one function for each reader of foreign bytes, shared by the fuzz targets and by the test that replays their corpora.
//!
//! A function takes any bytes and must come back, soon, without a panic. What else must hold is asserted where it is cheap to say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use mitmlab::forge::profile::LeafKey;
use mitmlab::forge::{Forger, Options, Profile, profiles};
use mitmlab::middlebox::relay::Tap as _;
use mitmlab::middlebox::sniff::{self, Sniffed};
use mitmlab::middlebox::tap::HttpTap;
use mitmlab::middlebox::tap::websocket::Frames;
use mitmlab::network::resolver::{Resolver, Way};
use mitmlab::record::{Frame, Observer, Recorder, Side};
use mitmlab::scenario::{self, Clock, First, MailService, Transport, Vantage, World};
use mitmlab::tls::hello::{self, Outcome};
use mitmlab::x509::key::KeyKind;
use mitmlab::x509::tbs::Parsed;
use rustls_pki_types::CertificateDer;

/// A name, as in `fuzz_targets` and `corpus`, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ALL: &[Target] = &[
    ("client_hello", client_hello),
    ("first_bytes", first_bytes),
    ("greeting", greeting),
    ("conversation", conversation),
    ("websocket", websocket),
    ("smtp", smtp),
    ("imap", imap),
    ("pop3", pop3),
    ("dns", dns),
    ("certificate", certificate),
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

/// A conversation that the box reads along: HTTP, a WebSocket, mail. The first byte of each piece says who speaks.
pub(crate) fn conversation(bytes: &[u8]) {
    let recorder = Recorder::new();
    let key = (SocketAddr::new(HERE, 40_000), SocketAddr::new(HERE, 443));
    let (id, _) = recorder.open(key, Transport::Tcp, Vantage::Inside, Observer::Box);
    let mut tap = HttpTap::new(recorder.clone(), id, Observer::Box, None);
    for piece in bytes.split(|&byte| byte == 0xff) {
        match piece.split_first() {
            Some((b'>', said)) => tap.up(said),
            Some((_, said)) => tap.down(said),
            None => {}
        }
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

/// A DNS query. No answer is longer than a datagram may be.
pub(crate) fn dns(bytes: &[u8]) {
    static RESOLVER: LazyLock<Resolver> = LazyLock::new(|| Resolver::new(Arc::new(World::default()), Recorder::new()));
    let (client, resolver) = (SocketAddr::new(HERE, 40_000), SocketAddr::new(HERE, 53));
    let answer = RESOLVER.answer(bytes, Way { client, resolver, transport: Transport::Udp, within: None });
    assert!(answer.replies.iter().all(|reply| reply.len() <= 4096));
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

/// A scenario: a plan or diagnostics.
pub(crate) fn scenario(bytes: &[u8]) {
    static PROFILES: LazyLock<Vec<&'static str>> = LazyLock::new(|| profiles().iter().map(|listed| listed.name).collect());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(diagnostics) = scenario::load_text("fuzzed.toml", text, &PROFILES) {
        assert!(!diagnostics.to_string().is_empty());
    }
}

/// A profile with keys that take no time to make: what is fuzzed is reading and writing.
fn quick(name: &str) -> Forger {
    let mut profile = Profile::load(name).expect("a profile of the project");
    profile.root.key = KeyKind::P256;
    profile.intermediate.iter_mut().for_each(|intermediate| intermediate.key = KeyKind::P256);
    profile.leaf.key = LeafKey::Kind(KeyKind::P256);
    let options = Options { hosts: vec!["example".to_owned()], warm_keys: 0, ..Options::default() };
    Forger::new(profile, Clock::of_this_machine(), options).expect("a forger")
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
