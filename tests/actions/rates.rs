//! Throttles measured by curl: each direction alone, and other names on the same address, which nothing slows down. In both networks.
//!
//! Measured from when the connection stands: how long that takes on a busy machine is not the throttle's. What is moved is bounded, so that
//! a leg without interference takes no time.

use serde_json::Value;

use crate::lab::{Outcome, Written, checks};

pub(crate) fn sealed() -> Outcome {
    measured("sealed")
}

pub(crate) fn proxy() -> Outcome {
    measured("proxy")
}

fn measured(network: &str) -> Outcome {
    let zeros = String::from_utf8(vec![b'0'; BYTES])?;
    let report = Written::new(&scenario()).with("zeros", &zeros).run_in(network, 8)?;
    let asked = f64::from(KBPS);
    for limited in ["down at 2000", "up at 2000"] {
        within(&report, limited, asked * 0.9..=asked * 1.1)?;
    }
    // The wire lets exactly the rate pass (its own tests hold that). What of it is payload depends on TCP, which sends again what was lost
    // and waits longer after each loss: so only a range is held here. On Russia's throttler, 100 to 150 kbit/s were measured where 128
    // were meant (Xue et al., IMC 2021).
    within(&report, "policed at 128", 60.0..=160.0)?;
    for free in ["neighbour down", "neighbour up", "the other way of down", "the other way of up"] {
        within(&report, free, asked * 5.0..=f64::INFINITY)?;
    }
    Ok(())
}

fn within(report: &Value, name: &str, range: std::ops::RangeInclusive<f64>) -> Outcome {
    let all = checks(report);
    let check = all.iter().find(|check| check["name"] == name).ok_or_else(|| format!("no check `{name}`"))?;
    let said = check["test"]["stdout_head"].as_str().unwrap_or_default();
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [bytes, begun, ended] = numbers[..] else {
        return Err(format!("{name}: {said:?} {} {}", check["outcome"], check["test"]["stderr_tail"]).into());
    };
    let rate = bytes * 8.0 / 1000.0 / (ended - begun);
    eprintln!("{name}: {rate:.0} kbit/s");
    if range.contains(&rate) { Ok(()) } else { Err(format!("{name}: {rate} kbit/s, expected {range:?}").into()) }
}

/// Limited names and a neighbour on the same address.
fn scenario() -> String {
    let mut text = "title = \"Rates\"\n[world]\nisp_resolver = \"203.0.113.53\"\n".to_owned();
    for name in ["slow-down", "slow-up", "policed", "free"] {
        text += &format!("[[world.site]]\nnames = \"{name}.test\"\naddress = \"192.0.2.1\"\n");
    }
    for (name, action) in [
        ("slow-down", format!("down_kbps = {KBPS}, policing = \"shape\"")),
        ("slow-up", format!("up_kbps = {KBPS}, policing = \"shape\"")),
        ("policed", "down_kbps = 128, policing = \"drop\"".to_owned()),
    ] {
        text += &format!(
            "[[rule]]\nname = \"{name}\"\nmatch = {{ sni = \"{name}.test\", port = 443 }}\naction = {{ throttle = {{ {action} }} }}\n"
        );
    }
    for (check, way, host, bytes) in [
        ("down at 2000", "down", "slow-down", BYTES),
        ("up at 2000", "up", "slow-up", BYTES),
        ("policed at 128", "down", "policed", BYTES / 15),
        ("neighbour down", "down", "free", BYTES),
        ("neighbour up", "up", "free", BYTES),
        ("the other way of down", "up", "slow-down", BYTES),
        ("the other way of up", "down", "slow-up", BYTES),
    ] {
        let (url, options) = match way {
            "up" => (
                format!("https://{host}.test/sink"),
                r#""-X", "POST", "--data-binary", "@zeros", "-w", "%{size_upload} %{time_pretransfer} %{time_total}", "#,
            ),
            _ => {
                (format!("https://{host}.test/bytes/{bytes}"), r#""-w", "%{size_download} %{time_pretransfer} %{time_total}", "#)
            }
        };
        let action = if host == "free" { "forward" } else { "throttle" };
        text += &format!(
            "[[check]]\nname = \"{check}\"\ndeadline = \"60s\"\nurl = \"{url}\"\n\
             client = [\"curl\", \"-sS\", \"-o\", \"/dev/null\", {options}\"{{url}}\"]\n\
             expect = {{ action = \"{action}\", verdict = \"untouched\" }}\n"
        );
    }
    text
}

/// What is asked for.
const KBPS: u32 = 2000;
/// Six seconds at that rate.
const BYTES: usize = 1_500_000;
