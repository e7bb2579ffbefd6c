//! The three parts of a profile: root, intermediate, leaf.

use serde::Deserialize;

use super::rules::{ExtensionRule, Names, SerialRule, Validity};
use super::values::Moment;
use crate::x509::key::{Digest, KeyKind};
use crate::x509::words::Attribute;

/// The root, and the family of roots that share its name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Subject and issuer, in order.
    pub subject: Vec<Attribute>,
    /// Key.
    pub key: KeyKind,
    /// Digest of its signature.
    #[serde(default)]
    pub digest: Digest,
    /// Serial number.
    pub serial: SerialRule,
    /// Validity.
    pub validity: Validity,
    /// Extensions in order.
    pub extensions: Vec<ExtensionRule>,
    /// Further roots: what is not said is as in the first.
    #[serde(default, rename = "twin")]
    pub twins: Vec<Twin>,
}

/// A further root.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// What windows and reports call it.
    pub id: String,
    /// Subject, if another one.
    pub subject: Option<Vec<Attribute>>,
    /// Serial number, if by another rule.
    pub serial: Option<SerialRule>,
    /// Validity, if another one.
    pub validity: Option<Validity>,
    /// Extensions, if others.
    pub extensions: Option<Vec<ExtensionRule>>,
    /// Nobody knows it: it signs, and no trust store can hold it.
    #[serde(default)]
    pub unknown: bool,
}

/// The issuing certificate, or the succession of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intermediate {
    /// Subject, in order.
    pub subject: Vec<Attribute>,
    /// Key.
    pub key: KeyKind,
    /// Digest of its signature.
    #[serde(default)]
    pub digest: Digest,
    /// Serial number.
    pub serial: SerialRule,
    /// Validity; with windows, theirs is used.
    pub validity: Option<Validity>,
    /// What happens when it has expired.
    #[serde(default)]
    pub when_expired: WhenExpired,
    /// Extensions in order.
    pub extensions: Vec<ExtensionRule>,
    /// Dated intermediates, in order of their beginning. The one that began last is in use.
    #[serde(default, rename = "window")]
    pub windows: Vec<Window>,
}

/// One dated intermediate.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// notBefore, and when it comes into use.
    pub from: Moment,
    /// notAfter.
    pub to: Moment,
    /// The twin that signs it; the first root if not said.
    pub root: Option<String>,
}

/// What happens when the intermediate has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenExpired {
    /// A new one is made, of the same lifetime.
    #[default]
    Renew,
    /// It is kept in use.
    Keep,
}

/// The leaf.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Subject.
    pub subject: SubjectRule,
    /// Serial number.
    pub serial: SerialRule,
    /// Validity.
    pub validity: Validity,
    /// Key.
    pub key: LeafKey,
    /// A key for each leaf, or one for all.
    #[serde(default)]
    pub reuse: Reuse,
    /// Digest of its signature.
    #[serde(default)]
    pub digest: LeafDigest,
    /// Extensions in order.
    pub extensions: Vec<ExtensionRule>,
    /// The chain that is sent.
    pub chain: ChainSent,
    /// When a leaf is used again.
    #[serde(default)]
    pub cache: CacheBy,
    /// The stapled OCSP response.
    #[serde(default)]
    pub ocsp: Ocsp,
}

/// The leaf's subject.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SubjectRule {
    /// The genuine one, octet for octet.
    Copied,
    /// CN with the host that the client asked for; empty if that has more than 64 characters (RFC 5280 ub-common-name).
    Host,
    /// No attributes.
    Empty,
    /// These attributes.
    Made(Vec<Attribute>),
}

/// The leaf's key: a kind, `like-genuine` or `issuer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LeafKey {
    /// Of this kind.
    Kind(KeyKind),
    /// Of the genuine key's kind, as near as the forger can make one.
    LikeGenuine,
    /// The issuer's own key: the fault of Superfish and its like.
    Issuer,
}

/// Whether leaves share a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// A key for each leaf.
    #[default]
    PerLeaf,
    /// One key for all leaves of the run.
    OneForAll,
}

/// Digest of the leaf's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeafDigest {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// The genuine signature's digest; SHA-256 where that is SHA-1 or unknown.
    LikeGenuine,
}

/// What is sent besides the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainSent {
    /// The intermediate, not the root.
    WithoutRoot,
    /// Everything.
    WithRoot,
    /// Nothing: the intermediate is missing.
    LeafOnly,
}

/// When a forged leaf is used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheBy {
    /// For the same genuine leaf.
    #[default]
    Genuine,
    /// For the same genuine leaf and the same asked host.
    GenuineAndHost,
    /// For the same asked host, whatever the origin shows.
    Host,
}

/// The stapled OCSP response (RFC 6066 section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ocsp {
    /// None.
    #[default]
    None,
    /// `good`, signed by the issuer, for a day.
    Good,
}

impl Leaf {
    /// Something is taken from the genuine certificate.
    pub fn copies(&self) -> bool {
        let extension = |rule: &ExtensionRule| {
            matches!(
                rule,
                ExtensionRule::Copied { .. } | ExtensionRule::LikeGenuine { .. } | ExtensionRule::SubjectAltName(Names::Genuine)
            )
        };
        self.subject == SubjectRule::Copied
            || matches!(self.serial, SerialRule::Copied | SerialRule::PlusRandom(_))
            || matches!(self.validity, Validity::Copied | Validity::Shifted(_))
            || self.key == LeafKey::LikeGenuine
            || self.digest == LeafDigest::LikeGenuine
            || self.extensions.iter().any(extension)
    }
}

impl TryFrom<String> for LeafKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "like-genuine" => Ok(Self::LikeGenuine),
            "issuer" => Ok(Self::Issuer),
            kind => {
                kind.parse().map(Self::Kind).map_err(|e: crate::x509::key::KeyError| format!("{e}; or `like-genuine`, `issuer`"))
            }
        }
    }
}
