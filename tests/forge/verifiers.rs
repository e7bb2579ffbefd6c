//! Every profile's chain before real verifiers: what each of them says, kept as a snapshot.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mitmlab::forge::{Forged, Forger, Options, profiles};
use mitmlab::scenario::Clock;
use mitmlab::x509::key::KeyKind;
use mitmlab::x509::pem;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::genuine::Public;
use crate::{KEYS, SOMEWHERE, lacks, output, serve, shorter};

const HOST: &str = "www.example.com";
/// Options of a Java that starts quickly and ends soon.
const QUICK: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

#[test]
fn what_verifiers_say_of_every_profile() {
    if ["openssl", "certtool", "java", "/usr/bin/python3"].into_iter().any(lacks) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let genuine =
        Public::new().leaf(KeyKind::Rsa { bits: 2048, exponent: 65537 }, &[HOST, "example.com"], OffsetDateTime::now_utc());
    let row_of = |(case, profile, at, trusted): (String, &str, OffsetDateTime, usize)| {
        let hosts = vec!["example.com".into(), "portal.example".into()];
        let options = Options { hosts, warm_keys: 0, keys: KEYS.clone(), ..Options::default() };
        let forger = Forger::new(shorter(profile), Clock::starting_at(at), options).unwrap();
        let forged = forger.forge(std::slice::from_ref(&genuine), Some(HOST), SOMEWHERE, None).unwrap();
        let here = folder.path().join(&case);
        let root = forger.roots().unwrap().swap_remove(trusted);
        write(&here, &root, &forged);
        let row = vec![
            openssl(&here, &[]),
            openssl(&here, &["-x509_strict"]),
            openssl(&here, &["-auth_level", "2"]),
            certtool(&here),
            python(&here, &forged),
            webpki(&root, &forged),
            handshake(&root, &forged),
        ];
        (case, row)
    };
    let row_of = &row_of;
    let cases = cases();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = [0, 1]
            .map(|lane| {
                let mine: Vec<_> = cases.iter().skip(lane).step_by(2).cloned().collect();
                scope.spawn(move || mine.into_iter().map(row_of).collect::<Vec<_>>())
            })
            .into();
        lanes.into_iter().for_each(|lane| table.extend(lane.join().unwrap()));
    });
    for (case, said) in java(folder.path(), table.keys()) {
        table.get_mut(&case).unwrap().push(said);
    }
    let heads = [
        "openssl",
        "openssl -x509_strict",
        "openssl -auth_level 2",
        "gnutls certtool",
        "python strict",
        "webpki",
        "rustls handshake",
        "java",
    ];
    let text: String = table
        .iter()
        .map(|(case, row)| {
            format!("{case}\n{}", heads.iter().zip(row).map(|(head, said)| format!("  {head:22} {said}\n")).collect::<String>())
        })
        .collect();
    insta::assert_snapshot!("verifiers", text);
}

fn cases() -> Vec<(String, &'static str, OffsetDateTime, usize)> {
    let at = |name: &str| match name {
        "isca-2020" => datetime!(2020-12-06 12:00 UTC),
        "isca-2021-2024" => datetime!(2021-07-01 12:00 UTC),
        "nca-2015" => datetime!(2016-01-05 12:00 UTC),
        _ => datetime!(2019-07-20 12:00 UTC),
    };
    let mut cases: Vec<_> = profiles().iter().map(|listed| (listed.name.to_owned(), listed.name, at(listed.name), 0)).collect();
    let mut isca = |what: &str, at, trusted| cases.push((format!("isca-2021-2024, {what}"), "isca-2021-2024", at, trusted));
    isca("expired intermediate under the trusted root", datetime!(2024-03-01 12:00 UTC), 2);
    isca("another root of that name trusted", datetime!(2023-10-01 12:00 UTC), 0);
    isca("expired intermediate under a root that nobody knows", datetime!(2022-06-01 12:00 UTC), 0);
    cases
}

fn write(here: &Path, root: &CertificateDer<'_>, forged: &Forged) {
    std::fs::create_dir(here).unwrap();
    let all: String = forged.chain.iter().map(pem::write).collect();
    let rest: String = forged.chain[1..].iter().map(pem::write).collect();
    for (name, text) in
        [("root.pem", pem::write(root)), ("leaf.pem", pem::write(&forged.chain[0])), ("rest.pem", rest), ("chain.pem", all)]
    {
        std::fs::write(here.join(name), text).unwrap();
    }
}

