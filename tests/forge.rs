//! The forger against facts, odd certificates and real verifiers.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "forge/commands.rs"]
mod commands;
#[path = "forge/genuine.rs"]
mod genuine;
#[path = "forge/odd.rs"]
mod odd;
#[path = "forge/serve.rs"]
mod serve;
#[path = "forge/stealth.rs"]
mod stealth;
#[path = "forge/strange.rs"]
mod strange;
#[path = "forge/verifiers.rs"]
mod verifiers;

use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use genuine::{Public, SERIAL_2019};
use mitmlab::forge::profile::{LeafKey, Reuse, SerialRule};
use mitmlab::forge::{Dates, ForgeError, Forged, Forger, Keys, Options, OriginFault, Profile, diff, profiles};
use mitmlab::scenario::{Clock, UpstreamFault};
use mitmlab::x509::key::KeyKind;
use mitmlab::x509::tbs::Parsed;
use mitmlab::x509::{dates, der, describe, key, name, oid, pem};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use time::macros::datetime;
use x509_parser::prelude::FromDer;

const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".pem").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// One authority of each profile for all tests that do not ask whose it is: a long RSA key takes seconds to make.
static KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);

fn live(profile: &str, hosts: &[&str]) -> Forger {
    with_keys(profile, hosts, KEYS.clone())
}

fn with_keys(profile: &str, hosts: &[&str], keys: Keys) -> Forger {
    let hosts = hosts.iter().map(|h| (*h).to_owned()).collect();
    let options = Options { hosts, warm_keys: 0, keys, ..Options::default() };
    Forger::new(shorter(profile), Clock::starting_at(datetime!(2019-07-20 12:00 +6)), options).unwrap()
}

/// The profile with a root of RSA-2048 where it has one of RSA-4096: for tests in which the root's length is not the point.
fn shorter(name: &str) -> Profile {
    let mut profile = Profile::load(name).unwrap();
    if let KeyKind::Rsa { bits, .. } = &mut profile.root.key {
        *bits = 2048.min(*bits);
    }
    profile
}

#[test]
fn curl_accepts_a_forged_leaf_if_it_trusts_the_root_and_only_then() {
    if lacks("curl") {
        return;
    }
    let genuine = Public::new().leaf(KeyKind::P256, &["www.facebook.com", "*.facebook.com"], OffsetDateTime::now_utc());
    let forger = live("qaznet-2019", &["facebook.com"]);
    let forged = forger.forge(&[genuine], Some("www.facebook.com"), SOMEWHERE, None).unwrap();
    let stranger = with_keys("qaznet-2019", &["facebook.com"], Keys::default());
    for (root, exit) in [(forger.root(), 0), (stranger.root(), 60)] {
        assert_eq!(curl(root, &forged, &["--tlsv1.3"]), exit);
        assert_eq!(curl(root, &forged, &["--tls-max", "1.2"]), exit);
    }
}

#[test]
fn a_1024_bit_key_with_exponent_3_signs_handshakes_for_whom_still_takes_it() {
    if lacks("curl") {
        return;
    }
    let genuine = Public::new().leaf(KeyKind::P256, &["www.facebook.com"], OffsetDateTime::now_utc());
    let forger = live("qaznet-2019-before-0719", &["facebook.com"]);
    let forged = forger.forge(&[genuine], None, SOMEWHERE, None).unwrap();
    let old = ["--ciphers", "DEFAULT:@SECLEVEL=0"];
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        assert_eq!(curl(forger.root(), &forged, &[version, &old].concat()), 0, "{version:?}");
    }
    assert_eq!(curl(forger.root(), &forged, &["--tlsv1.3"]), 60, "today's default refuses the key");
}

