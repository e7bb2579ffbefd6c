//! Sentences in the languages of a workshop, from files that a translator can edit: `lab/workshop/words/`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The sentences of one language. What it does not say, English does.
#[derive(Clone, Copy)]
pub(super) struct Words {
    lang: &'static str,
    own: &'static BTreeMap<String, String>,
    english: &'static BTreeMap<String, String>,
}

impl Words {
    /// Those of a language, such as `ru` or `ru-KZ`; English if there is none.
    pub(super) fn of(lang: Option<&str>) -> Self {
        let wanted = lang.unwrap_or_default().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let own = ALL.iter().find(|(lang, _)| *lang == wanted).unwrap_or(&ALL[0]);
        Self { lang: own.0, own: &own.1, english: &ALL[0].1 }
    }

    /// Which language it is.
    pub(super) fn lang(self) -> &'static str {
        self.lang
    }

    /// True if there is such a sentence.
    pub(super) fn knows(self, key: &str) -> bool {
        self.english.contains_key(key)
    }

    /// What the language itself says, and English does not stand in for.
    pub(super) fn own(self, key: &str) -> Option<&'static str> {
        self.own.get(key).map(String::as_str)
    }

    /// A sentence with its braces filled in.
    pub(super) fn say(self, key: &str, filled: &[(&str, &str)]) -> String {
        let text = self.own.get(key).or_else(|| self.english.get(key)).map_or(key, String::as_str);
        let mut said = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            said.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            let name = rest[1..end].trim_end_matches('}');
            match filled.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => said.push_str(value),
                None => said.push_str(&rest[..end]),
            }
            rest = &rest[end..];
        }
        said.push_str(rest);
        said
    }

    /// The first of these sentences that there is.
    pub(super) fn first(self, keys: &[&str], filled: &[(&str, &str)]) -> String {
        let key = keys.iter().find(|key| self.knows(key)).copied().unwrap_or_default();
        self.say(key, filled)
    }
}

type Language = (&'static str, BTreeMap<String, String>);

/// English first.
static ALL: LazyLock<Vec<Language>> =
    LazyLock::new(|| FILES.iter().map(|(lang, text)| (*lang, toml::from_str(text).unwrap_or_default())).collect());

const FILES: &[(&str, &str)] = &[
    ("en", include_str!("../../lab/workshop/words/en.toml")),
    ("ru", include_str!("../../lab/workshop/words/ru.toml")),
    ("kk", include_str!("../../lab/workshop/words/kk.toml")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn braces(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }

    #[test]
    fn every_language_says_what_english_says() {
        assert!(ALL[0].1.len() > 50);
        for (lang, own) in ALL.iter().skip(1) {
            assert!(!own.is_empty(), "{lang} is no TOML of sentences");
            for (key, text) in own.iter().filter(|(key, _)| !key.starts_with("phase.")) {
                let english = ALL[0].1.get(key).unwrap_or_else(|| panic!("{lang}: `{key}` is in no English file"));
                assert_eq!(braces(text), braces(english), "{lang}: {key}");
            }
        }
        for (lang, own) in ALL.iter().skip(1) {
            let missing: Vec<_> = ALL[0].1.keys().filter(|key| !own.contains_key(*key)).collect();
            assert!(missing.is_empty(), "not in {lang}: {missing:?}");
        }
    }

    #[test]
    fn phases_that_are_translated_exist_and_say_something_in_english() {
        let profiles: Vec<&str> = crate::forge::profiles().iter().map(|profile| profile.name).collect();
        for (lang, own) in ALL.iter().skip(1) {
            for key in own.keys().filter_map(|key| key.strip_prefix("phase.")) {
                let (scenario, phase) = key.split_once('.').expect("a scenario and a phase");
                let plan = crate::scenario::load(scenario, &profiles).expect("a scenario");
                let about = plan.phase_named(phase).map(|at| plan.phases[at].about.clone());
                assert!(about.is_some_and(|about| !about.is_empty()), "{lang}: {key}");
            }
        }
    }

    #[test]
    fn braces_are_filled_in_once() {
        let words = Words::of(Some("en-GB"));
        assert_eq!(words.say("open", &[("client", "{host}"), ("host", "x")]), "{host} talks to x.");
        assert_eq!(Words::of(Some("tlh")).lang(), "en");
    }
}
