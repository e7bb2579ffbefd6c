//! Text to a file as written, with every mistake of shape told at once.
//!
//! A deserializer stops at its first mistake. So what is wrong is taken out of the parsed tree and the rest is read
//! again, until it reads: each round tells one mistake, and the number of rounds is bounded.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::diagnostic::{Collector, Kind, Spot};
use super::suggest;

/// Reads `source` as a `T`. What was wrong is reported and left out.
pub(crate) fn read<T: DeserializeOwned + Default>(collector: &mut Collector, source: usize) -> T {
    let text = collector.text(source).to_owned();
    let (mut tree, errors) = DeTable::parse_recoverable(&text);
    let broken: Vec<usize> = errors.iter().map(|error| tell_broken(collector, source, error)).collect();
    for _ in 0..MOST_ROUNDS {
        let error = match T::deserialize(Deserializer::from(tree.clone())) {
            Ok(value) => return value,
            Err(error) => error,
        };
        let spot = Spot { source, span: error.span().unwrap_or(0..0) };
        let last = Spot { source, span: spot.span.end..spot.span.end };
        let lines = collector.line(&spot)..=collector.line(&last);
        // What the parser made up to go on after broken syntax is not held against the writer.
        if !broken.iter().any(|line| lines.contains(line)) {
            tell(collector, &spot, error.message());
        }
        collector.tear();
        if !take_out(tree.get_mut(), &spot.span) {
            break;
        }
    }
    T::default()
}

/// Tells a mistake of syntax. Returns its line.
fn tell_broken(collector: &mut Collector, source: usize, error: &toml::de::Error) -> usize {
    let spot = Spot { source, span: error.span().unwrap_or(0..0) };
    collector.tear();
    let message = lower_first(error.message());
    let date = ["date", "time"].iter().any(|word| message.contains(word)).then(|| DATES.to_owned());
    collector.report(Kind::Syntax, &spot, message).maybe(date);
    collector.line(&spot)
}

/// Tells a mistake of shape, in the language's words and not in serde's.
fn tell(collector: &mut Collector, spot: &Spot, message: &str) {
    let first_line = message.lines().next().unwrap_or(message);
    if let Some((written, known)) = unknown(first_line, "unknown field ") {
        let message = format!("unknown key `{written}`");
        collector.report(Kind::UnknownKey, spot, message).maybe(suggest::hint(written, known));
    } else if let Some((written, known)) = unknown(first_line, "unknown variant ") {
        let message = format!("unknown word `{written}`");
        collector.report(Kind::BadValue, spot, message).maybe(suggest::hint(written, known));
    } else if let Some(field) = first_line.strip_prefix("missing field ") {
        collector.report(Kind::BadValue, spot, format!("{field} is missing"));
    } else if let Some((found, expected)) = first_line.split_once(", expected ") {
        let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
        let message = format!("expected {}, found {}", plain(expected), plain(found));
        collector.report(Kind::BadValue, spot, message).maybe(date_hint(expected));
    } else {
        collector.report(Kind::BadValue, spot, plain(&lower_first(first_line)));
    }
}

/// Words of Rust as words of TOML.
fn plain(words: &str) -> String {
    let named = WORDS.iter().find(|(rust, _)| *rust == words).map(|(_, toml)| (*toml).to_owned());
    named.unwrap_or_else(|| words.to_owned())
}

/// Splits ``unknown field `x`, expected one of `a`, `b` `` into the word and the known ones.
fn unknown<'a>(message: &'a str, prefix: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let rest = message.strip_prefix(prefix)?;
    let mut ticked = rest.split('`').skip(1).step_by(2);
    let written = ticked.next()?;
    Some((written, ticked.collect()))
}

fn date_hint(expected: &str) -> Option<String> {
    expected.contains("datetime").then(|| DATES.to_owned())
}

fn lower_first(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Takes the entry out that stands at `span`: the exact one, else the innermost one that holds it.
fn take_out(table: &mut DeTable<'_>, span: &std::ops::Range<usize>) -> bool {
    take_exact(table, span) || take_innermost(table, span)
}

fn take_exact(table: &mut DeTable<'_>, span: &std::ops::Range<usize>) -> bool {
    let here = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span).map(|(key, _)| key.clone());
    if let Some(key) = here {
        return table.remove(&key).is_some();
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Table(inner) => take_exact(inner, span),
        DeValue::Array(list) => take_exact_item(list, span),
        _ => false,
    })
}

fn take_exact_item(list: &mut toml::de::DeArray<'_>, span: &std::ops::Range<usize>) -> bool {
    if let Some(at) = list.iter().position(|item| item.span() == *span) {
        *list = list.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, item)| item.clone()).collect();
        return true;
    }
    list.iter_mut().any(|item| match item.get_mut() {
        DeValue::Table(inner) => take_exact(inner, span),
        DeValue::Array(inner) => take_exact_item(inner, span),
        _ => false,
    })
}

fn take_innermost(table: &mut DeTable<'_>, span: &std::ops::Range<usize>) -> bool {
    let holds = |value: &Spanned<DeValue<'_>>| value.span().start <= span.start && span.end <= value.span().end;
    let key =
        table.iter().filter(|(_, value)| holds(value)).min_by_key(|(_, value)| value.span().len()).map(|(key, _)| key.clone());
    let Some(key) = key else { return false };
    if let Some(DeValue::Table(inner)) = table.get_mut(&key).map(Spanned::get_mut)
        && take_innermost(inner, span)
    {
        return true;
    }
    table.remove(&key).is_some()
}

const DATES: &str = "dates are written without quotes: `2019-07-17` or `2019-07-17T09:00:00+06:00`";

const WORDS: &[(&str, &str)] = &[
    ("u8", "a number from 0 to 255"),
    ("u16", "a number from 0 to 65535"),
    ("u32", "a number from 0 to 4294967295"),
    ("u64", "a number from 0 on"),
    ("i32", "a whole number"),
    ("a sequence", "a list"),
    ("a map", "a table"),
    ("map", "a table"),
    ("sequence", "a list"),
    ("invalid IP address syntax", "not an IP address"),
    ("invalid socket address syntax", "not an address with a port, such as `127.0.0.1:8443`"),
];

/// A file with more mistakes of shape than this is not read to its end.
const MOST_ROUNDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::written::Scenario;

    fn told(text: &str) -> (Scenario, Vec<String>) {
        let mut collector = Collector::default();
        let source = collector.source("a.toml", text);
        let value = read(&mut collector, source);
        let found = collector.finish(None::<()>).unwrap_err();
        (value, found.iter().map(|d| format!("{}: {}", d.line, d.message)).collect())
    }

    #[test]
    fn every_mistake_of_shape_is_told_at_its_line() {
        let text = "titel = \"a\"\nabout = 3\n[network]\nhops_inside = \"2\"\n[[check]]\nname = \"c\"\ntrust = \"wed\"\n\
                    expect = { verdict = \"expozed\", exit = \"0\" }\n";
        let (value, told) = told(text);
        let lines: Vec<_> = told.iter().map(|t| t.split(':').next().unwrap_or_default()).collect();
        assert_eq!(lines, ["1", "2", "4", "7", "8", "8"], "{told:#?}");
        assert_eq!(value.check[0].name.as_ref().map(|n| n.value().as_str()), Some("c"));
    }

    #[test]
    fn broken_toml_is_told_too() {
        let (_, told) = told("title = \"a\nabout = \n[[check]\n");
        assert!(told.len() >= 2, "{told:#?}");
    }
}
