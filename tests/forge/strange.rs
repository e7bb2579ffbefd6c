//! What the forger does with odd and damaged certificates.

use std::time::{Duration, Instant};

use mitmlab::forge::key::KeyKind;
use mitmlab::forge::tbs::Parsed;
use mitmlab::forge::{ForgeError, Forger, der, describe, diff, name, oid};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::prelude::FromDer;

use crate::genuine::Public;
use crate::{SOMEWHERE, odd, parsed, quick_live};

#[test]
fn odd_certificates_are_forged_or_refused_as_documented() {
    let names = [
        "qaznet-2019",
        "qaznet-2019-after-0730",
        "corporate",
        "blind",
        "captive-portal",
        "shared-key",
        "mirror",
        "mirror-with-ct",
    ];
    let forgers: Vec<Forger> = names.iter().map(|name| quick_live(name, &["example"])).collect();
    let mut told = String::new();
    for (odd, certificate) in odd::all() {
        for forger in &forgers {
            let began = Instant::now();
            let outcome = forger.forge(std::slice::from_ref(&certificate), Some("odd.example"), SOMEWHERE, None);
            assert!(began.elapsed() < Duration::from_secs(20), "{odd} {}", forger.profile().name);
            if let Ok(forged) = &outcome {
                assert!(forged.chain[0].len() < certificate.len() + 4096, "{odd}: {} bytes", forged.chain[0].len());
                parsed(&forged.chain[0]);
            }
            match &outcome {
                Err(error) => told.push_str(&format!("{odd} / {}: refused: {error}\n", forger.profile().name)),
                Ok(forged) if !forged.remarks.is_empty() => {
                    told.push_str(&format!("{odd} / {}: {}\n", forger.profile().name, forged.remarks.join("; ")))
                }
                Ok(_) => {}
            }
        }
    }
    insta::assert_snapshot!("odd_certificates", told);
}

#[test]
fn bytes_that_are_no_certificate_are_an_error() {
    let forger = quick_live("mirror", &["example"]);
    let genuine = Public::new().leaf(KeyKind::P256, &["x.example"], OffsetDateTime::now_utc());
    for length in 0..genuine.len() {
        let cut = CertificateDer::from(genuine[..length].to_vec());
        assert!(matches!(forger.forge(&[cut], None, SOMEWHERE, None), Err(ForgeError::Genuine(_))), "{length}");
    }
    assert_eq!(forger.forge(&[], None, SOMEWHERE, None).unwrap_err(), ForgeError::NoGenuine);
    let big = CertificateDer::from(vec![0x30; 3 << 20]);
    assert!(forger.forge(&[big], None, SOMEWHERE, None).unwrap_err().to_string().contains("are not read"));
}

#[test]
fn damaged_certificates_never_panic() {
    let forgers: Vec<Forger> =
        ["qaznet-2019", "mirror", "mirror-with-ct", "corporate"].iter().map(|name| quick_live(name, &["example"])).collect();
    let corpus: Vec<_> = odd::all().into_iter().filter(|(_, der)| der.len() < 5_000).collect();
    let mut seed = 0x2019_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    for round in 0..3_000 {
        let mut bytes = corpus[draw(corpus.len())].1.to_vec();
        for _ in 0..=draw(6) {
            let at = draw(bytes.len());
            match draw(4) {
                0 => bytes[at] = draw(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, draw(256) as u8),
                _ => bytes[at] ^= 1 << draw(8),
            }
        }
        // A key of some kinds takes long to make; this test is about reading and writing.
        let rsa = Parsed::read(&bytes).is_ok_and(|parsed| describe::public_key(&parsed.tbs.spki).algorithm == "RSA");
        let forger = &forgers[if rsa { 0 } else { draw(forgers.len()) }];
        let damaged = CertificateDer::from(bytes);
        let reads = Parsed::read(&damaged);
        if let Ok(parsed) = &reads {
            assert!(!diff::table(&diff::compare(parsed, parsed), ("a", "b"), 80).is_empty());
        }
        if let Ok(forged) = forger.forge(&[damaged], Some("odd.example"), SOMEWHERE, None) {
            assert!(reads.is_ok() && Parsed::read(&forged.chain[0]).is_ok(), "round {round}");
        }
    }
}

#[test]
fn the_reader_agrees_with_another_one() {
    let mut compared = 0;
    for (name, der) in odd::all() {
        let Ok((_, other)) = x509_parser::certificate::X509Certificate::from_der(&der) else { continue };
        let tbs = parsed(&der).tbs;
        if name == "broken-subject" {
            // The other reader ends the slice where it stopped to understand; a copy of that would be another name.
            assert!(other.subject().as_raw().len() < tbs.subject.len());
            continue;
        }
        assert_eq!(tbs.subject, other.subject().as_raw(), "{name}");
        assert_eq!(tbs.issuer, other.issuer().as_raw(), "{name}");
        assert_eq!(tbs.spki, other.public_key().raw, "{name}");
        assert_eq!(tbs.serial, other.raw_serial(), "{name}");
        let theirs: Vec<_> = other.extensions().iter().map(|e| (e.critical, e.value.to_vec())).collect();
        let ours: Vec<_> = tbs.extensions.iter().map(|e| (e.critical, e.value.clone())).collect();
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn a_blind_forger_names_what_was_asked_or_dialled() {
    let forger = quick_live("blind", &["example"]);
    let forge = |sni| forger.forge(&[], sni, SOMEWHERE, None);
    let shown = |sni| {
        let tbs = parsed(&forge(sni).unwrap().chain[0]).tbs;
        let names = tbs.extension(&der::oid(oid::SUBJECT_ALT_NAME)).unwrap();
        (name::text(&tbs.subject), describe::extension(names), names.critical)
    };
    assert_eq!(shown(Some("Shop.Example.")), ("CN=shop.example".into(), "DNS:shop.example".into(), false));
    assert_eq!(shown(None), ("CN=192.0.2.1".into(), "IP:192.0.2.1".into(), false));
    assert_eq!(shown(Some("[2001:db8::1]")), ("CN=2001:db8::1".into(), "IP:2001:db8::1".into(), false));
    let long = format!("{}.example", ["a".repeat(40), "b".repeat(40)].join("."));
    assert_eq!(shown(Some(&long)), ("(empty)".into(), format!("DNS:{long}"), true), "ub-common-name is 64");
    assert!(matches!(forge(Some("a b")), Err(ForgeError::Host { .. })));
}
