//! Odd genuine certificates: what an origin may show and no builder writes.

use mitmlab::x509::der::{self, tag};
use mitmlab::x509::extension::{self, AltName};
use mitmlab::x509::key::{Digest, Key, KeyKind};
use mitmlab::x509::tbs::Tbs;
use mitmlab::x509::{dates, name, oid};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::genuine::{Public, attributes, raw};

/// Every odd certificate with its name.
pub(crate) fn all() -> Vec<(&'static str, CertificateDer<'static>)> {
    let public = Public::new();
    let now = OffsetDateTime::now_utc();
    let key = Key::generate(KeyKind::P256).unwrap();
    let plain = || public.template(&key, &["odd.example"], now - time::Duration::DAY, now + time::Duration::DAY);
    let mut list: Vec<(&'static str, CertificateDer<'static>)> = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut Tbs)| {
        let mut tbs = plain();
        change(&mut tbs);
        list.push((name, public.sign(tbs)));
    };
    add("1000-names", &|t| names(t, (0..1_000).map(|i| AltName::Dns(format!("n{i}.example"))).collect()));
    add("10000-names", &|t| names(t, (0..10_000).map(|i| AltName::Dns(format!("name-number-{i}.example"))).collect()));
    add("253-characters", &|t| names(t, vec![AltName::Dns(format!("{}.example", vec!["a".repeat(60); 4].join(".")))]));
    add("address-names", &|t| {
        names(t, vec![AltName::Address("192.0.2.7".parse().unwrap()), AltName::Address("2001:db8::7".parse().unwrap())])
    });
    add("idn-a-label", &|t| names(t, vec![AltName::Dns("xn--e1afmkfd.xn--80asehdb".into())]));
    add("idn-raw-utf8", &|t| names(t, vec![AltName::Dns("пример.kz".into())]));
    add("underscore", &|t| names(t, vec![AltName::Dns("_a_.b_c.example".into())]));
    add("nul-in-name", &|t| names(t, vec![AltName::Dns("bank.example\0.evil.example".into())]));
    add("nul-in-subject", &|t| t.subject = attributes(&[("CN", "bank.example\0.evil.example", tag::UTF8_STRING)]));
    add("empty-name-list", &|t| names(t, vec![]));
    add("no-names", &|t| t.extensions.retain(|e| e.oid != der::oid(oid::SUBJECT_ALT_NAME)));
    add("broken-names", &|t| replace(t, oid::SUBJECT_ALT_NAME, vec![0x30, 0x82, 0xff]));
    add("serial-negative", &|t| t.serial = vec![0xff, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
    add("serial-minus-one", &|t| t.serial = vec![0xff]);
    add("serial-zero", &|t| t.serial = vec![0]);
    add("serial-empty", &|t| t.serial = vec![]);
    add("serial-21-octets", &|t| t.serial = vec![0x7f; 21]);
    add("serial-200-octets", &|t| t.serial = vec![0x11; 200]);
    add("serial-all-ones", &|t| t.serial = [&[0x7f][..], &[0xff; 15]].concat());
    add("dates-at-both-ends", &|t| {
        t.not_before = der::value(tag::GENERALIZED_TIME, b"00000101000000Z");
        t.not_after = der::value(tag::GENERALIZED_TIME, b"99991231235959Z");
    });
    add("dates-unreadable", &|t| t.not_after = der::value(tag::UTC_TIME, b"tomorrow"));
    add("dates-reversed", &|t| std::mem::swap(&mut t.not_before, &mut t.not_after));
    add("generalized-time-in-2020", &|t| t.not_before = der::value(tag::GENERALIZED_TIME, b"20200101000000Z"));
    add("empty-subject", &|t| t.subject = name::empty());
    add("broken-subject", &|t| t.subject = der::value(tag::SEQUENCE, &[0x31, 0x7f]));
    add("long-common-name", &|t| t.subject = attributes(&[("CN", &"x".repeat(500), tag::UTF8_STRING)]));
    add("multi-valued-name", &|t| t.subject = multi_valued());
    add("every-string-type", &|t| {
        t.subject = attributes(&[
            ("O", "teletex", tag::TELETEX_STRING),
            ("OU", "a", tag::IA5_STRING),
            ("OU", "b\0c", tag::BMP_STRING),
            ("CN", "d", tag::PRINTABLE_STRING),
        ]);
    });
    add("unknown-critical", &|t| t.extensions.push(raw(&[1, 2, 3, 4], true, vec![1, 2, 3])));
    add("twice-the-same", &|t| t.extensions.push(t.extensions[0].clone()));
    add("authority-leaf", &|t| replace(t, oid::BASIC_CONSTRAINTS, der::sequence(&[&der::boolean_true()])));
    add("one-mebibyte-extension", &|t| t.extensions.push(raw(&[1, 2, 3, 5], false, vec![0x5a; 1 << 20])));
    add("900-extensions", &|t| t.extensions.extend((0..900).map(|i| raw(&[1, 2, 3, 6, i], false, vec![0; 100]))));
    add("version-1", &|t| {
        t.version = 0;
        t.extensions.clear();
    });
    add("version-9", &|t| t.version = 8);
    add("unique-ids", &|t| t.unique_ids = der::value(tag::context(1), &[0, 1, 2]));
    add("must-staple", &|t| t.extensions.push(raw(&[1, 3, 6, 1, 5, 5, 7, 1, 24], false, vec![0x30, 3, 2, 1, 5])));
    add("signed-with-sha1", &|t| {
        t.signature = der::sequence(&[&der::oid(&[1, 2, 840, 113549, 1, 1, 5]), &der::value(tag::NULL, &[])])
    });
    add("key-dsa", &|t| t.spki = spki(&[1, 2, 840, 10040, 4, 1]));
    add("key-ed448", &|t| t.spki = spki(&[1, 3, 101, 113]));
    add("key-unreadable", &|t| t.spki = der::sequence(&[]));
    add("key-rsa-16384", &|t| t.spki = rsa_spki(2048));
    add("key-rsa-1000", &|t| t.spki = rsa_spki(125));
    for (name, kind) in [
        ("key-p521", KeyKind::P521),
        ("key-ed25519", KeyKind::Ed25519),
        ("key-p384", KeyKind::P384),
        ("key-rsa-1024-e3", KeyKind::Rsa { bits: 1024, exponent: 3 }),
    ] {
        list.push((name, public.leaf(kind, &["odd.example"], now)));
    }
    let own = Key::generate(KeyKind::Ed25519).unwrap();
    let mut selfish = public.template(&own, &["self.example"], datetime!(1999-01-01 0:00 UTC), datetime!(2051-01-01 0:00 UTC));
    selfish.issuer.clone_from(&selfish.subject);
    selfish.not_after = dates::write(datetime!(2051-01-01 0:00 UTC));
    list.push(("self-signed-ed25519", selfish.sign(&own, Digest::Sha256).unwrap()));
    list
}

fn names(tbs: &mut Tbs, names: Vec<AltName>) {
    let value = extension::subject_alt_name(&names, false).value;
    replace(tbs, oid::SUBJECT_ALT_NAME, value);
}

fn replace(tbs: &mut Tbs, arcs: &[u64], value: Vec<u8>) {
    if let Some(extension) = tbs.extensions.iter_mut().find(|e| e.oid == der::oid(arcs)) {
        extension.value = value;
    }
}

fn multi_valued() -> Vec<u8> {
    let pair = |kind, value: &str| {
        der::sequence(&[&der::oid(oid::attribute_by_name(kind).unwrap()), &der::value(tag::UTF8_STRING, value.as_bytes())])
    };
    let set = der::concat(tag::SET, &[&pair("CN", "two"), &pair("OU", "in one"), &pair("OU", "and again")]);
    der::sequence(&[&set, &der::value(tag::SET, &pair("OU", "alone"))])
}

fn spki(algorithm: &[u64]) -> Vec<u8> {
    der::sequence(&[&der::sequence(&[&der::oid(algorithm)]), &der::bit_string(&[9; 57])])
}

fn rsa_spki(octets: usize) -> Vec<u8> {
    let numbers = der::sequence(&[&der::unsigned(&vec![0xc1; octets]), &der::unsigned(&[1, 0, 1])]);
    let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 113549, 1, 1, 1]), &der::value(tag::NULL, &[])]);
    der::sequence(&[&algorithm, &der::bit_string(&numbers)])
}
