//! Browsers as clients, in the sealed network: the warning, the warning without a way around it, and the padlock that lies. What their
//! user would see is photographed.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::tools::{have, left_out, photos, scripts};

/// Runs a command in a lab whose box forges for two names.
fn exec(trust: &str, command: &[&str]) -> Option<Output> {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/console/browsers.toml");
    let mut lab = Command::new(env!("CARGO_BIN_EXE_mitmlab"));
    lab.args(["exec", scenario, "--network", "sealed", "--trust", trust, "--", "timeout", "45"]).args(command);
    let done = lab.stdin(Stdio::null()).env_remove("CI").output().expect("mitmlab runs");
    if done.status.code() == Some(3) {
        left_out(&format!("no sealed network: {}", String::from_utf8_lossy(&done.stderr)));
        return None;
    }
    Some(done)
}

/// What Chromium says of each address.
fn chromium(trust: &str, visits: &[&str]) -> Option<Vec<Value>> {
    if !have(&["node", "npm", "chromium", "certutil"]) {
        return None;
    }
    let script = scripts()?.join("client.mjs");
    let photos = photos();
    let mut command = vec!["node", script.to_str().expect("a path of text"), photos.to_str().expect("a path of text")];
    command.extend(visits);
    let done = exec(trust, &command)?;
    let text = String::from_utf8_lossy(&done.stdout);
    let told: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(told.len(), visits.len(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    Some(told)
}

#[test]
fn chromium_warns_and_leaves_no_way_around_where_the_site_asked_for_it() {
    let visits = ["warning=https://rukoeb.com/", "warning-hsts=https://www.facebook.com/", "genuine=https://www.kernel.org/"];
    let Some(told) = chromium("web", &visits) else { return };
    let [warning, hsts, genuine] = [&told[0], &told[1], &told[2]];
    for page in [warning, hsts] {
        assert_eq!(page["error"], "ERR_CERT_AUTHORITY_INVALID", "{page:#}");
    }
    assert_eq!(warning["way"], true, "an ordinary site can be opened all the same: {warning:#}");
    assert_eq!(hsts["way"], false, "a site with HSTS cannot (RFC 6797 section 12.1): {hsts:#}");
    assert!(hsts["text"].as_str().is_some_and(|text| text.contains("HSTS")), "{hsts:#}");
    assert_eq!((&genuine["error"], &genuine["state"]), (&Value::Null, &"secure".into()), "{genuine:#}");
}

#[test]
fn chromium_shows_a_padlock_where_the_root_is_installed() {
    let Some(told) = chromium("web+authority", &["padlock=https://www.facebook.com/"]) else { return };
    let page = &told[0];
    assert_eq!((&page["error"], &page["state"]), (&Value::Null, &"secure".into()), "{page:#}");
    assert_eq!(page["issuer"], "Security Certificate", "{page:#}");
}

#[test]
fn firefox_shows_the_page_where_the_root_is_installed() {
    if !have(&["firefox-esr"]) {
        return;
    }
    let photo = photos().join("firefox-root-installed.png");
    let _ = std::fs::remove_file(&photo);
    let taken = format!("--screenshot={}", photo.display());
    let Some(done) = exec("web+authority", &["firefox-esr", "--headless", "--no-remote", &taken, "https://www.facebook.com/"])
    else {
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("www.facebook.com:443: intercept") && said.contains("application bytes"), "{said}");
    assert!(photo.is_file(), "no photograph: {said}");
}
