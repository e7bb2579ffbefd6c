//! RFC 9001's own packet, packets made here, and what nobody should send.

use proptest::prelude::*;
use rustls::quic::Version;

use super::*;
use crate::tls::hello::build::Build;

/// A client that writes Initial packets.
struct Client {
    version: Version,
    destination: Vec<u8>,
    /// Keys are derived from this one.
    original: Vec<u8>,
    number: u32,
}

impl Client {
    fn new() -> Self {
        Self { version: Version::V1, destination: vec![7; 8], original: vec![7; 8], number: 0 }
    }

    /// A packet with these frames.
    fn packet(&mut self, frames: &[u8]) -> Vec<u8> {
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let keys = Keys::initial(self.version, suite, suite.quic.unwrap(), &self.original, Side::Client).local;
        let (version, kind) = match self.version {
            Version::V2 => (0x6b33_43cf_u32, 0xd3),
            _ => (1, 0xc3),
        };
        let mut header = vec![kind];
        header.extend(version.to_be_bytes());
        header.push(self.destination.len() as u8);
        header.extend(&self.destination);
        header.extend([0, 0]); // no source connection ID, no token
        let mut payload = frames.to_vec();
        payload.resize(payload.len().max(4), 0);
        header.extend((0x4000 | (payload.len() as u16 + 4 + 16)).to_be_bytes());
        let number_at = header.len();
        header.extend(self.number.to_be_bytes());
        let tag = keys.packet.encrypt_in_place(u64::from(self.number), &header, &mut payload).unwrap();
        self.number += 1;
        let mut packet = [&header[..], &payload, tag.as_ref()].concat();
        let sample = packet[number_at + 4..number_at + 20].to_vec();
        let (first, rest) = packet.split_first_mut().unwrap();
        keys.header.encrypt_in_place(&sample, first, &mut rest[number_at - 1..number_at + 3]).unwrap();
        packet
    }
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let two = |value: usize| (0x4000 | value as u16).to_be_bytes();
    [&[6][..], &two(offset), &two(data.len()), data].concat()
}

fn message(extra: usize) -> Vec<u8> {
    Build::new().ciphers(&[0x1301]).sni("www.quick.test").alpn(&[b"h3"]).extension(51, &vec![9; extra]).message()
}

