//! A suite, run: the document that every suite's report is, its shards, and how shards are joined again.
//!
//! What a case of a suite comes to is the suite's own ([`verify`](super::verify)); this is what they have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Suite;

/// A suite that was run, or a shard of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteReport<C> {
    /// Version of this shape: an added field is no new one, a changed one is.
    pub version: u32,
    /// Which suite.
    pub suite: Suite,
    /// Version of mitmlab.
    pub mitmlab: String,
    /// SHA-256 over the names and texts of all cases that were chosen, before they were split into shards; hex.
    pub digest: String,
    /// How many those are.
    pub of: usize,
    /// The shard, if this is one.
    pub shard: Option<Shard>,
    /// What was put to the test: program and arguments.
    pub command: Vec<String>,
    /// What was asked for besides, such as `trust`; shards of one suite agree in it.
    pub settings: BTreeMap<String, String>,
    /// The cases, by name.
    pub cases: Vec<C>,
    /// Milliseconds that it took; of shards, the sum.
    pub ms: u64,
}

/// One of several equal parts of a suite: `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

/// A case of a suite's report.
pub trait SuiteCase {
    /// Its name.
    fn name(&self) -> &str;
}

/// Why shards cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("no shard was given")]
    Nothing,
    /// It is a whole report.
    #[error("`{0}` is no shard but a whole report")]
    Whole(String),
    /// Two shards are not of one run.
    #[error("`{first}` and `{second}` are not shards of one suite: their {what} differ ({one}; {other})")]
    Different {
        /// A file.
        first: String,
        /// Another.
        second: String,
        /// In what they differ.
        what: &'static str,
        /// What the first has.
        one: String,
        /// What the second has.
        other: String,
    },
    /// The same shard twice.
    #[error("shard {shard} is there twice: `{first}` and `{second}`")]
    Twice {
        /// Which.
        shard: Shard,
        /// A file.
        first: String,
        /// Another.
        second: String,
    },
    /// A case in two shards.
    #[error("the case `{0}` is in two shards: they overlap")]
    Overlap(String),
    /// Some are missing.
    #[error("shards are missing: {0}")]
    Missing(String),
    /// All shards are there, and not all cases.
    #[error("{found} of {of} cases are there: a shard is not complete")]
    Incomplete {
        /// How many are there.
        found: usize,
        /// How many there should be.
        of: usize,
    },
}

/// Joins the shards of one run of a suite; each with the file that it came from, for messages.
///
/// # Errors
/// Shards of different suites, versions, cases, commands or settings; missing ones; overlapping ones.
pub fn merge<C: SuiteCase>(shards: Vec<(String, SuiteReport<C>)>) -> Result<SuiteReport<C>, MergeError> {
    let mut files: BTreeMap<Shard, String> = BTreeMap::new();
    let mut shards = shards.into_iter();
    let (first, mut whole) = shards.next().ok_or(MergeError::Nothing)?;
    let shard = whole.shard.take().ok_or_else(|| MergeError::Whole(first.clone()))?;
    files.insert(shard, first.clone());
    for (file, mut next) in shards {
        let number = next.shard.take().ok_or_else(|| MergeError::Whole(file.clone()))?;
        same_run(&whole, &next, shard.of, number.of).map_err(|(what, one, other)| MergeError::Different {
            first: first.clone(),
            second: file.clone(),
            what,
            one,
            other,
        })?;
        if let Some(before) = files.insert(number, file.clone()) {
            return Err(MergeError::Twice { shard: number, first: before, second: file });
        }
        whole.cases.append(&mut next.cases);
        whole.ms += next.ms;
    }
    let missing: Vec<String> = (1..=shard.of)
        .map(|number| Shard { number, of: shard.of })
        .filter(|s| !files.contains_key(s))
        .map(|s| s.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing.join(", ")));
    }
    whole.cases.sort_by(|a, b| a.name().cmp(b.name()));
    let mut seen = BTreeSet::new();
    if let Some(twice) = whole.cases.iter().find(|case| !seen.insert(case.name())) {
        return Err(MergeError::Overlap(twice.name().to_owned()));
    }
    match whole.cases.len() == whole.of {
        true => Ok(whole),
        false => Err(MergeError::Incomplete { found: whole.cases.len(), of: whole.of }),
    }
}