/// Exit code of curl for a page behind the forged chain, with one root trusted.
fn curl(root: &[u8], forged: &Forged, more: &[&str]) -> i32 {
    let at = serve::https(forged.certified.clone(), 1);
    let trusted = file(&pem::write(&CertificateDer::from(root.to_vec())));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-m", "10", "--noproxy", "*"]).args(more);
    curl.arg("--resolve").arg(format!("www.facebook.com:{}:127.0.0.1", at.port()));
    curl.arg("--cacert").arg(trusted.path()).arg(format!("https://www.facebook.com:{}/", at.port()));
    let output = curl.output().unwrap();
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.code().unwrap()
}

fn as_written(profile: &str, at: OffsetDateTime) -> Forger {
    as_written_by(Profile::load(profile).unwrap(), at, WHOLE_KEYS.clone())
}

/// Authorities with keys as long as their profiles say.
static WHOLE_KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);

fn as_written_by(profile: Profile, at: OffsetDateTime, keys: Keys) -> Forger {
    let options = Options { exact: true, dates: Dates::AsWritten, warm_keys: 0, keys, ..Options::default() };
    Forger::new(profile, Clock::starting_at(at), options).unwrap()
}

/// The profile with elliptic keys throughout: for tests that make many and look at other fields.
fn quick(name: &str) -> Profile {
    let mut profile = Profile::load(name).unwrap();
    profile.root.key = KeyKind::P256;
    profile.intermediate.iter_mut().for_each(|intermediate| intermediate.key = KeyKind::P256);
    if let LeafKey::Kind(kind) = &mut profile.leaf.key {
        *kind = KeyKind::P256;
    }
    profile
}

fn quick_live(name: &str, hosts: &[&str]) -> Forger {
    let options = Options { hosts: hosts.iter().map(|h| (*h).to_owned()).collect(), warm_keys: 0, ..Options::default() };
    Forger::new(quick(name), Clock::starting_at(datetime!(2019-07-20 12:00 +6)), options).unwrap()
}

fn parsed(der: &[u8]) -> Parsed {
    Parsed::read(der).unwrap()
}

/// What differs, by field, between two certificates.
fn differing(a: &[u8], b: &[u8]) -> Vec<String> {
    diff::compare(&parsed(a), &parsed(b)).into_iter().filter(|row| !row.same).map(|row| row.field).collect()
}

#[test]
fn the_forgery_of_2019_equals_the_published_one_in_all_but_the_keys() {
    let Some(folder) = std::env::var_os("MITMLAB_SPECIMENS").map(PathBuf::from) else {
        eprintln!("skipped: MITMLAB_SPECIMENS names no folder; the_forgery_of_2019_from_facts checks the same from facts");
        return;
    };
    let specimen = |name: &str| pem::read_chain(&folder.join(name)).unwrap();
    let genuine = specimen("rcku.kz-genuine-2019.pem");
    let forger = as_written("qaznet-2019", datetime!(2019-07-22 0:00 UTC));
    let forged = forger.forge(&genuine, Some("facebook.com"), SOMEWHERE, None).unwrap();
    let published = specimen("rcku.kz-forged-2019.pem");
    assert_eq!(
        differing(&published[0], &forged.chain[0]),
        ["serial", "public key", "subject-key-id", "authority-key-id", "signature"]
    );
    assert_same_but_key_ids(&published[0], &forged.chain[0]);
    assert_serial_moved_by_32_bits(&parsed(&genuine[0]).tbs.serial, &parsed(&forged.chain[0]).tbs.serial);
    assert!(describe::public_key(&parsed(&forged.chain[0]).tbs.spki).exponent == Some(3));

    let intermediate = specimen("security-certificate-intermediate-2019.pem");
    assert_eq!(
        differing(&intermediate[0], &forged.chain[1]),
        ["serial", "public key", "subject-key-id", "authority-key-id", "signature"]
    );
    let root = specimen("qaznet-trust-network-root-2019.pem");
    assert_eq!(differing(&root[0], forger.root()), ["public key", "subject-key-id", "authority-key-id", "signature"]);
    let isca = as_written("isca-2020", datetime!(2020-12-06 0:00 UTC));
    let isca_root = specimen("isca-root-2020.pem");
    assert_eq!(
        differing(&isca_root[0], isca.root()),
        ["serial", "public key", "subject-key-id", "authority-key-id", "signature"]
    );
}

