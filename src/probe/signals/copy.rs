//! Signs of a copy: what a forger takes over from the genuine leaf, and what it cannot.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::{Sight, Signal, interception, perhaps};
use crate::client::trust::spki_pin;

/// The serial number is the genuine leaf's, or nearly, under another key: the box of 2019 added a random number of 32 bits (specimens
/// of Raman et al., IMC 2020). No authority draws a number that another has drawn.
pub(super) fn serial(sight: &Sight<'_>) -> Option<Signal> {
    let genuine = sight.genuine()?.first()?;
    let (theirs, leaf) = (parse(genuine)?, sight.leaf()?);
    if spki_pin(genuine).ok()? == spki_pin(sight.der.first()?).ok()? {
        return None;
    }
    let (ours, own) = (theirs.raw_serial(), leaf.raw_serial());
    let alike = ours.iter().zip(own).take_while(|(a, b)| a == b).count();
    let near = ours.len() == own.len() && ours.len() >= SHORTEST && alike * 2 >= ours.len();
    near.then(|| {
        let what = if ours == own {
            "is the genuine leaf's".to_owned()
        } else {
            format!("begins like the genuine leaf's, {alike} of {} octets", ours.len())
        };
        interception("copied-serial", format!("the serial number {what}, and the key is another"))
    })
}

/// The genuine leaf says where its authority publishes, by which policy it issued, and who logged it; this one does not.
pub(super) fn stripped(sight: &Sight<'_>) -> Option<Signal> {
    let theirs = infrastructure(&parse(sight.genuine()?.first()?)?);
    let own = infrastructure(sight.leaf()?);
    let gone: Vec<_> = theirs.into_iter().filter(|what| !own.contains(what)).collect();
    (gone.len() >= 2).then(|| perhaps("stripped", format!("the genuine leaf has {}; this one has not", gone.join(", "))))
}

/// The leaf's key is the one that signed it: who has the leaf's key can sign for every name (Superfish, 2015).
pub(super) fn shared_key(sight: &Sight<'_>) -> Option<Signal> {
    let (leaf, issuer) = (sight.leaf()?, sight.chain.get(1)?);
    let other = leaf.subject().as_raw() != leaf.issuer().as_raw();
    let shared = other && leaf.public_key().raw == issuer.public_key().raw;
    shared.then(|| interception("shared-key", format!("the leaf has the key of its issuer `{}`", leaf.issuer())))
}

/// Another certificate of the same issuer for another name has the same key: one key for all that is forged.
pub(super) fn one_key(sight: &Sight<'_>) -> Option<Signal> {
    let other = sight.other_name?.first()?;
    let (theirs, leaf) = (parse(other)?, sight.leaf()?);
    let one = *other != sight.der[0] && theirs.public_key().raw == leaf.public_key().raw && sight.issuer_public != Some(true);
    one.then(|| {
        perhaps("one-key-for-all", "another name at the same address has another certificate with the same key".to_owned())
    })
}

/// What a public authority's leaf carries (CA/Browser Forum baseline requirements, section 7.1.2.7).
pub(in crate::probe) fn infrastructure(leaf: &X509Certificate<'_>) -> Vec<&'static str> {
    let name = |extension: &x509_parser::extensions::X509Extension<'_>| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(_) => Some("authority information access"),
        ParsedExtension::CRLDistributionPoints(_) => Some("revocation lists"),
        ParsedExtension::CertificatePolicies(_) => Some("policies"),
        ParsedExtension::SCT(_) => Some("timestamps"),
        _ => None,
    };
    leaf.extensions().iter().filter_map(name).collect()
}

fn parse<'a>(der: &'a CertificateDer<'static>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed)
}

/// Octets; shorter numbers may meet by chance.
const SHORTEST: usize = 8;
