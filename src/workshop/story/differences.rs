//! Two certificates field by field, with each field's name and meaning in plain words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::forge::Profile;
use crate::forge::diff::{FieldDiff, compare};
use crate::forge::explain::explain;
use crate::record::{Certificate, Connection};
use crate::workshop::words::Words;
use crate::x509::tbs::Parsed;

/// One field of both.
#[derive(Clone, Debug, Serialize)]
pub(in crate::workshop) struct Difference {
    pub(in crate::workshop) field: String,
    pub(in crate::workshop) label: String,
    pub(in crate::workshop) genuine: String,
    pub(in crate::workshop) forged: String,
    pub(in crate::workshop) same: bool,
    pub(in crate::workshop) rule: String,
    pub(in crate::workshop) source: String,
    pub(in crate::workshop) why: String,
}

/// Compares. What cannot be read has no rows.
pub(super) fn of(genuine: &Certificate, presented: &Certificate, profile: Option<&Profile>, words: Words) -> Vec<Difference> {
    let (Some(genuine), Some(presented)) = (parsed(genuine), parsed(presented)) else { return Vec::new() };
    let rows = match profile {
        Some(profile) => explain(profile, &genuine, &presented),
        None => compare(&genuine, &presented),
    };
    rows.into_iter().map(|row| in_words(row, words)).collect()
}

/// The fields of a connection's leaf. Empty if it was shown the genuine one, or nobody looked.
pub(in crate::workshop) fn of_leaf(connection: &Connection, words: Words) -> Vec<Difference> {
    let profile = connection.forged_by.as_deref().and_then(|name| Profile::load(name).ok());
    match (connection.origin.chain.first(), connection.presented.first()) {
        (Some(genuine), Some(presented)) if genuine.sha256 != presented.sha256 => of(genuine, presented, profile.as_ref(), words),
        _ => Vec::new(),
    }
}

fn in_words(row: FieldDiff, words: Words) -> Difference {
    let label = format!("label.{}", row.field);
    let why = match (row.same, row.forged.is_empty()) {
        (true, _) => "why.same".to_owned(),
        (false, true) => "why.absent".to_owned(),
        _ => format!("why.{}", row.field),
    };
    Difference {
        label: if words.knows(&label) { words.say(&label, &[]) } else { row.field.clone() },
        why: words.first(&[&why, "why.other"], &[]),
        field: row.field,
        genuine: row.genuine,
        forged: row.forged,
        same: row.same,
        rule: row.rule,
        source: row.source,
    }
}

fn parsed(certificate: &Certificate) -> Option<Parsed> {
    Parsed::read(&STANDARD.decode(&certificate.der).ok()?).ok()
}
