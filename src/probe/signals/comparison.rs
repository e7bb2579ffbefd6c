//! Signs in the difference between what was shown and what was shown elsewhere, before, or for another name.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{Sight, Signal, SpeaksFor, interception, perhaps};
use crate::client::trust::spki_pin;

/// Against the genuine chain from a file.
pub(super) fn reference(sight: &Sight<'_>) -> Option<Signal> {
    differs(sight, sight.reference?, "differs-from-reference", "the reference")
}

/// Against what another address shows for the same name.
pub(super) fn control(sight: &Sight<'_>) -> Option<Signal> {
    differs(sight, sight.control?, "differs-from-control", "the control address")
}

/// Against what the same address shows for a name that nobody listed: a box that goes by the name leaves that one alone
/// (the comparison that found Kazakhstan's box: Raman et al., IMC 2020, section 3.1).
pub(super) fn other_name(sight: &Sight<'_>) -> Option<Signal> {
    let other = parse(sight.other_name?.first()?)?;
    let leaf = sight.leaf()?;
    let differs = !sight.issuer_known && other.issuer().as_raw() != leaf.issuer().as_raw();
    differs.then(|| {
        let evidence = format!(
            "`{}` signs for `{}`, but `{}` for another name at the same address",
            leaf.issuer(),
            sight.host,
            other.issuer()
        );
        interception("depends-on-name", evidence)
    })
}

/// A certificate for a name that nobody can own (RFC 2606): it was made a moment ago, for the asking.
pub(super) fn on_demand(sight: &Sight<'_>) -> Option<Signal> {
    let other = parse(sight.other_name?.first()?)?;
    let names = other.subject_alternative_name().ok().flatten()?;
    let made = names.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(name) if *name == NOBODYS));
    let public = sight.issuer_public == Some(true);
    (made && !public)
        .then(|| interception("on-demand", format!("`{}` signs for `{NOBODYS}`, a name that nobody can own", other.issuer())))
}

/// Version or protocol differ between this name and one that nobody listed, at the same address.
pub(super) fn parameters(sight: &Sight<'_>) -> Option<Signal> {
    let (own, other) = (sight.parameters?, sight.other_parameters?);
    let differs = own.version != other.version || own.alpn != other.alpn;
    differs.then(|| perhaps("parameters-depend-on-name", format!("{own}; for another name at the same address {other}")))
}

/// The dates are the reference's, moved by whole hours: the box of 2019 moved them by six (specimens of Raman et al.).
pub(super) fn shifted_validity(sight: &Sight<'_>) -> Option<Signal> {
    let reference = parse(sight.reference.or(sight.control)?.first()?)?;
    let leaf = sight.leaf()?;
    let from = leaf.validity().not_before.timestamp() - reference.validity().not_before.timestamp();
    let to = leaf.validity().not_after.timestamp() - reference.validity().not_after.timestamp();
    let moved = from == to && from != 0 && from % 3600 == 0 && from.abs() <= 24 * 3600;
    moved.then(|| interception("shifted-validity", format!("the dates are the genuine leaf's, moved by {} h", from / 3600)))
}

/// Another issuer is another authority; the same key, or the same issuer with a new key, is the site's own business.
fn differs(sight: &Sight<'_>, genuine: &[CertificateDer<'static>], name: &'static str, whose: &str) -> Option<Signal> {
    let genuine_leaf = genuine.first()?;
    let (theirs, leaf) = (parse(genuine_leaf)?, sight.leaf()?);
    if spki_pin(genuine_leaf).ok()? == spki_pin(sight.der.first()?).ok()? {
        let evidence = format!("the same key as {whose}");
        return Some(Signal { name: "same-key", speaks_for: SpeaksFor::Genuine, evidence });
    }
    let other = theirs.issuer().as_raw() != leaf.issuer().as_raw();
    let evidence = format!("issuer `{}`, {whose} has `{}`", leaf.issuer(), theirs.issuer());
    match (other, sight.issuer_public) {
        // What the vendors' roots vouch for is the site's own, whoever of them it is from.
        (true, Some(true)) => Some(Signal { name: "another-authority", speaks_for: SpeaksFor::Change, evidence }),
        (true, _) => Some(interception(name, evidence)),
        (false, _) if sight.issuer_known => {
            let evidence = format!("another key than {whose}, from the same issuer");
            Some(Signal { name: "renewed", speaks_for: SpeaksFor::Change, evidence })
        }
        (false, _) => None,
    }
}

fn parse<'a>(der: &'a CertificateDer<'static>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed)
}

/// Under the reserved `example` (RFC 2606 section 2).
pub(in crate::probe) const NOBODYS: &str = "www.unlisted-name.example";
