//! What a ClientHello says: the message as sent and a view of the fields that the lab uses.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Framing;
use super::server_name::ServerName;
use crate::record::Hello;
use crate::scenario::Transport;
use crate::tls::fingerprint;

/// A ClientHello (RFC 8446 section 4.1.2), kept as sent.
#[derive(Clone, Debug)]
pub struct ClientHello {
    pub(super) framing: Framing,
    pub(super) legacy_version: u16,
    pub(super) random: Range<usize>,
    pub(super) session_id: Range<usize>,
    pub(super) ciphers: Vec<u16>,
    pub(super) compression: Range<usize>,
    pub(super) extensions: Vec<(u16, Range<usize>)>,
    pub(super) offers: Offers,
    pub(super) raw: Vec<u8>,
}

/// What the extensions offer.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    pub(super) names: Vec<ServerName>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) versions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) signature_algorithms: Vec<u16>,
    pub(super) key_shares: Vec<u16>,
    pub(super) ec_formats: Vec<u8>,
    pub(super) ech: bool,
    pub(super) psk: bool,
    pub(super) early_data: bool,
    pub(super) unreadable: Vec<u16>,
}

/// Two hellos are the same if the same message came in the same number of records.
impl PartialEq for ClientHello {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.framing.records == other.framing.records
    }
}

impl Eq for ClientHello {}

impl ClientHello {
    /// The handshake message: type, length, body.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Version of the first record; 0 if there were no records.
    pub fn record_version(&self) -> u16 {
        self.framing.record_version
    }

    /// In how many records it came; 0 if there were none.
    pub fn records(&self) -> u32 {
        self.framing.records
    }

    /// legacy_version.
    pub fn legacy_version(&self) -> u16 {
        self.legacy_version
    }

    /// random: 32 bytes, the join key with key logs.
    pub fn random(&self) -> &[u8] {
        &self.raw[self.random.clone()]
    }

    /// legacy_session_id: up to 32 bytes.
    pub fn session_id(&self) -> &[u8] {
        &self.raw[self.session_id.clone()]
    }

    /// Cipher suites in order.
    pub fn ciphers(&self) -> &[u16] {
        &self.ciphers
    }

    /// Compression methods.
    pub fn compression(&self) -> &[u8] {
        &self.raw[self.compression.clone()]
    }

    /// Extensions in order: type and body.
    pub fn extensions(&self) -> impl ExactSizeIterator<Item = (u16, &[u8])> {
        self.extensions.iter().map(|(kind, range)| (*kind, &self.raw[range.clone()]))
    }

    /// Body of the first extension of a type.
    pub fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.extensions().find(|(found, _)| *found == kind).map(|(_, body)| body)
    }

    /// The server name as rules compare it: lower case, no final dot. Of several names the first.
    pub fn sni(&self) -> Option<&str> {
        self.offers.names.first().map(ServerName::normal)
    }

    /// Every host name of the server_name extension; more than one is forbidden (RFC 6066 section 3) and kept.
    pub fn names(&self) -> &[ServerName] {
        &self.offers.names
    }

    /// Offered protocols (RFC 7301) in order.
    pub fn alpn(&self) -> &[Vec<u8>] {
        &self.offers.alpn
    }

    /// supported_versions in order; empty if the extension is missing.
    pub fn supported_versions(&self) -> &[u16] {
        &self.offers.versions
    }

    /// supported_groups in order.
    pub fn groups(&self) -> &[u16] {
        &self.offers.groups
    }

    /// signature_algorithms in order.
    pub fn signature_algorithms(&self) -> &[u16] {
        &self.offers.signature_algorithms
    }

    /// The groups that a key share was sent for.
    pub fn key_shares(&self) -> &[u16] {
        &self.offers.key_shares
    }

    /// ec_point_formats.
    pub fn ec_formats(&self) -> &[u8] {
        &self.offers.ec_formats
    }

    /// Encrypted ClientHello is offered, real or GREASE: the name may be the outer one.
    pub fn ech(&self) -> bool {
        self.offers.ech
    }

    /// A pre-shared key is offered: the handshake may show no certificate.
    pub fn psk(&self) -> bool {
        self.offers.psk
    }

    /// Early data follows.
    pub fn early_data(&self) -> bool {
        self.offers.early_data
    }

    /// Extensions whose body breaks its own syntax.
    pub fn unreadable(&self) -> &[u16] {
        &self.offers.unreadable
    }

    /// The hello for the record. `segments`: in how many TCP segments it came, 0 where the carrier does not see them.
    pub fn to_record(&self, transport: Transport, segments: u32) -> Hello {
        let versions = match self.supported_versions() {
            [] => vec![self.legacy_version],
            some => some.to_vec(),
        };
        Hello {
            sni: self.sni().map(str::to_owned),
            alpn: self.alpn().iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect(),
            versions,
            ciphers: self.ciphers.clone(),
            extensions: self.extensions.iter().map(|(kind, _)| *kind).collect(),
            ja3: fingerprint::ja3(self),
            ja4: fingerprint::ja4(self, transport),
            ech: self.ech(),
            random: fingerprint::hex(self.random()),
            segments,
            records: self.records(),
            raw: STANDARD.encode(&self.raw),
        }
    }
}