/// In what two shards differ, if they are not of one run.
fn same_run<C>(a: &SuiteReport<C>, b: &SuiteReport<C>, a_of: usize, b_of: usize) -> Result<(), (&'static str, String, String)> {
    let settings =
        |report: &SuiteReport<C>| report.settings.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>().join(", ");
    let facts = [
        ("suites", a.suite.to_string(), b.suite.to_string()),
        ("shapes", a.version.to_string(), b.version.to_string()),
        ("versions of mitmlab", a.mitmlab.clone(), b.mitmlab.clone()),
        ("cases", format!("{} of digest {}", a.of, head(&a.digest)), format!("{} of digest {}", b.of, head(&b.digest))),
        ("commands", a.command.join(" "), b.command.join(" ")),
        ("settings", settings(a), settings(b)),
        ("numbers of shards", a_of.to_string(), b_of.to_string()),
    ];
    facts.into_iter().find(|(_, one, other)| one != other).map_or(Ok(()), Err)
}

fn head(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

impl Shard {
    /// True if the case at this place of the sorted suite belongs to it.
    pub fn has(self, place: usize) -> bool {
        place % self.of == self.number - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no shard: `2/8` is the second of eight");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self { number: number.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if shard.number == 0 || shard.number > shard.of { Err(wrong()) } else { Ok(shard) }
    }
}

/// Version of [`SuiteReport`].
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl SuiteCase for String {
        fn name(&self) -> &str {
            self
        }
    }

    fn shard(number: usize, of: usize, all: &[String]) -> (String, SuiteReport<String>) {
        let own = Shard { number, of };
        let report = SuiteReport {
            version: VERSION,
            suite: Suite::Verify,
            mitmlab: "0.1.0".to_owned(),
            digest: "d".to_owned(),
            of: all.len(),
            shard: Some(own),
            command: vec!["curl".to_owned()],
            settings: BTreeMap::new(),
            cases: all.iter().enumerate().filter(|(place, _)| own.has(*place)).map(|(_, c)| c.clone()).collect(),
            ms: 10,
        };
        (format!("{number}.json"), report)
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("case-{n:02}")).collect()
    }

    proptest! {
        #[test]
        fn shards_of_any_number_make_the_whole_again(cases in 0usize..30, of in 1usize..9, turn in 0usize..9) {
            let all = names(cases);
            let mut shards: Vec<_> = (1..=of).map(|n| shard(n, of, &all)).collect();
            shards.rotate_left(turn % of);
            let whole = merge(shards).expect("they fit");
            prop_assert_eq!((whole.cases, whole.ms, whole.shard), (all, 10 * of as u64, None));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let all = names(7);
        let s = |n| shard(n, 3, &all);
        let changed = |change: fn(&mut SuiteReport<String>)| {
            let mut other = s(2);
            change(&mut other.1);
            merge(vec![s(1), other, s(3)]).expect_err("refused").to_string()
        };
        assert_eq!(merge::<String>(vec![]), Err(MergeError::Nothing));
        assert_eq!(merge(vec![s(1), s(3)]), Err(MergeError::Missing("2/3".to_owned())));
        assert!(matches!(merge(vec![s(1), s(2), s(2)]), Err(MergeError::Twice { .. })));
        assert!(changed(|r| r.mitmlab = "0.2.0".to_owned()).contains("their versions of mitmlab differ (0.1.0; 0.2.0)"));
        assert!(changed(|r| r.digest = "e".to_owned()).contains("their cases differ"));
        assert!(changed(|r| r.suite = Suite::Score).contains("their suites differ"));
        assert!(changed(|r| r.command.push("-k".to_owned())).contains("their commands differ"));
        assert!(changed(|r| r.shard = Some(Shard { number: 2, of: 4 })).contains("their numbers of shards differ"));
        assert!(changed(|r| r.shard = None).contains("is no shard but a whole report"));
        assert!(changed(|r| r.cases.push("case-00".to_owned())).contains("`case-00` is in two shards"));
        assert!(changed(|r| drop(r.cases.pop())).contains("6 of 7 cases"));
    }

    #[test]
    fn shards_are_written_as_fractions() {
        assert_eq!("2/8".parse(), Ok(Shard { number: 2, of: 8 }));
        for wrong in ["", "2", "0/8", "9/8", "a/b", "1/0", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
