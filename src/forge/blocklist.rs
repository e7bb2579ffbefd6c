//! The vendors' answer: roots blocked by the hash of their key, with the date and the source of each decision.
//!
//! Public facts about real roots; the lab's own roots have other keys and are listed by whoever plays the vendor. The
//! hash is the only thing that tells apart roots that share a name.

use serde::Deserialize;
use time::OffsetDateTime;

use super::profile::{HexBytes, Moment};

/// The whole list, from `certs/blocklist.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocklist {
    /// What it is.
    pub about: String,
    /// The decisions, oldest first.
    #[serde(rename = "entry")]
    pub entries: Vec<Entry>,
}

/// One blocked root.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its subject, for people.
    pub name: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki_sha256: HexBytes,
    /// SHA-256 of the certificate, where known.
    pub sha256: Option<HexBytes>,
    /// When it was blocked.
    pub blocked: Moment,
    /// Who blocked it.
    pub by: Vec<String>,
    /// Where that is told.
    pub source: String,
}

impl Blocklist {
    /// The list that comes with the program.
    pub fn embedded() -> Result<Self, String> {
        toml::from_str(include_str!("../../certs/blocklist.toml")).map_err(|e| e.to_string())
    }

    /// The entries in force at a moment of the scenario.
    pub fn as_of(&self, moment: OffsetDateTime) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.blocked.0 <= moment)
    }

    /// The entry for a key at a moment, if it is blocked then.
    pub fn blocks(&self, spki_sha256: &[u8; 32], moment: OffsetDateTime) -> Option<&Entry> {
        self.as_of(moment).find(|entry| entry.spki_sha256.0 == spki_sha256)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn roots_are_blocked_from_their_date_on() {
        let list = Blocklist::embedded().unwrap();
        assert!(list.entries.iter().all(|entry| entry.spki_sha256.0.len() == 32 && entry.sha256.iter().all(|s| s.0.len() == 32)));
        assert!(list.entries.is_sorted_by_key(|entry| entry.blocked));
        let qaznet: [u8; 32] = list.entries[0].spki_sha256.0.clone().try_into().unwrap();
        assert!(list.blocks(&qaznet, datetime!(2019-08-20 23:59 UTC)).is_none());
        assert_eq!(list.blocks(&qaznet, datetime!(2019-08-21 00:00 UTC)).unwrap().name, "C=KZ, CN=Qaznet Trust Network");
        assert_eq!(list.as_of(datetime!(2020-12-18 00:00 UTC)).count(), 2);
        assert!(list.blocks(&[0; 32], datetime!(2030-01-01 00:00 UTC)).is_none());
    }
}
