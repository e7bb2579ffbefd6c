//! Why a forged leaf looks as it does: each field with the profile's rule and what that rests on.

use super::diff::{FieldDiff, compare};
use super::profile::{
    AuthorityKeyForm, Basis, ExtensionRule, LeafDigest, LeafKey, Names, Profile, SerialRule, SubjectRule, Validity,
};
use crate::x509::oid;
use crate::x509::tbs::Parsed;

/// Compares a genuine leaf with the one forged from it, and says for each field by which rule and on what ground.
pub fn explain(profile: &Profile, genuine: &Parsed, forged: &Parsed) -> Vec<FieldDiff> {
    let mut rows = compare(genuine, forged);
    for row in &mut rows {
        let (field, rule) = rule_for(profile, &row.field, row.forged.is_empty());
        row.rule = rule;
        row.source = field.map_or_else(String::new, |field| match profile.basis(field) {
            Basis::Unsaid => String::new(),
            basis => basis.to_string(),
        });
    }
    rows
}

/// The profile's field and its rule in words.
fn rule_for(profile: &Profile, field: &str, dropped: bool) -> (Option<&'static str>, String) {
    let leaf = &profile.leaf;
    match field {
        "version" => (None, "v3, as every certificate with extensions".to_owned()),
        "serial" => (Some("leaf.serial"), serial(&leaf.serial)),
        "signature algorithm" => (Some("leaf.digest"), digest(leaf.digest)),
        "issuer" => (
            Some(if profile.intermediate.is_some() { "intermediate.subject" } else { "root.subject" }),
            "the issuing certificate's subject".to_owned(),
        ),
        "not before" | "not after" => (Some("leaf.validity"), validity(&leaf.validity)),
        "subject" => (Some("leaf.subject"), subject(&leaf.subject)),
        "public key" => (Some("leaf.key"), key(leaf.key)),
        "extension order" => (Some("leaf.extensions"), "the profile's".to_owned()),
        "signature" | "unique identifiers" => (None, String::new()),
        name => (Some("leaf.extensions"), extension_rule(&leaf.extensions, name, dropped)),
    }
}

fn serial(rule: &SerialRule) -> String {
    match rule {
        SerialRule::Random(octets) => format!("random, {octets} octets"),
        SerialRule::Copied => "copied".to_owned(),
        SerialRule::PlusRandom(bits) => format!("genuine plus a random {bits}-bit number"),
        SerialRule::KeyId => "the key identifier, top bit cleared".to_owned(),
        SerialRule::Fixed(_) => "fixed".to_owned(),
    }
}

fn validity(rule: &Validity) -> String {
    match rule {
        Validity::Fixed { .. } => "fixed".to_owned(),
        Validity::Copied => "copied".to_owned(),
        Validity::Shifted(span) => format!("copied, moved by {}", span.0),
        Validity::Made { before, lifetime } => format!("from {} before now, for {}", before.0, lifetime.0),
    }
}

fn subject(rule: &SubjectRule) -> String {
    match rule {
        SubjectRule::Copied => "copied, octet for octet",
        SubjectRule::Host => "the host that was asked for",
        SubjectRule::Empty => "empty",
        SubjectRule::Made(_) => "fixed",
    }
    .to_owned()
}

fn key(rule: LeafKey) -> String {
    match rule {
        LeafKey::Kind(kind) => format!("made: {kind}"),
        LeafKey::LikeGenuine => "made, of the genuine key's kind".to_owned(),
        LeafKey::Issuer => "the issuer's own key".to_owned(),
    }
}

fn digest(rule: LeafDigest) -> String {
    match rule {
        LeafDigest::Sha256 => "SHA-256 with the issuer's key",
        LeafDigest::Sha384 => "SHA-384 with the issuer's key",
        LeafDigest::Sha512 => "SHA-512 with the issuer's key",
        LeafDigest::LikeGenuine => "the genuine digest with the issuer's key",
    }
    .to_owned()
}

fn extension_rule(rules: &[ExtensionRule], name: &str, dropped: bool) -> String {
    let said = rules.iter().find_map(|rule| match rule {
        ExtensionRule::BasicConstraints { critical, .. } if name == "basic-constraints" => {
            Some(format!("made, {}", flag(*critical)))
        }
        ExtensionRule::KeyUsage { bits, critical } if name == "key-usage" => {
            Some(format!("made, {} bits, {}", bits.len(), flag(*critical)))
        }
        ExtensionRule::ExtendedKeyUsage { critical, .. } if name == "extended-key-usage" => {
            Some(format!("made, {}", flag(*critical)))
        }
        ExtensionRule::SubjectKeyId if name == "subject-key-id" => Some("SHA-1 of the new key".to_owned()),
        ExtensionRule::AuthorityKeyId(form) if name == "authority-key-id" => Some(authority_key(*form).to_owned()),
        ExtensionRule::SubjectAltName(names) if name == "subject-alt-name" => Some(alt_names(names).to_owned()),
        ExtensionRule::Copied { extension, critical } if oid::extension_name(&extension.0) == name => {
            Some(critical.map_or_else(|| "copied".to_owned(), |critical| format!("copied, {}", flag(critical))))
        }
        ExtensionRule::Timestamps { logs } if name == "timestamps" => Some(format!("made, by {logs} logs that nobody lists")),
        ExtensionRule::Raw { oid, .. } if oid::extension_name(&oid.0) == name => Some("made".to_owned()),
        ExtensionRule::LikeGenuine { .. } if !dropped => Some(like_genuine(name).to_owned()),
        _ => None,
    });
    said.unwrap_or_else(|| "left out".to_owned())
}

fn like_genuine(name: &str) -> &'static str {
    match name {
        "subject-key-id" => "SHA-1 of the new key, in the genuine place",
        "authority-key-id" => "the issuer's key identifier, in the genuine place",
        "key-usage" => "copied, fitted to the kind of key",
        _ => "copied",
    }
}

fn authority_key(form: AuthorityKeyForm) -> &'static str {
    match form {
        AuthorityKeyForm::KeyId => "the issuer's key identifier",
        AuthorityKeyForm::KeyIdIssuerSerial => "the issuer's key identifier, its issuer and its serial number",
    }
}

fn alt_names(names: &Names) -> &'static str {
    match names {
        Names::Genuine => "copied, octet for octet",
        Names::Host => "the host that was asked for, else the dialled address",
        Names::Fixed(_) => "fixed",
    }
}

fn flag(critical: bool) -> &'static str {
    if critical { "critical" } else { "not critical" }
}
