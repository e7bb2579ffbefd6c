//! Two certificates side by side, field by field: as data, and as a table of text.
//!
//! A field is the same only if its octets are; the text shown may be equal where they are not (another string type), and
//! the table says so.

use serde::Serialize;

use crate::x509::describe;
use crate::x509::key::hex;
use crate::x509::name;
use crate::x509::oid;
use crate::x509::tbs::{Extension, Parsed};

/// One field of two certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDiff {
    /// The field: `serial`, `not before`, `key-usage` ...
    pub field: String,
    /// What stands in the genuine (the first) certificate; empty if the field is missing.
    pub genuine: String,
    /// What stands in the forged (the second) certificate.
    pub forged: String,
    /// The octets are equal.
    pub same: bool,
    /// The profile's rule for it; empty where no profile is asked.
    pub rule: String,
    /// What the rule rests on.
    pub source: String,
}

/// Compares every field. Extensions are matched by identifier (the second of one with the second), in the order of the first
/// certificate, then the rest of the second; their order is a field of its own.
pub fn compare(genuine: &Parsed, forged: &Parsed) -> Vec<FieldDiff> {
    let (a, b) = (&genuine.tbs, &forged.tbs);
    let mut rows = vec![
        row("version", version(a.version), version(b.version), a.version == b.version),
        row("serial", hex(&a.serial), hex(&b.serial), a.serial == b.serial),
        row(
            "signature algorithm",
            describe::algorithm(&a.signature),
            describe::algorithm(&b.signature),
            a.signature == b.signature,
        ),
        row("issuer", name::text(&a.issuer), name::text(&b.issuer), a.issuer == b.issuer),
        row("not before", describe::time(&a.not_before), describe::time(&b.not_before), a.not_before == b.not_before),
        row("not after", describe::time(&a.not_after), describe::time(&b.not_after), a.not_after == b.not_after),
        row("subject", name::text(&a.subject), name::text(&b.subject), a.subject == b.subject),
        row("public key", key(&a.spki), key(&b.spki), a.spki == b.spki),
    ];
    if !(a.unique_ids.is_empty() && b.unique_ids.is_empty()) {
        rows.push(row("unique identifiers", hex(&a.unique_ids), hex(&b.unique_ids), a.unique_ids == b.unique_ids));
    }
    let order = |list: &[Extension]| list.iter().map(|e| oid::extension_name(&e.oid)).collect::<Vec<_>>();
    let (first, second) = (order(&a.extensions), order(&b.extensions));
    rows.push(row("extension order", first.join(", "), second.join(", "), first == second));
    for (at, extension) in a.extensions.iter().enumerate() {
        rows.push(extension_row(Some(extension), alike(&b.extensions, &extension.oid).nth(before(&a.extensions, at))));
    }
    for (at, extension) in b.extensions.iter().enumerate() {
        if alike(&a.extensions, &extension.oid).count() <= before(&b.extensions, at) {
            rows.push(extension_row(None, Some(extension)));
        }
    }
    let length = |parsed: &Parsed| {
        format!("{} bytes, sha256:{}", parsed.signature.len(), &hex(&crate::x509::key::sha256(&parsed.signature))[..16])
    };
    let signed = |parsed: &Parsed| (parsed.signature_algorithm.clone(), parsed.signature.clone());
    rows.push(row("signature", length(genuine), length(forged), signed(genuine) == signed(forged)));
    rows
}

/// A table for people: field, the two values, and rule and source where there are any. `=` marks equal octets, `~` equal
/// text in other octets, `!` a difference.
pub fn table(rows: &[FieldDiff], headings: (&str, &str), columns: usize) -> String {
    let mut text = String::new();
    let value_width = (columns.max(60) - 4) / 2;
    text.push_str(&format!("  {} | {}\n", pad(headings.0, value_width), headings.1));
    for row in rows {
        let mark = match (row.same, row.genuine == row.forged) {
            (true, _) => '=',
            (false, true) => '~',
            (false, false) => '!',
        };
        text.push_str(&format!("{mark} {}\n", row.field));
        let (left, right) = (wrap(or_absent(&row.genuine), value_width), wrap(or_absent(&row.forged), value_width));
        for line in 0..left.len().max(right.len()) {
            let cell = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            text.push_str(format!("  {} | {}", pad(&cell(&left), value_width), cell(&right)).trim_end());
            text.push('\n');
        }
        if !row.rule.is_empty() {
            text.push_str(&format!("    rule:   {}\n", row.rule));
        }
        if !row.source.is_empty() {
            text.push_str(&format!("    source: {}\n", row.source));
        }
    }
    text
}

fn row(field: &str, genuine: String, forged: String, same: bool) -> FieldDiff {
    FieldDiff { field: field.to_owned(), genuine, forged, same, rule: String::new(), source: String::new() }
}

/// All with an identifier: no certificate should have two, and some do.
fn alike<'a>(list: &'a [Extension], oid: &'a [u8]) -> impl Iterator<Item = &'a Extension> {
    list.iter().filter(move |extension| extension.oid == oid)
}

/// How many with the same identifier stand before this one.
fn before(list: &[Extension], at: usize) -> usize {
    alike(&list[..at], &list[at].oid).count()
}

fn extension_row(genuine: Option<&Extension>, forged: Option<&Extension>) -> FieldDiff {
    let oid = genuine.or(forged).map_or(&[][..], |extension| &extension.oid);
    let shown = |extension: Option<&Extension>| {
        extension
            .map_or_else(String::new, |e| format!("{}{}", if e.critical { "critical, " } else { "" }, describe::extension(e)))
    };
    row(&oid::extension_name(oid), shown(genuine), shown(forged), genuine == forged)
}

fn version(version: u8) -> String {
    format!("v{}", u16::from(version) + 1)
}

fn key(spki: &[u8]) -> String {
    format!("{}, sha256:{}", describe::public_key(spki), &hex(&crate::x509::key::sha256(spki))[..16])
}

fn or_absent(text: &str) -> &str {
    if text.is_empty() { "(absent)" } else { text }
}

fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks at spaces, or in the middle of a word that is longer than the width.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        loop {
            let gap = usize::from(used > 0);
            let line = lines.last_mut().expect("there is always a line");
            if used + gap + rest.len() <= width {
                line.extend(std::iter::repeat_n(' ', gap).chain(rest.iter().copied()));
                used += gap + rest.len();
                break;
            }
            if used > 0 {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let tail = rest.split_off(width);
            line.extend(rest);
            rest = tail;
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_and_nothing_is_lost() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
