//! Servers that speak TLS 1.0 or 1.1 only: no client should take them any more (RFC 8996), and no maintained TLS library for Rust speaks
//! them. The machine's own `openssl` does, on most machines; where it does not, such a site cannot be shown, and the reason is told.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::client::find;
use crate::scenario::{Check, Plan, TlsVersion};

/// The server, with the placeholders of a program of the world.
pub(super) fn server(version: TlsVersion) -> Vec<String> {
    let words = ["openssl", "s_server", "-accept", "127.0.0.1:{port}", "-cert", "{cert}", "-cert_chain", "{issuers}"];
    let more = ["-key", "{key}", option(version), "-cipher", CIPHERS, "-www", "-no_ticket"];
    words.into_iter().chain(more).map(str::to_owned).collect()
}

/// How long it may take to listen, on a machine that has other things to do.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(20);

/// Why the check cannot be run here: one of its targets speaks an old version only, and nobody here can serve it.
pub(super) fn missing(check: &Check, plan: &Plan) -> Option<String> {
    let sites = check.targets.iter().filter_map(|host| plan.world.named(host));
    let ports = |site: &crate::scenario::Site| site.services.iter().map(|service| service.port).collect::<Vec<_>>();
    let old = sites.flat_map(|site| ports(site).into_iter().filter_map(|port| site.old_tls(port)).collect::<Vec<_>>());
    old.into_iter().find_map(lacks)
}

/// Why nobody on this machine can serve that version.
pub(super) fn lacks(version: TlsVersion) -> Option<String> {
    static FOUND: [OnceLock<Option<String>>; 2] = [const { OnceLock::new() }; 2];
    FOUND[usize::from(version == TlsVersion::Tls10)].get_or_init(|| asked(version)).clone()
}

fn asked(version: TlsVersion) -> Option<String> {
    let what = version.as_str();
    if find("openssl", std::env::var_os("PATH").as_deref()).is_err() {
        return Some(format!("{what} is served by `openssl`, which is not on this machine"));
    }
    let mut command = Command::new("openssl");
    command.args(["ciphers", "-s", option(version), CIPHERS]).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() && output.stdout.len() > 1 => None,
        _ => Some(format!("{what} is served by `openssl`, and that of this machine was built without it")),
    }
}

fn option(version: TlsVersion) -> &'static str {
    if version == TlsVersion::Tls10 { "-tls1" } else { "-tls1_1" }
}

/// Everything with a certificate, at OpenSSL's lowest level of security: 1.0 and 1.1 sign over SHA-1.
const CIPHERS: &str = "ALL:!aNULL:@SECLEVEL=0";
