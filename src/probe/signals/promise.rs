//! Signs against what was promised before: pins, stapled responses, revocation.

use x509_parser::oid_registry::Oid;

use super::{Sight, Signal, SpeaksFor, broken, interception, perhaps};
use crate::client::trust::spki_pin;

/// No key of the chain is pinned for this host.
pub(super) fn pins(sight: &Sight<'_>) -> Option<Signal> {
    let pins = sight.pins?;
    let shown: Vec<String> = sight.der.iter().filter_map(|c| spki_pin(c).ok()).collect();
    if let Some(pin) = shown.iter().find(|pin| pins.contains(pin)) {
        let evidence = format!("key sha256/{pin} is pinned for this host");
        return Some(Signal { name: "pinned-key", speaks_for: SpeaksFor::Genuine, evidence });
    }
    let evidence = format!("no key of the chain is among the {} that are pinned for this host", pins.len());
    Some(match sight.issuer_public {
        Some(true) => Signal { name: "pins-changed", speaks_for: SpeaksFor::Change, evidence },
        _ => interception("pin-mismatch", evidence),
    })
}

/// The leaf promises a stapled OCSP response (RFC 7633), and none came: a forger who copies the promise cannot keep it.
pub(super) fn staple(sight: &Sight<'_>) -> Option<Signal> {
    let promises = sight.leaf()?.extensions().iter().any(|e| e.oid == TLS_FEATURE);
    (promises && !sight.has_staple)
        .then(|| perhaps("no-staple", "the leaf promises a stapled OCSP response, and none came".to_owned()))
}

/// The leaf is on the revocation list of its issuer.
pub(super) fn revoked(sight: &Sight<'_>) -> Option<Signal> {
    let leaf = sight.leaf()?;
    let on_it = |der: &Vec<u8>| {
        let Ok((_, list)) = x509_parser::parse_x509_crl(der) else { return false };
        list.issuer().as_raw() == leaf.issuer().as_raw()
            && list.iter_revoked_certificates().any(|revoked| revoked.raw_serial() == leaf.raw_serial())
    };
    sight.lists.iter().any(on_it).then(|| broken("revoked", format!("`{}` has revoked the leaf", leaf.issuer())))
}

/// id-pe-tlsfeature (RFC 7633 section 4), 1.3.6.1.5.5.7.1.24.
const TLS_FEATURE: Oid<'static> = x509_parser::oid_registry::asn1_rs::oid!(1.3.6.1.5.5.7.1.24);
