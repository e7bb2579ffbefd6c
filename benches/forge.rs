//! How long a client waits for a forged chain: from the cache, with a warm key, with a cold one; and what a start costs.
//!
//! `cargo bench --bench forge`. Figures depend on luck where RSA keys are made: look at the median.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mitmlab::forge::der::{self, tag};
use mitmlab::forge::extension::{self, AltName};
use mitmlab::forge::key::{Digest, Key, KeyKind};
use mitmlab::forge::tbs::{Parsed, Tbs};
use mitmlab::forge::{Forger, Options, Profile, name};
use mitmlab::scenario::Clock;
use rustls::SignatureScheme;
use rustls_pki_types::CertificateDer;

const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn main() {
    divan::main();
}

/// A genuine leaf of the usual size whose serial number is `number`.
fn genuine(number: u32) -> CertificateDer<'static> {
    let key = Key::generate(KeyKind::P256).expect("a P-256 key can be made");
    let mut serial = vec![0x11; 16];
    serial[12..].copy_from_slice(&number.to_be_bytes());
    let names: Vec<AltName> = (0..10).map(|i| AltName::Dns(format!("host{i}.example"))).collect();
    let time = |text: &[u8]| der::value(tag::UTC_TIME, text);
    let tbs = Tbs {
        version: 2,
        serial,
        signature: Vec::new(),
        issuer: name::common_name("Genuine CA"),
        not_before: time(b"260101000000Z"),
        not_after: time(b"270101000000Z"),
        subject: name::common_name("host0.example"),
        spki: key.spki().to_vec(),
        unique_ids: Vec::new(),
        extensions: vec![extension::subject_key_id(&key), extension::subject_alt_name(&names, false)],
    };
    tbs.sign(&key, Digest::Sha256).expect("a P-256 key signs")
}

fn forger(profile: &str, warm_keys: usize) -> Forger {
    let profile = Profile::load(profile).expect("an embedded profile is sound");
    let options = Options { hosts: vec!["example".into()], warm_keys, ..Options::default() };
    Forger::new(profile, Clock::of_this_machine(), options).expect("an authority can be made")
}

#[divan::bench]
fn cached(bencher: divan::Bencher<'_, '_>) {
    let (forger, leaf) = (forger("qaznet-2019", 1), genuine(0));
    forger.forge(std::slice::from_ref(&leaf), None, SOMEWHERE, None).expect("forged");
    bencher.bench(|| forger.forge(std::slice::from_ref(&leaf), None, SOMEWHERE, None));
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn warm_rsa_2048_e3(bencher: divan::Bencher<'_, '_>) {
    let forger = forger("qaznet-2019", 4);
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            assert!(forger.supply().wait_for(4, Duration::from_secs(60)));
            genuine(number)
        })
        .bench_local_values(|leaf| forger.forge(&[leaf], None, SOMEWHERE, None));
}

#[divan::bench(sample_count = 20, sample_size = 1, args = ["qaznet-2019", "qaznet-2019-before-0719", "corporate", "mirror", "blind"])]
fn cold(bencher: divan::Bencher<'_, '_>, profile: &str) {
    let forger = forger(profile, 0);
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            (genuine(number), format!("host{number}.example"))
        })
        .bench_local_values(|(leaf, host)| forger.forge(&[leaf], Some(&host), SOMEWHERE, None));
}

#[divan::bench(sample_count = 10, sample_size = 1, args = ["qaznet-2019", "isca-2021-2024", "corporate", "blind"])]
fn start(profile: &str) -> Forger {
    forger(profile, 0)
}

#[divan::bench(args = ["rsa-1024-e3", "rsa-2048-e3", "rsa-2048", "p256", "ed25519"])]
fn handshake_signature(bencher: divan::Bencher<'_, '_>, kind: &str) {
    let key = Key::generate(kind.parse().expect("a known kind")).expect("a key");
    let schemes = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519];
    let signer = key.signing_key().choose_scheme(&schemes).expect("a scheme of TLS 1.3");
    bencher.bench(|| signer.sign(&[7; 130]));
}

#[divan::bench(sample_count = 10, sample_size = 1, args = ["rsa-1024-e3", "rsa-2048-e3", "rsa-2048", "rsa-4096", "p256"])]
fn make_key(kind: &str) -> Key {
    Key::generate(kind.parse().expect("a known kind")).expect("a key")
}

#[divan::bench]
fn read_and_write(bencher: divan::Bencher<'_, '_>) {
    let leaf = genuine(0);
    bencher.bench(|| Parsed::read(&leaf).map(|parsed| parsed.tbs.write()));
}
