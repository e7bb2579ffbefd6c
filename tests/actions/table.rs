//! Each action and each client: what the client says, what the lab knows.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::lab::{Outcome, Written, all_passed, checks};

/// Name, match, action, URL path, clients: curl, python, node, java.
type Row = (&'static str, Match, &'static str, &'static str, &'static [&'static str]);

#[derive(Clone, Copy, PartialEq)]
enum Match {
    Sni,
    Address,
    Host,
    Name,
    /// UDP by the name in its hello.
    Quic,
    /// UDP by address alone.
    Udp,
}

const ALL: &[&str] = &["curl", "python", "node", "java"];
const THREE: &[&str] = &["curl", "python", "node"];
const TWO: &[&str] = &["curl", "python"];
/// The lab's own client, with HTTP/3. It falls back to TCP by itself, as browsers do.
const H3: &[&str] = &["h3"];

const ACTIONS: &[Row] = &[
    ("reset", Match::Sni, r#""reset""#, "/", ALL),
    ("reset-client", Match::Sni, r#"{ reset = { to = "client" } }"#, "/", THREE),
    ("close", Match::Sni, r#""close""#, "/", ALL),
    ("alert", Match::Sni, "{ alert = { number = 40 } }", "/", ALL),
    ("drop", Match::Sni, r#""drop""#, "/", ALL),
    ("drop-after", Match::Sni, "{ drop-after = { packets = 8 } }", "/bytes/2000000", THREE),
    ("throttle", Match::Sni, "{ throttle = { delay_ms = 1500 } }", "/", THREE),
    ("stall", Match::Sni, "{ stall = { after_bytes = 20000 } }", "/bytes/2000000", THREE),
    ("intercept", Match::Sni, r#""intercept""#, "/", ALL),
    ("drop-syn", Match::Address, r#""drop-syn""#, "/", ALL),
    ("refuse", Match::Address, r#""refuse""#, "/", ALL),
    ("unreachable", Match::Address, r#""unreachable""#, "/", ALL),
    ("page", Match::Host, r#"{ page = { file = "blocked.html", status = 451 } }"#, "/", TWO),
    ("redirect", Match::Host, r#"{ redirect = { to = "http://qca.kz/" } }"#, "/", TWO),
    ("cut", Match::Host, r#""cut""#, "/bytes/100000", TWO),
    ("quic-pass", Match::Quic, r#""forward""#, "/", H3),
    ("quic-drop", Match::Quic, r#""drop""#, "/", H3),
    ("udp-drop", Match::Udp, r#""drop""#, "/", H3),
    ("quic-drop-after", Match::Quic, "{ drop-after = { packets = 2 } }", "/", H3),
];

const DNS: &[Row] = &[
    ("nxdomain", Match::Name, r#"{ dns = "nxdomain" }"#, "/", ALL),
    ("refused", Match::Name, r#"{ dns = "refused" }"#, "/", THREE),
    ("servfail", Match::Name, r#"{ dns = "servfail" }"#, "/", THREE),
    ("timeout", Match::Name, r#"{ dns = "timeout" }"#, "/", TWO),
    ("forge-bogon", Match::Name, r#"{ dns = { forge = { address = "127.0.0.2" } } }"#, "/", THREE),
    ("forge-sinkhole", Match::Name, r#"{ dns = { forge = { address = "198.51.100.250" } } }"#, "/", THREE),
    ("duplicate", Match::Name, r#"{ dns = { duplicate = { address = "198.51.100.250" } } }"#, "/", THREE),
    ("strip-https-record", Match::Name, r#"{ dns = "strip-https-record" }"#, "/", &["dig"]),
    ("strip-ech", Match::Name, r#"{ dns = "strip-ech" }"#, "/", &["dig"]),
    ("strip-alpn", Match::Name, r#"{ dns = "strip-alpn" }"#, "/", &["dig"]),
];

/// Where a client hears nothing: it waits no longer than this, in seconds.
const SILENT: &[&str] = &["drop", "drop-after", "stall", "drop-syn", "timeout"];
const PATIENCE: u32 = 3;

pub(crate) fn every_action() -> Outcome {
    run("sealed", "actions", ACTIONS)
}

/// What a stream can, to clients that use a proxy.
pub(crate) fn every_action_of_a_stream() -> Outcome {
    let of_tcp = ACTIONS.iter().filter(|(_, when, ..)| !matches!(when, Match::Quic | Match::Udp));
    let rows: Vec<Row> = of_tcp.map(|&(name, when, action, path, _)| (name, when, action, path, TWO)).collect();
    run("proxy", "actions-proxy", &rows)
}

pub(crate) fn every_dns_trick() -> Outcome {
    run("sealed", "dns", DNS)
}

fn run(network: &str, name: &str, rows: &[Row]) -> Outcome {
    let written =
        Written::new(&scenario(rows)).with("get.py", PYTHON).with("get.mjs", NODE).with("Get.java", JAVA).with("dig.sh", DIG);
    // Compiled once: a source file would be, in every leg.
    let compiled = std::process::Command::new("javac").arg("Get.java").current_dir(written.path("")).output()?;
    if !compiled.status.success() {
        return Err(String::from_utf8_lossy(&compiled.stderr).into_owned().into());
    }
    let report = written.run_in(network, 8)?;
    all_passed(&report)?;
    let mut table = format!(
        "{:<15} {:<7} {:>4}  {:<20} {:<10} {}\n",
        "action", "client", "exit", "the client's error", "verdict", "the lab's truth"
    );
    for check in checks(&report) {
        let Some((action, client)) =
            check["name"].as_str().and_then(|n| n.split_once(" seen by ")).filter(|(_, c)| !c.contains(' '))
        else {
            continue;
        };
        let test = &check["test"];
        let row = format!(
            "{action:<15} {client:<7} {:>4}  {:<20} {:<10} {}",
            test["exit"],
            class(test),
            check["targets"][0]["verdict"].as_str().unwrap_or_default(),
            truth(test)?,
        );
        table.push_str(row.trim_end());
        table.push('\n');
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true }, {
        insta::assert_snapshot!(name, table);
    });
    Ok(())
}

fn scenario(rows: &[Row]) -> String {
    let mut text = String::from(HEAD);
    if !rows.iter().any(|(_, _, action, ..)| action.contains("intercept")) {
        text = text.replace("[authority]\nprofile = \"mirror\"\n", "");
    }
    for (at, (name, ..)) in rows.iter().enumerate() {
        text.push_str(&format!(
            "[[world.site]]\nnames = \"{name}.test\"\naddress = \"192.0.2.{}\"\nech = \"AAb+DQACAQI=\"\nservices = [{{ serve = \"https\", http3 = true }}, {{ serve = \"http\" }}]\n\n",
            at + 1
        ));
    }
    for (at, (name, when, action, ..)) in rows.iter().enumerate() {
        let when = match when {
            Match::Sni => format!("sni = \"{name}.test\", port = 443, transport = \"tcp\""),
            Match::Address => format!("address = \"192.0.2.{}\", transport = \"tcp\"", at + 1),
            Match::Host => format!("host = \"{name}.test\", port = 80"),
            Match::Name => format!("name = \"{name}.test\""),
            Match::Quic => format!("sni = \"{name}.test\", port = 443, transport = \"udp\""),
            Match::Udp => format!("address = \"192.0.2.{}\", transport = \"udp\"", at + 1),
        };
        text.push_str(&format!("[[rule]]\nname = \"{name}\"\nmatch = {{ {when} }}\naction = {action}\n\n"));
    }
    for (at, row) in rows.iter().enumerate() {
        for client in row.4 {
            text.push_str(&check(row, client, at == 0));
        }
    }
    text
}

/// A row's check for a client. Each action has its twin with one client, and each client with one action.
fn check((name, when, _, path, _): &Row, client: &str, first: bool) -> String {
    let seconds = if SILENT.contains(name) { PATIENCE } else { 15 };
    let scheme = if *when == Match::Host { "http" } else { "https" };
    let command = match client {
        "curl" => format!(r#"["curl", "-sS", "-f", "-o", "/dev/null", "--max-time", "{seconds}", "{{url}}"]"#),
        "python" => format!(r#"["python3", "get.py", "{{url}}", "{seconds}"]"#),
        "node" => format!(r#"["node", "get.mjs", "{{url}}", "{seconds}"]"#),
        "h3" => r#"["mitmlab", "client", "--http3", "{url}"]"#.to_owned(),
        "dig" => r#"["sh", "dig.sh", "{url}"]"#.to_owned(),
        _ => format!(r#"["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", ".", "Get", "{{url}}", "{seconds}"]"#),
    };
    let expected = match when {
        Match::Name => r#"verdict = ["blocked", "untouched", "refused"]"#.to_owned(),
        // What is judged is the connection that it falls back to; a rule that never fired fails the run.
        Match::Quic | Match::Udp => r#"verdict = "untouched""#.to_owned(),
        _ if *name == "throttle" => format!("action = \"throttle\", verdict = \"untouched\", rule = \"{name}\""),
        _ => format!("action = \"{}\", rule = \"{name}\", verdict = [\"blocked\", \"refused\"]", word(name)),
    };
    let twin = format!("twin = {{ url = \"{scheme}://free.test{path}\", expect = {{ verdict = \"untouched\", exit = 0 }} }}\n");
    let twin = if first || matches!(client, "curl" | "h3" | "dig") { twin } else { String::new() };
    format!(
        "[[check]]\nname = \"{name} seen by {client}\"\nclient = {command}\nurl = \"{scheme}://{name}.test{path}\"\ndeadline = \"90s\"\n\
         expect = {{ {expected} }}\n{twin}\n"
    )
}

/// The action's own word.
fn word(name: &str) -> &str {
    if name == "reset-client" { "reset" } else { name }
}

/// What the lab knows of the same leg: the decision on its connection, or what became of its question.
fn truth(leg: &Value) -> Result<String, Failed> {
    let empty = Vec::new();
    let connections = leg["connections"].as_array().unwrap_or(&empty);
    let acted = connections.iter().filter(|c| c["destination"].as_str().is_some_and(|d| !d.ends_with(":53")));
    let mut told: Vec<String> = acted
        .filter_map(|c| c["decisions"].as_array().and_then(|all| all.last().cloned()))
        .map(|d| format!("{} ({})", d["action"].as_str().unwrap_or("?"), d["reason"].as_str().unwrap_or("?")))
        .collect();
    let lookups = leg["lookups"].as_array().unwrap_or(&empty);
    let asked = lookups.iter().filter(|l| matches!(l["kind"].as_str(), Some("A" | "HTTPS")) && !l["rule"].is_null());
    told.extend(asked.filter_map(|l| l["answer"].as_array()).map(|answer| {
        let all: Vec<&str> = answer.iter().filter_map(Value::as_str).collect();
        format!("answered {}", all.join(", "))
    }));
    told.dedup(); // attempts that were repeated
    Ok(told.join("; "))
}

/// The client's own words as one of a few classes.
fn class(leg: &Value) -> &'static str {
    let said =
        format!("{}\n{}", leg["stderr_tail"].as_str().unwrap_or_default(), leg["stdout_head"].as_str().unwrap_or_default());
    // Lines of a stack trace, and of the source in it, are indented.
    let words: String = said.lines().filter(|line| !line.starts_with([' ', '\t'])).flat_map(|line| [line, "\n"]).collect();
    let any = |all: &[&str]| all.iter().any(|one| words.contains(one));
    match () {
        () if any(&[
            "self-signed",
            "self signed",
            "unable to get local issuer",
            "PKIX",
            "UNABLE_TO_GET",
            "SELF_SIGNED",
            "UNABLE_TO_VERIFY",
        ]) =>
        {
            "unknown authority"
        }
        () if any(&["no alternative certificate", "Hostname mismatch", "ERR_TLS_CERT_ALTNAME", "not valid for"]) => "wrong host",
        () if any(&["alert", "HANDSHAKE_FAILURE", "handshake_failure"]) => "alert",
        () if any(&[
            "not resolve",
            "Name or service not known",
            "ENOTFOUND",
            "EAI_AGAIN",
            "UnknownHost",
            "name resolution",
            "No address",
            "resolving",
        ]) =>
        {
            "name resolution"
        }
        () if any(&["unreachable", "EHOSTUNREACH", "No route to host"]) => "unreachable",
        () if any(&["refused", "ECONNREFUSED", "Couldn't connect"]) => "refused",
        () if any(&["timed out", "timeout", "ETIMEDOUT"]) => "timeout",
        () if any(&["reset by peer", "ECONNRESET", "Connection reset"]) => "reset",
        () if any(&[
            "EOF",
            "unexpected eof",
            "terminated the handshake",
            "socket hang up",
            "UNEXPECTED_EOF",
            "Empty reply",
            "transfer closed",
            "IncompleteRead",
            "SSL_ERROR_SYSCALL",
        ]) =>
        {
            "eof"
        }
        () if any(&["falling back to TCP"]) => "fell back to TCP",
        () if any(&["no HTTPS record"]) => "no HTTPS record",
        () if any(&["no ech"]) => "no ech in it",
        () if any(&["no alpn"]) => "no alpn in it",
        () if any(&["EPROTO"]) => "protocol",
        () if any(&["451"]) => "status 451",
        () if any(&["502"]) => "refused by the proxy",
        () if leg["exit"] == 0 => "none",
        () => "other",
    }
}

const HEAD: &str = r#"title = "Actions"
[authority]
profile = "mirror"
[world]
include = ["portal-kz"]
isp_resolver = "203.0.113.53"

[[world.site]]
names = "free.test"
address = "192.0.2.200"
ech = "AAb+DQACAQI="
services = [{ serve = "https", http3 = true }, { serve = "http" }]

[[world.site]]
names = "sinkhole.test"
address = "198.51.100.250"

"#;

const PYTHON: &str = r#"
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=int(sys.argv[2])) as answer:
    answer.read()
    print(answer.status)
"#;

/// No web client of the machine asks for HTTPS records; `dig` does.
const DIG: &str = r#"
name=${1#https://}; name=${name%/}
record=$(dig +short +tries=1 HTTPS "$name")
curl -sS -o /dev/null "$1" || exit 2
case $record in
  "") echo "no HTTPS record" >&2; exit 1 ;;
  *ech=*alpn=* | *alpn=*ech=*) exit 0 ;;
  *alpn=*) echo "no ech" >&2; exit 1 ;;
  *) echo "no alpn" >&2; exit 1 ;;
esac
"#;

const NODE: &str = r#"
import https from "node:https";
const fail = (error) => { console.error(error.code ?? error.message); process.exit(1); };
const request = https.get(process.argv[2], (answer) => {
  answer.on("error", fail);
  answer.resume();
  answer.on("end", () => { console.log(answer.statusCode); process.exit(0); });
});
setTimeout(() => fail(new Error("timeout")), 1000 * Number(process.argv[3]));
request.on("error", fail);
"#;

const JAVA: &str = r#"
import java.net.URI;
import javax.net.ssl.HttpsURLConnection;
public class Get {
    public static void main(String[] arguments) throws Exception {
        HttpsURLConnection link = (HttpsURLConnection) URI.create(arguments[0]).toURL().openConnection();
        link.setConnectTimeout(1000 * Integer.parseInt(arguments[1]));
        link.setReadTimeout(1000 * Integer.parseInt(arguments[1]));
        System.out.println(link.getResponseCode());
        link.getInputStream().readAllBytes();
    }
}
"#;