#[test]
fn the_forgery_of_2019_from_facts() {
    let genuine = Public::new().ev_2019();
    let forger = as_written("qaznet-2019", datetime!(2019-07-22 0:00 UTC));
    let forged = forger.forge(std::slice::from_ref(&genuine), Some("facebook.com"), SOMEWHERE, None).unwrap();
    let (before, leaf) = (parsed(&genuine).tbs, parsed(&forged.chain[0]).tbs);
    let issuer = parsed(&forged.chain[1]).tbs;
    assert_eq!(forged.chain.len(), 2, "the root is not sent");
    assert_eq!((leaf.version, &leaf.subject), (2, &before.subject));
    assert_eq!(name::text(&leaf.issuer), "C=KZ, CN=Security Certificate");
    assert_eq!(describe::time(&leaf.not_before), "2019-04-24T18:00:00Z");
    assert_eq!(describe::time(&leaf.not_after), "2021-04-16T06:00:00Z");
    assert_eq!(describe::public_key(&leaf.spki).to_string(), "RSA-2048 e=3");
    assert_eq!(describe::algorithm(&leaf.signature), "sha256WithRSA");
    assert_serial_moved_by_32_bits(&SERIAL_2019, &leaf.serial);
    let shape: Vec<String> =
        leaf.extensions.iter().map(|e| format!("{}{}", oid::extension_name(&e.oid), if e.critical { "!" } else { "" })).collect();
    assert_eq!(
        shape,
        ["subject-key-id", "authority-key-id", "basic-constraints", "key-usage", "extended-key-usage", "subject-alt-name"]
    );
    let san = der::oid(oid::SUBJECT_ALT_NAME);
    assert_eq!(leaf.extension(&san), before.extension(&san));
    let identifier = key::hex(&key::spki_key_id(&issuer.spki));
    let authority = describe::extension(leaf.extension(&der::oid(oid::AUTHORITY_KEY_ID)).unwrap());
    assert_eq!(
        authority,
        format!("keyid:{identifier}, DirName:C=KZ, CN=Qaznet Trust Network, serial:{}", key::hex(&issuer.serial))
    );
    let mut cleared = key::spki_key_id(&issuer.spki);
    cleared[0] &= 0x7f;
    assert_eq!(issuer.serial, cleared, "the intermediate's serial number is its key identifier, top bit cleared");
}

#[test]
fn after_the_pause_both_readings() {
    let genuine = Public::new().ev_2019();
    let at = datetime!(2019-07-31 9:30 UTC);
    let dates = |profile| {
        let forger = as_written_by(quick(profile), at, Keys::default());
        let forged = forger.forge(std::slice::from_ref(&genuine), None, SOMEWHERE, None).unwrap();
        let leaf = parsed(&forged.chain[0]).tbs;
        (describe::time(&leaf.not_before), describe::time(&leaf.not_after))
    };
    let lifetime = dates("qaznet-2019-after-0730");
    assert!(lifetime.0.starts_with("2019-07-31T09:30") && lifetime.1.starts_with("2019-08-01T09:30"), "{lifetime:?}");
    assert_eq!(dates("qaznet-2019-after-0730-shifted"), ("2019-04-24T00:00:00Z".into(), "2021-04-15T12:00:00Z".into()));
}

