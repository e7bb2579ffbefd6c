//! The words in which a recipe speaks of names and extensions; `extension` and `name` write them as octets.

use serde::Deserialize;

use super::{der, oid};

/// One attribute of a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    /// Its value.
    pub value: String,
    /// The ASN.1 string type; if not said, PrintableString where the characters allow it, else UTF8String.
    pub string: Option<StringKind>,
    /// It belongs to the same relative name as the one before it (a multi-valued RDN).
    #[serde(default)]
    pub joined: bool,
}

/// Type of an attribute: `C`, `CN`, `OU` ... or a dotted identifier. Holds the whole DER value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AttributeKind(pub Vec<u8>);

/// ASN.1 string type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StringKind {
    /// UTF8String.
    Utf8,
    /// PrintableString.
    Printable,
    /// IA5String.
    Ia5,
    /// TeletexString, written as Latin-1.
    Teletex,
    /// BMPString.
    Bmp,
}

/// Form of the authority key identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityKeyForm {
    /// keyIdentifier only.
    KeyId,
    /// keyIdentifier, the issuer's own issuer, and the issuer's serial number.
    KeyIdIssuerSerial,
}

/// A bit of keyUsage, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// digitalSignature (0).
    DigitalSignature,
    /// nonRepudiation (1).
    NonRepudiation,
    /// keyEncipherment (2).
    KeyEncipherment,
    /// dataEncipherment (3).
    DataEncipherment,
    /// keyAgreement (4).
    KeyAgreement,
    /// keyCertSign (5).
    KeyCertSign,
    /// cRLSign (6).
    CrlSign,
}

/// A purpose of extendedKeyUsage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
}

impl Usage {
    /// The bits as a mask, bit 0 being digitalSignature.
    pub fn mask(bits: &[Self]) -> u16 {
        bits.iter().fold(0, |mask, bit| mask | 1 << *bit as u16)
    }
}

impl TryFrom<String> for AttributeKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        oid::attribute_by_name(&text)
            .map(<[u64]>::to_vec)
            .or_else(|| der::oid_arcs(&text))
            .map(|arcs| Self(der::oid(&arcs)))
            .ok_or_else(|| format!("`{text}` is no attribute type: one of {}, or a dotted identifier", oid::attribute_names()))
    }
}
