//! A profile: the recipe by which an authority makes its certificates, with what each field rests on.
//!
//! Profiles are TOML files, embedded from `certs/` or read from a path. They hold names, dates and rules, never a key.
//! An unknown key, an unknown word or a field without a basis is an error that points at its place.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

mod check;
mod embedded;
mod recipe;
mod rules;
mod values;

pub use crate::x509::words::{Attribute, AttributeKind, AuthorityKeyForm, Purpose, StringKind, Usage};
pub use check::{FIELDS, Finding};
pub use recipe::{
    CacheBy, ChainSent, Intermediate, Leaf, LeafDigest, LeafKey, Ocsp, Reuse, Root, SubjectRule, Twin, WhenExpired, Window,
};
pub use rules::{ExtensionRule, Names, SerialRule, Validity};
pub use values::{HexBytes, Moment, OidText, Span};

/// A profile.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: the file's name without ending.
    #[serde(skip)]
    pub name: String,
    /// One line.
    pub title: String,
    /// What it stands for, in prose.
    pub about: String,
    /// Where its facts come from.
    pub sources: Vec<String>,
    /// The root, and further roots of its family.
    pub root: Root,
    /// The issuing certificates; none if the root signs leaves itself.
    pub intermediate: Option<Intermediate>,
    /// The leaf.
    pub leaf: Leaf,
    /// Field path (`leaf.serial`) to the source that it rests on.
    #[serde(default)]
    pub evidence: BTreeMap<String, String>,
    /// Field path, or `root.*`, to the reason why no source tells: what reports call "not evidence-based".
    #[serde(default)]
    pub not_evidence_based: BTreeMap<String, String>,
}

/// One line of the list of profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name for [`Profile::load`].
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Neither embedded nor a file.
    #[error("no profile `{name}`\nhint: one of {known}, or the path of a TOML file")]
    Unknown {
        /// What was asked.
        name: String,
        /// The embedded names.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read profile `{}`: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// It is not a profile. The message shows the line and marks the place.
    #[error("profile `{name}`: {message}")]
    Malformed {
        /// File or embedded name.
        name: String,
        /// What is wrong, with line and column.
        message: String,
        /// Byte range in the file, if known.
        span: Option<std::ops::Range<usize>>,
    },
    /// It reads well and makes no sense.
    #[error("profile `{name}`: {}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Senseless {
        /// File or embedded name.
        name: String,
        /// Everything that is wrong.
        findings: Vec<Finding>,
    },
}

/// The embedded profiles.
pub fn profiles() -> &'static [Listed] {
    embedded::ALL
}

impl Profile {
    /// An embedded profile by its name, or a file by its path (whatever has a `/` or ends in `.toml`).
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if let Some(listed) = profiles().iter().find(|listed| listed.name == name) {
            return Self::parse(listed.name, listed.text);
        }
        if name.contains('/') || name.ends_with(".toml") {
            return Self::read(Path::new(name));
        }
        let known = profiles().iter().map(|listed| format!("`{}`", listed.name)).collect::<Vec<_>>().join(", ");
        Err(ProfileError::Unknown { name: name.to_owned(), known })
    }

    /// A profile from a file.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let unreadable = |why: String| ProfileError::Unreadable { path: path.to_owned(), why };
        let failed = |error: std::io::Error| unreadable(error.to_string());
        let mut text = String::new();
        std::fs::File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            return Err(unreadable(format!("more than {MAX_FILE} bytes are too many for a profile")));
        }
        let name = path.file_stem().map_or_else(|| "profile".to_owned(), |stem| stem.to_string_lossy().into_owned());
        Self::parse(&name, &text)
    }

    /// A profile from its text.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let mut profile: Self = toml::from_str(text).map_err(|e| ProfileError::Malformed {
            name: name.to_owned(),
            message: cut_lines(e.to_string().trim_end()),
            span: e.span(),
        })?;
        name.clone_into(&mut profile.name);
        let findings = check::findings(&profile);
        if findings.is_empty() { Ok(profile) } else { Err(ProfileError::Senseless { name: name.to_owned(), findings }) }
    }

    /// The paths of the fields that it has.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        FIELDS.iter().copied().filter(|field| check::has(self, field))
    }

    /// What a field rests on, by its path.
    pub fn basis(&self, field: &str) -> Basis<'_> {
        match (check::covering(&self.evidence, field), check::covering(&self.not_evidence_based, field)) {
            (Some((a, source)), Some((b, _))) if a.len() >= b.len() => Basis::Source(source),
            (_, Some((_, why))) => Basis::NotEvidenceBased(why),
            (Some((_, source)), None) => Basis::Source(source),
            (None, None) => Basis::Unsaid,
        }
    }
}

