//! What a profile must satisfy beyond its grammar: it makes sense, and every field says what it rests on.

use std::collections::BTreeMap;
use std::fmt;

use super::rules::{ExtensionRule, SerialRule, Validity};
use super::{Intermediate, LeafKey, Profile, StringKind};

/// Something that is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the field.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.field, self.message)
    }
}

/// The fields that each need a basis.
pub const FIELDS: &[&str] = &[
    "root.subject",
    "root.key",
    "root.serial",
    "root.validity",
    "root.extensions",
    "root.twin",
    "intermediate.subject",
    "intermediate.key",
    "intermediate.serial",
    "intermediate.validity",
    "intermediate.when_expired",
    "intermediate.extensions",
    "leaf.subject",
    "leaf.serial",
    "leaf.validity",
    "leaf.key",
    "leaf.reuse",
    "leaf.digest",
    "leaf.extensions",
    "leaf.chain",
    "leaf.cache",
    "leaf.ocsp",
];

/// The entry that speaks for a field: the longest one, `leaf.key` before `leaf.*` before `*`.
pub(super) fn covering<'a>(map: &'a BTreeMap<String, String>, field: &str) -> Option<(&'a str, &'a str)> {
    let speaks = |key: &str| key == field || key.strip_suffix('*').is_some_and(|prefix| field.starts_with(prefix));
    map.iter().filter(|(key, _)| speaks(key)).max_by_key(|(key, _)| key.len()).map(|(key, text)| (key.as_str(), text.as_str()))
}

