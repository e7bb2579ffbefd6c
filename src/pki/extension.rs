//! Extensions that every genuine leaf carries and that `rcgen` has no name for. One function each.
//!
//! The addresses in them are served in the lab ([`service`](super::service)) and nowhere else: `.test` is never a real
//! domain (RFC 6761 section 6.2). A forged leaf that drops them can be told by their absence.

use rcgen::{CrlDistributionPoint, CustomExtension};

/// What a certificate authority claims to have checked before it issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validation {
    /// Control over the name.
    Domain,
    /// The organisation, too.
    Extended,
}

/// certificatePolicies (RFC 5280 section 4.2.1.4) with the CA/Browser Forum's reserved policy identifiers
/// (Baseline Requirements section 7.1.6.1).
pub(super) fn policies(validation: Validation) -> CustomExtension {
    let policy: &[u64] = match validation {
        Validation::Domain => &[2, 23, 140, 1, 2, 1],
        Validation::Extended => &[2, 23, 140, 1, 1],
    };
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|policies| {
            policies.next().write_sequence(|information| {
                information.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(policy));
            });
        });
    });
    CustomExtension::from_oid_content(&[2, 5, 29, 32], content)
}

/// authorityInfoAccess (RFC 5280 section 4.2.2.1): where the issuer's OCSP responder and certificate are said to be.
pub(super) fn information_access(issuer: &str) -> CustomExtension {
    let places: [(&[u64], String); 2] = [
        (&[1, 3, 6, 1, 5, 5, 7, 48, 1], format!("http://{RESPONDER}/")),
        (&[1, 3, 6, 1, 5, 5, 7, 48, 2], format!("http://{CERTIFICATES}/{issuer}.crt")),
    ];
    let content = yasna::construct_der(|writer| {
        writer.write_sequence(|descriptions| {
            for (method, url) in &places {
                descriptions.next().write_sequence(|description| {
                    description.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(method));
                    // GeneralName: uniformResourceIdentifier [6] IA5String.
                    let name = description.next();
                    name.write_tagged_implicit(yasna::Tag::context(6), |writer| writer.write_ia5_string(url));
                });
            }
        });
    });
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}

/// cRLDistributionPoints (RFC 5280 section 4.2.1.13).
pub(super) fn revocation_list(issuer: &str) -> CrlDistributionPoint {
    CrlDistributionPoint { uris: vec![format!("http://{LISTS}/{issuer}.crl")] }
}

/// TLS feature status_request (RFC 7633): the server promises a stapled OCSP response with every handshake.
pub(super) fn must_staple() -> CustomExtension {
    let content = yasna::construct_der(|writer| writer.write_sequence(|features| features.next().write_u8(STATUS_REQUEST)));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], content)
}

/// The number of the TLS extension status_request (RFC 6066 section 8).
const STATUS_REQUEST: u8 = 5;
/// Where the authorities' OCSP responder is.
pub(super) const RESPONDER: &str = "ocsp.mitmlab.test";
/// Where their revocation lists are.
pub(super) const LISTS: &str = "crl.mitmlab.test";
/// Where their own certificates are.
pub(super) const CERTIFICATES: &str = "ca.mitmlab.test";
