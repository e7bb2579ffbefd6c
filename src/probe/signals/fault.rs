//! Signs that the site itself is at fault: what a monitor sees every day without any interception.

use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;

use super::{Sight, Signal, SpeaksFor, broken};
use crate::probe::verify::Refusal;

/// The leaf signed itself.
pub(super) fn self_signed(sight: &Sight<'_>) -> Option<Signal> {
    let leaf = sight.leaf()?;
    let own = leaf.subject().as_raw() == leaf.issuer().as_raw() && !sight.issuer_known;
    own.then(|| broken("self-signed", format!("the leaf `{}` signed itself", leaf.subject())))
}

/// A certificate of the chain is not valid now.
pub(super) fn dates(sight: &Sight<'_>) -> Option<Signal> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let outside = |c: &&x509_parser::certificate::X509Certificate<'_>| {
        now < c.validity().not_before.timestamp() || now > c.validity().not_after.timestamp()
    };
    let bad = sight.chain.iter().find(outside)?;
    let (from, to) = (bad.validity().not_before, bad.validity().not_after);
    Some(broken("not-valid-now", format!("`{}` is valid from {from} to {to}", bad.subject())))
}

/// The leaf is for other names.
pub(super) fn name(sight: &Sight<'_>) -> Option<Signal> {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let Refusal::Invalid(NotValidForName | NotValidForNameContext { .. }) = sight.refusal? else { return None };
    let names = sight.leaf()?.subject_alternative_name().ok().flatten();
    let names: Vec<_> = names.iter().flat_map(|n| &n.value.general_names).filter_map(dns).take(5).collect();
    Some(broken("other-name", format!("the leaf is for {}, not for `{}`", names.join(", "), sight.host)))
}

/// The same untrusted issuer signs for a name that nobody listed: the server's own doing, or a box that forges for all.
pub(super) fn same_for_every_name(sight: &Sight<'_>) -> Option<Signal> {
    let other = sight.other_name?.first()?;
    let (_, other) = x509_parser::parse_x509_certificate(other).ok()?;
    let leaf = sight.leaf()?;
    let same = !sight.issuer_known && other.issuer().as_raw() == leaf.issuer().as_raw();
    same.then(|| Signal {
        name: "same-for-every-name",
        speaks_for: SpeaksFor::Unclear,
        evidence: format!("`{}` signs whatever name is asked for at this address", leaf.issuer()),
    })
}

fn dns<'a>(name: &'a GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    }
}
