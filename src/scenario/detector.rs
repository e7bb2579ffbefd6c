//! A detector: a program that says what it found, and how that is read.

use serde::{Deserialize, Serialize};

/// A detector: a program that says what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detector {
    /// Program and arguments.
    pub run: Vec<String>,
    /// How its finding is read.
    pub voice: Voice,
}

/// How a detector's finding is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// What is looked for.
    pub says: Says,
    /// Where.
    #[serde(default)]
    pub from: From,
    /// Its words, and ours for them. Empty: its words are taken as they are. Else a word that is not here is an error.
    #[serde(default)]
    pub words: Vec<(String, String)>,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// JSON pointer (RFC 6901).
    Json(String),
    /// The first line that matches; the first group is the finding.
    Line(String),
    /// Exit code to finding.
    Exit(Vec<(i32, String)>),
    /// The result of the JUnit test case of this name, `passed`, `failed`, `error` or `skipped`; without a name the worst of all.
    Junit(String),
    /// The last line that is not empty is the finding, and one word.
    Word,
}

/// Where a finding is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// In standard output.
    #[default]
    Stdout,
    /// In the file that stands for `{out}` in its arguments.
    File,
}

impl Voice {
    /// From standard output, in its own words.
    pub fn of(says: Says) -> Self {
        Self { says, from: From::Stdout, words: Vec::new() }
    }

    /// Reads the short form of a command line: `word`, `exit:0=clean,1=state-box`, `json:/finding`, `line:REGEX`, `junit:NAME`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (how, rest) = text.split_once(':').unwrap_or((text, ""));
        let says = match how {
            "word" if rest.is_empty() => Says::Word,
            "json" if rest.starts_with('/') => Says::Json(rest.to_owned()),
            "line" if !rest.is_empty() => Says::Line(rest.to_owned()),
            "junit" => Says::Junit(rest.to_owned()),
            "exit" => Says::Exit(exits(rest)?),
            _ => {
                return Err(format!(
                    "`{text}` is no way of speaking: one of `word`, `exit:0=clean,1=state-box`, `json:/finding`, `line:REGEX`, `junit:NAME`"
                ));
            }
        };
        Ok(Self::of(says))
    }
}

fn exits(text: &str) -> Result<Vec<(i32, String)>, String> {
    let one = |pair: &str| {
        let (code, finding) = pair.split_once('=')?;
        Some((code.trim().parse().ok()?, finding.trim().to_owned()))
    };
    let read = |pair| one(pair).ok_or_else(|| format!("`{pair}` is no exit code with its meaning: `1=state-box`"));
    text.split(',').map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_speaking_are_read_from_a_word() {
        let says = |text| Voice::parse(text).map(|voice| voice.says);
        assert_eq!(says("word"), Ok(Says::Word));
        assert_eq!(says("json:/a/b:c"), Ok(Says::Json("/a/b:c".to_owned())));
        assert_eq!(says("exit:0=clean, 1=state-box"), Ok(Says::Exit(vec![(0, "clean".into()), (1, "state-box".into())])));
        assert_eq!(says("line:^x: (.*)$"), Ok(Says::Line("^x: (.*)$".to_owned())));
        assert_eq!(says("junit"), Ok(Says::Junit(String::new())));
        for wrong in ["", "json:finding", "exit:", "exit:one=clean", "line:", "words", "word:x"] {
            assert!(says(wrong).is_err(), "{wrong}");
        }
    }
}
