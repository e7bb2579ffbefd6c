//! HTTP/3 that passes, and HTTP/3 that is dropped; HTTPS records on the way to a client.

use crate::lab::{Outcome, Written, all_passed, program};

/// The shipped scenario, and pages of every kind over HTTP/3.
pub(crate) fn fallback() -> Outcome {
    let run = ["run", "quic-dropped-falls-back-to-a-forgery", "--network", "sealed", "--format", "json"];
    let output = program().args(run).output()?;
    let report = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr)))?;
    all_passed(&report)
}

/// A browser with a QUIC of its own: HTTP/3 where it passes, HTTP/2 where it is dropped.
pub(crate) fn browser() -> Outcome {
    if !have("chromium") {
        return Ok(());
    }
    let head = "title = \"Browser\"\n[world]\nisp_resolver = \"203.0.113.53\"\n[[world.site]]\nnames = \"www.quick.test\"\n\
         address = \"192.0.2.10\"\nservices = [{ serve = \"https\", http3 = true }]\n";
    let drop = "[[rule]]\nname = \"no-quic\"\nmatch = { transport = \"udp\", port = 443 }\naction = \"drop\"\nunused_ok = \"only if it tries\"\n";
    for (rule, force, spoken) in
        [("", "\"--origin-to-force-quic-on=www.quick.test:443\", ", "\"protocol\":\"h3\""), (drop, "", "\"protocol\":\"h2\"")]
    {
        // A browser takes QUIC from roots that it came with only, unless the key is named.
        let check = format!(
            "[[check]]\nname = \"c\"\nurl = \"https://www.quick.test/\"\ndeadline = \"60s\"\nexpect = {{ verdict = \"untouched\" }}\n\
             client = [\"chromium\", \"--headless\", \"--no-sandbox\", {force}\"--ignore-certificate-errors-spki-list={{pin}}\", \"--dump-dom\", \"{{url}}\"]\n"
        );
        let written = Written::new(&format!("{head}{rule}{check}"));
        let output = written.raw(&["run", "trial.toml", "--network", "sealed", "--record", "record"]);
        let events = std::fs::read_to_string(written.path("record").join("events.jsonl"))?;
        if !output.status.success() || !events.contains(spoken) {
            return Err(format!("no {spoken}: {}", String::from_utf8_lossy(&output.stdout)).into());
        }
    }
    Ok(())
}

/// Conditions on what a hello says, in QUIC: name, protocols, ECH, no name; in one datagram or two. The record has the hello, read on the way.
pub(crate) fn hellos() -> Outcome {
    let mut text = "title = \"Hellos\"\n[world]\nisp_resolver = \"203.0.113.53\"\n".to_owned();
    for (at, name) in ["named", "beside", "protocol", "nameless"].iter().enumerate() {
        text += &format!(
            "[[world.site]]\nnames = \"{name}.test\"\naddress = \"192.0.2.{}\"\nservices = [{{ serve = \"https\", http3 = true }}]\n",
            at.max(1) // the first two share an address
        );
    }
    for (name, when) in
        [("named", "sni = \"named.test\""), ("protocol", "alpn = \"h3\", address = \"192.0.2.2\""), ("nameless", "no_sni = true")]
    {
        text +=
            &format!("[[rule]]\nname = \"{name}\"\nmatch = {{ {when}, transport = \"udp\", port = 443 }}\naction = \"drop\"\n");
    }
    // A rule that never fired fails the run.
    for (name, more, host) in [
        ("by name", "", "named"),
        ("by name, two datagrams", "\"--post-quantum\", ", "named"),
        ("by protocol", "", "protocol"),
        ("without a name", "\"--no-sni\", ", "nameless"),
    ] {
        // Without a name there is none to be beside.
        let twin = match host {
            "nameless" => "",
            _ => {
                "twin = { url = \"https://beside.test/\", expect = { verdict = \"untouched\", action = \"forward\", exit = 0 } }\n"
            }
        };
        text += &format!(
            "[[check]]\nname = \"{name}\"\nclient = [\"mitmlab\", \"client\", \"--http3\", {more}\"{{url}}\"]\nurl = \"https://{host}.test/\"\n\
             expect = {{ verdict = \"untouched\", stderr = \"falling back to TCP\", exit = 0 }}\n{twin}"
        );
    }
    let written = Written::new(&text);
    all_passed(&written.run(4)?)?;
    let output = written.raw(&[
        "exec",
        "trial.toml",
        "--network",
        "sealed",
        "--record",
        "record",
        "--",
        "mitmlab",
        "client",
        "--http3",
        "--post-quantum",
        "https://beside.test/",
    ]);
    let connections = std::fs::read_to_string(written.path("record").join("connections.jsonl"))?;
    let recorded: Vec<serde_json::Value> = connections.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [connection] = &recorded[..] else {
        return Err(format!("not one connection: {connections}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    let hello = &connection["hello"];
    let whole = hello["ja4"].as_str().is_some_and(|ja4| ja4.starts_with("q13d"))
        && hello["raw"].as_str().is_some_and(|raw| raw.len() > 1500);
    if connection["transport"] != "udp" || hello["sni"] != "beside.test" || hello["segments"] != 2 || !whole {
        return Err(format!("{connection:#}").into());
    }
    Ok(())
}

/// True if the program is here; under CI it must be.
fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    assert!(found || std::env::var_os("CI").is_none(), "there is no `{program}` on this machine");
    found
}

/// `dig HTTPS` for a site with HTTP/3 and an ECH configuration, through a box that strips one, the other, or the record.
pub(crate) fn stripped() -> Outcome {
    let mut text = "title = \"Strip\"\n[world]\nisp_resolver = \"203.0.113.53\"\n".to_owned();
    let whole = "1 . alpn=\\\"h3,h2,http/1.1\\\" ech=AAb+DQACAQI=";
    let all = [
        ("kept", None, whole),
        ("record", Some("strip-https-record"), "nothing"),
        ("ech", Some("strip-ech"), "1 . alpn=\\\"h3,h2,http/1.1\\\""),
        ("alpn", Some("strip-alpn"), "1 . ech=AAb+DQACAQI="),
    ];
    for (at, (name, ..)) in all.iter().enumerate() {
        text.push_str(&format!(
            "[[world.site]]\nnames = \"{name}.test\"\naddress = \"192.0.2.{}\"\nech = \"AAb+DQACAQI=\"\nservices = [{{ serve = \"https\", http3 = true }}]\n",
            at + 1
        ));
    }
    for (name, trick, _) in &all {
        if let Some(trick) = trick {
            text.push_str(&format!(
                "[[rule]]\nname = \"{name}\"\nmatch = {{ name = \"{name}.test\" }}\naction = {{ dns = \"{trick}\" }}\n"
            ));
        }
    }
    for (name, _, said) in &all {
        for way in ["+notcp", "+tcp"] {
            text.push_str(&format!(
                "[[check]]\nname = \"{name} {way}\"\ntargets = \"{name}.test\"\ndetector = {{ run = [\"sh\", \"-c\", \"a=$(dig +short {way} HTTPS {name}.test); curl -sS -o /dev/null https://{name}.test/; echo \\\"OUT ${{a:-nothing}}\\\"\"], says = {{ line = \"^OUT (.*)$\" }} }}\n\
                 expect = {{ finding = \"{said}\" }}\n"
            ));
        }
    }
    all_passed(&Written::new(&text).run(4)?)
}