fn openssl(here: &Path, more: &[&str]) -> String {
    let file = |name: &str| here.join(name).display().to_string();
    let (root, rest, leaf) = (file("root.pem"), file("rest.pem"), file("leaf.pem"));
    let mut arguments = vec!["verify", "-purpose", "sslserver", "-verify_hostname", HOST, "-CAfile", &root];
    arguments.extend(more);
    if std::fs::metadata(&rest).is_ok_and(|m| m.len() > 0) {
        arguments.extend(["-untrusted", &rest]);
    }
    arguments.push(&leaf);
    let said = output("openssl", &arguments);
    if said.contains(": OK") {
        return "ok".into();
    }
    let errors: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("error "))
        .map(|line| line.rsplit(": ").next().unwrap_or(line).to_owned())
        .collect();
    errors.into_iter().filter(|error| error != "verification failed").collect::<Vec<_>>().join("; ")
}

fn certtool(here: &Path) -> String {
    let file = |name: &str| here.join(name).display().to_string();
    let said = output(
        "certtool",
        &["--verify", "--verify-hostname", HOST, "--load-ca-certificate", &file("root.pem"), "--infile", &file("chain.pem")],
    );
    match said.lines().rfind(|line| line.contains("verification output:")) {
        Some(line) if line.contains("Verified") => "ok".into(),
        Some(line) => line.split("verification output:").nth(1).unwrap_or(line).trim().trim_end_matches('.').to_owned(),
        None => said.lines().next_back().unwrap_or("nothing").to_owned(),
    }
}

/// A handshake with the flags that Python 3.13 sets by default: VERIFY_X509_STRICT and VERIFY_X509_PARTIAL_CHAIN.
fn python(here: &Path, forged: &Forged) -> String {
    let at = serve::https(forged.certified.clone(), 1);
    let root = here.join("root.pem").display().to_string();
    output("/usr/bin/python3", &["-c", PYTHON, &root, &at.port().to_string(), HOST]).trim().to_owned()
}

const PYTHON: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
try:
    with socket.create_connection(('127.0.0.1', int(sys.argv[2])), 10) as raw:
        with context.wrap_socket(raw, server_hostname=sys.argv[3]) as tls:
            tls.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
            print('ok' if tls.recv(100) else 'closed')
except ssl.SSLCertVerificationError as e:
    print(e.verify_message)
except ssl.SSLError as e:
    print(e.reason)
";

fn webpki(root: &CertificateDer<'_>, forged: &Forged) -> String {
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(store(root), provider()).build().unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    match verifier.verify_server_cert(&forged.chain[0], &forged.chain[1..], &name, &[], UnixTime::now()) {
        Ok(_) => "ok".into(),
        Err(error) => rustls_words(&error),
    }
}

/// A whole handshake: besides the chain, the leaf's own signature is judged.
fn handshake(root: &CertificateDer<'_>, forged: &Forged) -> String {
    let config = rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(store(root)).with_no_client_auth();
    let client = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from(HOST).unwrap()).unwrap();
    let stream = std::net::TcpStream::connect(serve::https(forged.certified.clone(), 1)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let mut tls = rustls::StreamOwned::new(client, stream);
    let mut answer = [0; 64];
    match tls.write_all(b"GET / HTTP/1.1\r\n\r\n").and_then(|()| tls.read(&mut answer)) {
        Ok(_) => "ok".into(),
        Err(error) => error.get_ref().and_then(|e| e.downcast_ref()).map_or_else(|| error.to_string(), rustls_words),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn store(root: &CertificateDer<'_>) -> Arc<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone().into_owned()).unwrap();
    Arc::new(roots)
}

fn rustls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError::{ExpiredContext, NotValidForNameContext};
    match error {
        rustls::Error::InvalidCertificate(ExpiredContext { .. }) => "expired".into(),
        rustls::Error::InvalidCertificate(NotValidForNameContext { .. }) => "not valid for the name".into(),
        other => other.to_string(),
    }
}

fn java<'a>(folder: &Path, cases: impl Iterator<Item = &'a String>) -> Vec<(String, String)> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forge/Verify.java");
    let output = Command::new("java").args(QUICK).arg(source).args(cases.map(|case| folder.join(case))).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let dates = |said: &str| if said.contains("NotAfter") { "expired".to_owned() } else { said.to_owned() };
    text.lines().filter_map(|line| line.split_once('\t')).map(|(case, said)| (case.to_owned(), dates(said))).collect()
}
