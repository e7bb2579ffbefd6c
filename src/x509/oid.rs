//! The object identifiers that certificates of the web use, with the names that profiles and reports give them.

use super::der;

/// Arcs of an identifier.
pub type Arcs = &'static [u64];

/// subjectKeyIdentifier.
pub const SUBJECT_KEY_ID: Arcs = &[2, 5, 29, 14];
/// keyUsage.
pub const KEY_USAGE: Arcs = &[2, 5, 29, 15];
/// subjectAltName.
pub const SUBJECT_ALT_NAME: Arcs = &[2, 5, 29, 17];
/// basicConstraints.
pub const BASIC_CONSTRAINTS: Arcs = &[2, 5, 29, 19];
/// nameConstraints.
pub const NAME_CONSTRAINTS: Arcs = &[2, 5, 29, 30];
/// authorityKeyIdentifier.
pub const AUTHORITY_KEY_ID: Arcs = &[2, 5, 29, 35];
/// extendedKeyUsage.
pub const EXTENDED_KEY_USAGE: Arcs = &[2, 5, 29, 37];
/// Embedded signed certificate timestamps (RFC 6962 section 3.3).
pub const TIMESTAMPS: Arcs = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
/// Netscape's comment.
pub const COMMENT: Arcs = &[2, 16, 840, 1, 113730, 1, 13];
/// id-kp-serverAuth.
pub const SERVER_AUTH: Arcs = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
/// id-kp-clientAuth.
pub const CLIENT_AUTH: Arcs = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
/// commonName.
pub const COMMON_NAME: Arcs = &[2, 5, 4, 3];

/// Arcs of an extension by its name in profiles.
pub fn extension_by_name(name: &str) -> Option<Arcs> {
    EXTENSIONS.iter().find(|(known, _)| *known == name).map(|(_, arcs)| *arcs)
}

/// Name of an extension, or its dotted identifier. `oid` is the whole DER value.
pub fn extension_name(oid: &[u8]) -> String {
    name_in(EXTENSIONS, oid)
}

/// All names of extensions, for messages.
pub fn extension_names() -> String {
    EXTENSIONS.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Arcs of an attribute type by its short name.
pub fn attribute_by_name(name: &str) -> Option<Arcs> {
    ATTRIBUTES.iter().find(|(known, _)| *known == name).map(|(_, arcs)| *arcs)
}

/// Short name of an attribute type, or its dotted identifier.
pub fn attribute_name(oid: &[u8]) -> String {
    name_in(ATTRIBUTES, oid)
}

/// All short names of attribute types, for messages.
pub fn attribute_names() -> String {
    ATTRIBUTES.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Name of any other identifier (algorithms, purposes, policies), or its dotted form.
pub fn other_name(oid: &[u8]) -> String {
    name_in(OTHERS, oid)
}

fn name_in(table: &[(&str, Arcs)], oid: &[u8]) -> String {
    let found = table.iter().find(|(_, arcs)| der::oid(arcs) == oid).map(|(name, _)| (*name).to_owned());
    found.unwrap_or_else(|| der::oid_text(oid.get(2..).unwrap_or_default()))
}

const EXTENSIONS: &[(&str, Arcs)] = &[
    ("subject-key-id", SUBJECT_KEY_ID),
    ("key-usage", KEY_USAGE),
    ("subject-alt-name", SUBJECT_ALT_NAME),
    ("issuer-alt-name", &[2, 5, 29, 18]),
    ("basic-constraints", BASIC_CONSTRAINTS),
    ("name-constraints", NAME_CONSTRAINTS),
    ("crl-distribution-points", &[2, 5, 29, 31]),
    ("certificate-policies", &[2, 5, 29, 32]),
    ("policy-mappings", &[2, 5, 29, 33]),
    ("authority-key-id", AUTHORITY_KEY_ID),
    ("policy-constraints", &[2, 5, 29, 36]),
    ("extended-key-usage", EXTENDED_KEY_USAGE),
    ("freshest-crl", &[2, 5, 29, 46]),
    ("inhibit-any-policy", &[2, 5, 29, 54]),
    ("authority-info-access", &[1, 3, 6, 1, 5, 5, 7, 1, 1]),
    ("qualified-statements", &[1, 3, 6, 1, 5, 5, 7, 1, 3]),
    ("tls-feature", &[1, 3, 6, 1, 5, 5, 7, 1, 24]), // must-staple, RFC 7633
    ("timestamps", TIMESTAMPS),
    ("timestamps-poison", &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3]),
    ("comment", COMMENT),
];

const ATTRIBUTES: &[(&str, Arcs)] = &[
    ("CN", COMMON_NAME),
    ("SN", &[2, 5, 4, 4]),
    ("serialNumber", &[2, 5, 4, 5]),
    ("C", &[2, 5, 4, 6]),
    ("L", &[2, 5, 4, 7]),
    ("ST", &[2, 5, 4, 8]),
    ("street", &[2, 5, 4, 9]),
    ("O", &[2, 5, 4, 10]),
    ("OU", &[2, 5, 4, 11]),
    ("title", &[2, 5, 4, 12]),
    ("businessCategory", &[2, 5, 4, 15]),
    ("postalCode", &[2, 5, 4, 17]),
    ("givenName", &[2, 5, 4, 42]),
    ("organizationIdentifier", &[2, 5, 4, 97]),
    ("emailAddress", &[1, 2, 840, 113549, 1, 9, 1]),
    ("DC", &[0, 9, 2342, 19200300, 100, 1, 25]),
    ("UID", &[0, 9, 2342, 19200300, 100, 1, 1]),
    ("jurisdictionL", &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 1]),
    ("jurisdictionST", &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 2]),
    ("jurisdictionC", &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3]),
];

