//! What a stealthy forger adds: timestamps of its own logs, and a good response.

use std::io::Write;

use mitmlab::forge::key::KeyKind;
use mitmlab::forge::{der, oid, pem};
use time::OffsetDateTime;
use x509_parser::prelude::FromDer;

use crate::genuine::Public;
use crate::{SOMEWHERE, file, lacks, output, parsed, path, quick_live};

#[test]
fn timestamps_of_the_stealthy_mirror_verify_under_its_logs_and_stand_in_the_genuine_place() {
    let certificate = Public::new().with_timestamps(&["ct.example"]);
    let forger = quick_live("mirror-with-ct", &["ct.example"]);
    let forged = forger.forge(std::slice::from_ref(&certificate), None, SOMEWHERE, None).unwrap();
    let mut leaf = parsed(&forged.chain[0]).tbs;
    let order = |tbs: &mitmlab::forge::tbs::Tbs| tbs.extensions.iter().map(|e| oid::extension_name(&e.oid)).collect::<Vec<_>>();
    let expected: Vec<_> = order(&parsed(&certificate).tbs).into_iter().filter(|name| name != "authority-info-access").collect();
    assert_eq!(order(&leaf), expected);
    let place = leaf.extensions.iter().position(|e| e.oid == der::oid(oid::TIMESTAMPS)).unwrap();
    let list = leaf.extensions.remove(place).value;
    let without = leaf.write();
    let issuer_spki = parsed(&forged.chain[1]).tbs.spki;
    let framed = der::Reader::new(&list, "timestamps").expect(der::tag::OCTET_STRING).unwrap().content;
    let mut scts = &framed[2..];
    for log in forger.logs() {
        let length = usize::from(u16::from_be_bytes([scts[0], scts[1]]));
        let (sct, rest) = scts[2..].split_at(length);
        scts = rest;
        assert_eq!(sct[1..33], log.id());
        let millis: [u8; 8] = sct[33..41].try_into().unwrap();
        let signed = mitmlab::forge::sct::signed_data(&millis, &without, &issuer_spki);
        let (_, key) = x509_parser::x509::SubjectPublicKeyInfo::from_der(log.spki()).unwrap();
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
            key.subject_public_key.data.to_vec(),
        );
        key.verify(&signed, &sct[47..]).unwrap();
    }
    assert!(scts.is_empty());
}

#[test]
fn the_stapled_response_is_good_to_openssl() {
    if lacks("openssl") {
        return;
    }
    let genuine = Public::new().leaf(KeyKind::P256, &["ocsp.example"], OffsetDateTime::now_utc());
    let forger = quick_live("mirror-with-ct", &["ocsp.example"]);
    let forged = forger.forge(&[genuine], None, SOMEWHERE, None).unwrap();
    let staple = forged.certified.ocsp.as_ref().unwrap();
    let mut response = tempfile::NamedTempFile::new().unwrap();
    response.write_all(staple).unwrap();
    let (leaf, issuer, root) =
        (file(&pem::write(&forged.chain[0])), file(&pem::write(&forged.chain[1])), file(&pem::write(forger.root())));
    let arguments =
        ["ocsp", "-respin", &path(&response), "-issuer", &path(&issuer), "-cert", &path(&leaf), "-CAfile", &path(&root)];
    let said = output("openssl", &arguments);
    assert!(said.contains("Response verify OK") && said.contains(": good"), "{said}");
}
