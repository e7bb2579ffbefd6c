//! The certificates of a check side by side: what the client was shown in the control leg, and in the test leg. Differences are marked.

use super::{escaped, short};
use crate::record::{Certificate, Connection};
use crate::verdict::{CheckResult, LegTruth};

/// Writes the table. Empty if the client was shown no certificate in the test leg.
pub(super) fn side_by_side(check: &CheckResult) -> String {
    let Some((shown, forged)) = check.test.as_ref().and_then(shown) else { return String::new() };
    let genuine = check.control.as_ref().and_then(self::shown).map(|(chain, _)| chain).or_else(|| genuine(check));
    let right = if forged { "shown in the test leg (forged)" } else { "shown in the test leg" };
    let Some(genuine) = genuine else {
        let rows: String = facts(shown).into_iter().map(|(key, value)| row(key, &[&value], false)).collect();
        return figure(&format!("<th></th><th>{right}</th>"), &rows);
    };
    let pairs = facts(genuine).into_iter().zip(facts(shown));
    let rows = pairs.map(|((key, one), (_, other))| row(key, &[&one, &other], one != other));
    figure(&format!("<th></th><th>shown in the control leg</th><th>{right}</th><th></th>"), &rows.collect::<String>())
}

fn figure(head: &str, rows: &str) -> String {
    format!(
        "<figure>\n<figcaption>Certificates</figcaption>\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</figure>\n"
    )
}

fn row(key: &str, values: &[&str], differs: bool) -> String {
    let cells: String = values.iter().map(|value| format!("<td>{}</td>", escaped(value))).collect();
    let (class, mark) = match (values.len(), differs) {
        (1, _) => ("", ""),
        (_, true) => (" class=\"differs\"", "<td class=\"mark\">≠ differs</td>"),
        (_, false) => ("", "<td class=\"mark\">=</td>"),
    };
    format!("<tr{class}><th scope=\"row\">{}</th>{cells}{mark}</tr>\n", escaped(key))
}

/// The first chain that a leg was shown, and whether it was forged.
fn shown(leg: &LegTruth) -> Option<(&[std::sync::Arc<Certificate>], bool)> {
    let connection: &Connection = leg.connections.iter().find(|c| !c.presented.is_empty())?;
    Some((&connection.presented, connection.forged_by.is_some()))
}

/// What the box saw of the origin.
fn genuine(check: &CheckResult) -> Option<&[std::sync::Arc<Certificate>]> {
    let connections = &check.test.as_ref()?.connections;
    connections.iter().map(|c| c.origin.chain.as_slice()).find(|chain| !chain.is_empty())
}

fn facts(chain: &[std::sync::Arc<Certificate>]) -> Vec<(&'static str, String)> {
    let Some(leaf) = chain.first() else { return Vec::new() };
    let names = match leaf.names.len() {
        0 => "none".to_owned(),
        n if n > NAMES => format!("{} and {} more", leaf.names[..NAMES].join(", "), n - NAMES),
        _ => leaf.names.join(", "),
    };
    let path = chain.iter().map(|certificate| short(&certificate.issuer, 60)).collect::<Vec<_>>().join(" ← ");
    vec![
        ("subject", leaf.subject.clone()),
        ("issuer", leaf.issuer.clone()),
        ("names", names),
        ("valid from", leaf.not_before.clone()),
        ("valid to", leaf.not_after.clone()),
        ("key", leaf.key.clone()),
        ("key, SHA-256", pairs(&leaf.spki_sha256)),
        ("serial number", short(&leaf.serial, 40)),
        ("issuers of the chain as sent", path),
    ]
}

/// The beginning of a digest.
fn pairs(hex: &str) -> String {
    short(hex, 25)
}

/// Names that are shown.
const NAMES: usize = 4;
