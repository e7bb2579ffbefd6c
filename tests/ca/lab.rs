//! A lab with sites of every genuine kind, and scripts that run in it.

use std::process::{Command, Output};

/// Runs a shell script in the lab, in a folder of its own. `fetch HOST` leaves `leaf.pem` and `issuer.pem` there.
pub(crate) fn exec(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let whole = format!("cd '{}'\nmitmlab() {{ '{}' \"$@\"; }}\n{FETCH}\n{script}", folder.path().display(), MITMLAB);
    let file = folder.path().join("script.sh");
    // `{pins}` in a comment would do; as an argument it makes the lab write the files for `mitmlab ca`.
    std::fs::write(&file, whole).unwrap();
    run(&[], &["sh", file.to_str().unwrap(), "{pins}"])
}

/// Runs a command in the lab and gives what it printed; stops the test if the lab itself failed.
pub(crate) fn run(options: &[&str], command: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("ca-lab.toml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let output = started(&[&["exec", scenario.to_str().unwrap()], options, &["--"], command].concat());
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("connections;"), "the lab did not run: {told}");
    format!("{said}")
}

/// What `mitmlab` prints, or its error.
pub(crate) fn mitmlab(arguments: &[&str]) -> String {
    let output = started(arguments);
    let printed = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&printed).into_owned()
}

fn started(arguments: &[&str]) -> Output {
    Command::new(MITMLAB).args(arguments).env_remove("MITMLAB_CA").output().unwrap()
}

/// True, and told, if a tool or the sealed network is missing here. Under `CI=true` that is a failure.
pub(crate) fn lacks(tools: &[&str]) -> bool {
    let there = |tool: &&&str| Command::new(tool).arg("--version").output().is_err();
    let missing = tools.iter().find(there).map(|tool| format!("`{tool}` is not installed"));
    let missing = missing.or_else(|| {
        let report = mitmlab(&["doctor"]);
        let sealed =
            Command::new(MITMLAB).args(["exec", "bystander-passes-untouched", "--network", "sealed", "--", "true"]).output();
        (!sealed.unwrap().status.success()).then(|| format!("the sealed network does not work here: {report}"))
    });
    let Some(why) = missing else { return false };
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    eprintln!("skipped: {why}");
    true
}

const MITMLAB: &str = env!("CARGO_BIN_EXE_mitmlab");

const FETCH: &str = r#"fetch() {
    openssl s_client -connect $1:443 -servername $1 -showcerts </dev/null >shown.txt 2>/dev/null
    awk '/BEGIN CERT/{n++} n==1' shown.txt | openssl x509 >leaf.pem
    awk '/BEGIN CERT/{n++} n==2' shown.txt | openssl x509 >issuer.pem
}"#;

const SCENARIO: &str = r#"
title = "Sites of every genuine kind"
about = "For tests of the genuine PKI."

[authority]
profile = "qaznet-2019"

[world]
clock = 2019-07-20T12:00:00+06:00
isp_resolver = "203.0.113.53"

[[world.site]]
names = "good.ca-lab.test"
address = "198.51.100.1"

[[world.site]]
names = "revoked.ca-lab.test"
address = "198.51.100.2"
cert = "revoked"

[[world.site]]
names = "staple.ca-lab.test"
address = "198.51.100.3"
cert = "must-staple"

[[world.site]]
names = "cdn.ca-lab.test"
address = "198.51.100.4"
cert = "cdn"

[[world.site]]
names = "forged.ca-lab.test"
address = "198.51.100.5"

[[rule]]
name = "forge"
match = { sni = "forged.ca-lab.test", port = 443 }
action = "intercept"

[[check]]
name = "a client without the root refuses"
client = ["mitmlab", "client", "{url}"]
url = "https://forged.ca-lab.test/"
expect = { verdict = "refused" }
"#;
