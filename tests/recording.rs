//! What `--record` leaves behind, opened by programs that are not ours: tshark, capinfos, mergecap, a HAR library and a HAR validator.
//! And what a recording does when it is judged again, changed, or has no room.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const OWN: &str = env!("CARGO_BIN_EXE_mitmlab");
const SCENARIO: &str = "forged-leaf-refused-without-root";
/// A credential and a body that must be in no file but packets and keys.
const SECRETS: [&str; 2] = ["hush-token-4711", "hush-password-0815"];

/// Skips with a reason, or fails where the machine is meant to have it.
fn skip(reason: &str) {
    assert!(std::env::var("CI").is_err(), "{reason}");
    eprintln!("skipped: {reason}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn works(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Four forged exchanges in all mixtures of version and protocol, one that passes; a client that trusts the authority. False if this
/// machine has no such network.
fn record(network: &str, dir: &Path, more: &[&str]) -> Option<String> {
    let script = format!(
        "curl -sS --http1.1 --tls-max 1.2 -o /dev/null -H 'Authorization: Bearer {}' https://www.facebook.com/h1-12 &&
         curl -sS --http1.1 --tlsv1.3 -o /dev/null https://www.facebook.com/h1-13?token={} &&
         curl -sS --http2 --tls-max 1.2 -o /dev/null https://www.facebook.com/h2-12 &&
         curl -sS --http2 --tlsv1.3 -o /dev/null -d password={} https://www.facebook.com/login &&
         curl -sS -o /dev/null https://www.kernel.org/passed",
        SECRETS[0], SECRETS[0], SECRETS[1]
    );
    let file = dir.with_extension("sh"); // command lines are kept as they are: the secrets are not to be in them
    std::fs::write(&file, script).expect("writable");
    let mut command = Command::new(OWN);
    command.args(["exec", SCENARIO, "--network", network, "--trust", "web+authority", "--record"]).arg(dir).args(more);
    let output = command.arg("--").arg("sh").arg(&file).output().expect("it starts");
    if network == "sealed" && output.status.code() == Some(3) {
        skip(&text(&output));
        return None;
    }
    assert!(output.status.success(), "{}", text(&output));
    Some(text(&output))
}

fn tshark(file: &Path, more: &[&str]) -> String {
    let run = Command::new("tshark").args(["-n", "-o", "tcp.check_checksum:TRUE", "-r"]).arg(file).args(more).output();
    let run = run.expect("tshark starts");
    assert!(run.status.success(), "{}", text(&run));
    String::from_utf8_lossy(&run.stdout).into_owned()
}

fn opened_by_others(network: &str, client: &str, origin: &str) {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("record");
    let Some(told) = record(network, &dir, &[]) else { return };
    assert!(told.contains("masked in the recording: authorization (1), query (1), request body (1)"), "{told}");
    let capture = dir.join("capture.pcapng");
    if works("tshark") {
        for interface in [client, origin] {
            let side = format!("frame.interface_name contains \"{interface}\"");
            let both = format!("({side}) && (http.request || http2.headers.method)");
            let paths = tshark(&capture, &["-Y", &both, "-T", "fields", "-e", "http.request.uri", "-e", "http2.headers.path"]);
            for path in ["/h1-12", "/h1-13", "/h2-12", "/login"] {
                assert!(paths.contains(path), "{network}, {interface}: no {path} in\n{paths}");
            }
            let wrong = tshark(&capture, &["-Y", &format!("({side}) && (_ws.malformed || tcp.checksum.status == Bad)")]);
            assert_eq!(wrong, "", "{network}, {interface}: nothing looks wrong to an analyser");
        }
        let versions = tshark(&capture, &["-Y", "tls.handshake.type == 2", "-T", "fields", "-e", "_ws.col.Protocol"]);
        assert!(versions.contains("TLSv1.2") && versions.contains("TLSv1.3"), "{versions}");
        let info = Command::new("capinfos").args(["-M"]).arg(&capture).output().expect("it comes with tshark");
        let info = text(&info);
        for line in ["Strict time order:   True", "Number of interfaces in file: 2", "Number of decryption secrets in file: 1"] {
            assert!(info.contains(line), "{info}");
        }
        let merged = home.path().join("merged.pcapng");
        let foreign = home.path().join("foreign.pcap");
        std::fs::write(&foreign, FOREIGN).expect("writable");
        let merge = Command::new("mergecap").arg("-w").arg(&merged).args([&capture, &foreign]).output().expect("with tshark");
        assert!(merge.status.success(), "{}", text(&merge));
    } else {
        skip("no tshark");
    }
    opened_as_har(&dir.join("exchanges.har"));
    for entry in std::fs::read_dir(&dir).expect("the folder").flatten().filter(|e| e.path().is_file()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = std::fs::read(entry.path()).expect("readable");
        let found = SECRETS.iter().any(|secret| bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
        assert!(!found, "{network}: a secret in {name}");
    }
    let index: Value = serde_json::from_slice(&std::fs::read(dir.join("chains/index.json")).expect("there")).expect("JSON");
    let forged = index.as_array().expect("a list").iter().find(|c| c["forged_by"] == "qaznet-2019").expect("one was forged");
    assert_ne!(forged["presented"], forged["genuine"]);
    for which in ["presented", "genuine"] {
        let file = dir.join("chains").join(forged[which].as_str().expect("a file"));
        let read = Command::new("openssl").args(["x509", "-noout", "-subject", "-in"]).arg(file).output().expect("openssl");
        assert!(read.status.success() && text(&read).contains("facebook"), "{}", text(&read));
    }
    let proof: Value = serde_json::from_slice(&std::fs::read(dir.join("containment.json")).expect("there")).expect("JSON");
    assert!(proof["statements"].as_array().is_some_and(|all| all.len() >= 3 && all.iter().all(|s| s[1] == true)), "{proof}");
    let story = Command::new(OWN).arg("show").arg(&dir).arg("c1").output().expect("it starts");
    assert!(story.status.success() && text(&story).contains("chain:presented"), "{}", text(&story));
}

/// The schema of HAR 1.2 by `har-validator`, and `haralyzer` reads it.
fn opened_as_har(file: &Path) {
    let document: Value = serde_json::from_slice(&std::fs::read(file).expect("written")).expect("JSON");
    let entries = document["log"]["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 5, "{document}");
    let masked = &entries[0]["request"]["headers"].as_array().expect("headers");
    assert!(masked.iter().any(|h| h["name"] == "authorization" && h["value"] == "Bearer (masked, 22 bytes)"), "{masked:?}");
    let validator = std::env::var("MITMLAB_TEST_NODE_MODULES").unwrap_or_default();
    let check = "require(process.argv[1] + '/har-validator').har(JSON.parse(require('fs').readFileSync(process.argv[2])))
        .then(() => console.log('valid'), error => { console.log(JSON.stringify(error.errors)); process.exit(1) })";
    match Command::new("node").args(["-e", check, &validator]).arg(file).output() {
        Ok(read) if !validator.is_empty() => assert!(read.status.success(), "{}", text(&read)),
        _ => skip("no node with har-validator (MITMLAB_TEST_NODE_MODULES names its folder)"),
    }
    let Ok(python) = std::env::var("MITMLAB_TEST_TOOLS_PYTHON") else {
        return skip("no Python with haralyzer (MITMLAB_TEST_TOOLS_PYTHON names one)");
    };
    let read = "import json, sys, haralyzer; har = haralyzer.HarParser(json.load(open(sys.argv[1])))
print(len(har.har_data['entries']), haralyzer.HarEntry(har.har_data['entries'][0]).request.url)";
    let read = Command::new(python).args(["-c", read]).arg(file).output().expect("it starts");
    assert!(text(&read).contains("5 https://www.facebook.com/h1-12"), "{}", text(&read));
}

#[test]
fn packets_of_the_sealed_network_are_opened_by_others() {
    opened_by_others("sealed", "client half", "origin half");
}

#[test]
fn streams_of_the_proxy_network_are_opened_by_others() {
    opened_by_others("proxy", "client (rebuilt)", "upstream (rebuilt)");
}

#[test]
fn unmasked_is_what_was_asked_for_and_said() {
    let home = tempfile::tempdir().expect("a folder");
    let (dir, har) = (home.path().join("record"), home.path().join("only.har"));
    let told = record("proxy", &dir, &["--unmask", "--har", &har.display().to_string()]).expect("everywhere");
    assert!(told.contains("(`--unmask`)"), "{told}");
    let har = std::fs::read_to_string(har).expect("written");
    assert!(SECRETS.iter().all(|secret| har.contains(secret)) && har.contains("password=hush"), "{har}");
}

/// Of mail the record has kinds and lengths, whatever is asked for; the words are in the packets.
#[test]
fn mail_is_masked_even_where_the_web_is_not() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("record");
    let config = home.path().join("curlrc"); // command lines are kept as they are
    std::fs::write(&config, "user = \"alice:wonderland\"\n").expect("writable");
    let mut command = Command::new(OWN);
    command.args(["exec", "mail-implicit-tls-forged", "--network", "proxy", "--trust", "web+authority", "--unmask", "--record"]);
    command.arg(&dir).args(["--", "curl", "-sS", "-o", "/dev/null", "-K"]).arg(&config);
    let output = command.arg("imaps://imap.example.org/INBOX;MAILINDEX=1").output().expect("it starts");
    let told = text(&output);
    assert!(
        output.status.success() && told.contains("of mail and messengers kinds and lengths alone: imap message (1)"),
        "{told}"
    );
    for name in ["events.jsonl", "connections.jsonl", "exchanges.har"] {
        let kept = std::fs::read_to_string(dir.join(name)).expect("written");
        let secrets = ["wonderland", "AGFsaWNlAHdvbmRlcmxhbmQ="]; // the second is SASL PLAIN of the first
        assert!(!secrets.iter().any(|secret| kept.contains(secret)), "{name}");
        assert!(name.ends_with("har") || kept.contains("sasl response: 24 bytes"), "{name}: {kept}");
    }
    if works("tshark") {
        let login = tshark(&dir.join("capture.pcapng"), &["-Y", "imap", "-T", "fields", "-e", "imap.line"]);
        assert!(login.contains("AGFsaWNlAHdvbmRlcmxhbmQ="), "{login}");
    }
}

#[test]
fn a_recording_is_judged_again_and_a_changed_one_fails() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("record");
    let run = |words: &[&str]| Command::new(OWN).args(words).output().expect("it starts");
    let path = dir.display().to_string();
    let first =
        run(&["run", SCENARIO, "--network", "proxy", "--check", "the lab's client", "--format", "json", "--record", &path]);
    let first: Value = serde_json::from_slice(&first.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&first)));
    let again = run(&["report", &path, "--format", "json"]);
    assert!(again.status.success(), "{}", text(&again));
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let verdicts = |report: &Value| {
        report["run"]["checks"].as_array().map(|all| {
            all.iter()
                .map(|c| (c["name"].clone(), c["outcome"].clone(), c["targets"].clone(), c["twin"]["targets"].clone()))
                .collect::<Vec<_>>()
        })
    };
    assert!(verdicts(&first).is_some_and(|all| !all.is_empty()) && verdicts(&first) == verdicts(&again), "{again}");
    assert_eq!((&first["run"]["containment"], &first["run"]["ms"]), (&again["run"]["containment"], &again["run"]["ms"]));
    let junit = run(&["report", &path, "--format", "junit"]);
    assert!(text(&junit).contains("<testsuite"), "{}", text(&junit));
    let keys = dir.join("keys.log");
    std::fs::write(&keys, "# other\n").expect("writable");
    let changed = run(&["report", &path]);
    assert_eq!(changed.status.code(), Some(1));
    assert!(text(&changed).contains("`keys.log` was changed after the run"), "{}", text(&changed));
    let nothing = run(&["report", &home.path().display().to_string()]);
    assert!(nothing.status.code() == Some(2) && text(&nothing).contains("cannot be read"), "{}", text(&nothing));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_folder_that_cannot_be_made_leave_the_verdict_alone() {
    let home = tempfile::tempdir().expect("a folder");
    let script = "mount -t tmpfs -o size=48k none \"$1\" && exec \"$0\" run \"$2\" --network proxy --check \"the lab's client\" --record \"$1\"";
    let full = home.path().join("full");
    std::fs::create_dir(&full).expect("a folder");
    let output = Command::new("unshare").args(["-rm", "sh", "-c", script, OWN]).arg(&full).arg(SCENARIO).output();
    match output {
        Ok(output) if !text(&output).contains("unshare: ") => {
            assert!(output.status.success() && text(&output).contains("passed"), "{}", text(&output));
            assert!(text(&output).contains("the recording is incomplete") && text(&output).contains("No space left"));
            assert!(text(&output).matches("the recording is incomplete").count() <= 2, "{}", text(&output));
        }
        _ => skip("no user namespace for a small disk"),
    }
    let nowhere = Command::new(OWN)
        .args(["run", SCENARIO, "--network", "proxy", "--check", "the lab's client", "--record", "/proc/nowhere"])
        .output()
        .expect("it starts");
    let told = text(&nowhere);
    assert!(nowhere.status.success() && told.contains("`/proc/nowhere` cannot be made, so nothing is kept there"), "{told}");
    assert_eq!(told.matches("the recording is incomplete").count(), 1, "one reason, one remark: {told}");
}

/// A capture of another program: one Ethernet frame (an ARP request) in the old format.
const FOREIGN: &[u8] = &[
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, // header: version 2.4, Ethernet
    0, 0, 0, 0x5f, 0, 0, 0, 0, 42, 0, 0, 0, 42, 0, 0, 0, // one packet of 42 bytes
    255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0,
    0, 192, 0, 2, 2,
];
