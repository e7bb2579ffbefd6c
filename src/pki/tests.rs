//! The public PKI, judged by webpki and read field by field.

use crate::tls::describe;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{CertificateError, Error};
use rustls_pki_types::{ServerName, UnixTime};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::*;
use crate::scenario::{Cert, Clock, Place, Site};

fn site(names: &[&str], cert: Cert) -> Site {
    Site {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        addresses: vec!["192.0.2.7".parse().expect("an address")],
        asn: None,
        place: Place::Outside,
        services: Vec::new(),
        cert,
        ech: None,
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
    for cert in [Cert::Namesake, Cert::SignedByLeaf, Cert::ClientOnly, Cert::BeyondConstraints, Cert::Sha1] {
        assert!(of(cert.clone()).is_err(), "{cert:?}");
    }
    for cert in [Cert::ReplacedKey, Cert::WithoutTimestamps, Cert::SmallKey, Cert::OtherAuthority, Cert::RevokedStaple] {
        assert_eq!(of(cert), Ok(()), "the chain itself is good");
    }
}

#[test]
fn each_odd_certificate_is_odd_in_one_way() {
    let pki = pki();
    let of = |cert| pki.issue(&site(&["bank.lab.test"], cert)).expect("issued");
    let shown = |cert| describe(of(cert).leaf());
    assert_eq!(shown(Cert::SmallKey).key, "RSA-1024 e=65537");
    let (good, copied) = (of(Cert::Good), of(Cert::ReplacedKey));
    let signs = |issued: &Issued| issued.key.key.public_key().expect("a public key").as_ref().to_vec();
    let certified = |issued: &Issued| crate::x509::tbs::Parsed::read(issued.leaf()).expect("it reads").tbs.spki;
    assert_eq!(signs(&good), certified(&good));
    assert_ne!(signs(&copied), certified(&copied), "the handshake is signed by another key");
    let namesake = of(Cert::Namesake).described().to_vec();
    assert_eq!(namesake[1].issuer, good.described()[1].issuer);
    assert_ne!(namesake[1].spki_sha256, good.described()[1].spki_sha256);
    assert_eq!(of(Cert::SignedByLeaf).chain.len(), 3);
    let (_, sha1) = X509Certificate::from_der(&of(Cert::Sha1).chain[0])
        .map(|(r, c)| (r.len(), c.signature_algorithm.algorithm.to_id_string()))
        .expect("it reads");
    assert_eq!(sha1, "1.2.840.113549.1.1.5");
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

/// RFC 6962 section 3.2, with nothing of the writer's: the extension is cut out of the certificate's octets by hand, the rest
/// is what the logs signed.
#[test]
fn both_logs_signed_what_the_leaf_was_before_it_carried_their_timestamps() {
    use aws_lc_rs::{digest, signature};
    let pki = pki();
    let list: serde_json::Value = serde_json::from_str(&pki.log_list()).expect("a list");
    let read = |text: &serde_json::Value| STANDARD.decode(text.as_str().expect("text")).expect("base64");
    let known: Vec<(Vec<u8>, Vec<u8>)> = list["operators"]
        .as_array()
        .expect("operators")
        .iter()
        .map(|o| (read(&o["logs"][0]["log_id"]), read(&o["logs"][0]["key"])))
        .collect();
    assert_eq!(known.len(), 2);
    for cert in [Cert::Good, Cert::GoodRsa, Cert::ExtendedValidation, Cert::MustStaple, Cert::Expired, Cert::Revoked] {
        let issued = pki.issue(&site(&["bank.lab.test"], cert)).expect("issued");
        let parse = |at: usize| X509Certificate::from_der(&issued.chain[at]).expect("a certificate").1;
        let (leaf, issuer) = (parse(0), parse(1));
        let timestamps =
            leaf.extensions().iter().find(|e| e.oid.to_id_string() == "1.3.6.1.4.1.11129.2.4.2").expect("timestamps");
        let precertificate = without_last_extension(leaf.tbs_certificate.as_ref());
        let mut rest = &timestamps.value[4..]; // OCTET STRING (long form of length), then the list's own length
        if timestamps.value[1] == 0x82 {
            rest = &timestamps.value[6..];
        } else if timestamps.value[1] == 0x81 {
            rest = &timestamps.value[5..];
        }
        let mut seen = HashSet::new();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let (sct, after) = rest[2..].split_at(length);
            rest = after;
            let (_, key) = known.iter().find(|(id, _)| *id == sct[1..33]).expect("a log of the list");
            let key_hash = digest::digest(&digest::SHA256, issuer.public_key().raw);
            let length = (precertificate.len() as u32).to_be_bytes();
            let signed = [&[0, 0], &sct[33..41], &[0, 1], key_hash.as_ref(), &length[1..], &precertificate, &[0, 0]].concat();
            assert_eq!(sct[41..45], [0, 0, 4, 3], "no extensions, SHA-256 and ECDSA");
            let point = &key[key.len() - 65..];
            let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point);
            key.verify(&signed, &sct[47..]).expect("the log's signature");
            assert!(seen.insert(sct[1..33].to_vec()));
        }
        assert_eq!(seen.len(), 2, "one of each operator");
    }
}