fn sni(look: Look) -> Option<(String, u32)> {
    match look {
        Look::Hello(hello, datagrams) => Some((hello.sni()?.to_owned(), datagrams)),
        _ => None,
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The CRYPTO frame of the RFC's example.
const RFC_9001_A2: &str = "
    060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
    616d706c652e636f6dff01000100000a00080006001d00170018001000070005
    04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
    0d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
    75300901100f088394c8f03e51570806048000ffff";

fn found(datagrams: u32) -> Option<(String, u32)> {
    Some(("www.quick.test".to_owned(), datagrams))
}

/// RFC 9001 appendix A.2: the client's Initial of the example, number 2, for `example.com`. Its protected beginning and its end, which
/// depends on every byte, are the RFC's.
#[test]
fn the_packet_of_the_rfc_is_made_and_read() {
    let destination = hex("8394c8f03e515708");
    let mut client = Client { destination: destination.clone(), original: destination, number: 2, ..Client::new() };
    let mut frames = hex(RFC_9001_A2);
    frames.resize(1162, 0);
    let packet = client.packet(&frames);
    assert_eq!(packet.len(), 1200);
    assert_eq!(packet[..38], hex("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b"));
    assert_eq!(packet[1184..], hex("e221af44860018ab0856972e194cd934"));
    assert_eq!(sni(Initials::new().datagram(&packet)), Some(("example.com".to_owned(), 1)));
}

#[test]
fn both_versions_are_read() {
    for version in [Version::V1, Version::V2] {
        let packet = Client { version, ..Client::new() }.packet(&crypto(0, &message(40)));
        assert_eq!(sni(Initials::new().datagram(&packet)), found(1));
    }
}

#[test]
fn a_hello_in_pieces_and_in_disorder_over_two_datagrams() {
    let (mut client, message) = (Client::new(), message(1300));
    let (a, b, c) = (&message[..90], &message[90..700], &message[700..]);
    let first = client.packet(&[crypto(700, c), vec![1, 0, 0], crypto(0, a)].concat());
    let second = client.packet(&[vec![2, 0, 0, 0, 0], crypto(90, b)].concat());
    let mut initials = Initials::new();
    assert!(matches!(initials.datagram(&first), Look::More));
    assert!(matches!(initials.datagram(&first), Look::More), "sent again");
    assert_eq!(sni(initials.datagram(&second)), found(3));
}

#[test]
fn coalesced_packets_are_read_and_others_are_skipped() {
    let (mut client, message) = (Client::new(), message(40));
    let zero_rtt = [&[0xd0, 0, 0, 0, 1, 0, 0, 0x40, 30][..], &[5; 30]].concat();
    let datagram =
        [client.packet(&crypto(0, &message[..50])), zero_rtt.clone(), client.packet(&crypto(50, &message[50..]))].concat();
    assert_eq!(sni(Initials::new().datagram(&datagram)), found(1));
    let padded = [Client::new().packet(&crypto(0, &message)), vec![0; 300]].concat();
    assert_eq!(sni(Initials::new().datagram(&padded)), found(1));
    assert!(matches!(Initials::new().datagram(&zero_rtt), Look::Unread(Unread::NoInitial)));
}

/// After a Retry the client begins anew with the server's connection ID; after an answer it goes on with it.
#[test]
fn keys_follow_the_first_connection_id_and_a_retry() {
    let message = message(1300);
    let (mut client, mut initials) = (Client::new(), Initials::new());
    assert!(matches!(initials.datagram(&client.packet(&crypto(0, &message[..600]))), Look::More));
    client.destination = vec![9; 12];
    assert_eq!(sni(initials.datagram(&client.packet(&crypto(600, &message[600..])))), found(2));

    let (mut client, mut initials) = (Client::new(), Initials::new());
    assert!(matches!(initials.datagram(&client.packet(&crypto(0, &message[..600]))), Look::More));
    client = Client { destination: vec![3; 16], original: vec![3; 16], number: client.number, ..client };
    assert!(matches!(initials.datagram(&client.packet(&crypto(0, &message[..600]))), Look::More));
    assert_eq!(sni(initials.datagram(&client.packet(&crypto(600, &message[600..])))), found(3));
}

#[test]
fn what_cannot_be_read_says_why() {
    let unread = |bytes: &[u8]| match Initials::new().datagram(bytes) {
        Look::Unread(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(unread(b"GET / HTTP/1.1\r\n\r\n"), Unread::NotQuic);
    assert_eq!(unread(&[]), Unread::NoInitial);
    assert_eq!(unread(&[0xc3, 0xff, 0, 0, 0x1d, 0, 0]), Unread::OtherVersion(0xff00_001d));
    let good = Client::new().packet(&crypto(0, &message(40)));
    let mut wrong_identifier = good.clone();
    wrong_identifier[8] ^= 1;
    assert_eq!(unread(&wrong_identifier), Unread::Locked);
    assert_eq!(unread(&good[..good.len() - 1]), Unread::NotQuic, "shorter than it says");
    assert_eq!(unread(&Client::new().packet(&[0x08, 0, 0, 0])), Unread::Frames, "a stream has no place here");
    assert_eq!(unread(&Client::new().packet(&[6, 0, 0x44, 0])), Unread::Frames, "a frame longer than its packet");
    let other = hello::build::message(2, &[0; 40]);
    assert!(matches!(unread(&Client::new().packet(&crypto(0, &other))), Unread::Malformed(_)));
    assert_eq!(unread(&Client::new().packet(&crypto(16_000, &[0; 500]))), Unread::TooMuch);
}

/// Nothing grows without an end: pieces that never meet, and datagrams that never make a hello.
#[test]
fn a_hello_that_is_never_finished_is_given_up() {
    let (mut client, mut initials) = (Client::new(), Initials::new());
    let looks: Vec<Look> =
        (0..MOST_DATAGRAMS + 1).map(|_| initials.datagram(&client.packet(&crypto(0, &[1, 0, 4, 0])))).collect();
    assert!(matches!(looks[..], [.., Look::More, Look::Unread(Unread::TooMuch)]));
    let pieces: Vec<u8> = (0..100).flat_map(|at| crypto(at * 10 + 5, &[0])).collect();
    assert!(matches!(Initials::new().datagram(&Client::new().packet(&pieces)), Look::Unread(Unread::TooMuch)));
}

proptest! {
    /// However a hello is cut, shuffled, doubled and spread over packets, it is the same hello.
    #[test]
    fn any_cut_gives_the_same_hello(
        extra in 0usize..1500,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        order in any::<u64>(),
        overlap in 0usize..40,
    ) {
        let message = message(extra);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len())).chain([0, message.len()]).collect();
        at.sort_unstable();
        at.dedup();
        let mut pieces: Vec<(u64, Vec<u8>)> = at.windows(2).enumerate().map(|(index, pair)| {
            let end = (pair[1] + overlap).min(message.len());
            ((index as u64 + 1).wrapping_mul(order | 1), crypto(pair[0], &message[pair[0]..end]))
        }).collect();
        pieces.sort();
        let (mut client, mut initials) = (Client::new(), Initials::new());
        let mut told = None;
        for (_, piece) in &pieces {
            if told.is_none() {
                told = sni(initials.datagram(&client.packet(piece)));
            }
        }
        prop_assert_eq!(told.map(|(name, _)| name), Some("www.quick.test".to_owned()));
    }

    /// Anything at all: an answer, and no panic.
    #[test]
    fn garbage_is_answered(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut initials = Initials::new();
        for datagram in &datagrams {
            let _ = initials.datagram(datagram);
        }
    }

    /// Any frames in a packet that opens.
    #[test]
    fn garbage_that_opens_is_answered(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let (mut client, mut initials) = (Client::new(), Initials::new());
        for frames in &frames {
            let _ = initials.datagram(&client.packet(frames));
        }
    }

    /// A packet with some bytes changed.
    #[test]
    fn a_damaged_packet_is_answered(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut packet = Client::new().packet(&crypto(0, &message(40)));
        for (at, byte) in changes {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        let _ = Initials::new().datagram(&packet);
    }
}