/// A message that quotes a file whose lines may be of any length.
fn cut_lines(message: &str) -> String {
    let lines: Vec<String> = message.lines().map(|line| line.chars().take(LONGEST_LINE).collect()).collect();
    lines.join("\n")
}

/// What a field of a profile rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis<'a> {
    /// A source.
    Source(&'a str),
    /// No source tells; why it is as it is.
    NotEvidenceBased(&'a str),
    /// The profile says nothing (the checker refuses such a profile).
    Unsaid,
}

impl std::fmt::Display for Basis<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(source) => f.write_str(source),
            Self::NotEvidenceBased(why) => write!(f, "not evidence-based: {why}"),
            Self::Unsaid => f.write_str("-"),
        }
    }
}

/// The longest embedded profile has some 8 KiB.
const MAX_FILE: u64 = 1 << 20;
/// Characters of a quoted line that are shown.
const LONGEST_LINE: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_profile_is_sound_and_every_field_has_a_basis() {
        for listed in profiles() {
            let profile = Profile::load(listed.name).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(profile.name, listed.name);
            assert!(FIELDS.iter().all(|field| profile.basis(field) != Basis::Unsaid
                || field.starts_with("intermediate.")
                || *field == "root.twin"));
        }
    }

    #[test]
    fn the_closest_basis_speaks() {
        let profile = Profile::load("isca-2021-2024").unwrap();
        assert!(matches!(profile.basis("leaf.validity"), Basis::Source(s) if s.contains("339")));
        assert!(matches!(profile.basis("leaf.key"), Basis::NotEvidenceBased(_)));
        assert!(matches!(profile.basis("root.extensions"), Basis::NotEvidenceBased(_)));
        assert!(matches!(profile.basis("root.key"), Basis::Source(_)));
    }

    #[test]
    fn errors_point_at_their_place() {
        let text = profiles()[0].text;
        let error = |from: &str, to: &str| Profile::parse("p", &text.replacen(from, to, 1)).unwrap_err().to_string();
        for (from, to, says) in [
            ("reuse =", "reuze =", "unknown field `reuze`"),
            ("\"rsa-2048-e3\"", "\"rsa-2047\"", "unknown key kind `rsa-2047`"),
            ("\"-6h\"", "\"6 hours\"", "is no span"),
            ("2016-02-02T05:41:00Z", "2016-02-02", "no moment with an offset"),
            ("3D957F", "3G957F", "is not hex"),
            ("\"extended-key-usage\"", "\"extended\"", "is no extension"),
            ("type = \"CN\"", "type = \"XN\"", "is no attribute type"),
            ("{ plus-random = 32 }", "{ plus-random = 65 }", "1 to 64 bits"),
            ("to = 2046", "to = 2006", "ends before it begins"),
            ("\"leaf.cache\" =", "\"leaf.cash\" =", "no such field"),
            ("ca = true", "ca = false", "nothing that it signs would be accepted"),
        ] {
            let message = error(from, to);
            assert!(message.contains(says), "{from} -> {to}: {message}");
        }
        assert!(error("reuse =", "reuze =").contains("line 4"), "{}", error("reuse =", "reuze ="));
        assert!(Profile::load("nobody").unwrap_err().to_string().contains("`qaznet-2019`"));
    }
}
