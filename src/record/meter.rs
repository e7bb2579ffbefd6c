//! What the sizes and types of TLS records tell without any key, for connections that nobody in the lab terminates: a
//! server of the user's own, a mail server that was started for the world.
//!
//! A record's outer type is in the clear (RFC 8446 section 5.1, RFC 5246 section 6.2.1). In TLS 1.2 type 23 is
//! application data. In TLS 1.3 everything after the hellos is type 23, but a client's first such record is its Finished
//! and an alert is 19 bytes, so what is beyond is application data. That is weaker than decrypting: a
//! client certificate counts as data, two bytes of data count as an alert. An observer that decrypts outranks it.

use super::alert::alert_name;
use super::connection::{Alert, Bytes, Handshake};
use super::event::{Event, Half, Observer, Side};

/// Counts one connection as it passes. Feed it every byte of both directions, in order.
#[derive(Clone, Debug, Default)]
pub struct TlsMeter {
    up: Lane,
    down: Lane,
    version: Version,
    /// ServerHello's legacy_version, which says what TLS 1.2 and older came to.
    legacy_version: u16,
    suite: u16,
}

/// One direction.
#[derive(Clone, Debug, Default)]
struct Lane {
    raw: u64,
    tls: bool,
    header: Vec<u8>,
    kind: u8,
    length: usize,
    left: usize,
    body: Vec<u8>,
    changed_cipher: bool,
    encrypted_handshake: bool,
    app: u64,
    alert: Option<(u8, u8)>,
    encrypted_alert: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    #[default]
    Unknown,
    Tls12,
    Tls13,
}

impl TlsMeter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One side sent these bytes. TLS may begin at once or, with STARTTLS, at the beginning of a later piece.
    pub fn sent(&mut self, from: Side, bytes: &[u8]) {
        let hello_came = self.up.tls;
        let lane = match from {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        };
        lane.raw += bytes.len() as u64;
        lane.tls |= match (from, bytes) {
            (Side::Client, [HANDSHAKE] | [HANDSHAKE, 3, ..]) => true,
            (Side::Server, [HANDSHAKE | ALERT] | [HANDSHAKE | ALERT, 3, ..]) => hello_came,
            _ => false,
        };
        if lane.tls {
            self.records(from, bytes);
        }
    }

    /// Byte counts for a [`Event::HalfEnd`]. Without TLS all bytes are application bytes.
    pub fn bytes(&self) -> Bytes {
        let app = |lane: &Lane| if self.up.tls { lane.app } else { lane.raw };
        Bytes { raw_up: self.up.raw, raw_down: self.down.raw, app_up: Some(app(&self.up)), app_down: Some(app(&self.down)) }
    }

    /// What the wire can witness of the handshake: its completion and alerts in the clear. To be emitted before the
    /// half's end.
    pub fn events(&self, half: Half, by: Observer) -> Vec<Event> {
        let mut events = Vec::new();
        if self.is_done() {
            let handshake = Handshake {
                version: self.version_word().to_owned(),
                cipher: format!("{:#06x}", self.suite),
                group: None,
                alpn: None,
                resumed: false,
                us: 0,
            };
            events.push(Event::HandshakeDone { half, by, handshake });
        }
        for (from, lane) in [(Side::Client, &self.up), (Side::Server, &self.down)] {
            let Some((level, number)) = lane.alert else { continue };
            let name = alert_name(number).to_owned();
            let alert = Alert { from, level: Some(level), number, name, plaintext: Some(true), after_handshake: self.is_done() };
            events.push(Event::Alert { half, by, alert });
        }
        events
    }

    fn version_word(&self) -> &'static str {
        match (self.version, self.legacy_version) {
            (Version::Tls13, _) => "TLS1.3",
            (_, 0x0301) => "TLS1.0",
            (_, 0x0302) => "TLS1.1",
            _ => "TLS1.2",
        }
    }

    /// True if the client sent its Finished. The server's came before it in TLS 1.3; in TLS 1.2 it must have come too.
    pub fn is_done(&self) -> bool {
        match self.version {
            Version::Tls13 => self.up.encrypted_handshake,
            _ => self.up.encrypted_handshake && self.down.encrypted_handshake,
        }
    }

    /// True if an encrypted alert of the client took the place of its Finished: Go and Chromium refuse so in TLS 1.3.
    pub fn refused_in_secret(&self) -> bool {
        self.version == Version::Tls13 && self.up.encrypted_alert && !self.up.encrypted_handshake
    }

    fn records(&mut self, from: Side, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let lane = if from == Side::Client { &mut self.up } else { &mut self.down };
            if lane.left == 0 && !lane.begin(&mut bytes) {
                continue;
            }
            let now = lane.left.min(bytes.len());
            let keep = HEAD.saturating_sub(lane.body.len()).min(now);
            lane.body.extend_from_slice(&bytes[..keep]);
            lane.left -= now;
            bytes = &bytes[now..];
            if lane.left == 0 {
                self.record(from);
            }
        }
    }

    /// A whole record has passed.
    fn record(&mut self, from: Side) {
        if from == Side::Server && self.version == Version::Unknown {
            self.server_hello();
        }
        let (version, client_finished) = (self.version, self.up.encrypted_handshake);
        let lane = if from == Side::Client { &mut self.up } else { &mut self.down };
        match lane.kind {
            CHANGE_CIPHER_SPEC => lane.changed_cipher = true,
            HANDSHAKE if lane.changed_cipher && version == Version::Tls12 => lane.encrypted_handshake = true,
            ALERT if lane.length == 2 => lane.alert = lane.body.first_chunk().map(|[level, number]| (*level, *number)),
            ALERT => lane.encrypted_alert = true,
            APPLICATION_DATA if version == Version::Tls13 => lane.protected(from, client_finished),
            APPLICATION_DATA => lane.app += (lane.length.saturating_sub(OVERHEAD_12)).max(1) as u64,
            _ => {}
        }
        lane.body.clear();
    }

    /// Reads version and suite from a ServerHello (RFC 8446 section 4.1.3). A HelloRetryRequest says TLS 1.3 as well.
    fn server_hello(&mut self) {
        let body = &self.down.body;
        if self.down.kind != HANDSHAKE || body.first() != Some(&2) {
            return;
        }
        self.legacy_version = body.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |octets| u16::from_be_bytes(*octets));
        let after_session = 39 + usize::from(body.get(38).copied().unwrap_or_default());
        let suite = body.get(after_session..).and_then(|rest| rest.first_chunk());
        self.suite = suite.map_or(0, |octets| u16::from_be_bytes(*octets));
        let message = 4 + body[1..].first_chunk().map_or(0, |[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]) as usize);
        let extensions = body.get(after_session + 5..message.min(body.len())).unwrap_or_default();
        let tls13 = extension(extensions, 43).is_some_and(|value| value == [3, 4]);
        self.version = if tls13 { Version::Tls13 } else { Version::Tls12 };
    }
}

