//! The forger against facts, odd certificates and real verifiers.

#[path = "forge/genuine.rs"]
mod genuine;
#[path = "forge/serve.rs"]
mod serve;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use base64::Engine;
use genuine::Public;
use mitmlab::forge::key::KeyKind;
use mitmlab::forge::{Forger, Options, Profile};
use mitmlab::scenario::Clock;
use time::OffsetDateTime;

const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn pem(der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".pem").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn live(profile: &str, hosts: &[&str]) -> Forger {
    let options = Options { hosts: hosts.iter().map(|h| (*h).to_owned()).collect(), ..Options::default() };
    Forger::new(Profile::load(profile).unwrap(), Clock::starting_at(time::macros::datetime!(2019-07-20 12:00 +6)), options)
        .unwrap()
}

#[test]
fn curl_accepts_a_forged_leaf_if_it_trusts_the_root_and_only_then() {
    let genuine = Public::new().leaf(KeyKind::P256, &["www.facebook.com", "*.facebook.com"], OffsetDateTime::now_utc());
    let forger = live("qaznet-2019", &["facebook.com"]);
    let forged = forger.forge(&[genuine], Some("www.facebook.com"), SOMEWHERE, None).unwrap();
    let root = file(&pem(forger.root()));
    let stranger = file(&pem(live("qaznet-2019", &["facebook.com"]).root()));
    for (tls, trusted, exit) in [("--tlsv1.3", &root, 0), ("--tls-max=1.2", &root, 0), ("--tlsv1.3", &stranger, 60)] {
        let at = serve::https(forged.certified.clone(), 1);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "10", "--noproxy", "*"]).args(tls.split('=').collect::<Vec<_>>());
        curl.arg("--resolve").arg(format!("www.facebook.com:{}:127.0.0.1", at.port()));
        curl.arg("--cacert").arg(trusted.path()).arg(format!("https://www.facebook.com:{}/", at.port()));
        let output = curl.output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{tls}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