#[test]
fn the_family_of_2021_and_its_expired_intermediates() {
    let genuine = Public::new().ev_2019();
    let forger_at = |at| as_written_by(quick("isca-2021-2024"), at, Keys::default());
    let forger = forger_at(datetime!(2021-07-01 0:00 UTC));
    let roots = forger.roots().unwrap();
    let one_name = roots.iter().filter(|root| parsed(root).tbs.subject == parsed(&roots[0]).tbs.subject).count();
    assert_eq!((roots.len(), one_name), (5, 4), "four roots of one name, and one of another");
    assert_eq!(roots.iter().filter(|root| parsed(root).tbs.serial.len() == 8).count(), 1);
    for (at, ends, root) in [
        (datetime!(2021-07-01 0:00 UTC), "2021-09-01T12:54:34Z", Some(0)),
        (datetime!(2021-10-01 0:00 UTC), "2021-11-02T12:39:14Z", None),
        (datetime!(2022-06-01 0:00 UTC), "2021-11-02T12:39:14Z", None),
        (datetime!(2023-10-01 0:00 UTC), "2023-10-23T06:33:35Z", Some(1)),
        (datetime!(2024-03-01 0:00 UTC), "2024-02-11T11:24:53Z", Some(2)),
        (datetime!(2025-01-01 0:00 UTC), "2024-11-06T10:46:59Z", Some(3)),
    ] {
        let forger = forger_at(at);
        let forged = forger.forge(std::slice::from_ref(&genuine), None, SOMEWHERE, None).unwrap();
        let intermediate = parsed(&forged.chain[1]).tbs;
        assert_eq!(describe::time(&intermediate.not_after), ends, "{at}");
        let signer = forger.roots().unwrap().iter().position(|root| verifies(root, &forged.chain[1]));
        assert_eq!(signer, root, "{at}");
    }
}

#[test]
fn the_clock_moves_authority_dates_and_leaves_copied_ones() {
    let now = OffsetDateTime::now_utc();
    let genuine = Public::new().leaf(KeyKind::P256, &["moved.example"], now);
    let forger = live("qaznet-2019", &["moved.example"]);
    let forged = forger.forge(std::slice::from_ref(&genuine), None, SOMEWHERE, None).unwrap();
    let date = |der: &[u8]| dates::read(der).unwrap();
    let shift = date(&parsed(&forged.chain[0]).tbs.not_before) - date(&parsed(&genuine).tbs.not_before);
    assert_eq!(shift, time::Duration::hours(-6));
    let root_age = now - date(&parsed(forger.root()).tbs.not_before);
    let in_2019 = datetime!(2019-07-20 12:00 +6) - datetime!(2016-02-02 5:41 UTC);
    assert!((root_age - in_2019).abs() < time::Duration::seconds(60), "{root_age}");
}

#[test]
fn a_labs_root_is_confined_and_says_so() {
    if lacks("openssl") {
        return;
    }
    let forger = live("qaznet-2019", &["facebook.com", "*.vk.com"]);
    let root = file(&pem::write(&CertificateDer::from(forger.root().to_vec())));
    let shown = output("openssl", &["x509", "-noout", "-text", "-in", &path(&root)]);
    assert!(shown.contains("X509v3 Name Constraints: critical"), "{shown}");
    assert!(shown.contains("DNS:facebook.com") && shown.contains("DNS:vk.com"), "{shown}");
    assert!(shown.contains("made by a simulation"), "{shown}");
    assert_ne!(parsed(forger.root()).tbs.serial[..4], [0x3d, 0x95, 0x7f, 0xca], "the published serial number is for exact use");
    let other = Public::new().leaf(KeyKind::P256, &["bank.example"], OffsetDateTime::now_utc());
    let forged = forger.forge(&[other], None, SOMEWHERE, None).unwrap();
    let said = verify_openssl(&forger, &forged, "bank.example", &[]);
    assert!(said.contains("permitted subtree violation"), "{said}");
}

