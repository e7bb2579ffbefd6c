//! Extensions that `rcgen` has no field for. One function each; SCTs, AIA and CRL distribution points belong here too.

use rcgen::CustomExtension;

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
