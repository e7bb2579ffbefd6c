//! How OpenSSL, Python, Node, wget and Java judge the lab's genuine certificates.

use std::time::{Duration, Instant};

use mitmlab::record::Side;
use mitmlab::scenario::{Cert, Site};

use crate::bench::{Bench, HERE, faults, have, run, site, text};

#[tokio::test]
async fn openssl_accepts_what_is_good_and_refuses_what_is_not() {
    let good = [("bank.lab.test", Cert::Good), ("rsa.test", Cert::GoodRsa), ("ev.test", Cert::ExtendedValidation)];
    let bad = faults().into_iter().map(|(name, cert, _)| (name, cert));
    for (name, cert) in good.clone().into_iter().chain(bad) {
        let bench = Bench::new(vec![(name, cert)]).await;
        let at = format!("{HERE}:{}", bench.ports[name]);
        let base = ["s_client", "-connect", &at, "-servername", name, "-CAfile", bench.root(), "-x509_strict"];
        let strict = ["-verify_return_error", "-verify_hostname", name, "-brief"];
        let output = run("openssl", &[&base[..], &strict[..]].concat()).await;
        let is_good = good.iter().any(|(good, _)| *good == name);
        assert_eq!(output.status.success(), is_good, "{name}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).contains("Verification: OK"), is_good, "{name}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn chains_pass_the_strict_check_of_openssl() {
    let long = format!("{}.{}.test", "a".repeat(60), "b".repeat(60));
    let kinds = [Cert::Good, Cert::GoodRsa, Cert::ExtendedValidation];
    let bench = Bench::new(vec![("bank.lab.test", Cert::Good)]).await;
    let mut sites: Vec<Site> = kinds.into_iter().map(|cert| site("*.lab.test", 443, cert)).collect();
    sites.push(site(&long, 443, Cert::Good));
    sites.push(site("192.0.2.7", 443, Cert::Good));
    sites.push(site("пример.test", 443, Cert::Good));
    for site in &sites {
        let issued = bench.pki.issue(site).expect("issued");
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).expect("written");
            file.display().to_string()
        };
        let (leaf, chain) = (put("leaf.pem", &issued.leaf_pem()), put("chain.pem", &issued.chain_pem()));
        let root = bench.root();
        let output =
            run("openssl", &["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", &chain, &leaf])
                .await;
        assert!(output.status.success(), "{:?}: {}{}", site.names, text(&output.stdout), text(&output.stderr));
        let shown = text(&run("openssl", &["x509", "-in", &leaf, "-noout", "-text"]).await.stdout);
        match site.names[0].as_str() {
            name if name == long => {
                assert!(shown.contains("Subject: \n") && shown.contains("Alternative Name: critical"), "{shown}")
            }
            "192.0.2.7" => assert!(shown.contains("IP Address:192.0.2.7") && !shown.contains("DNS:"), "{shown}"),
            "пример.test" => assert!(shown.contains("DNS:xn--e1afmkfd.test"), "{shown}"),
            _ => assert!(shown.contains("DNS:*.lab.test"), "{shown}"),
        }
    }
}

/// Python's `ssl` with VERIFY_X509_STRICT: `host port cafile`.
const PYTHON: &str = "
import socket, ssl, sys
host, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(('127.0.0.1', port), 10) as tcp, context.wrap_socket(tcp, server_hostname=host) as tls:
    tls.sendall(b'GET / HTTP/1.0\\r\\nHost: ' + host.encode() + b'\\r\\n\\r\\n')
    print(tls.recv(100).decode())
";

/// Node: `host port cafile`.
const NODE: &str = "
const [host, port, ca] = process.argv.slice(1);
const options = { host: '127.0.0.1', port, servername: host, headers: { host }, agent: false, ca: require('fs').readFileSync(ca) };
require('https').get(options, (r) => { console.log(r.headers['x-mitmlab-origin']); r.resume(); }).on('error', (e) => { console.error(e.code); process.exit(1); });
";

#[tokio::test]
async fn other_clients_judge_the_same() {
    let good = [("bank.lab.test", Cert::Good), ("rsa.test", Cert::GoodRsa), ("ev.test", Cert::ExtendedValidation)];
    let bad = faults().into_iter().map(|(name, cert, _)| (name, cert));
    for (name, cert) in good.clone().into_iter().chain(bad) {
        let is_good = good.iter().any(|(good, _)| *good == name);
        let bench = Bench::new(vec![(name, cert)]).await;
        let port = bench.ports[name].to_string();
        let (root, mut clients) = (bench.root(), 0);
        for (program, more) in [("/usr/bin/python3", ["-c", PYTHON]), ("node", ["-e", NODE])] {
            if !have(program) {
                continue;
            }
            let output = run(program, &[more[0], more[1], name, &port, root]).await;
            assert_eq!(output.status.success(), is_good, "{program} {name}: {}", text(&output.stderr));
            clients += 1;
        }
        let ended = bench
            .recorder
            .wait(Instant::now() + Duration::from_secs(10), |all| all.len() == clients && all.iter().all(|c| c.ended));
        assert!(ended.await, "{name}");
        for connection in bench.recorder.connections() {
            assert_eq!(connection.client_half.bytes.app_up > Some(0), is_good, "{name}: {:?}", connection.client_half);
        }
    }
}

#[tokio::test]
async fn wget_completes_the_handshake_and_hangs_up() {
    if !have("wget") {
        return;
    }
    // wget has no --resolve: it dials the address, for which the certificate of a site named by it is good.
    for (trusts, code) in [(true, 0), (false, 5)] {
        let bench = Bench::new(vec![("127.0.0.1", Cert::Good)]).await;
        let url = format!("https://127.0.0.1:{}/", bench.ports["127.0.0.1"]);
        let ca = format!("--ca-certificate={}", if trusts { bench.root() } else { "/etc/hostname" });
        let output = run("wget", &["-q", "-O", "-", "--tries=1", "--timeout=10", "--no-hsts", "--no-config", &ca, &url]).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let half = bench.only().await.client_half;
        assert_eq!(half.bytes.app_up > Some(0), trusts, "{half:?}");
        assert!(half.handshake.is_some(), "{half:?}");
    }
}

/// Java: `url`. Reads the answer and closes.
const JAVA: &str = "
public class Get {
    public static void main(String[] args) throws Exception {
        var connection = (javax.net.ssl.HttpsURLConnection) new java.net.URL(args[0]).openConnection();
        connection.setRequestProperty(\"Connection\", \"close\");
        System.out.println(connection.getResponseCode());
        connection.getInputStream().readAllBytes();
        connection.disconnect();
    }
}
";

#[tokio::test]
async fn java_ends_an_accepted_connection_with_no_refusal() {
    if !have("java") || !have("keytool") {
        return;
    }
    for (cert, accepts) in [(Cert::Good, true), (Cert::UntrustedRoot, false)] {
        let bench = Bench::new(vec![("bank.lab.test", cert)]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
            folder.path().join(name).display().to_string()
        };
        let (program, hosts) = (put("Get.java", JAVA), put("hosts", "127.0.0.1 bank.lab.test\n"));
        let store = folder.path().join("store").display().to_string();
        let import =
            ["-importcert", "-noprompt", "-alias", "lab", "-storepass", "changeit", "-file", bench.root(), "-keystore", &store];
        assert!(run("keytool", &import).await.status.success());
        let (store, hosts) = (format!("-Djavax.net.ssl.trustStore={store}"), format!("-Djdk.net.hosts.file={hosts}"));
        let url = format!("https://bank.lab.test:{}/", bench.ports["bank.lab.test"]);
        let password = "-Djavax.net.ssl.trustStorePassword=changeit";
        let output = run("java", &[&store, password, &hosts, &program, &url]).await;
        assert_eq!(output.status.success(), accepts, "{}{}", text(&output.stdout), text(&output.stderr));
        let half = bench.only().await.client_half;
        let refusals: Vec<u8> =
            half.alerts.iter().filter(|a| a.from == Side::Client && a.level == Some(2)).map(|a| a.number).collect();
        assert_eq!(half.bytes.app_up > Some(0), accepts, "{half:?}");
        assert_eq!(refusals.is_empty(), accepts, "{half:?}");
    }
}