#[test]
fn ten_thousand_leaves_never_share_a_serial_number() {
    let genuine = Public::new().ev_2019();
    let mut profile = quick("qaznet-2019"); // the serial rule is what is tried here
    profile.leaf.cache = mitmlab::forge::profile::CacheBy::GenuineAndHost;
    let options = Options { exact: true, warm_keys: 0, ..Options::default() };
    let forger = Forger::new(profile, Clock::of_this_machine(), options).unwrap();
    let mut serials = HashSet::new();
    for i in 0..10_000 {
        let forged = forger.forge(std::slice::from_ref(&genuine), Some(&format!("h{i}.example")), SOMEWHERE, None).unwrap();
        assert!(!forged.cached);
        assert!(serials.insert(parsed(&forged.chain[0]).tbs.serial), "at {i}");
    }
}

#[test]
fn two_runs_share_no_key_and_no_serial_number_and_no_leaf_has_the_authoritys_key() {
    let now = OffsetDateTime::now_utc();
    let public = Public::new();
    let genuine = [public.leaf(KeyKind::P256, &["a.example"], now), public.leaf(KeyKind::P256, &["b.example"], now)];
    let (mut keys, mut serials) = (HashSet::new(), HashSet::new());
    for listed in profiles() {
        let profile = Profile::load(listed.name).unwrap();
        let one_for_all = profile.leaf.reuse == Reuse::OneForAll;
        let shares_authority = profile.leaf.key == LeafKey::Issuer;
        for _run in 0..2 {
            let forger = quick_live(listed.name, &["example"]);
            let spki = |der: &[u8]| parsed(der).tbs.spki;
            let leaves: Vec<_> = genuine
                .iter()
                .map(|g| forger.forge(std::slice::from_ref(g), Some("c.example"), SOMEWHERE, None).unwrap())
                .collect();
            if profile.leaf.serial != SerialRule::Copied {
                let made = leaves.iter().filter(|leaf| !leaf.cached).map(|leaf| parsed(&leaf.chain[0]).tbs.serial);
                made.for_each(|serial| assert!(serials.insert(serial), "{}", listed.name));
            }
            let authority: Vec<_> = forger
                .roots()
                .unwrap()
                .iter()
                .map(|root| spki(root))
                .chain(leaves[0].chain[1..].iter().map(|c| spki(c)))
                .collect();
            assert!(authority.iter().collect::<HashSet<_>>().into_iter().all(|key| keys.insert(key.clone())), "{}", listed.name);
            assert_eq!(authority.contains(&spki(&leaves[0].chain[0])), shares_authority, "{}", listed.name);
            if !shares_authority {
                assert!(keys.insert(spki(&leaves[0].chain[0])), "{}", listed.name);
                let second_is_new = keys.insert(spki(&leaves[1].chain[0]));
                let cached = leaves[1].cached;
                assert_eq!(second_is_new, !one_for_all && !cached, "{}", listed.name);
            }
        }
    }
}

#[test]
fn a_host_that_comes_again_gets_the_same_leaf_at_once() {
    let genuine = Public::new().leaf(KeyKind::P256, &["again.example"], OffsetDateTime::now_utc());
    let forger = live("qaznet-2019", &["again.example"]);
    let together: Vec<_> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| forger.forge(std::slice::from_ref(&genuine), None, SOMEWHERE, None).unwrap()))
            .collect();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(together.iter().filter(|forged| !forged.cached && forged.micros > 0).count(), 1);
    assert!(together.iter().all(|forged| forged.chain == together[0].chain));
    assert!(together.iter().filter(|forged| forged.cached).all(|forged| forged.micros == 0));
}

