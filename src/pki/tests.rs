//! The public PKI, judged by webpki and read field by field.

use crate::tls::describe;
use std::collections::HashSet;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::{CertificateError, Error};
use rustls_pki_types::{ServerName, UnixTime};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::*;
use crate::scenario::{Cert, Clock, Place, Site};
use crate::tls::describe;

fn site(names: &[&str], cert: Cert) -> Site {
    Site {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        addresses: vec!["192.0.2.7".parse().expect("an address")],
        asn: None,
        place: Place::Outside,
        services: Vec::new(),
        cert,
    }
}

fn pki() -> std::sync::Arc<PublicPki> {
    PublicPki::new(&Clock::starting_at(datetime!(2019-07-20 12:00 +6))).expect("a PKI")
}

/// What the box's own verifier says of a site.
fn judged(pki: &PublicPki, issued: &Issued, name: &'static str) -> Result<(), CertificateError> {
    let name = ServerName::try_from(name).expect("a name");
    match pki.verifier().verify_server_cert(issued.leaf(), &issued.chain[1..], &name, &[], UnixTime::now()) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(fault)) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn webpki_judges_every_fault() {
    let pki = pki();
    let of = |cert| judged(&pki, &pki.issue(&site(&["bank.lab.test"], cert)).expect("issued"), "bank.lab.test");
    assert_eq!(of(Cert::Good), Ok(()));
    assert_eq!(of(Cert::GoodRsa), Ok(()));
    assert_eq!(of(Cert::ExtendedValidation), Ok(()));
    assert!(matches!(of(Cert::Expired), Err(CertificateError::ExpiredContext { .. })));
    assert!(matches!(of(Cert::NotYetValid), Err(CertificateError::NotValidYetContext { .. })));
    assert!(matches!(of(Cert::WrongHost), Err(CertificateError::NotValidForNameContext { .. })));
    for cert in [Cert::SelfSigned, Cert::UntrustedRoot, Cert::MissingIntermediate] {
        assert_eq!(of(cert), Err(CertificateError::UnknownIssuer));
    }
}

#[test]
fn addresses_and_wildcards() {
    let pki = pki();
    let of = |names: &[&str], asked| judged(&pki, &pki.issue(&site(names, Cert::Good)).expect("issued"), asked);
    assert_eq!(of(&["192.0.2.9"], "192.0.2.9"), Ok(()));
    assert_eq!(of(&[], "192.0.2.7"), Ok(()), "a site without names is certified by its address");
    assert_eq!(of(&["[2001:db8::1]"], "2001:db8::1"), Ok(()));
    assert_eq!(of(&["*.lab.test"], "www.lab.test"), Ok(()));
    assert!(of(&["*.lab.test"], "lab.test").is_err());
    assert!(matches!(pki.issue(&site(&["no name"], Cert::Good)), Err(PkiError::Name { .. })));
}

#[test]
fn dates_follow_the_machine_and_not_the_campaign() {
    let pki = pki();
    let issued = pki.issue(&site(&["bank.lab.test"], Cert::Good)).expect("issued");
    let (_, leaf) = X509Certificate::from_der(issued.leaf()).expect("a certificate");
    let begin = leaf.validity().not_before.to_datetime();
    let end = leaf.validity().not_after.to_datetime();
    assert!((OffsetDateTime::now_utc() - Duration::days(30) - begin).abs() < Duration::minutes(1), "{begin}");
    assert_eq!(end - begin, Duration::days(90));
}

#[test]
fn serials_are_random_positive_and_sixteen_octets() {
    let pki = pki();
    let serial = |n: usize| {
        let issued = pki.issue(&site(&[&format!("s{n}.test")], Cert::Good)).expect("issued");
        let (_, leaf) = X509Certificate::from_der(issued.leaf()).expect("a certificate");
        leaf.raw_serial().to_vec()
    };
    let all: HashSet<Vec<u8>> = (0..50).map(serial).collect();
    assert_eq!(all.len(), 50);
    assert!(all.iter().all(|s| s.len() == 16 && (0x40..0x80).contains(&s[0])));
}

#[test]
fn each_leaf_has_its_own_key_and_points_to_its_issuer() {
    let pki = pki();
    let issued = pki.issue(&site(&["bank.lab.test"], Cert::Good)).expect("issued");
    let parse = |at: usize| X509Certificate::from_der(&issued.chain[at]).expect("a certificate").1;
    let (leaf, issuer) = (parse(0), parse(1));
    assert_ne!(leaf.public_key().raw, issuer.public_key().raw);
    let (mut authority, mut subject) = (None, None);
    for extension in leaf.extensions() {
        if let ParsedExtension::AuthorityKeyIdentifier(found) = extension.parsed_extension() {
            authority = found.key_identifier.clone();
        }
    }
    for extension in issuer.extensions() {
        if let ParsedExtension::SubjectKeyIdentifier(found) = extension.parsed_extension() {
            subject = Some(found.clone());
        }
    }
    assert!(authority.is_some());
    assert_eq!(authority, subject);
    let kinds: Vec<String> = leaf.extensions().iter().map(|e| e.oid.to_id_string()).collect();
    for needed in [
        "2.5.29.35",
        "2.5.29.17",
        "2.5.29.15",
        "2.5.29.37",
        "2.5.29.31",
        "2.5.29.14",
        "2.5.29.19",
        "2.5.29.32",
        "1.3.6.1.5.5.7.1.1",
    ] {
        assert!(kinds.iter().any(|kind| kind == needed), "{needed} of {kinds:?}");
    }
}

#[test]
fn an_extended_subject_has_the_order_of_the_specimen() {
    let told = describe(pki().issue(&site(&["rcku.lab.test"], Cert::ExtendedValidation)).expect("issued").leaf());
    let keys: Vec<&str> = told.subject.split(", ").filter_map(|part| part.split_once('=')).map(|(key, _)| key).collect();
    assert_eq!(keys[3..], ["C", "L", "O", "OU", "CN"], "{}", told.subject);
    assert_eq!((told.names, told.key), (vec!["rcku.lab.test".to_owned()], "P-256".to_owned()));
}

#[test]
fn files_of_the_users_own() {
    let pki = pki();
    let issued = pki.issue(&site(&["bank.lab.test"], Cert::Good)).expect("issued");
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, issued.chain_pem()).expect("written");
    std::fs::write(&key, issued.key_pem().as_bytes()).expect("written");
    let own = |chain: &std::path::Path, key: &std::path::Path| {
        pki.issue(&site(&["own.test"], Cert::Files { chain: chain.to_owned(), key: key.to_owned() }))
    };
    assert_eq!(own(&chain, &key).expect("read").chain, issued.chain);
    let error = own(&key, &chain).expect_err("exchanged").to_string();
    assert!(error.contains("no certificate in it"), "{error}");
    let error = own(&folder.path().join("none"), &key).expect_err("missing").to_string();
    assert!(error.contains("cannot read a certificate chain"), "{error}");
}

#[test]
fn nothing_shows_a_key() {
    let pki = pki();
    let issued = pki.issue(&site(&["bank.lab.test"], Cert::Good)).expect("issued");
    let shown = format!("{pki:?} {issued:?}");
    assert!(!shown.contains("PRIVATE") && shown.contains("masked"), "{shown}");
    assert_eq!(pki.roots_der().len(), 1);
    assert!(pki.roots_pem().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn what_is_no_certificate_is_told_by_its_hash() {
    let told = describe(b"nonsense");
    assert_eq!((told.subject.as_str(), told.key.as_str(), told.sha256.len()), ("", "unreadable", 64));
}
