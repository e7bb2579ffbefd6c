//! Signs on certificates that no server of ours could serve: odd keys, moved dates.

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, SubjectPublicKeyInfo};
use time::{Duration, OffsetDateTime};
use yasna::models::ObjectIdentifier;

use super::*;

/// An RSA key that exists as a number only (RFC 8017 appendix A.1.1).
fn rsa(bits: usize, exponent: u32) -> SubjectPublicKeyInfo {
    let key = yasna::construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_bigint_bytes(&vec![0xc5; bits / 8], true);
            w.next().write_u32(exponent);
        });
    });
    let spki = yasna::construct_der(|w| {
        w.write_sequence(|w| {
            w.next().write_sequence(|w| {
                w.next().write_oid(&ObjectIdentifier::from_slice(&[1, 2, 840, 113549, 1, 1, 1]));
                w.next().write_null();
            });
            w.next().write_bitvec_bytes(&key, key.len() * 8);
        });
    });
    SubjectPublicKeyInfo::from_der(&spki).unwrap()
}

fn leaf(issuer: &str, key: &SubjectPublicKeyInfo, moved: Duration, sct: bool) -> CertificateDer<'static> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, issuer);
    let mut params = CertificateParams::new(["bank.test".to_owned()]).unwrap();
    let begin = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap() + moved;
    (params.not_before, params.not_after) = (begin, begin + Duration::days(90));
    if sct {
        // one SCT (RFC 6962 section 3.2): version 0, log, time, no extensions, ECDSA with SHA-256, one byte for a signature
        let sct = [vec![0; 1 + 32 + 8 + 2], vec![4, 3, 0, 1, 0]].concat();
        let list = [vec![0, sct.len() as u8 + 2, 0, sct.len() as u8], sct].concat();
        let list = yasna::construct_der(|w| w.write_bytes(&list));
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list));
    }
    params.signed_by(key, &Issuer::new(root, KeyPair::generate().unwrap())).unwrap().der().clone()
}

fn names(der: &[CertificateDer<'static>], reference: Option<&[CertificateDer<'static>]>, expect_ct: bool) -> Vec<&'static str> {
    let chain = der.iter().map(|d| x509_parser::parse_x509_certificate(d).unwrap().1).collect();
    let sight = Sight {
        host: "bank.test",
        chain,
        der,
        refusal: None,
        issuer_known: false,
        issuer_public: None,
        reference,
        control: None,
        other_name: None,
        expect_ct,
        logs: None,
        pins: None,
        has_staple: false,
        lists: &[],
        parameters: None,
        other_parameters: None,
    };
    // the clock of these certificates is not today's
    read(&sight).into_iter().map(|s| s.name).filter(|n| *n != "not-valid-now").collect()
}

#[test]
fn keys_that_no_public_authority_signs() {
    let with = |key| names(&[leaf("Somebody", &key, Duration::ZERO, false)], None, false);
    assert_eq!(with(rsa(2048, 3)), ["exponent-three"]);
    assert_eq!(with(rsa(1024, 65537)), ["short-key"]);
    assert_eq!(with(rsa(2048, 65537)), [""; 0]);
}

#[test]
fn a_missing_sct_counts_only_where_others_have_one() {
    let (with, without) =
        (leaf("Somebody", &rsa(2048, 65537), Duration::ZERO, true), leaf("Somebody", &rsa(2048, 65537), Duration::ZERO, false));
    assert_eq!(names(std::slice::from_ref(&without), None, true), ["no-sct"]);
    assert_eq!(names(&[without], None, false), [""; 0]);
    assert_eq!(names(&[with], None, true), [""; 0]);
}

#[test]
fn dates_moved_by_whole_hours_give_a_copy_away() {
    let genuine = [leaf("Genuine", &rsa(2048, 65537), Duration::ZERO, false)];
    let moved = |by| names(&[leaf("Genuine", &rsa(2048, 17), by, false)], Some(&genuine), false);
    assert_eq!(moved(Duration::hours(-6)), ["shifted-validity"]);
    assert_eq!(moved(Duration::minutes(-17)), [""; 0]);
    assert_eq!(moved(Duration::days(60)), [""; 0], "a renewal");
}

#[test]
fn the_same_key_and_another_issuer_are_told_apart() {
    let genuine = [leaf("Genuine", &rsa(2048, 65537), Duration::ZERO, false)];
    assert_eq!(names(&genuine, Some(&genuine), false), ["same-key"]);
    let forged = [leaf("Forger", &rsa(2048, 17), Duration::ZERO, false)];
    assert_eq!(names(&forged, Some(&genuine), false), ["differs-from-reference"]);
}
