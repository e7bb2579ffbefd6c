//! Lists of names: one file each, one name a line, `#` begins a comment that says where the name is from.

use std::collections::BTreeMap;

use super::Resolver;
use crate::scenario::diagnostic::{Kind, Spot};
use crate::scenario::written::Scenario;
use crate::scenario::{library, suggest};

/// The lists by name, lower case, as patterns of [`Matcher::sni`](crate::scenario::Matcher::sni).
pub(super) type Lists = BTreeMap<String, Vec<String>>;

pub(super) fn resolve(r: &mut Resolver<'_>, written: &Scenario) -> Lists {
    let mut lists = Lists::new();
    for (name, list) in &written.lists {
        let spot = r.spot(list);
        let names = match r.origin.home.list(&list.file) {
            Ok(found) => {
                let source = r.collector.source(found.name, found.text);
                let names = read(r, source);
                if names.is_empty() {
                    r.collector.report(Kind::CannotMatch, &spot, format!("the list `{name}` is empty"));
                }
                names
            }
            Err(told) => {
                let hint = suggest::hint(&list.file, library::list_names());
                r.collector.report(Kind::Unreadable, &spot, told).maybe(hint);
                Vec::new()
            }
        };
        lists.insert(name.clone(), names);
    }
    lists
}

fn read(r: &mut Resolver<'_>, source: usize) -> Vec<String> {
    let text = r.collector.text(source).to_owned();
    let (mut names, mut start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let name = line.split('#').next().unwrap_or_default().trim();
        if !name.is_empty() {
            let at = start + line.find(name).unwrap_or(0);
            let spot = Spot { source, span: at..at + name.len() };
            names.extend(pattern(r, name, &spot));
        }
        start += line.len();
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// A pattern, lower case, if it is one: `a.b`, `.b`, `*.b`, `~b`.
pub(super) fn pattern(r: &mut Resolver<'_>, written: &str, spot: &Spot) -> Option<String> {
    let name = written.to_ascii_lowercase();
    let bare = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).unwrap_or(&name);
    let good = match name.strip_prefix('~') {
        Some(part) => !part.is_empty() && part.chars().all(is_name_char),
        None => is_host(bare),
    };
    if good {
        return Some(name);
    }
    let hint = "a name `a.b`, a name and all below `.b`, one label below `*.b`, a part of a name `~b`, or a list `@list`";
    r.collector.report(Kind::BadValue, spot, format!("`{written}` is no name")).hint(hint);
    None
}

/// True for a host name or an address: labels of 1 to 63 letters, digits, `-` and `_`, 253 in all (RFC 1035 section 2.3.4).
pub(super) fn is_host(name: &str) -> bool {
    let labels = || name.split('.').all(|label| (1..=63).contains(&label.len()) && label.chars().all(is_label_char));
    name.parse::<std::net::IpAddr>().is_ok() || (name.len() <= 253 && labels())
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_name_char(c: char) -> bool {
    is_label_char(c) || c == '.'
}
