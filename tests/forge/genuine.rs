//! Genuine certificates built from facts: the EV leaf of 2019, and odd ones.

use mitmlab::forge::der::{self, tag};
use mitmlab::forge::extension::{self, AltName, IssuerFacts};
use mitmlab::forge::key::{Digest, Key, KeyKind};
use mitmlab::forge::profile::{AuthorityKeyForm, Purpose, Usage};
use mitmlab::forge::tbs::{Extension, Tbs};
use mitmlab::forge::{dates, name, oid};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use time::macros::datetime;

/// The serial number of the genuine certificate for rcku.kz.
pub(crate) const SERIAL_2019: [u8; 16] =
    [0x0d, 0x04, 0xed, 0x93, 0xde, 0xbd, 0x7f, 0x87, 0xad, 0x34, 0x9e, 0x95, 0x85, 0x80, 0x43, 0xe8];

/// A maker of genuine leaves with one CA.
pub(crate) struct Public {
    key: Key,
    facts: IssuerFacts,
}

impl Public {
    pub(crate) fn new() -> Self {
        let key = Key::generate(KeyKind::P256).unwrap();
        let subject = attributes(&[("C", "US", tag::PRINTABLE_STRING), ("CN", "Genuine EV CA", tag::PRINTABLE_STRING)]);
        let facts = IssuerFacts { subject: subject.clone(), issuer: subject, serial: vec![7], key_id: key.id() };
        Self { key, facts }
    }

    /// A plain leaf: names, dates around `now`, the given key kind.
    pub(crate) fn leaf(&self, kind: KeyKind, names: &[&str], now: OffsetDateTime) -> CertificateDer<'static> {
        let tbs =
            self.template(&Key::generate(kind).unwrap(), names, now - time::Duration::days(30), now + time::Duration::days(60));
        self.sign(tbs)
    }

    pub(crate) fn template(&self, key: &Key, names: &[&str], from: OffsetDateTime, to: OffsetDateTime) -> Tbs {
        let names: Vec<AltName> = names.iter().map(|name| AltName::Dns((*name).to_owned())).collect();
        let mut serial = vec![0; 16];
        mitmlab::forge::key::random(&mut serial);
        serial[0] = serial[0] & 0x3f | 0x10;
        Tbs {
            version: 2,
            serial,
            signature: Vec::new(),
            issuer: self.facts.subject.clone(),
            not_before: dates::write(from),
            not_after: dates::write(to),
            subject: match names.first() {
                Some(AltName::Dns(first)) if first.len() <= 64 => name::common_name(first),
                _ => name::empty(),
            },
            spki: key.spki().to_vec(),
            unique_ids: Vec::new(),
            extensions: vec![
                extension::authority_key_id(AuthorityKeyForm::KeyId, &self.facts),
                extension::subject_key_id(key),
                extension::subject_alt_name(&names, false),
                extension::key_usage(&[Usage::DigitalSignature], true),
                extension::extended_key_usage(&[Purpose::ServerAuth, Purpose::ClientAuth], false),
                raw(&[1, 3, 6, 1, 5, 5, 7, 1, 1], false, der::sequence(&[])),
                extension::basic_constraints(false, None, true),
            ],
        }
    }

    /// A leaf with (unreadable) timestamps before its last extension.
    pub(crate) fn with_timestamps(&self, names: &[&str]) -> CertificateDer<'static> {
        let now = OffsetDateTime::now_utc();
        let key = Key::generate(KeyKind::P256).unwrap();
        let mut tbs = self.template(&key, names, now - time::Duration::DAY, now + time::Duration::DAY);
        let before_last = tbs.extensions.len() - 1;
        tbs.extensions.insert(before_last, raw(oid::TIMESTAMPS, false, der::octet_string(&[0, 0])));
        self.sign(tbs)
    }

    pub(crate) fn sign(&self, tbs: Tbs) -> CertificateDer<'static> {
        tbs.sign(&self.key, Digest::Sha256).unwrap()
    }

    /// The EV leaf of 2019, from its facts: names, dates, serial number, extensions in order.
    pub(crate) fn ev_2019(&self) -> CertificateDer<'static> {
        let key = Key::generate(KeyKind::Rsa { bits: 2048, exponent: 65537 }).unwrap();
        let names = [AltName::Dns("rcku.kz".into()), AltName::Dns("www.rcku.kz".into())];
        let tbs = Tbs {
            version: 2,
            serial: SERIAL_2019.to_vec(),
            signature: Vec::new(),
            issuer: attributes(&[
                ("C", "US", tag::PRINTABLE_STRING),
                ("O", "DigiCert Inc", tag::PRINTABLE_STRING),
                ("CN", "Thawte EV RSA CA 2018", tag::PRINTABLE_STRING),
            ]),
            not_before: dates::write(datetime!(2019-04-25 00:00 UTC)),
            not_after: dates::write(datetime!(2021-04-16 12:00 UTC)),
            subject: attributes(&[
                ("businessCategory", "Private Organization", tag::UTF8_STRING),
                ("jurisdictionC", "KZ", tag::PRINTABLE_STRING),
                ("serialNumber", "050440008395", tag::PRINTABLE_STRING),
                ("C", "KZ", tag::PRINTABLE_STRING),
                ("L", "Nur-Sultan", tag::PRINTABLE_STRING),
                ("O", "TOO Информ-Систем", tag::UTF8_STRING),
                ("OU", "IT DEPARTMENT", tag::PRINTABLE_STRING),
                ("CN", "rcku.kz", tag::PRINTABLE_STRING),
            ]),
            spki: key.spki().to_vec(),
            unique_ids: Vec::new(),
            extensions: vec![
                extension::authority_key_id(AuthorityKeyForm::KeyId, &self.facts),
                extension::subject_key_id(&key),
                extension::subject_alt_name(&names, false),
                extension::key_usage(&[Usage::DigitalSignature, Usage::KeyEncipherment], true),
                extension::extended_key_usage(&[Purpose::ServerAuth, Purpose::ClientAuth], false),
                raw(&[2, 5, 29, 31], false, der::sequence(&[])),
                raw(&[2, 5, 29, 32], false, der::sequence(&[])),
                raw(&[1, 3, 6, 1, 5, 5, 7, 1, 1], false, der::sequence(&[])),
                extension::basic_constraints(false, None, false),
                raw(oid::TIMESTAMPS, false, der::octet_string(&[0, 0])),
            ],
        };
        self.sign(tbs)
    }
}

pub(crate) fn raw(arcs: &[u64], critical: bool, value: Vec<u8>) -> Extension {
    Extension { oid: der::oid(arcs), critical, value }
}

/// A Name with chosen string types.
pub(crate) fn attributes(list: &[(&str, &str, u8)]) -> Vec<u8> {
    let sets: Vec<Vec<u8>> = list
        .iter()
        .map(|(kind, value, string)| {
            let oid = der::oid(oid::attribute_by_name(kind).unwrap());
            der::value(tag::SET, &der::sequence(&[&oid, &der::value(*string, value.as_bytes())]))
        })
        .collect();
    der::sequence(&sets.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