impl Lane {
    /// Takes a record's header in; true once it is whole and a body follows.
    fn begin(&mut self, bytes: &mut &[u8]) -> bool {
        let take = (5 - self.header.len()).min(bytes.len());
        self.header.extend_from_slice(&bytes[..take]);
        *bytes = &bytes[take..];
        let [kind, _, _, high, low] = self.header[..] else { return false };
        self.header.clear();
        self.kind = kind;
        self.length = usize::from(u16::from_be_bytes([high, low]));
        self.left = self.length;
        self.left > 0
    }

    /// A protected record of TLS 1.3: what it is, by its size.
    /// Until the client's Finished all that the server sends is handshake, or data that cannot be told from it.
    fn protected(&mut self, from: Side, client_finished: bool) {
        match self.length {
            length if !client_finished && from == Side::Client && FINISHED_13.contains(&length) => {
                self.encrypted_handshake = true
            }
            ALERT_13 => self.encrypted_alert = true,
            _ if !client_finished && from == Side::Server => {}
            _ => self.app += self.length.saturating_sub(OVERHEAD_13) as u64,
        }
    }
}

fn extension(mut list: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = list {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([*a, *b]) == wanted {
            return Some(value);
        }
        list = &rest[length..];
    }
    None
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Bytes of a record that are kept to be read: a ServerHello with a post-quantum key share is some 1200 bytes.
const HEAD: usize = 2048;
/// Content type and tag of a protected record (RFC 8446 section 5.2).
const OVERHEAD_13: usize = 17;
/// Explicit nonce and tag of AES-GCM (RFC 5288 section 3); ChaCha20-Poly1305 has 16, so counts are "at least".
const OVERHEAD_12: usize = 24;
/// Two bytes of alert, protected.
const ALERT_13: usize = 2 + OVERHEAD_13;
/// Finished with SHA-256 and with SHA-384 (RFC 8446 section 4.4.4): header 4, hash 32 or 48, protected.
const FINISHED_13: [usize; 2] = [36 + OVERHEAD_13, 52 + OVERHEAD_13];

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Does {
        Asks,
        HangsUp,
        Refuses,
    }

    /// Pumps a real exchange through a meter, in pieces of `piece` bytes.
    fn metered(version: &'static SupportedProtocolVersion, does: Does, piece: usize) -> TlsMeter {
        let (mut client, mut server) = ends(version, does != Does::Refuses);
        let (mut meter, mut asked) = (TlsMeter::new(), false);
        for _ in 0..10 {
            if !client.is_handshaking() && !asked {
                asked = true;
                if does == Does::Asks {
                    client.writer().write_all(&[b'q'; 78]).expect("memory");
                }
                if does == Does::HangsUp {
                    client.send_close_notify();
                }
            }
            let mut up = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut up).expect("memory");
            }
            up.chunks(piece).for_each(|bytes| meter.sent(Side::Client, bytes));
            server.read_tls(&mut up.as_slice()).expect("memory");
            let _ = server.process_new_packets();
            let mut question = [0; 100];
            if server.reader().read(&mut question).is_ok_and(|n| n == 78) {
                server.writer().write_all(&[b'a'; 1000]).expect("memory");
            }
            let mut down = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut down).expect("memory");
            }
            down.chunks(piece).for_each(|bytes| meter.sent(Side::Server, bytes));
            client.read_tls(&mut down.as_slice()).expect("memory");
            let _ = client.process_new_packets();
        }
        meter
    }

    fn ends(version: &'static SupportedProtocolVersion, trusted: bool) -> (ClientConnection, ServerConnection) {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("a certificate");
        let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(made.cert.der().clone()).expect("a root");
        }
        let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).expect("a version");
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).expect("a version");
        let key = made.signing_key.serialize_der().try_into().expect("a key");
        let mut server =
            server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a certificate");
        server.send_tls13_tickets = 0;
        let name = "a.test".try_into().expect("a name");
        let client = ClientConnection::new(Arc::new(client), name).expect("a client");
        (client, ServerConnection::new(Arc::new(server)).expect("a server"))
    }

    #[test]
    fn three_reactions_are_told_apart_without_a_key() {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            for piece in [1, 7, 100_000] {
                let asks = metered(version, Does::Asks, piece);
                assert_eq!((asks.is_done(), asks.bytes().app_up), (true, Some(78)), "{version:?} {piece}");
                assert_eq!(asks.bytes().app_down, Some(1000), "{version:?} {piece}");
                let hangs_up = metered(version, Does::HangsUp, piece);
                assert_eq!((hangs_up.is_done(), hangs_up.bytes().app_up), (true, Some(0)), "{version:?} {piece}");
                let refuses = metered(version, Does::Refuses, piece);
                assert_eq!((refuses.is_done(), refuses.bytes().app_up), (false, Some(0)), "{version:?} {piece}");
                let in_the_clear = refuses.events(Half::Client, Observer::Wire).iter().any(
                    |e| matches!(e, Event::Alert { alert, .. } if (alert.number, alert.from, alert.name.as_str()) == (48, Side::Client, "unknown_ca")),
                );
                assert_ne!(in_the_clear, refuses.refused_in_secret(), "{version:?} {piece}");
            }
        }
    }

    #[test]
    fn plain_bytes_and_starttls() {
        let mut meter = TlsMeter::new();
        meter.sent(Side::Server, b"220 mail\r\n");
        meter.sent(Side::Client, b"EHLO a\r\n");
        assert_eq!(meter.bytes().app_up, Some(8), "no TLS: what was sent is what was said");
        meter.sent(Side::Client, &[22, 3, 1, 0, 1, 0]);
        assert_eq!(meter.bytes().app_up, Some(0), "with TLS only what is inside counts");
        assert_eq!(meter.bytes().raw_up, 14);
    }

    proptest::proptest! {
        #[test]
        fn nonsense_is_counted_and_does_no_harm(pieces: Vec<(bool, bool, Vec<u8>)>) {
            let (mut meter, mut sum) = (TlsMeter::new(), 0);
            for (up, record, bytes) in pieces {
                let head: &[u8] = if record { &[22, 3, 3, 0, 9, 2, 0] } else { &[] };
                let bytes = [head, &bytes].concat();
                sum += bytes.len() as u64;
                meter.sent(if up { Side::Client } else { Side::Server }, &bytes);
            }
            let bytes = meter.bytes();
            proptest::prop_assert_eq!(bytes.raw_up + bytes.raw_down, sum);
            proptest::prop_assert!(bytes.app_up <= Some(sum) && bytes.app_down <= Some(sum));
            let _ = meter.events(Half::Client, Observer::Wire);
        }
    }
}
