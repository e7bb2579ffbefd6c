//! A site that is a server of the user's own, on the host's loopback: reached in both networks, and no other address is.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

#[test]
fn a_server_of_the_users_own_is_reached_in_both_networks() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmine");
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, scenario(&address.to_string())).expect("written");
    for network in networks() {
        let output = Command::new(env!("CARGO_BIN_EXE_mitmlab"))
            .args(["exec", "--network", network])
            .arg(&file)
            .args(["--", "curl", "-sS", "-m", "20", "http://own.example.test/"])
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "mine", "{network}: {told}");
        let judged = Command::new(env!("CARGO_BIN_EXE_mitmlab"))
            .args(["run", "--network", network])
            .arg(&file)
            .output()
            .expect("it starts");
        assert_eq!(judged.status.code(), Some(0), "{network}: {}", String::from_utf8_lossy(&judged.stdout));
    }
}

#[test]
fn an_address_that_is_not_loopback_is_refused_when_the_scenario_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, scenario("192.0.2.7:80")).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_mitmlab")).args(["scenario", "check"]).arg(&file).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("loopback") && told.contains("own.toml:7"), "{told}");
}

/// The sealed network where it works; under `CI=true` it must.
fn networks() -> Vec<&'static str> {
    let sealed = Command::new(env!("CARGO_BIN_EXE_mitmlab")).arg("doctor").output().expect("it starts").status.success();
    assert!(sealed || std::env::var("CI").as_deref() != Ok("true"), "the sealed network does not work here");
    if sealed { vec!["sealed", "proxy"] } else { vec!["proxy"] }
}

fn scenario(address: &str) -> String {
    format!(
        r#"title = "A server of my own"
about = "It stands in for an origin."

[[world.site]]
names = ["own.example.test"]
address = "198.51.100.9"
services = [{{ port = 80, serve = "loopback", address = "{address}" }}]

[[check]]
name = "it is reached"
client = ["curl", "-sS", "{{url}}"]
url = "http://own.example.test/"
expect = {{ verdict = "untouched", exit = 0 }}
"#
    )
}
