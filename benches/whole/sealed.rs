//! The sealed network: this program as an origin and as a client inside a lab that `mitmlab exec` starts.

use std::process::{Command, Stdio};

use crate::measure::{median, now};
use crate::{Outcome, row};

/// Prints the sealed network's part of the table, or why there is none.
pub(crate) fn report() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let scenario = folder.path().join("sealed.toml");
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    std::fs::write(&scenario, SCENARIO.replace("WHOLE", &own))?;
    let scenario = scenario.to_string_lossy().into_owned();
    let exec = |args: &[&str]| -> Outcome<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
        command.args(["exec", &scenario, "--network", "sealed", "--trust", "web+authority", "--", &own]).args(args);
        let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    };
    let first = || -> Outcome<f64> {
        let began = now()?;
        Ok((exec(&["now"])?.trim().parse::<u128>()?.saturating_sub(began)) as f64 / 1e6)
    };
    let starts = match first() {
        Ok(one) => (0..10).map(|_| first()).chain([Ok(one)]).collect::<Outcome<Vec<_>>>()?,
        Err(why) => return Ok(println!("skipped: {why}")),
    };
    row("start of the process to the client's first instruction", median(starts), "ms");
    let legs = Command::new(&own).arg("sealed-legs").stderr(Stdio::inherit()).output()?;
    row("a leg that runs `true`, beyond `true` itself", String::from_utf8(legs.stdout)?.trim().parse::<f64>()?, "ms");
    let load = |mode: &str, count: u64, name: &str| -> Outcome<(f64, f64)> {
        let told = exec(&["load", mode, &count.to_string(), "32", name, "198.51.100.20:443", BUNDLE])?;
        let figures: Vec<f64> = told.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok((figures[0], figures[1]))
    };
    for (what, name) in [("intercepted", "read.bench.test"), ("passed untouched", "pass.bench.test")] {
        let (count, seconds) = load("handshakes", 1000, name)?;
        row(&format!("handshakes, 32 abreast, {what}"), count / seconds, "/s");
        let (bytes, seconds) = load("bulk", 256 << 20, name)?;
        row(&format!("256 MiB, {what}"), bytes / 1e6 / seconds, "MB/s");
    }
    Ok(())
}

/// Run as a process of its own: the namespaces are entered before any thread exists.
#[cfg(target_os = "linux")]
pub(crate) fn legs() -> Outcome<()> {
    let entered = mitmlab::network::sealed::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (bare, leg) = runtime.block_on(crate::proxy::legs("kazakhstan-2019", mitmlab::lab::On::Sealed(&entered)))?;
    Ok(println!("{}", leg - bare))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn legs() -> Outcome<()> {
    Err("the sealed network needs Linux".into())
}

/// What the sealed network puts in the place of the system's trust store.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

const SCENARIO: &str = r#"
title = "One site that is read, one that passes"
[authority]
profile = "blind"
[[world.site]]
names = ["read.bench.test", "pass.bench.test"]
address = "198.51.100.20"
services = [{ serve = "exec", port = 443, run = ["WHOLE", "serve", "{port}", "{chain}", "{key}"] }]
[[rule]]
name = "read"
match = { sni = "read.bench.test", port = 443 }
action = "intercept"
[[check]]
name = "what is read is exposed"
client = ["mitmlab", "client", "{url}"]
url = "https://read.bench.test/n/2"
trust = "web+authority"
expect = { verdict = "exposed" }
"#;
