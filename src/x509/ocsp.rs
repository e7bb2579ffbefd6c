//! One OCSP response (RFC 6960 section 4.2): `good`, signed by the issuer itself. What a stealthy forger staples.
//!
//! This is no responder: it answers for the certificate that was just made and for nothing else.

use time::{Duration, OffsetDateTime};

use super::der::{self, tag};
use super::extension::IssuerFacts;
use super::key::{Digest, Key, KeyError};

/// A DER OCSPResponse: `good` for this serial number, from an hour before `now`, for a day.
pub fn good(issuer: &IssuerFacts, key: &Key, serial: &[u8], now: OffsetDateTime) -> Result<Vec<u8>, KeyError> {
    let single = single_response(issuer, serial, now);
    let responder = der::value(tag::constructed(2), &der::octet_string(&issuer.key_id)); // byKey
    let produced = generalized(now - BEFORE);
    let data = der::sequence(&[&responder, &produced, &der::sequence(&[&single])]);
    let signature = key.sign(Digest::Sha256, &data)?;
    let basic = der::sequence(&[&data, &key.signature_algorithm(Digest::Sha256), &der::bit_string(&signature)]);
    let bytes = der::sequence(&[&der::oid(BASIC_RESPONSE), &der::octet_string(&basic)]);
    Ok(der::sequence(&[&der::value(tag::ENUMERATED, &[SUCCESSFUL]), &der::value(tag::constructed(0), &bytes)]))
}

fn single_response(issuer: &IssuerFacts, serial: &[u8], now: OffsetDateTime) -> Vec<u8> {
    let sha1 = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
    let algorithm = der::sequence(&[&der::oid(SHA1), &der::value(tag::NULL, &[])]);
    let id = der::sequence(&[
        &algorithm,
        &der::octet_string(&sha1(&issuer.subject)),
        &der::octet_string(&issuer.key_id), // SHA-1 of the key's bits: the same number
        &der::integer_raw(serial),
    ]);
    let good = der::value(tag::context(0), &[]);
    let next = der::value(tag::constructed(0), &generalized(now - BEFORE + LIFETIME));
    der::sequence(&[&id, &good, &generalized(now - BEFORE), &next])
}

/// OCSP knows GeneralizedTime only, whatever the year (RFC 6960 section 4.2.1).
fn generalized(moment: OffsetDateTime) -> Vec<u8> {
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
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];
const SUCCESSFUL: u8 = 0;
const BEFORE: Duration = Duration::HOUR;
const LIFETIME: Duration = Duration::DAY;
