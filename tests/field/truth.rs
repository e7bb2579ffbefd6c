//! The record of a run holds the ground truth of every connection, in both networks; and strict verifiers accept the genuine chains.

use serde_json::{Value, json};

use super::lab::*;

pub(crate) fn trials() -> Vec<Listed> {
    vec![
        ("a_sealed_record_holds_the_ground_truth", Needs::Sealed(&["curl"]), || truth("sealed")),
        ("a_proxied_record_holds_the_ground_truth", Needs::Nothing, || truth("proxy")),
        ("strict_verifiers_accept_the_genuine_chains", Needs::Sealed(&["python3", "openssl", "sh"]), strict),
    ]
}

fn truth(network: &str) -> Outcome {
    let stage = Stage::new("", &checks())?;
    stage.edit(QUICK, "qaznet-2019")?; // what was forged is looked at here
    let done = stage.run(network, &["--strict"])?;
    same("exit", done.code, 0).map_err(|_| done.stdout.clone())?;
    let (events, connections) = (stage.events()?, stage.connections()?);
    for (number, event) in events.iter().enumerate() {
        same("sequence", event["seq"].as_u64(), Some(number as u64))?;
    }
    let test_leg = |check: &str| {
        let starts = events.iter().filter(|e| e["event"] == "leg:start" && e["check"] == check && e["kind"] == "test");
        starts.filter_map(|e| e["leg"].as_u64()).next().ok_or_else(|| format!("no test leg of {check}"))
    };
    let of = |check: &str| -> Result<&Value, String> {
        let leg = test_leg(check)?;
        connections.iter().find(|c| c["leg"] == json!(leg)).ok_or_else(|| format!("no connection of {check}"))
    };
    for check in ["refused", "refused in TLS 1.2", "read", "bystander"] {
        common(network, of(check)?).map_err(|e| format!("{network}, {check}: {}", e.message().unwrap_or_default()))?;
    }
    for check in ["refused", "refused in TLS 1.2", "read"] {
        intercepted(of(check)?).map_err(|e| format!("{network}, {check}: {}", e.message().unwrap_or_default()))?;
    }
    alert(of("refused")?, "encrypted or plain, by the client's moment")?;
    alert(of("refused in TLS 1.2")?, "plain")?;
    read(of("read")?)?;
    bystander(of("bystander")?)
}

fn checks() -> String {
    let check = |name: &str, client: &str, url: &str, trust: &str, expect: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nclient = [{client}]\nurl = \"{url}\"\ntrust = \"{trust}\"\nexpect = {{ {expect} }}\n"
        )
    };
    let own = "\"mitmlab\", \"client\", \"{url}\"";
    let tls12 = "\"mitmlab\", \"client\", \"--tls1.2\", \"{url}\"";
    let (target, bystander) = ("https://www.facebook.com/", "https://www.whatsapp.com/");
    [
        check("refused", own, target, "web", "verdict = \"refused\", action = \"intercept\", alert = 48"),
        check("refused in TLS 1.2", tls12, target, "web", "verdict = \"refused\", action = \"intercept\", alert = 48"),
        check("read", own, target, "web+authority", "verdict = \"exposed\", action = \"intercept\""),
        check("bystander", own, bystander, "web", "verdict = \"untouched\", action = \"forward\""),
    ]
    .concat()
}

fn common(network: &str, c: &Value) -> Outcome {
    let client = c["client"].as_str().unwrap_or_default();
    that(client.starts_with(if network == "sealed" { "100.64." } else { "127.0.0.1:" }), format!("client {client}"))?;
    same("destination", &c["destination"], &json!("157.240.9.35:443"))?;
    same("vantage and transport", (&c["vantage"], &c["transport"]), (&json!("inside"), &json!("tcp")))?;
    same("ended", &c["ended"], &json!(true))?;
    let hello = &c["hello"];
    that(hello["alpn"].as_array().is_some_and(|list| list.contains(&json!("http/1.1"))), format!("ALPN {}", hello["alpn"]))?;
    that(
        hello["versions"].as_array().is_some_and(|list| list.contains(&json!(0x0303))),
        format!("versions {}", hello["versions"]),
    )?;
    same("JA3's length", hello["ja3"].as_str().map(str::len), Some(32))?;
    that(hello["ja4"].as_str().is_some_and(|ja4| ja4.starts_with("t1") && ja4.len() == 36), format!("JA4 {}", hello["ja4"]))?;
    that(hello["raw"].as_str().is_some_and(|raw| raw.starts_with("AQA") && raw.len() > 200), format!("raw {}", hello["raw"]))?;
    same("segments", &hello["segments"], &json!(u8::from(network == "sealed")))?;
    let decision = &c["decisions"][0];
    that(decision["clock"].as_str().is_some_and(|clock| clock.starts_with("2019-07-20T")), format!("decision {decision}"))?;
    same("phase", &decision["phase"], &json!("always"))?;
    let bytes = &c["client_half"]["bytes"];
    // The hello was the client's, in whatever half it was read.
    that(bytes["raw_up"].as_u64().is_some_and(|n| n > 150), format!("bytes {bytes}"))?;
    that(bytes["raw_down"].as_u64().is_some_and(|n| n > 1000), format!("bytes {bytes}"))?;
    let closes = c["client_half"]["closes"].as_array().cloned().unwrap_or_default();
    for side in ["client", "server"] {
        let kind = closes.iter().find(|close| close["side"] == side).map(|close| close["kind"].clone());
        that(
            kind.as_ref().is_some_and(|kind| ["close-notify", "fin", "rst"].iter().any(|k| kind == k)),
            format!("{side} closed: {closes:?}"),
        )?;
    }
    Ok(())
}

