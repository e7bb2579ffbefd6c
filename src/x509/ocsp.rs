//! OCSP (RFC 6960): one response about one certificate, as a forger or a server staples it; and what a responder needs to
//! read a request and answer it.
//!
//! Responses are signed by the issuer itself (section 4.2.2.2), never by a delegate. Nothing here knows which certificates
//! exist: the caller does.

use time::{Duration, OffsetDateTime};

use super::der::{self, DerError, Reader, tag};
use super::extension::IssuerFacts;
use super::key::{Digest, Key, KeyError};

/// What is known of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Issued and not revoked.
    Good,
    /// Revoked since then; the reason is not told.
    Revoked(OffsetDateTime),
    /// Not one of the issuer's.
    Unknown,
}

/// Which certificate is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId {
    /// The whole value as it was asked; an answer repeats it.
    pub raw: Vec<u8>,
    /// Digest of the issuer's name.
    pub name_hash: Vec<u8>,
    /// Digest of the bits of the issuer's key.
    pub key_hash: Vec<u8>,
    /// Content of the serial number.
    pub serial: Vec<u8>,
}

/// A request, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The certificates, in order. Never empty.
    pub asked: Vec<CertId>,
    /// The nonce extension's value as sent (RFC 9654), to be repeated.
    pub nonce: Option<Vec<u8>>,
}

/// Why there is no answer (RFC 6960 section 4.2.1, OCSPResponseStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The request is none.
    Malformed = 1,
    /// The responder failed.
    InternalError = 2,
    /// No certificate of an issuer that this responder answers for.
    Unauthorized = 6,
}

/// A DER OCSPResponse: `good` for this serial number, from an hour before `now`, for a day.
pub fn good(issuer: &IssuerFacts, key: &Key, serial: &[u8], now: OffsetDateTime) -> Result<Vec<u8>, KeyError> {
    response(key, &[(CertId::of(issuer, serial), Status::Good)], None, now)
}