/// A to-be-signed part whose last extension is taken out, and every length around it mended.
fn without_last_extension(tbs: &[u8]) -> Vec<u8> {
    fn length(bytes: &[u8]) -> (usize, usize) {
        match bytes[1] {
            short if short < 0x80 => (usize::from(short), 2),
            0x81 => (usize::from(bytes[2]), 3),
            _ => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        }
    }
    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let n = content.len();
        let head = match n {
            0..=0x7f => vec![tag, n as u8],
            0x80..=0xff => vec![tag, 0x81, n as u8],
            _ => vec![tag, 0x82, (n >> 8) as u8, n as u8],
        };
        [head, content.to_vec()].concat()
    }
    let (whole, head) = length(tbs);
    let body = &tbs[head..head + whole];
    let mut at = 0;
    while body[at] != 0xa3 {
        let (content, head) = length(&body[at..]);
        at += head + content;
    }
    let (_, outer) = length(&body[at..]);
    let (all, inner) = length(&body[at + outer..]);
    let list = &body[at + outer + inner..at + outer + inner + all];
    let (mut last, mut next) = (0, 0);
    while next < list.len() {
        last = next;
        let (content, head) = length(&list[next..]);
        next += head + content;
    }
    wrap(0x30, &[&body[..at], &wrap(0xa3, &wrap(0x30, &list[..last]))].concat())
}

#[test]
fn a_revoked_leaf_is_on_the_list_of_its_issuer_and_a_good_one_is_not() {
    let pki = pki();
    let serial = |cert| {
        let issued = pki.issue(&site(&["bank.lab.test"], cert)).expect("issued");
        X509Certificate::from_der(issued.leaf()).expect("a certificate").1.raw_serial().to_vec()
    };
    let (good, revoked) = (serial(Cert::Good), serial(Cert::Revoked));
    let list = pki.answer("crl.mitmlab.test", "/e1.crl", None).expect("a list");
    let (_, list) = x509_parser::revocation_list::CertificateRevocationList::from_der(&list.body).expect("a list");
    let listed: Vec<_> = list.iter_revoked_certificates().map(|r| r.raw_serial().to_vec()).collect();
    assert_eq!(listed, [revoked]);
    assert!(!listed.contains(&good));
    assert!(pki.answer("crl.mitmlab.test", "/none.crl", None).is_none());
    let refused = pki.answer("ocsp.mitmlab.test", "/nonsense", None).expect("an answer");
    assert_eq!(refused.body, [0x30, 3, 0x0a, 1, 1], "malformedRequest");
}

#[test]
fn what_is_stapled_and_who_promises_it() {
    let pki = pki();
    let of = |cert| pki.issue(&site(&["bank.lab.test"], cert)).expect("issued");
    for (cert, stapled) in
        [(Cert::Good, true), (Cert::GoodRsa, true), (Cert::MustStaple, true), (Cert::Revoked, false), (Cert::Expired, false)]
    {
        assert_eq!(of(cert.clone()).key.ocsp.is_some(), stapled, "{cert:?}");
    }
    let promises = |issued: &Issued| {
        let (_, leaf) = X509Certificate::from_der(issued.leaf()).expect("a certificate");
        leaf.extensions().iter().any(|e| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.24")
    };
    assert!(promises(&of(Cert::MustStaple)) && !promises(&of(Cert::Good)));
}

#[test]
fn wildcards_many_names_and_several_certificates() {
    let pki = pki();
    let of = |names: &[&str], cert| describe(pki.issue(&site(names, cert)).expect("issued").leaf());
    assert_eq!(of(&["www.a.test", "a.test"], Cert::Wildcard).names, ["*.a.test", "a.test"]);
    let many = of(&["www.a.test"], Cert::ManyNames).names;
    assert_eq!((many.len(), many[0].as_str()), (100, "www.a.test"));
    let pins = |cert| pki.pins(&site(&["www.a.test"], cert)).expect("pins").len();
    assert_eq!((pins(Cert::Good), pins(Cert::Rotated), pins(Cert::Cdn)), (2, 3, 4));
    assert_ne!(of(&["www.a.test"], Cert::Rotated).spki_sha256, of(&["www.a.test"], Cert::Good).spki_sha256);
    assert_eq!(of(&["www.a.test"], Cert::Cdn), of(&["www.a.test"], Cert::Good), "one of its two is the common one");
}

#[test]
fn the_authorities_site_takes_an_address_that_is_free() {
    let mut world = crate::scenario::World::default();
    let first = service_site(&world).expect("a site");
    assert_eq!(first.addresses, ["203.0.113.254".parse::<std::net::IpAddr>().expect("an address")]);
    world.sites.push(Site { addresses: first.addresses.clone(), ..site(&["other.test"], Cert::Good) });
    assert_eq!(
        service_site(&world).expect("a site").addresses,
        ["203.0.113.253".parse::<std::net::IpAddr>().expect("an address")]
    );
    world.sites.push(first);
    assert!(service_site(&world).is_none(), "there is one already");
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
