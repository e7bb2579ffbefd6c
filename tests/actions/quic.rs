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
    for (name, trick, said) in &all {
        for way in ["+notcp", "+tcp"] {
            let rule = if trick.is_some() { format!("rule = \"{name}\", ") } else { String::new() };
            text.push_str(&format!(
                "[[check]]\nname = \"{name} {way}\"\ntargets = \"{name}.test\"\ndetector = {{ run = [\"sh\", \"-c\", \"a=$(dig +short {way} HTTPS {name}.test); echo \\\"OUT ${{a:-nothing}}\\\"\"], says = {{ line = \"^OUT (.*)$\" }} }}\n\
                 expect = {{ {rule}finding = \"{said}\" }}\n"
            ));
        }
    }
    all_passed(&Written::new(&text).run(4)?)
}