/// A DER OCSPResponse about several certificates, signed by the issuer's own `key`.
pub fn response(key: &Key, answers: &[(CertId, Status)], nonce: Option<&[u8]>, now: OffsetDateTime) -> Result<Vec<u8>, KeyError> {
    let responder = der::value(tag::constructed(2), &der::octet_string(&key.id())); // byKey
    let singles: Vec<Vec<u8>> = answers.iter().map(|(id, status)| single_response(id, *status, now)).collect();
    let singles = der::sequence(&singles.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let extensions = nonce.map_or_else(Vec::new, |nonce| {
        let nonce = der::sequence(&[&der::oid(NONCE), &der::octet_string(nonce)]);
        der::value(tag::constructed(1), &der::sequence(&[&nonce]))
    });
    let data = der::sequence(&[&responder, &generalized(now - BEFORE), &singles, &extensions]);
    let signature = key.sign(Digest::Sha256, &data)?;
    let basic = der::sequence(&[&data, &key.signature_algorithm(Digest::Sha256), &der::bit_string(&signature)]);
    let bytes = der::sequence(&[&der::oid(BASIC_RESPONSE), &der::octet_string(&basic)]);
    Ok(der::sequence(&[&der::value(tag::ENUMERATED, &[SUCCESSFUL]), &der::value(tag::constructed(0), &bytes)]))
}

/// A DER OCSPResponse that says why there is no answer. Not signed.
pub fn refusal(why: Refused) -> Vec<u8> {
    der::sequence(&[&der::value(tag::ENUMERATED, &[why as u8])])
}

impl CertId {
    /// The identifier with SHA-1, which every client understands.
    pub fn of(issuer: &IssuerFacts, serial: &[u8]) -> Self {
        let (name_hash, key_hash) = (sha1(&issuer.subject), issuer.key_id.to_vec());
        let algorithm = der::sequence(&[&der::oid(SHA1), &der::value(tag::NULL, &[])]);
        let raw = der::sequence(&[
            &algorithm,
            &der::octet_string(&name_hash),
            &der::octet_string(&key_hash),
            &der::integer_raw(serial),
        ]);
        Self { raw, name_hash, key_hash, serial: serial.to_vec() }
    }

    /// True if it asks for a certificate of this issuer: with SHA-1 or SHA-256 (RFC 6960 section 4.1.1).
    pub fn is_of(&self, issuer_name: &[u8], issuer_key: &[u8]) -> bool {
        let sha256 = |bytes: &[u8]| super::key::sha256(bytes).to_vec();
        let with =
            |digest: &dyn Fn(&[u8]) -> Vec<u8>| digest(issuer_name) == self.name_hash && digest(issuer_key) == self.key_hash;
        with(&sha1) || with(&sha256)
    }

    fn read(value: &der::Value<'_>) -> Result<Self, DerError> {
        let mut fields = value.inside("CertID");
        fields.expect(tag::SEQUENCE)?;
        let name_hash = fields.expect(tag::OCTET_STRING)?.content.to_vec();
        let key_hash = fields.expect(tag::OCTET_STRING)?.content.to_vec();
        let serial = fields.expect(tag::INTEGER)?.content.to_vec();
        Ok(Self { raw: value.raw.to_vec(), name_hash, key_hash, serial })
    }
}

impl Request {
    /// Reads a DER OCSPRequest. A signature of the requestor is not looked at (section 4.1.2: it is optional).
    pub fn read(der: &[u8]) -> Result<Self, Refused> {
        Self::parse(der).ok().filter(|request| !request.asked.is_empty()).ok_or(Refused::Malformed)
    }

    fn parse(der: &[u8]) -> Result<Self, DerError> {
        let mut fields = Reader::new(der, "OCSPRequest").expect(tag::SEQUENCE)?.inside("OCSPRequest");
        let mut tbs = fields.expect(tag::SEQUENCE)?.inside("TBSRequest");
        tbs.optional(tag::constructed(0))?; // version
        tbs.optional(tag::constructed(1))?; // requestorName
        let mut list = tbs.expect(tag::SEQUENCE)?.inside("requestList");
        let mut asked = Vec::new();
        while !list.is_empty() && asked.len() < MOST_ASKED {
            let id = list.expect(tag::SEQUENCE)?.inside("Request").expect(tag::SEQUENCE)?;
            asked.push(CertId::read(&id)?);
        }
        let nonce = match tbs.optional(tag::constructed(2))? {
            Some(extensions) => nonce_in(&extensions)?,
            None => None,
        };
        Ok(Self { asked, nonce })
    }
}

fn nonce_in(extensions: &der::Value<'_>) -> Result<Option<Vec<u8>>, DerError> {
    let mut list = extensions.inside("requestExtensions").expect(tag::SEQUENCE)?.inside("requestExtensions");
    while !list.is_empty() {
        let mut fields = list.expect(tag::SEQUENCE)?.inside("extension");
        let oid = fields.expect(tag::OID)?;
        fields.optional(tag::BOOLEAN)?;
        let value = fields.expect(tag::OCTET_STRING)?;
        if oid.raw == der::oid(NONCE) && value.content.len() <= MOST_NONCE {
            return Ok(Some(value.content.to_vec()));
        }
    }
    Ok(None)
}

fn single_response(id: &CertId, status: Status, now: OffsetDateTime) -> Vec<u8> {
    let status = match status {
        Status::Good => der::value(tag::context(0), &[]),
        Status::Revoked(since) => der::value(tag::constructed(1), &generalized(since)),
        Status::Unknown => der::value(tag::context(2), &[]),
    };
    let next = der::value(tag::constructed(0), &generalized(now - BEFORE + LIFETIME));
    der::sequence(&[&id.raw, &status, &generalized(now - BEFORE), &next])
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// OCSP knows GeneralizedTime only, whatever the year (RFC 6960 section 4.2.1).
fn generalized(moment: OffsetDateTime) -> Vec<u8> {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let (date, time) = (moment.date(), moment.time());
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    der::value(tag::GENERALIZED_TIME, text.as_bytes())
}

const BASIC_RESPONSE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
const NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];
const SUCCESSFUL: u8 = 0;
const BEFORE: Duration = Duration::HOUR;
const LIFETIME: Duration = Duration::DAY;
/// Clients ask for one; a batch is answered up to here.
const MOST_ASKED: usize = 32;
/// 128 octets (RFC 9654 section 2.1) in their OCTET STRING.
const MOST_NONCE: usize = 131;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(id: &CertId, nonce: &[u8]) -> Vec<u8> {
        let list = der::sequence(&[&der::sequence(&[&id.raw])]);
        let nonce = der::sequence(&[&der::oid(NONCE), &der::octet_string(nonce)]);
        let extensions = der::value(tag::constructed(2), &der::sequence(&[&nonce]));
        der::sequence(&[&der::sequence(&[&list, &extensions])])
    }

    fn issuer() -> IssuerFacts {
        IssuerFacts { subject: der::sequence(&[]), issuer: der::sequence(&[]), serial: vec![1], key_id: [7; 20] }
    }

    #[test]
    fn a_request_is_read_back() {
        let id = CertId::of(&issuer(), &[0x45, 1]);
        let read = Request::read(&request(&id, &[4, 2, 8, 9])).unwrap();
        assert_eq!(read, Request { asked: vec![id], nonce: Some(vec![4, 2, 8, 9]) });
        assert_eq!(Request::read(b"nonsense"), Err(Refused::Malformed));
        assert_eq!(Request::read(&der::sequence(&[&der::sequence(&[&der::sequence(&[])])])), Err(Refused::Malformed));
        assert_eq!(refusal(Refused::Unauthorized), [0x30, 3, 0x0a, 1, 6]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut damaged = request(&CertId::of(&issuer(), &[1]), &[4, 1, 0]);
            let place = at.index(damaged.len());
            damaged[place] = byte;
            let _ = (Request::read(&damaged), Request::read(&noise));
        }
    }
}