fn intercepted(c: &Value) -> Outcome {
    let decision = &c["decisions"][0];
    same(
        "decision",
        (&decision["action"], &decision["reason"], &decision["rule"]),
        (&json!("intercept"), &json!("rule"), &json!("forge")),
    )?;
    same("trusted", &c["origin"]["trusted"], &json!(true))?;
    let (genuine, shown) = (&c["origin"]["chain"][0], &c["presented"][0]);
    that(genuine["issuer"].as_str().is_some_and(|i| i.contains("mitmlab Public CA")), format!("genuine {genuine}"))?;
    that(shown["issuer"].as_str().is_some_and(|i| i.contains("Security Certificate")), format!("shown {shown}"))?;
    same("names", &shown["names"], &genuine["names"])?;
    that(shown["spki_sha256"] != genuine["spki_sha256"], "the same key in both chains")?;
    same("profile", &c["forged_by"], &json!("qaznet-2019"))?;
    let upstream = &c["upstream_half"]["handshake"];
    that(upstream["us"].as_u64().is_some_and(|us| us > 0), format!("upstream {upstream}"))?;
    that(c["upstream_hello"]["ja3"].is_string(), "no hello of the box's own")?;
    let closes = c["upstream_half"]["closes"].as_array().map_or(0, Vec::len);
    that(closes >= 1, "nobody closed the upstream half")
}

fn alert(c: &Value, how: &str) -> Outcome {
    same("handshake", &c["client_half"]["handshake"], &Value::Null)?;
    let alert = &c["client_half"]["alerts"][0];
    same("alert", (&alert["number"], &alert["level"], &alert["from"]), (&json!(48), &json!(2), &json!("client")))?;
    that(alert["plaintext"].is_boolean() && (how != "plain" || alert["plaintext"] == json!(true)), format!("{alert}"))?;
    let bytes = &c["client_half"]["bytes"];
    same("application bytes", (&bytes["app_up"], &bytes["app_down"]), (&json!(0), &json!(0)))
}

fn read(c: &Value) -> Outcome {
    let handshake = &c["client_half"]["handshake"];
    that(handshake["us"].as_u64().is_some_and(|us| us > 0) && handshake["version"] == "TLS1.3", format!("{handshake}"))?;
    let (client, upstream) = (&c["client_half"]["bytes"], &c["upstream_half"]["bytes"]);
    that(client["app_up"].as_u64().is_some_and(|n| n > 10), format!("{client}"))?;
    same("plaintext", (&client["app_up"], &client["app_down"]), (&upstream["app_up"], &upstream["app_down"]))?;
    let request = &c["requests"][0];
    same(
        "request",
        (&request["method"], &request["host"], &request["status"]),
        (&json!("GET"), &json!("www.facebook.com"), &json!(200)),
    )
}

fn bystander(c: &Value) -> Outcome {
    let decision = &c["decisions"][0];
    same(
        "decision",
        (&decision["action"], &decision["reason"], &decision["rule"]),
        (&json!("forward"), &json!("not-listed"), &Value::Null),
    )?;
    same("upstream half", &c["upstream_half"], &Value::Null)?;
    that(
        c["presented"][0]["issuer"].as_str().is_some_and(|i| i.contains("mitmlab Public CA")),
        "another chain than the genuine one",
    )
}

/// Python since 3.13 and `-x509_strict` hold chains to RFC 5280 to the letter.
fn strict() -> Outcome {
    let stage = Stage::new("", "")?;
    let python = "import ssl, socket\n\
        for host in ['www.whatsapp.com', 'www.kernel.org', 'egov.kz']:\n\
        \x20   context = ssl.create_default_context()\n\
        \x20   context.verify_flags |= ssl.VERIFY_X509_STRICT\n\
        \x20   with socket.create_connection((host, 443), 20) as raw, context.wrap_socket(raw, server_hostname=host) as tls:\n\
        \x20       print(host, tls.version())\n";
    let done = stage.exec("sealed", &["python3", "-c", python])?;
    same("python", (done.code, done.stdout.lines().count()), (0, 3)).map_err(|_| done.stderr.clone())?;
    let openssl = "for host in www.whatsapp.com www.kernel.org egov.kz; do openssl s_client -connect $host:443 -servername $host \
        -verify_return_error -x509_strict -verify_hostname $host </dev/null 2>&1 | grep -c '^Verify return code: 0\\|^    Verify return code: 0'; done";
    let done = stage.exec("sealed", &["sh", "-c", openssl])?;
    let good = done.stdout.lines().filter(|count| count.parse::<u32>().is_ok_and(|n| n > 0)).count();
    same("openssl", good, 3).map_err(|_| format!("{}{}", done.stdout, done.stderr).into())
}
