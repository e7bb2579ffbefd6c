//! Name forms of a rule: exact `a.b`, suffix `.b`, wildcard `*.b`, substring `~b`.
//!
//! A suffix covers the name itself and everything below it, at label borders: `.mit.edu` is not `kermit.edu`. A wildcard
//! stands for exactly one label. A substring knows no borders, as the blunt boxes do that have blocked too much that way.

use std::collections::HashSet;

use crate::scenario::Matcher;
use crate::tls::hello::normalise;

/// The name lists of one rule, as sets.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    sni: Option<NameSet>,
    host: Option<NameSet>,
    name: Option<NameSet>,
}

/// Which of a rule's lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum List {
    Host,
    Name,
    Sni,
}

/// Patterns, sorted into sets by form.
#[derive(Clone, Debug, Default)]
struct NameSet {
    exact: HashSet<String>,
    suffixes: HashSet<String>,
    wildcards: HashSet<String>,
    substrings: Vec<String>,
}

/// One pattern, taken apart.
enum Form<'a> {
    Exact(&'a str),
    Substring(&'a str),
    Suffix(&'a str),
    Wildcard(&'a str),
}

impl Lists {
    pub(super) fn new(when: &Matcher) -> Self {
        let set = |list: &Option<Vec<String>>| list.as_deref().map(NameSet::new);
        Self { sni: set(&when.sni), host: set(&when.host), name: set(&when.name) }
    }

    fn set(&self, list: List) -> Option<&NameSet> {
        match list {
            List::Host => self.host.as_ref(),
            List::Name => self.name.as_ref(),
            List::Sni => self.sni.as_ref(),
        }
    }
}

/// True if a normal name is in a list of a rule: in its set, if there is one, else by looking through the patterns.
pub(super) fn holds(when: &Matcher, lists: Option<&Lists>, list: List, name: &str) -> bool {
    if let Some(set) = lists.and_then(|lists| lists.set(list)) {
        return set.holds(name);
    }
    let patterns = match list {
        List::Host => &when.host,
        List::Name => &when.name,
        List::Sni => &when.sni,
    };
    patterns.iter().flatten().any(|pattern| matches(pattern, name))
}

/// The name of a query as rules compare it.
pub(super) fn query(name: &str) -> String {
    normalise(name)
}

/// True if the pattern matches the normal name.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = normalise(pattern);
    match Form::of(&pattern) {
        Form::Exact(exact) => name == exact,
        Form::Substring(part) => name.contains(part),
        Form::Suffix(parent) => name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        Form::Wildcard(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
    }
}

impl<'a> Form<'a> {
    /// A bare `.`, `*.` or `~` names nothing in particular, and so matches nothing but itself.
    fn of(pattern: &'a str) -> Self {
        let some = |rest: &'a str| (!rest.is_empty()).then_some(rest);
        if let Some(parent) = pattern.strip_prefix("*.").and_then(some) {
            return Self::Wildcard(parent);
        }
        if let Some(parent) = pattern.strip_prefix('.').and_then(some) {
            return Self::Suffix(parent);
        }
        pattern.strip_prefix('~').and_then(some).map_or(Self::Exact(pattern), Self::Substring)
    }
}

impl NameSet {
    fn new(patterns: &[String]) -> Self {
        let mut set = Self::default();
        for pattern in patterns.iter().map(|p| normalise(p)) {
            match Form::of(&pattern) {
                Form::Exact(name) => drop(set.exact.insert(name.to_owned())),
                Form::Substring(part) => set.substrings.push(part.to_owned()),
                Form::Suffix(parent) => drop(set.suffixes.insert(parent.to_owned())),
                Form::Wildcard(parent) => drop(set.wildcards.insert(parent.to_owned())),
            }
        }
        set
    }

    fn holds(&self, name: &str) -> bool {
        self.exact.contains(name)
            || self.by_suffix(name)
            || self.by_wildcard(name)
            || self.substrings.iter().any(|s| name.contains(s))
    }

    /// The name itself, then what is left after each dot.
    fn by_suffix(&self, name: &str) -> bool {
        if self.suffixes.is_empty() {
            return false;
        }
        let parents = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
        std::iter::once(name).chain(parents).any(|parent| self.suffixes.contains(parent))
    }

    fn by_wildcard(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && self.wildcards.contains(rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(pattern: &str, name: &str) -> bool {
        let found = matches(pattern, name);
        assert_eq!(found, NameSet::new(&[pattern.to_owned()]).holds(name), "{pattern} {name}");
        found
    }

    #[test]
    fn exact_is_exact() {
        assert!(both("google.com", "google.com") && both("Google.COM.", "google.com"));
        assert!(!both("google.com", "www.google.com") && !both("google.com", "google.com.kz") && !both("google.com", ""));
    }

    #[test]
    fn a_suffix_ends_at_a_label() {
        assert!(both(".mit.edu", "mit.edu") && both(".mit.edu", "www.mit.edu") && both(".mit.edu", "a.b.mit.edu"));
        assert!(!both(".mit.edu", "kermit.edu") && !both(".mit.edu", "mit.edu.test") && !both(".mit.edu", "edu"));
    }

    #[test]
    fn a_wildcard_is_one_label() {
        assert!(both("*.mit.edu", "www.mit.edu"));
        assert!(!both("*.mit.edu", "mit.edu") && !both("*.mit.edu", "a.b.mit.edu") && !both("*.mit.edu", ".mit.edu"));
    }

    #[test]
    fn a_substring_is_a_trap() {
        assert!(both("~mit.edu", "mit.edu") && both("~mit.edu", "kermit.edu") && both("~t.co", "microsoft.com"));
        assert!(!both("~mit.edu", "mit.test"));
    }

    #[test]
    fn patterns_that_name_nothing_match_nothing() {
        for pattern in ["", ".", "*.", "~", "*"] {
            assert!(!both(pattern, "www.example.test"), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_set_holds_what_the_list_matches(
            patterns in prop::collection::vec("[.~*]{0,2}[ab.]{0,5}", 0..6),
            name in "[ab.]{0,8}",
        ) {
            prop_assert_eq!(NameSet::new(&patterns).holds(&name), patterns.iter().any(|p| matches(p, &name)));
        }
    }
}
