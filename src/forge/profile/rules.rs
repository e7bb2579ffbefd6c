//! The rules of a profile: how a serial number, a validity period and each extension come about.

use serde::Deserialize;

use super::values::{HexBytes, Moment, OidText, Span};
use crate::x509::words::{AuthorityKeyForm, Purpose, Usage};

/// How a serial number is made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SerialRule {
    /// Random, positive, of so many octets (RFC 5280 section 4.1.2.2: at most 20).
    Random(u8),
    /// The genuine one.
    Copied,
    /// The genuine one plus a random number of so many bits, its length kept.
    PlusRandom(u8),
    /// The subject key identifier with its top bit cleared.
    KeyId,
    /// This one. A lab's root that is not `exact` gets a random one of the same length instead.
    Fixed(HexBytes),
}

/// How a validity period is made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Validity {
    /// These moments of the scenario's time.
    Fixed {
        /// notBefore.
        from: Moment,
        /// notAfter.
        to: Moment,
    },
    /// The genuine period, octet for octet.
    Copied,
    /// The genuine period, both ends moved.
    Shifted(Span),
    /// From some time before now, for a lifetime.
    Made {
        /// How long before now it begins.
        before: Span,
        /// From notBefore to notAfter.
        lifetime: Span,
    },
}

/// One extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ExtensionRule {
    /// RFC 5280 section 4.2.1.9.
    BasicConstraints {
        /// The cA flag.
        ca: bool,
        /// pathLenConstraint.
        path_len: Option<u8>,
        /// Critical flag.
        #[serde(default)]
        critical: bool,
    },
    /// RFC 5280 section 4.2.1.3.
    KeyUsage {
        /// The bits that are set.
        bits: Vec<Usage>,
        /// Critical flag.
        #[serde(default)]
        critical: bool,
    },
    /// RFC 5280 section 4.2.1.12.
    ExtendedKeyUsage {
        /// The purposes in order.
        purposes: Vec<Purpose>,
        /// Critical flag.
        #[serde(default)]
        critical: bool,
    },
    /// SHA-1 of the key (RFC 5280 section 4.2.1.2, method 1).
    SubjectKeyId,
    /// RFC 5280 section 4.2.1.1.
    AuthorityKeyId(AuthorityKeyForm),
    /// RFC 5280 section 4.2.1.6. Critical if the subject is empty.
    SubjectAltName(Names),
    /// The genuine extension of this identifier, octet for octet; left out if the genuine certificate has none.
    Copied {
        /// Name (`extended-key-usage`) or dotted identifier.
        extension: OidText,
        /// Critical flag, if another than the genuine one's.
        critical: Option<bool>,
    },
    /// All genuine extensions in their order: key identifiers made anew, key usage fitted to the key, the rest copied.
    LikeGenuine {
        /// Those that are left out: names or dotted identifiers.
        drop: Vec<OidText>,
    },
    /// Signed certificate timestamps (RFC 6962 section 3.3) of logs that nobody lists.
    Timestamps {
        /// How many logs.
        logs: u8,
    },
    /// Any other.
    Raw {
        /// Identifier.
        oid: OidText,
        /// Content of the OCTET STRING.
        value: HexBytes,
        /// Critical flag.
        #[serde(default)]
        critical: bool,
    },
}

/// Where the alternative names come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// The genuine ones, octet for octet; left out if the genuine certificate has none.
    Genuine,
    /// The host that the client asked for, else the address that it dialled.
    Host,
    /// These DNS names.
    Fixed(Vec<String>),
}
