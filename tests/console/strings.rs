//! The strings of the interface: every language has every key, every plural has its categories, and no key is used that is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Language, and the categories of its plurals (Unicode CLDR).
const LANGUAGES: [(&str, &[&str]); 3] =
    [("en", &["one", "other"]), ("kk", &["one", "other"]), ("ru", &["few", "many", "one", "other"])];

#[test]
fn every_language_has_every_string() {
    let english: BTreeSet<String> = strings("en").keys().cloned().collect();
    for (language, categories) in LANGUAGES {
        let own = strings(language);
        let keys: BTreeSet<String> = own.keys().cloned().collect();
        assert_eq!(keys, english, "lang/{language}.json");
        for (key, text) in &own {
            match text {
                Value::Object(forms) => {
                    assert_eq!(
                        forms.keys().map(String::as_str).collect::<BTreeSet<_>>(),
                        categories.iter().copied().collect(),
                        "{language}: {key}"
                    );
                }
                text => assert!(text.as_str().is_some_and(|text| !text.trim().is_empty()), "{language}: {key} is empty"),
            }
            assert_eq!(blanks(text), blanks(&strings("en")[key]), "{language}: {key} fills in other values than English");
        }
    }
}

#[test]
fn no_string_is_asked_for_that_is_not_there() {
    let english = strings("en");
    for script in scripts() {
        let text = std::fs::read_to_string(&script).expect("a script");
        for key in text.split("t('").skip(1).filter_map(|rest| rest.split('\'').next()) {
            let is_key = key.contains(|c: char| c.is_ascii_lowercase())
                && key.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '-'));
            assert!(!is_key || english.contains_key(key) || !key.contains('.'), "{} asks for `{key}`", script.display());
        }
    }
}

#[test]
fn no_file_reaches_beyond_its_own_server() {
    for file in files(&console()) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let inline = file.extension().is_some_and(|kind| kind == "html")
            && (text.contains("<style") || text.contains(" style=") || text.contains("onclick"));
        assert!(!inline, "{}: inline script or style", file.display());
        if file.components().any(|part| part.as_os_str() == "days") {
            continue; // names sources, and loads none of them
        }
        let foreign = text.match_indices("http").map(|(at, _)| &text[at..text.len().min(at + 30)]);
        let foreign: Vec<_> = foreign
            .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
            .filter(|url| !url.contains("www.w3.org"))
            .collect();
        assert!(foreign.is_empty(), "{}: {foreign:?}", file.display());
    }
}

/// The values that a text leaves blank: `{n}`, `{host}` ... The count may be said in words in one form of a plural.
fn blanks(text: &Value) -> BTreeSet<String> {
    let whole = match text {
        Value::Object(forms) => forms.get("other").cloned().unwrap_or_default(),
        text => text.clone(),
    };
    let whole = whole.as_str().unwrap_or_default().to_owned();
    whole.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

fn strings(language: &str) -> Map<String, Value> {
    let path = console().join(format!("lang/{language}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn scripts() -> Vec<PathBuf> {
    files(&console()).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "js")).collect()
}

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/console")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
