//! Hours, phases and coins: what is in force when, and that a seed decides.

use serde_json::Value;

use crate::lab::{Outcome, Written, all_passed};

/// The clock runs on while the client starts, so checks stand at the first second of an hour and five minutes before its end.
pub(crate) fn schedule() -> Outcome {
    let mut text = head("schedule = \"21:00-24:00\"", 7);
    for (name, at, verdict) in [
        ("before", "2019-07-24T20:55:00", "untouched"),
        ("begins", "2019-07-24T21:00:00", "blocked"),
        ("lasts", "2019-07-24T23:55:00", "blocked"),
        ("ends", "2019-07-25T00:00:00", "untouched"),
    ] {
        text.push_str(&format!(
            "[[check]]\nname = \"{name}\"\nclient = [\"mitmlab\", \"client\", \"{{url}}\"]\nurl = \"https://a.test/\"\nat = {at}\nexpect = {{ verdict = \"{verdict}\" }}\n"
        ));
    }
    all_passed(&Written::new(&text).run(4)?)
}

/// Eight connections, each with a coin of its own: the same in every run with the same seed, others with another seed.
pub(crate) fn chance() -> Outcome {
    let drawn = |seed: u32| -> Result<Vec<String>, String> {
        let text = head("chance = { probability = 0.5, per = \"connection\" }", seed) + CHECK;
        let written = Written::new(&text).with("many.py", MANY);
        let record = written.path("record");
        let record = record.to_str().ok_or("a path")?;
        let output = written.raw(&["exec", "trial.toml", "--network", "sealed", "--record", record, "--", "python3", "many.py"]);
        let text = std::fs::read_to_string(written.path("record").join("events.jsonl"))
            .map_err(|error| format!("no events: {error}; {}", String::from_utf8_lossy(&output.stderr)))?;
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(entries.filter_map(coin).collect())
    };
    let (first, again, other) = (drawn(7)?, drawn(7)?, drawn(8)?);
    if first.len() != 8 || first != again || first == other {
        return Err(format!("seed 7: {first:?}, again {again:?}, seed 8: {other:?}").into());
    }
    Ok(())
}

fn coin(entry: Value) -> Option<String> {
    let text = entry.to_string();
    text.contains("\"coin\":[").then(|| {
        let from = text.find("\"coin\":[").unwrap_or_default();
        text[from..].split(']').next().unwrap_or_default().to_owned()
    })
}

pub(crate) fn exec_at() -> Outcome {
    let written = Written::new("");
    for (at, action) in [
        ("2019-07-10T12:00:00+06:00", "forward"),
        ("2019-07-20T12:00:00+06:00", "intercept"),
        ("2019-07-26T18:00:00+06:00", "forward"),
        ("2019-08-01T12:00:00+06:00", "intercept"),
        ("2019-08-10T12:00:00+06:00", "forward"),
    ] {
        let arguments = [
            "exec",
            "kazakhstan-2019",
            "--network",
            "sealed",
            "--at",
            at,
            "--",
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "https://vk.com/",
        ];
        let output = written.raw(&arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if !told.contains(&format!("vk.com:443: {action} ")) {
            return Err(format!("at {at}: expected {action}: {told}").into());
        }
    }
    Ok(())
}

/// A quarter of an hour of the scenario in a second: the clock begins at a quarter past eight, a rule's hours at nine, a phase at ten. The client
/// dials every 300 ms and says when things change; the record says at what minute.
pub(crate) fn speed() -> Outcome {
    let text = "title = \"Speed\"\n[world]\nisp_resolver = \"203.0.113.53\"\nclock = 2019-07-24T20:15:00+06:00\n\
         [[world.site]]\nnames = \"a.test\"\naddress = \"192.0.2.1\"\n\
         [[phase]]\nname = \"evening\"\nfrom = 2019-07-24\n[[phase.rule]]\nname = \"from-nine\"\n\
         match = { sni = \"a.test\", port = 443, schedule = \"21:00-24:00\" }\naction = \"reset\"\n\
         [[phase]]\nname = \"night\"\nfrom = 2019-07-24T22:00:00+06:00\n[[phase.rule]]\nname = \"alert\"\n\
         match = { sni = \"a.test\", port = 443 }\naction = { alert = { number = 80 } }\n"
        .to_owned()
        + &CHECK.replace("expect", "phase = \"evening\"\nat = 2019-07-24T21:30:00+06:00\nexpect");
    let written = Written::new(
        &text.replace("2019-07-24T22:00:00+06:00\n[[", "2019-07-24T22:00:00+06:00\nunused_ok = \"the clock comes to it\"\n[["),
    )
    .with("changes.py", CHANGES);
    let at = "2019-07-24T20:15:00+06:00";
    let arguments = [
        "exec",
        "trial.toml",
        "--network",
        "sealed",
        "--phase",
        "evening",
        "--at",
        at,
        "--speed",
        "900",
        "--record",
        "record",
        "--",
        "python3",
        "changes.py",
    ];
    let output = written.raw(&arguments);
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.trim() != "an answer, reset, alert" || !told.contains("alert (rule: alert) in phase `night`") {
        return Err(format!("{said:?}: {told}").into());
    }
    let events = std::fs::read_to_string(written.path("record").join("events.jsonl"))?;
    for entry in events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(action), Some(clock)) = (entry["action"].as_str(), entry["clock"].as_str()) else { continue };
        let minute = clock.split('T').nth(1).unwrap_or_default();
        let in_its_time = match action {
            "forward" => minute < "21:00",
            "reset" => ("21:00".."22:05").contains(&minute), // a phase takes some milliseconds to begin: seconds of this clock
            _ => minute >= "22:00",
        };
        if !in_its_time {
            return Err(format!("{action} at {clock}").into());
        }
    }
    Ok(())
}

const CHANGES: &str = r#"
import socket, ssl, time
context = ssl._create_unverified_context()
seen, end = [], time.monotonic() + 30
while len(seen) < 3 and time.monotonic() < end:
    try:
        with socket.create_connection(("a.test", 443), timeout=10) as plain, context.wrap_socket(plain, server_hostname="a.test"):
            word = "an answer"
    except ConnectionResetError:
        word = "reset"
    except ssl.SSLError as error:
        word = "alert" if "alert" in str(error).lower() else str(error)
    if not seen or seen[-1] != word:
        seen.append(word)
    time.sleep(0.3)
print(", ".join(seen))
"#;

fn head(when: &str, seed: u32) -> String {
    format!(
        "title = \"Time\"\n[world]\nisp_resolver = \"203.0.113.53\"\nseed = {seed}\nclock = 2019-07-24T12:00:00+06:00\n\
         [[world.site]]\nnames = \"a.test\"\naddress = \"192.0.2.1\"\n\
         [[rule]]\nname = \"r\"\nmatch = {{ sni = \"a.test\", port = 443, {when} }}\naction = \"reset\"\n"
    )
}

const CHECK: &str =
    "[[check]]\nname = \"c\"\nclient = [\"curl\", \"{url}\"]\nurl = \"https://a.test/\"\nexpect = { verdict = \"blocked\" }\n";

const MANY: &str = r#"
import socket, ssl
context = ssl._create_unverified_context()
for _ in range(8):
    try:
        with socket.create_connection(("a.test", 443), timeout=10) as plain, context.wrap_socket(plain, server_hostname="a.test"):
            pass
    except OSError:
        pass
"#;
