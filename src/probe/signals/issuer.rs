//! Signs in who signed: blocked keys, known interceptors, roots that no vendor shipped.

use super::{Sight, Signal, interception};
use crate::client::trust::spki_pin;
use crate::probe::verify::Refusal;

/// A key of the chain is on the vendors' block list.
pub(super) fn blocked(sight: &Sight<'_>) -> Option<Signal> {
    match sight.refusal? {
        Refusal::Blocked(pin) => Some(interception("blocked-key", format!("key sha256/{pin} is on the block list"))),
        Refusal::Invalid(_) => None,
    }
}

/// A key of the chain belongs to a root that browsers blocked for interception.
pub(super) fn known_key(sight: &Sight<'_>) -> Option<Signal> {
    let found = |pin: &String| KNOWN_KEYS.iter().find(|(known, _)| known == pin).map(|(_, whose)| *whose);
    let (pin, whose) = sight.der.iter().filter_map(|c| spki_pin(c).ok()).find_map(|pin| found(&pin).map(|w| (pin, w)))?;
    Some(interception("known-interception-key", format!("key sha256/{pin} is {whose}")))
}

/// A name of the chain is that of a known interception authority. Anybody can write a name: it tells who is claimed, not who is.
pub(super) fn known_name(sight: &Sight<'_>) -> Option<Signal> {
    let names = sight.chain.iter().flat_map(|c| [c.issuer(), c.subject()]);
    names.into_iter().find_map(|name| {
        let text = name.to_string();
        let whose = KNOWN_NAMES.iter().find(|(parts, _)| parts.iter().all(|part| attributes(&text).any(|a| a == *part)))?.1;
        Some(interception("known-interception-name", format!("`{text}`: {whose}")))
    })
}

/// The store trusts the chain, the vendors' roots do not: it hangs on a root that was installed later.
pub(super) fn local_root(sight: &Sight<'_>) -> Option<Signal> {
    let local = sight.issuer_known && sight.issuer_public == Some(false);
    let root = sight.chain.last()?.issuer();
    local.then(|| interception("local-root", format!("trusted through `{root}`, which is no public root but one installed here")))
}

fn attributes(name: &str) -> impl Iterator<Item = &str> {
    name.split(['+', ',']).map(str::trim)
}

/// SHA-256 of SubjectPublicKeyInfo (Chromium `net/cert/cert_verify_proc_blocklist.inc` and `net/data/ssl/blocklist`).
const KNOWN_KEYS: [(&str, &str); 2] = [
    ("tbqN1/iVZMKInT1kU8hJmMd4JJGbZOoINapimGWRvlA=", "Kazakhstan's Qaznet root of 2019"),
    ("jhLQyzt98+oiV1eUif2GWMlWA+ps9LcxY6Qet7fpP+4=", "Kazakhstan's ISCA root of 2020"),
];

/// All parts of a name must be there. Raman et al., IMC 2020 (2019 and its intermediate); Mozilla bug 1680927 (2020);
/// OONI, "Kazakhstan: TLS MITM attacks" (2024).
const KNOWN_NAMES: [(&[&str], &str); 4] = [
    (&["C=KZ", "CN=Qaznet Trust Network"], "Kazakhstan's interception root of 2019"),
    (&["C=KZ", "CN=Security Certificate"], "Kazakhstan's interception intermediate of 2019"),
    (&["C=KZ", "O=ISCA", "CN=Information Security Certification Authority CA"], "Kazakhstan's interception root of 2020"),
    (&["C=KZ", "O=ISCA", "CN=Information Security Certification Authority"], "Kazakhstan's interception root of 2020 to 2024"),
];