const OTHERS: &[(&str, Arcs)] = &[
    ("serverAuth", SERVER_AUTH),
    ("clientAuth", CLIENT_AUTH),
    ("codeSigning", &[1, 3, 6, 1, 5, 5, 7, 3, 3]),
    ("emailProtection", &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
    ("OCSPSigning", &[1, 3, 6, 1, 5, 5, 7, 3, 9]),
    ("anyExtendedKeyUsage", &[2, 5, 29, 37, 0]),
    ("ocsp", &[1, 3, 6, 1, 5, 5, 7, 48, 1]),
    ("caIssuers", &[1, 3, 6, 1, 5, 5, 7, 48, 2]),
    ("rsaEncryption", &[1, 2, 840, 113549, 1, 1, 1]),
    ("sha1WithRSA", &[1, 2, 840, 113549, 1, 1, 5]),
    ("rsassaPss", &[1, 2, 840, 113549, 1, 1, 10]),
    ("sha256WithRSA", &[1, 2, 840, 113549, 1, 1, 11]),
    ("sha384WithRSA", &[1, 2, 840, 113549, 1, 1, 12]),
    ("sha512WithRSA", &[1, 2, 840, 113549, 1, 1, 13]),
    ("ecPublicKey", &[1, 2, 840, 10045, 2, 1]),
    ("P-256", &[1, 2, 840, 10045, 3, 1, 7]),
    ("P-384", &[1, 3, 132, 0, 34]),
    ("P-521", &[1, 3, 132, 0, 35]),
    ("ecdsaWithSHA1", &[1, 2, 840, 10045, 4, 1]),
    ("ecdsaWithSHA256", &[1, 2, 840, 10045, 4, 3, 2]),
    ("ecdsaWithSHA384", &[1, 2, 840, 10045, 4, 3, 3]),
    ("ecdsaWithSHA512", &[1, 2, 840, 10045, 4, 3, 4]),
    ("Ed25519", &[1, 3, 101, 112]),
    ("Ed448", &[1, 3, 101, 113]),
    ("domain-validated", &[2, 23, 140, 1, 2, 1]),
    ("organization-validated", &[2, 23, 140, 1, 2, 2]),
    ("extended-validation", &[2, 23, 140, 1, 1]),
];
