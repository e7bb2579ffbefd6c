//! Hostile and odd clients with the box in between, packet by packet: the documented outcome, and the origin's own where nothing is
//! documented. The clients are Python's sockets; a check passes by its exit code.

use std::fmt::Write as _;

use mitmlab::verdict::CheckResult;

use crate::bench::have;
use crate::table::run;

const HEAD: &str = r#"
title = "Odd preludes"
about = "STARTTLS, by hand."
[authority]
profile = "qaznet-2019"
[world]
clock = 2019-07-20T12:00:00+06:00
include = ["mail"]
"#;

/// What every script begins with: `s` is connected; `say` sends and reads until some words come. Without the box (in the control
/// leg) a script fails at once: it waits for no answer that only the box gives.
const BEGIN: &str = r#"
import socket, ssl, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def until(words):
    got = b''
    while words not in got:
        piece = s.recv(65536)
        assert piece, got
        got += piece
    return got
def say(text, words, size=None):
    for at in range(0, len(text), size or len(text)):
        s.sendall(text[at:at + (size or len(text))])
    return until(words)
def secure():
    global s
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    s = context.wrap_socket(s, server_hostname=sys.argv[1])
"#;

/// Such a script never meant to use TLS: whether it lost something is not what is asked here.
const IN_THE_CLEAR: &str = r#"["exposed-in-clear", "untouched"]"#;

/// Phase, name, port, script, verdict.
const SCRIPTS: &[(&str, &str, u16, &str, &str)] = &[
    (
        "intercept",
        "nothing is carried over the boundary, SMTP",
        25,
        // CVE-2011-0411: behind the command, in the same segment. EHLO is forgotten, and so is the injected command.
        "until(b'220 '); say(b'EHLO me\\r\\nSTARTTLS\\r\\nMAIL FROM:<eve@x.test>\\r\\n', b'220 2.0.0'); secure(); \
         got = say(b'NOOP\\r\\nMAIL FROM:<a@x.test>\\r\\n', b'503'); assert got.startswith(b'250') and b'sender' not in got, got",
        "\"exposed\"",
    ),
    (
        "intercept",
        "nothing is carried over the boundary, IMAP",
        143,
        "until(b'* OK'); say(b'a STARTTLS\\r\\nb LOGIN eve x\\r\\n', b'a OK'); secure(); \
         got = say(b'c NOOP\\r\\n', b'c OK'); assert b'b ' not in got, got",
        "\"exposed\"",
    ),
    (
        "intercept",
        "a prelude in single bytes",
        110,
        "until(b'+OK'); say(b'CAPA\\r\\n', b'.\\r\\n', 1); say(b'STLS\\r\\n', b'+OK', 1); secure(); say(b'CAPA\\r\\n', b'.\\r\\n')",
        "\"exposed\"",
    ),
    (
        "strip-starttls",
        "an attempt in single bytes",
        25,
        "until(b'220 '); got = say(b'EHLO me\\r\\n', b'250 ', 1); assert b'STARTTLS' not in got, got; \
         say(b'STARTTLS\\r\\n', b'502 5.5.1', 1); say(b'AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\\r\\n', b'235')",
        IN_THE_CLEAR,
    ),
    (
        "strip-starttls",
        "a command inside of a chunk is none, and one behind it is",
        25,
        "until(b'220 '); got = say(b'EHLO me\\r\\n', b'CHUNKING'); assert b'STARTTLS' not in got, got; \
         got = say(b'MAIL FROM:<a@x.test>\\r\\nRCPT TO:<bob@x.test>\\r\\nBDAT 10 LAST\\r\\nSTARTTLS\\r\\nSTARTTLS\\r\\n', b'502 5.5.1'); \
         assert got.index(b'2.0.0 taken') < got.index(b'502 '), got; say(b'NOOP\\r\\n', b'2.0.0 here')",
        IN_THE_CLEAR,
    ),
    (
        "refuse-starttls",
        "answers keep their order",
        25,
        "until(b'220 '); got = say(b'EHLO me\\r\\nSTARTTLS\\r\\nNOOP\\r\\nAUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\\r\\n', b' 2.0.0 '); \
         assert b'454 ' in got, got; got += b'' if b'235' in got else until(b'235'); assert got.index(b'250 ') < got.index(b'454 ') < got.index(b'235'), got",
        IN_THE_CLEAR,
    ),
    (
        "mangle-starttls",
        "a keyword cut by segments is spoilt all the same",
        143,
        "until(b'* OK'); got = say(b'a STARTTLS\\r\\n', b'a ', 3); assert b'a BAD' in got, got; say(b'b LOGIN bob hatstand\\r\\n', b'b OK')",
        IN_THE_CLEAR,
    ),
    (
        "strip-starttls",
        "long lines and NULs pass to the origin's own refusal",
        110,
        "until(b'+OK'); got = say(b'A' * 200000 + b'\\r\\nNO\\0OP\\r\\nUSER bob\\r\\nPASS hatstand\\r\\n', b' messages'); \
         assert got.count(b'-ERR line') == 2, got",
        IN_THE_CLEAR,
    ),
];

#[test]
fn odd_preludes_have_their_documented_outcome() {
    if !have("python3") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("odd.toml");
    std::fs::write(&file, scenario()).expect("written");
    let Some(report) = run(&file, "sealed") else { return };
    let failed = report.checks.iter().filter(|check| check.outcome != mitmlab::verdict::Outcome::Passed);
    let words = |check: &CheckResult| check.test.as_ref().map(|leg| leg.stderr_tail.clone()).unwrap_or_default();
    let wrong: Vec<String> = failed.map(|check| format!("{}: {:?}\n{}", check.name, check.outcome, words(check))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn scenario() -> String {
    let mut text = HEAD.to_owned();
    for phase in ["intercept", "strip-starttls", "refuse-starttls", "mangle-starttls"] {
        let _ = write!(
            text,
            "[[phase]]\nname = \"{phase}\"\n[[phase.rule]]\nname = \"{phase}\"\n\
             match = {{ address = \"198.51.100.25\", port = [25, 110, 143] }}\naction = \"{phase}\"\n"
        );
    }
    for (phase, name, port, script, verdict) in SCRIPTS {
        let code = serde_json::Value::from(format!("{BEGIN}\n{}", script.replace("; ", "\n"))).to_string();
        let _ = write!(
            text,
            "[[check]]\nname = \"{name}\"\nphase = \"{phase}\"\nclient = [\"python3\", \"-c\", {code}, \"{{host}}\", \"{port}\"]\n\
             url = \"tcp://smtp.example.org:{port}/\"\ndeadline = \"20s\"\nexpect = {{ verdict = {verdict}, exit = 0 }}\n"
        );
    }
    text
}
