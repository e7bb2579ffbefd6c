//! Signed certificate timestamps (RFC 6962 section 3.2) of logs that nobody lists: what a stealthy forger embeds so that
//! a checker which only counts them is satisfied.
//!
//! The timestamps verify under the keys of these logs; a checker that has a list of logs does not know the keys.
//! This is not a log: nothing is stored and no inclusion can be proven.

use time::OffsetDateTime;

use super::der::{self, Reader, tag};
use super::extension;
use super::key::{Digest, Key, KeyError, KeyKind, hex, sha256};
use super::oid;
use super::tbs::{Extension, Tbs};

/// A log that signs what it is given.
#[derive(Clone, Debug)]
pub struct Log {
    key: Key,
}

impl Log {
    /// A log with a fresh P-256 key (RFC 6962 section 2.1.4).
    pub fn new() -> Result<Self, KeyError> {
        Ok(Self { key: Key::generate(KeyKind::P256)? })
    }

    /// SHA-256 of its key: the log's identifier.
    pub fn id(&self) -> [u8; 32] {
        sha256(self.key.spki())
    }

    /// SubjectPublicKeyInfo, for who wants to verify.
    pub fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    /// One SerializedSCT over a precertificate's to-be-signed part.
    pub fn timestamp(&self, tbs: &[u8], issuer_spki: &[u8], at: OffsetDateTime) -> Result<Vec<u8>, KeyError> {
        let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0).to_be_bytes();
        let signed = signed_data(&millis, tbs, issuer_spki);
        let signature = self.key.sign(Digest::Sha256, &signed)?;
        let mut sct = vec![V1];
        sct.extend_from_slice(&self.id());
        sct.extend_from_slice(&millis);
        sct.extend_from_slice(&[0, 0]); // CtExtensions: none
        sct.extend_from_slice(&[SHA256, ECDSA]);
        sct.extend_from_slice(&(signature.len() as u16).to_be_bytes());
        sct.extend_from_slice(&signature);
        Ok(sct)
    }
}

/// The extension with one timestamp of each log over `tbs`, which must not hold it yet. The timestamps are some minutes
/// older than `now`, as a log answers before the certificate is issued.
pub fn embed(logs: &[Log], tbs: &Tbs, issuer_spki: &[u8], now: OffsetDateTime) -> Result<Extension, KeyError> {
    let bytes = tbs.write();
    let mut list = Vec::new();
    for (number, log) in logs.iter().enumerate() {
        let at = now - LEAD - time::Duration::milliseconds(317 * number as i64);
        let sct = log.timestamp(&bytes, issuer_spki, at)?;
        list.extend_from_slice(&(sct.len() as u16).to_be_bytes());
        list.extend_from_slice(&sct);
    }
    let framed = [&(list.len() as u16).to_be_bytes()[..], &list].concat();
    Ok(extension::extension(oid::TIMESTAMPS, false, der::octet_string(&framed)))
}

/// What a log signs for a precertificate: `digitally-signed struct` of RFC 6962 section 3.2.
pub fn signed_data(millis: &[u8; 8], tbs: &[u8], issuer_spki: &[u8]) -> Vec<u8> {
    let length = (tbs.len() as u32).to_be_bytes();
    let head = [V1, CERTIFICATE_TIMESTAMP];
    [&head[..], millis, &PRECERT_ENTRY, &sha256(issuer_spki), &length[1..], tbs, &[0, 0]].concat()
}

/// `2 timestamps: a4b90990 2019-04-25T03:35:36Z, ...`; none if unreadable. `value` is the extension's.
pub(super) fn describe(value: &[u8]) -> Option<String> {
    let list = Reader::new(value, "timestamps").expect(tag::OCTET_STRING).ok()?.content;
    let mut rest = list.get(2..)?;
    let mut shown = Vec::new();
    while let Some((length, body)) = rest.split_first_chunk::<2>() {
        let sct = body.get(..usize::from(u16::from_be_bytes(*length)))?;
        rest = &body[sct.len()..];
        let millis = u64::from_be_bytes(sct.get(33..41)?.try_into().ok()?);
        let at = OffsetDateTime::from_unix_timestamp((millis / 1000) as i64).ok()?;
        shown.push(format!("{} {}", hex(sct.get(1..5)?), at.format(&time::format_description::well_known::Rfc3339).ok()?));
    }
    Some(format!("{} timestamps: {}", shown.len(), shown.join(", ")))
}

const V1: u8 = 0;
const CERTIFICATE_TIMESTAMP: u8 = 0;
const PRECERT_ENTRY: [u8; 2] = [0, 1];
/// HashAlgorithm and SignatureAlgorithm of RFC 5246 section 7.4.1.4.1.
const SHA256: u8 = 4;
const ECDSA: u8 = 3;
const LEAD: time::Duration = time::Duration::minutes(7);
