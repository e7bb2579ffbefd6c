//! What a client is told, and what it is not told.

use super::*;
use crate::client::presets::preset_for;

fn own() -> Vec<(OsString, OsString)> {
    [
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("SSL_CERT_FILE", "/own.pem"),
        ("https_proxy", "http://user:secret@p"),
        ("AWS_SECRET", "x"),
    ]
    .map(|(n, v)| (n.into(), v.into()))
    .to_vec()
}

fn prepared(kind: &Kind, trust: Trust, program: &str) -> (tempfile::TempDir, Surroundings) {
    let dir = tempfile::tempdir().unwrap();
    let store = TrustStore::write(dir.path(), &[], None).unwrap();
    let surroundings = Surroundings::prepare(kind, trust, &store, preset_for(&[program.to_owned()]), &own());
    (dir, surroundings)
}

const PROXY: Kind = Kind::Proxy { address: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080) };

#[test]
fn only_what_is_on_the_list_is_passed_on_and_no_value_is_told() {
    let (dir, around) = prepared(&Kind::Direct, Trust::Web, "curl");
    assert_eq!(around.variable("LC_ALL"), Some(OsStr::new("C")));
    assert_eq!(around.variable("AWS_SECRET"), None);
    assert_eq!(around.variable("https_proxy"), None);
    assert_eq!(around.variable("SSL_CERT_FILE"), Some(dir.path().join("ca.pem").as_os_str()));
    let names: Vec<_> = around.held_back.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["SSL_CERT_FILE", "https_proxy"]);
    assert!(!format!("{around:?}").contains("secret"));
}

#[test]
fn in_the_proxy_network_every_form_of_the_variable_is_set_and_no_host_is_left_out() {
    let (_dir, around) = prepared(&PROXY, Trust::Web, "curl");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        assert_eq!(around.variable(name), Some(OsStr::new("http://127.0.0.1:8080")));
    }
    assert_eq!(around.variable("NO_PROXY"), Some(OsStr::new("")));
    assert!(around.variable("JAVA_TOOL_OPTIONS").unwrap().to_str().unwrap().contains("-Dhttps.proxyPort=8080"));
}

#[test]
fn a_blocklist_is_told_only_where_the_leg_says_so() {
    assert_eq!(prepared(&Kind::Direct, Trust::WebAuthority, "curl").1.variable("MITMLAB_BLOCKLIST"), None);
    let (_dir, around) = prepared(&Kind::Direct, Trust::WebAuthorityBlocklist, "curl");
    assert!(around.variable("MITMLAB_BLOCKLIST").is_some());
    assert!(around.notes.iter().any(|n| n.contains("knows no block list")));
}

#[test]
fn arguments_are_inserted_where_they_belong_and_only_once() {
    let (_dir, around) = prepared(&PROXY, Trust::Web, "openssl");
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(around.complete(&words("openssl s_client -brief")), words("openssl s_client -proxy 127.0.0.1:8080 -brief"));
    assert_eq!(around.complete(&words("openssl version")), words("openssl version"));
    assert_eq!(around.complete(&words("openssl s_client -proxy a:1")), words("openssl s_client -proxy a:1"));
    let (_dir, around) = prepared(&Kind::Direct, Trust::Web, "aria2c");
    let line = around.complete(&words("env A=B aria2c --no-conf https://a.test/"));
    assert_eq!((line[2].as_str(), line[4].as_str()), ("aria2c", "--no-conf"));
    assert!(line[3].starts_with("--ca-certificate=/"));
}

#[test]
fn in_the_sealed_network_java_needs_no_option() {
    let ground = Ground { java: ["/etc/ssl/certs/java/cacerts".into()].into(), ..Ground::default() };
    let (_dir, around) = prepared(&Kind::Sealed(ground), Trust::Web, "java");
    assert_eq!(around.variable("JAVA_TOOL_OPTIONS"), None);
    assert_eq!(around.overlays.len(), 1);
}
