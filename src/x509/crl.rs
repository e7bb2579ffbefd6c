//! Certificate revocation lists (RFC 5280 section 5): the second version, whole (no deltas), signed by the issuer itself.

use time::OffsetDateTime;

use super::dates;
use super::der::{self, tag};
use super::key::{Digest, Key, KeyError};

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Content of its serial number.
    pub serial: Vec<u8>,
    /// Since when.
    pub since: OffsetDateTime,
}

/// What a list says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The issuer's name, whole SEQUENCE.
    pub issuer: &'a [u8],
    /// The issuer's key identifier as its certificates state it.
    pub key_id: &'a [u8],
    /// cRLNumber: grows with every list.
    pub number: u64,
    /// When it was made.
    pub this_update: OffsetDateTime,
    /// When the next one is due.
    pub next_update: OffsetDateTime,
}

/// A DER CertificateList.
pub fn write(head: &Head<'_>, revoked: &[Revoked], key: &Key) -> Result<Vec<u8>, KeyError> {
    let algorithm = key.signature_algorithm(Digest::Sha256);
    let entries: Vec<Vec<u8>> =
        revoked.iter().map(|one| der::sequence(&[&der::integer_raw(&one.serial), &dates::write(one.since)])).collect();
    let entries = match entries.as_slice() {
        [] => Vec::new(), // absent if none is revoked (section 5.1.2.6)
        list => der::sequence(&list.iter().map(Vec::as_slice).collect::<Vec<_>>()),
    };
    let list = der::sequence(&[
        &der::integer_raw(&[V2]),
        &algorithm,
        head.issuer,
        &dates::write(head.this_update),
        &dates::write(head.next_update),
        &entries,
        &der::value(tag::constructed(0), &extensions(head)),
    ]);
    let signature = key.sign(Digest::Sha256, &list)?;
    Ok(der::sequence(&[&list, &algorithm, &der::bit_string(&signature)]))
}

/// authorityKeyIdentifier and cRLNumber: both are a must (sections 5.2.1, 5.2.3).
fn extensions(head: &Head<'_>) -> Vec<u8> {
    let key_id = der::sequence(&[&der::value(tag::context(0), head.key_id)]);
    let key_id = der::sequence(&[&der::oid(super::oid::AUTHORITY_KEY_ID), &der::octet_string(&key_id)]);
    let number = der::unsigned(&head.number.to_be_bytes());
    let number = der::sequence(&[&der::oid(CRL_NUMBER), &der::octet_string(&number)]);
    der::sequence(&[&key_id, &number])
}

const V2: u8 = 1;
const CRL_NUMBER: &[u64] = &[2, 5, 29, 20];
