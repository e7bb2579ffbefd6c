//! What certificate a site shows, by its word, and what is wrong with it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What certificate a site shows, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cert {
    /// Good, from the lab's public PKI.
    #[default]
    Good,
    /// Good, with an RSA-2048 key.
    GoodRsa,
    /// Ended yesterday.
    Expired,
    /// Begins tomorrow.
    NotYetValid,
    /// For another name.
    WrongHost,
    /// Signed by itself.
    SelfSigned,
    /// From a root that nobody trusts.
    UntrustedRoot,
    /// The intermediate is not sent.
    MissingIntermediate,
    /// Good, with an Extended Validation subject: many subject attributes, as the specimen of 2019.
    ExtendedValidation,
    /// Good, and it promises a stapled OCSP response (RFC 7633), which its server sends.
    MustStaple,
    /// Good, for `*.example.test` and `example.test` in place of the site's own names.
    Wildcard,
    /// Good, with a hundred names, most of them strangers'.
    ManyNames,
    /// Good, and another one since the control leg: renewed, with a new key, by the same authority. A benign change.
    Rotated,
    /// Good, and one of two in turn, by two authorities with two kinds of key: two networks deliver the site. Benign.
    Cdn,
    /// Revoked since yesterday: the revocation list and the OCSP responder say so. Most clients do not ask.
    Revoked,
    /// Revoked since yesterday, and its server staples the statement that says so.
    RevokedStaple,
    /// From a root with the name of the public one, and another key. Its intermediate has the public one's name too.
    Namesake,
    /// Good, and the handshake is signed by another key than the certificate's: a copied certificate without its key.
    ReplacedKey,
    /// Signed by a leaf: whoever has any certificate plays the authority.
    SignedByLeaf,
    /// For clients, not for servers.
    ClientOnly,
    /// Issued by an intermediate that may not issue for this name.
    BeyondConstraints,
    /// Good in itself, and from another public authority than the site's, with another key: issued by mistake, or by force.
    OtherAuthority,
    /// Good, and no log has seen it: no timestamps.
    WithoutTimestamps,
    /// Good, with an RSA-1024 key.
    SmallKey,
    /// Good, and signed over its SHA-1.
    Sha1,
    /// PEM files of the user's own.
    Files {
        /// Chain, leaf first.
        chain: PathBuf,
        /// Private key.
        key: PathBuf,
    },
}

impl Cert {
    /// The one that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|(known, ..)| *known == word).map(|(_, cert, _)| cert.clone())
    }

    /// All words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(word, ..)| *word)
    }

    /// What is wrong with it, as the end of a sentence. None if nothing is, or if nobody knows (files of the user's own).
    pub fn fault(&self) -> Option<&'static str> {
        WORDS.iter().find(|(_, cert, _)| cert == self).and_then(|(.., fault)| *fault)
    }

    /// True if a browser has no reason to refuse it. What is wrong with files of the user's own is not known: false.
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::Files { .. }) && self.fault().is_none()
    }
}

/// Word, meaning, and what is wrong with it.
const WORDS: &[(&str, Cert, Option<&str>)] = &[
    ("good", Cert::Good, None),
    ("good-rsa", Cert::GoodRsa, None),
    ("expired", Cert::Expired, Some("the genuine certificate has expired")),
    ("not-yet-valid", Cert::NotYetValid, Some("the genuine certificate is not yet valid")),
    ("wrong-host", Cert::WrongHost, Some("the genuine certificate is for another name")),
    ("self-signed", Cert::SelfSigned, Some("the genuine certificate is self-signed")),
    ("untrusted-root", Cert::UntrustedRoot, Some("the genuine certificate comes from an untrusted root")),
    ("missing-intermediate", Cert::MissingIntermediate, Some("the genuine chain lacks its intermediate")),
    ("extended-validation", Cert::ExtendedValidation, None),
    ("must-staple", Cert::MustStaple, None),
    ("wildcard", Cert::Wildcard, None),
    ("many-names", Cert::ManyNames, None),
    ("rotated", Cert::Rotated, None),
    ("cdn", Cert::Cdn, None),
    ("revoked", Cert::Revoked, Some("the genuine certificate has been revoked")),
    ("revoked-staple", Cert::RevokedStaple, Some("the genuine certificate has been revoked, and the staple says so")),
    ("namesake", Cert::Namesake, Some("the certificate comes from a root that only has the name of a public one")),
    ("replaced-key", Cert::ReplacedKey, Some("the handshake was signed by another key than the certificate's")),
    ("signed-by-leaf", Cert::SignedByLeaf, Some("the certificate is signed by one that is no authority's")),
    ("client-only", Cert::ClientOnly, Some("the certificate is for clients, not for servers")),
    ("beyond-constraints", Cert::BeyondConstraints, Some("the certificate's authority may not issue for this name")),
    ("other-authority", Cert::OtherAuthority, Some("the certificate is another public authority's, with another key")),
    ("without-timestamps", Cert::WithoutTimestamps, Some("the certificate has no timestamp of any log")),
    ("small-key", Cert::SmallKey, Some("the certificate's key is RSA with 1024 bits")),
    ("sha1", Cert::Sha1, Some("the certificate is signed over its SHA-1")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_certificate() {
        for word in Cert::words() {
            let cert = Cert::from_word(word).expect("known");
            assert_eq!(WORDS.iter().filter(|(_, other, _)| *other == cert).count(), 1, "{word}");
            assert_eq!(cert.is_good(), cert.fault().is_none(), "{word}");
        }
        assert_eq!(Cert::from_word("excellent"), None);
    }
}
