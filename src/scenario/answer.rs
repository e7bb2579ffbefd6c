//! What can be the matter with a connection, and what a detector can say of it.
//!
//! Only a state's box counts as interception: a company's gateway, a scanner on the machine and a hotel's portal change certificates
//! too, but nobody is to be alarmed by them. A detector that cannot tell them apart is wrong there, and its scorecard says so.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Truth;

/// What a detector says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// A class.
    Named(Truth),
    /// Intercepted, without a word about by whom.
    Intercepted,
    /// It cannot tell.
    NotSure,
}

impl Truth {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::StateBox,
        Self::Corporate,
        Self::Antivirus,
        Self::Parental,
        Self::CaptivePortal,
        Self::GenuineChange,
        Self::BrokenSite,
        Self::Blocked,
        Self::Clean,
    ];

    /// The one bit that an alarm is: a state's box, or not.
    pub fn is_interception(self) -> bool {
        self == Self::StateBox
    }
}

impl Answer {
    /// All of them, in the order of tables.
    pub fn all() -> impl Iterator<Item = Self> {
        Truth::ALL.into_iter().map(Self::Named).chain([Self::Intercepted, Self::NotSure])
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Named(class) => class.as_str(),
            Self::Intercepted => "intercepted",
            Self::NotSure => "not-sure",
        }
    }

    /// The one bit that an alarm is.
    pub fn is_alarm(self) -> bool {
        match self {
            Self::Named(class) => class.is_interception(),
            Self::Intercepted => true,
            Self::NotSure => false,
        }
    }

    /// It names the class, as far as it names any.
    pub fn is_right_for(self, truth: Truth) -> bool {
        match self {
            Self::Named(class) => class == truth,
            Self::Intercepted => truth.is_interception(),
            Self::NotSure => false,
        }
    }
}

/// No such word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of {words}", words = words())]
pub struct UnknownWord(pub String);

impl FromStr for Answer {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::all().find(|answer| answer.as_str() == word).ok_or_else(|| UnknownWord(word.to_owned()))
    }
}

impl FromStr for Truth {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|class| class.as_str() == word).ok_or_else(|| UnknownWord(word.to_owned()))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Answer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Answer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Answer".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<_> = Self::all().map(Self::as_str).collect();
        schemars::json_schema!({ "enum": words, "description": "What a detector says." })
    }
}

fn words() -> String {
    Answer::all().map(|answer| format!("`{answer}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for answer in Answer::all() {
            assert_eq!(answer.as_str().parse(), Ok(answer));
        }
        assert!("State-Box".parse::<Answer>().is_err());
        assert!("intercepted".parse::<Truth>().is_err(), "no truth: by whom must be said");
    }

    #[test]
    fn an_alarm_is_right_about_a_box_only() {
        let right = |answer: Answer| Truth::ALL.into_iter().filter(|t| answer.is_right_for(*t)).collect::<Vec<_>>();
        assert_eq!(right(Answer::Intercepted), [Truth::StateBox]);
        assert_eq!(right(Answer::NotSure), []);
        assert!(Answer::all().filter(|a| a.is_alarm()).eq([Answer::Named(Truth::StateBox), Answer::Intercepted]));
    }
}