#[test]
fn the_four_answers_to_a_bad_origin() {
    if lacks("openssl") {
        return;
    }
    let now = OffsetDateTime::now_utc();
    let public = Public::new();
    let key = key::Key::generate(KeyKind::P256).unwrap();
    let expired =
        public.sign(public.template(&key, &["old.example"], now - time::Duration::days(60), now - time::Duration::days(1)));
    let forge = |upstream_fault, fault, sni| {
        let options = Options { upstream_fault, hosts: vec!["example".into()], warm_keys: 0, ..Options::default() };
        let forger = Forger::new(quick("corporate"), Clock::of_this_machine(), options).unwrap();
        let forged = forger.forge(std::slice::from_ref(&expired), Some(sni), SOMEWHERE, Some(fault));
        (forger, forged)
    };
    let expired_fault = OriginFault::Expired;
    assert_eq!(forge(UpstreamFault::Pass, expired_fault, "old.example").1.unwrap_err(), ForgeError::LeftAlone(expired_fault));
    assert_eq!(forge(UpstreamFault::Refuse, expired_fault, "old.example").1.unwrap_err(), ForgeError::Refused(expired_fault));
    for (answer, fault, host, says) in [
        (UpstreamFault::Mirror, expired_fault, "old.example", "certificate has expired"),
        (UpstreamFault::Mask, expired_fault, "old.example", ": OK"),
        (UpstreamFault::Mirror, OriginFault::SelfSigned, "old.example", "self-signed certificate"),
        (UpstreamFault::Mirror, OriginFault::UntrustedRoot, "old.example", "unable to get local issuer certificate"),
        (UpstreamFault::Mask, OriginFault::WrongHost, "new.example", "certificate has expired"),
        (UpstreamFault::Mirror, OriginFault::WrongHost, "new.example", "hostname mismatch"),
    ] {
        let (forger, forged) = forge(answer, fault, host);
        let forged = forged.unwrap();
        let said = verify_openssl(&forger, &forged, host, &[]);
        assert!(said.contains(says), "{answer:?} {fault}: {said}");
        assert!(!forged.remarks.is_empty(), "{answer:?} {fault}");
    }
}

/// True, with a word to the reader, if a tool is not on this machine.
fn lacks(tool: &str) -> bool {
    let missing = Command::new(tool).arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: `{tool}` not found");
    }
    missing
}

fn path(file: &tempfile::NamedTempFile) -> String {
    file.path().display().to_string()
}

/// Both streams of a command that must end by itself.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn verify_openssl(forger: &Forger, forged: &Forged, host: &str, more: &[&str]) -> String {
    let root = file(&pem::write(forger.root()));
    let rest: String = forged.chain[1..].iter().map(pem::write).collect();
    let (leaf, rest_file) = (file(&pem::write(&forged.chain[0])), file(&rest));
    let (root, leaf_path, rest_path) = (path(&root), path(&leaf), path(&rest_file));
    let mut arguments = vec!["verify", "-CAfile", &root, "-verify_hostname", host];
    arguments.extend(more);
    if !rest.is_empty() {
        arguments.extend(["-untrusted", &rest_path]);
    }
    arguments.push(&leaf_path);
    output("openssl", &arguments)
}

fn verifies(signer: &[u8], certificate: &[u8]) -> bool {
    let (_, signer) = x509_parser::certificate::X509Certificate::from_der(signer).unwrap();
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(certificate).unwrap();
    certificate.verify_signature(Some(signer.public_key())).is_ok()
}

/// Both key identifiers and serial numbers masked, the authority key identifiers are equal in shape.
fn assert_same_but_key_ids(a: &[u8], b: &[u8]) {
    let shape = |der: &[u8]| {
        let value = describe::extension(parsed(der).tbs.extension(&der::oid(oid::AUTHORITY_KEY_ID)).unwrap());
        value.chars().map(|c| if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() { '0' } else { c }).collect::<String>()
    };
    assert_eq!(shape(a), shape(b));
}

fn assert_serial_moved_by_32_bits(genuine: &[u8], forged: &[u8]) {
    assert_eq!(genuine.len(), forged.len());
    let number = |bytes: &[u8]| bytes.iter().fold(0u128, |sum, &octet| sum << 8 | u128::from(octet));
    let moved = number(forged) - number(genuine);
    assert!((1..1 << 32).contains(&moved), "{moved:x}");
}