/// Everything that is wrong.
pub(super) fn findings(profile: &Profile) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    found.basis(profile);
    found.root(profile);
    if let Some(intermediate) = &profile.intermediate {
        found.intermediate(profile, intermediate);
    }
    found.leaf(profile);
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Finding { field: field.into(), message: message.into() });
    }

    fn basis(&mut self, profile: &Profile) {
        for (table, map) in [("evidence", &profile.evidence), ("not_evidence_based", &profile.not_evidence_based)] {
            for key in map.keys() {
                if !FIELDS.iter().any(|field| covering(&BTreeMap::from([(key.clone(), String::new())]), field).is_some()) {
                    self.add(format!("{table}.{key}"), "no such field");
                }
            }
        }
        for field in FIELDS.iter().filter(|field| has(profile, field)) {
            if covering(&profile.evidence, field).is_none() && covering(&profile.not_evidence_based, field).is_none() {
                self.add(*field, "has no basis: name its source under `[evidence]`, or the reason under `[not_evidence_based]`");
            }
        }
        if profile.sources.is_empty() && !profile.evidence.is_empty() {
            self.add("sources", "fields claim evidence, and no source is listed");
        }
    }

    fn root(&mut self, profile: &Profile) {
        self.names("root.subject", &profile.root.subject);
        self.authority_serial("root.serial", &profile.root.serial);
        self.authority_validity("root.validity", &profile.root.validity);
        self.authority_extensions("root.extensions", &profile.root.extensions);
        for (at, twin) in profile.root.twins.iter().enumerate() {
            let field = format!("root.twin[{at}]");
            twin.subject.iter().for_each(|subject| self.names(&field, subject));
            twin.serial.iter().for_each(|serial| self.authority_serial(&field, serial));
            twin.validity.iter().for_each(|validity| self.authority_validity(&field, validity));
            twin.extensions.iter().for_each(|list| self.authority_extensions(&field, list));
            if twin.id.is_empty() {
                self.add(&field, "the id is empty");
            }
            if profile.root.twins[..at].iter().any(|other| other.id == twin.id) {
                self.add(field, format!("the id `{}` is taken", twin.id));
            }
        }
    }

    fn intermediate(&mut self, profile: &Profile, intermediate: &Intermediate) {
        self.names("intermediate.subject", &intermediate.subject);
        self.authority_serial("intermediate.serial", &intermediate.serial);
        self.authority_extensions("intermediate.extensions", &intermediate.extensions);
        match (&intermediate.validity, intermediate.windows.is_empty()) {
            (None, true) => self.add("intermediate.validity", "is missing: a validity or at least one `[[intermediate.window]]`"),
            (Some(_), false) => self.add("intermediate.validity", "is said twice: by itself and by windows"),
            (Some(validity), true) => self.authority_validity("intermediate.validity", validity),
            (None, false) => {}
        }
        for (at, window) in intermediate.windows.iter().enumerate() {
            let field = format!("intermediate.window[{at}]");
            if window.from >= window.to {
                self.add(&field, "ends before it begins");
            }
            if at > 0 && intermediate.windows[at - 1].from > window.from {
                self.add(&field, "begins before the one above it");
            }
            if let Some(id) = window.root.as_ref().filter(|id| !profile.root.twins.iter().any(|twin| twin.id == **id)) {
                self.add(&field, format!("no `[[root.twin]]` has the id `{id}`"));
            }
        }
    }

    fn leaf(&mut self, profile: &Profile) {
        let leaf = &profile.leaf;
        if let super::SubjectRule::Made(attributes) = &leaf.subject {
            self.names("leaf.subject", attributes);
        }
        self.serial("leaf.serial", &leaf.serial);
        self.validity("leaf.validity", &leaf.validity);
        if leaf.serial == SerialRule::KeyId && leaf.key == LeafKey::Issuer {
            self.add("leaf.serial", "of one shared key is the same on every leaf");
        }
        let stacked = leaf.extensions.iter().filter(|rule| matches!(rule, ExtensionRule::LikeGenuine { .. })).count();
        if stacked > 1 {
            self.add("leaf.extensions", "`like-genuine` can stand there once");
        }
        for rule in &leaf.extensions {
            if let ExtensionRule::Timestamps { logs: 0 | 9.. } = rule {
                self.add("leaf.extensions", "one to eight logs make timestamps");
            }
        }
    }

    fn authority_serial(&mut self, field: &str, rule: &SerialRule) {
        if matches!(rule, SerialRule::Copied | SerialRule::PlusRandom(_)) {
            self.add(field, "an authority has no genuine certificate to take a serial number from");
        }
        self.serial(field, rule);
    }

    fn serial(&mut self, field: &str, rule: &SerialRule) {
        match rule {
            SerialRule::Random(0 | 21..) => self.add(field, "1 to 20 octets (RFC 5280 section 4.1.2.2)"),
            SerialRule::PlusRandom(0 | 65..) => self.add(field, "1 to 64 bits"),
            SerialRule::Fixed(bytes) if bytes.0.is_empty() => self.add(field, "is empty"),
            _ => {}
        }
    }

    fn authority_validity(&mut self, field: &str, rule: &Validity) {
        if matches!(rule, Validity::Copied | Validity::Shifted(_)) {
            self.add(field, "an authority has no genuine certificate to take a validity from");
        }
        self.validity(field, rule);
    }

    fn validity(&mut self, field: &str, rule: &Validity) {
        match rule {
            Validity::Fixed { from, to } if from >= to => self.add(field, "ends before it begins"),
            Validity::Made { lifetime, .. } if !lifetime.0.is_positive() => self.add(field, "the lifetime is not positive"),
            _ => {}
        }
    }

    fn authority_extensions(&mut self, field: &str, rules: &[ExtensionRule]) {
        for rule in rules {
            if let ExtensionRule::Copied { .. }
            | ExtensionRule::LikeGenuine { .. }
            | ExtensionRule::Timestamps { .. }
            | ExtensionRule::SubjectAltName(_) = rule
            {
                self.add(field, "an authority's certificate cannot have this one");
            }
        }
        if !rules.iter().any(|rule| matches!(rule, ExtensionRule::BasicConstraints { ca: true, .. })) {
            self.add(field, "no `basic-constraints` with `ca = true`: nothing that it signs would be accepted");
        }
    }

    fn names(&mut self, field: &str, attributes: &[super::Attribute]) {
        if attributes.first().is_some_and(|first| first.joined) {
            self.add(field, "the first attribute has nothing to be joined to");
        }
        for attribute in attributes {
            let fits = match attribute.string {
                Some(StringKind::Printable) => crate::forge::name::is_printable(&attribute.value),
                Some(StringKind::Ia5) => attribute.value.is_ascii(),
                Some(StringKind::Teletex) => attribute.value.chars().all(|c| u32::from(c) < 256),
                Some(StringKind::Bmp) => attribute.value.chars().all(|c| u32::from(c) < 0x1_0000),
                Some(StringKind::Utf8) | None => true,
            };
            if !fits {
                self.add(field, format!("`{}` has characters that its string type lacks", attribute.value));
            }
        }
    }
}

/// Whether the profile has that part at all.
pub(super) fn has(profile: &Profile, field: &str) -> bool {
    match field {
        "root.twin" => !profile.root.twins.is_empty(),
        _ => !field.starts_with("intermediate.") || profile.intermediate.is_some(),
    }
}
