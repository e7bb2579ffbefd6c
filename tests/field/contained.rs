//! Containment, in a trace of a whole run: what it bound, listened on and dialled, what it wrote, and that no key is among it.

use std::collections::HashSet;
use std::path::Path;

use super::lab::*;

pub(crate) fn trials() -> Vec<Listed> {
    vec![
        ("a_proxied_run_listens_and_dials_on_loopback_alone", Needs::Sealed(&["strace"]), loopback_alone),
        ("a_sealed_run_opens_no_socket_of_the_hosts_network", Needs::Sealed(&["strace"]), no_socket_outside),
        ("no_file_of_a_sealed_run_holds_a_private_key", Needs::Sealed(&["python3"]), || no_key("sealed")),
        ("no_file_of_a_proxied_run_holds_a_private_key", Needs::Sealed(&["python3"]), || no_key("proxy")),
    ]
}

/// A traced run; the trace's lines, each with its process, in their order.
fn traced(stage: &Stage, network: &str) -> Result<Vec<(u32, String)>, libtest_mimic::Failed> {
    let (scenario, record, trace) = (stage.text("scenario.toml"), stage.text("record"), stage.text("trace"));
    std::fs::create_dir(stage.path("tmp"))?;
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-o", &trace, "-e", "trace=socket,bind,listen,connect,sendto,unshare,openat,mount"]);
    command.args([env!("CARGO_BIN_EXE_mitmlab"), "run", &scenario, "--network", network, "--record", &record]);
    command.env("TMPDIR", stage.path("tmp")).env_remove("CI").stdin(std::process::Stdio::null());
    let done = finish(&mut command)?;
    same("exit", done.code, 0).map_err(|_| format!("{}{}", done.stdout, done.stderr))?;
    let text = std::fs::read_to_string(&trace)?;
    let line = |line: &str| Some((line.split_once(' ')?.0.parse().ok()?, line.split_once(' ')?.1.trim().to_owned()));
    Ok(text.lines().filter_map(line).collect())
}

fn loopback_alone() -> Outcome {
    let stage = Stage::new("", "")?;
    let trace = traced(&stage, "proxy")?;
    let mut dialled = 0;
    for (_, call) in trace.iter().filter(|(_, call)| names_an_address(call)) {
        let loopback = call.contains("inet_addr(\"127.") || call.contains("\"::1\"");
        that(loopback, format!("not on loopback: {call}"))?;
        dialled += usize::from(call.starts_with("connect("));
    }
    that(dialled > 2, format!("the trace shows {dialled} connections: it proves nothing"))?;
    that(trace.iter().any(|(_, call)| call.starts_with("listen(")), "the trace shows no listener")?;
    written(&stage, &trace)
}

/// Whoever began before the lab entered its namespaces (the lab itself until then, and its helper) is in the host's network.
fn no_socket_outside() -> Outcome {
    let stage = Stage::new("", "")?;
    let trace = traced(&stage, "sealed")?;
    let lab = trace.first().ok_or("an empty trace")?.0;
    let enters = |(pid, call): &(u32, String)| *pid == lab && call.starts_with("unshare(") && call.contains("CLONE_NEWNET");
    let entered = trace.iter().position(enters).ok_or("the lab entered no network namespace")?;
    let early: HashSet<u32> = trace[..entered].iter().map(|(pid, _)| *pid).filter(|pid| *pid != lab).collect();
    for (at, (pid, call)) in trace.iter().enumerate() {
        if at < entered || early.contains(pid) {
            that(!names_an_address(call), format!("in the host's network: {call}"))?;
        }
    }
    that(trace[entered..].iter().any(|(_, call)| names_an_address(call)), "the trace shows no socket of the lab")?;
    written(&stage, &trace)
}

fn names_an_address(call: &str) -> bool {
    call.contains("sa_family=AF_INET") && ["bind(", "connect(", "sendto("].iter().any(|name| call.starts_with(name))
}

/// Files are made in the record's folder, in the private folder (below the temporary one or a mount of the lab's own), and nowhere else.
fn written(stage: &Stage, trace: &[(u32, String)]) -> Outcome {
    let own = stage.folder.path().display().to_string();
    let mounts: Vec<&str> =
        trace.iter().filter(|(_, call)| call.starts_with("mount(")).filter_map(|(_, call)| call.split('"').nth(3)).collect();
    let made = trace.iter().filter(|(_, call)| call.starts_with("openat(") && call.contains("O_CREAT"));
    for path in made.filter_map(|(_, call)| call.split('"').nth(1)) {
        let inside = path.starts_with(&own) || ["/proc/", "/dev/"].iter().any(|p| path.starts_with(p));
        let mounted = mounts.iter().any(|mount| mount.len() > 1 && path.starts_with(*mount));
        that(inside || mounted || !path.starts_with('/'), format!("a file was made: {path}"))?;
    }
    Ok(())
}

/// The client reads every file of the run's private folder while the lab is up; afterwards the trial reads what is left.
fn no_key(network: &str) -> Outcome {
    let stage = Stage::new("", "")?;
    std::fs::create_dir(stage.path("tmp"))?;
    let (scenario, record) = (stage.text("scenario.toml"), stage.text("record"));
    let arguments = ["exec", &scenario, "--trust", "web+authority", "--network", network, "--record", &record, "--"];
    stage.write("read.py", READ_ALL)?; // not in the arguments: those are recorded, and it names what is looked for
    let reader = stage.text("read.py");
    let client = ["python3", &reader];
    let done = finish(mitmlab().args(arguments).args(client).env("TMPDIR", stage.path("tmp")))?;
    let told: serde_json::Value = serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {}", done.stderr))?;
    that(told["files"].as_u64().is_some_and(|n| n >= 2), format!("too few files were read: {told}"))?;
    that(told["certificates"].as_u64().is_some_and(|n| n >= 1), format!("no certificate among them: {told}"))?;
    same("keys", &told["keys"], &serde_json::json!([]))?;
    for folder in ["record", "tmp"] {
        that(!holds_a_key(&stage.path(folder))?, format!("a private key in `{folder}`"))?;
    }
    Ok(())
}

fn holds_a_key(folder: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            holds_a_key(&path)?
        } else {
            let bytes = std::fs::read(&path)?;
            KEYS.iter().any(|sign| bytes.windows(sign.len()).any(|window| window == *sign))
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// PEM of any kind; PKCS#8 (RFC 5958) of RSA and EC keys in DER; the same of RSA in base64.
const KEYS: [&[u8]; 4] = [
    b"PRIVATE KEY-----",
    b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x82",
    b"\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
    b"IBADANBgkqhkiG9w0BAQEFAASC",
];

const READ_ALL: &str = r#"
import json, os, pathlib
bundle = pathlib.Path(os.environ["SSL_CERT_FILE"])
folder = next(p for p in bundle.parents if p.name.startswith("mitmlab-run-"))
signs = [b"PRIVATE KEY-----", bytes.fromhex("020100300d06092a864886f70d01010105000482"),
         bytes.fromhex("020100301306072a8648ce3d0201"), b"IBADANBgkqhkiG9w0BAQEFAASC"]
told = {"files": 0, "certificates": 0, "keys": []}
for path in folder.parent.rglob("*"):
    if path.is_file():
        data = path.read_bytes()
        told["files"] += 1
        told["certificates"] += b"BEGIN CERTIFICATE" in data
        told["keys"] += [str(path)] * any(sign in data for sign in signs)
print(json.dumps(told))
"#;
