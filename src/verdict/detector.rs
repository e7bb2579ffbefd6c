//! Reading what a detector found, and grading it against the ground truth.
//!
//! A finding that cannot be read is an error, never a pass. A grade needs no vocabulary: a detector *noticed* if
//! what it says in the test leg is not what it says in the control leg.

use thiserror::Error;

use super::reaction::{Hindrance, hindrance};
use super::{CheckResult, Grade, LegTruth};
use crate::scenario::detector::From;
use crate::scenario::{Detector, Says, Voice};

mod junit;

/// Why a detector's finding cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It did not run.
    #[error("the detector could not be started: {0}")]
    NotStarted(String),
    /// It was ended.
    #[error("the detector was ended before it exited: raise the check's deadline, or see why it hangs")]
    Ended,
    /// Its exit code is not among the known ones.
    #[error("exit code {exit} is not in the detector's `exit` table: add it there if it is a finding")]
    UnknownExit {
        /// The code.
        exit: i32,
    },
    /// Its output is not JSON.
    #[error("standard output is not JSON ({why}): it begins with `{head}`")]
    NotJson {
        /// The parser's words.
        why: String,
        /// The output's beginning.
        head: String,
    },
    /// The pointer leads nowhere.
    #[error("standard output has nothing at the JSON pointer `{pointer}`")]
    NothingThere {
        /// The pointer (RFC 6901).
        pointer: String,
    },
    /// The pointer leads to a list or an object.
    #[error("`{pointer}` in standard output is no text, number, `true`, `false` or `null`")]
    NoScalar {
        /// The pointer (RFC 6901).
        pointer: String,
    },
    /// The expression is malformed.
    #[error("the expression `{pattern}` cannot be used: {why}")]
    BadPattern {
        /// The expression.
        pattern: String,
        /// The engine's words.
        why: String,
    },
    /// No line matches.
    #[error("no line of standard output matches `{pattern}`")]
    NoLine {
        /// The expression.
        pattern: String,
    },
    /// There is no line, or its last one holds more than a word.
    #[error("the last line of standard output is not one word: it begins with `{head}`")]
    NoWord {
        /// The line's beginning.
        head: String,
    },
    /// It wrote no file.
    #[error("the detector wrote nothing into the file that stands for `{{out}}`")]
    NoFile,
    /// The output is not JUnit XML, or has no such test case.
    #[error("no JUnit result: {0}")]
    NoJunit(String),
    /// It said a word that is not among the known ones.
    #[error("the detector says `{word}`, which is not in the table of its words: add it there if it is a finding")]
    UnknownWord {
        /// The word.
        word: String,
    },
}

/// The finding of a detector in one leg. The text in which it is looked for stands in `stdout_head`, wherever it was written.
pub fn read(voice: &Voice, leg: &LegTruth) -> Result<String, Unreadable> {
    if let Some(why) = &leg.not_started {
        return Err(Unreadable::NotStarted(why.clone()));
    }
    let said = match &voice.says {
        Says::Json(pointer) => json(pointer, &leg.stdout_head),
        Says::Line(pattern) => line(pattern, &leg.stdout_head),
        Says::Junit(case) => junit::result(case, &leg.stdout_head),
        Says::Word => word(&leg.stdout_head),
        Says::Exit(table) => {
            let exit = leg.exit.ok_or(Unreadable::Ended)?;
            let known = table.iter().find(|(code, _)| *code == exit);
            known.map(|(_, finding)| finding.clone()).ok_or(Unreadable::UnknownExit { exit })
        }
    };
    match (said, voice.from) {
        (Err(_), From::File) if leg.stdout_head.is_empty() => Err(Unreadable::NoFile),
        (said, _) => in_our_words(said?, &voice.words),
    }
}

/// Our word for the detector's, if a table says so; a word that is not in the table means nothing.
fn in_our_words(said: String, words: &[(String, String)]) -> Result<String, Unreadable> {
    if words.is_empty() {
        return Ok(said);
    }
    let known = words.iter().find(|(theirs, _)| *theirs == said);
    known.map(|(_, ours)| ours.clone()).ok_or(Unreadable::UnknownWord { word: said })
}

/// Grades a detector: did it notice what was, and keep quiet where nothing was? None without a control leg to compare
/// with, without a readable finding in both legs, if no target was contacted, or if the box hindered it: that is neither.
pub fn grade(detector: &Detector, judged: &CheckResult) -> Option<Grade> {
    let (control, test) = (judged.control.as_ref()?, judged.test.as_ref()?);
    let noticed = read(&detector.voice, control).ok()? != read(&detector.voice, test).ok()?;
    let rests_on = |id| judged.targets.iter().any(|t| t.evidence.contains(id));
    let evidence: Vec<_> = test.connections.iter().filter(|c| rests_on(&c.id)).collect();
    if evidence.is_empty() || evidence.iter().any(|c| hindrance(c) != Hindrance::None) {
        return None;
    }
    let forged = evidence.iter().any(|c| c.intercepted() || c.forged_by.is_some());
    Some(match (forged, noticed) {
        (true, true) => Grade::TruePositive,
        (true, false) => Grade::FalseNegative,
        (false, true) => Grade::FalsePositive,
        (false, false) => Grade::TrueNegative,
    })
}

fn json(pointer: &str, stdout: &str) -> Result<String, Unreadable> {
    let document: serde_json::Value = serde_json::from_str(stdout.trim())
        .map_err(|e| Unreadable::NotJson { why: e.to_string(), head: stdout.trim().chars().take(HEAD).collect() })?;
    let there = document.pointer(pointer).ok_or_else(|| Unreadable::NothingThere { pointer: pointer.to_owned() })?;
    match there {
        serde_json::Value::String(text) => Ok(text.clone()),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Err(Unreadable::NoScalar { pointer: pointer.to_owned() }),
        scalar => Ok(scalar.to_string()),
    }
}

fn line(pattern: &str, stdout: &str) -> Result<String, Unreadable> {
    let bad = |e: regex_lite::Error| Unreadable::BadPattern { pattern: pattern.to_owned(), why: e.to_string() };
    let expression = regex_lite::Regex::new(pattern).map_err(bad)?;
    let found = stdout.lines().find_map(|line| expression.captures(line));
    let found = found.ok_or_else(|| Unreadable::NoLine { pattern: pattern.to_owned() })?;
    Ok(found.get(1).or_else(|| found.get(0)).map(|m| m.as_str().to_owned()).unwrap_or_default())
}

fn word(stdout: &str) -> Result<String, Unreadable> {
    let last = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if last.is_empty() || last.contains(char::is_whitespace) {
        return Err(Unreadable::NoWord { head: last.chars().take(HEAD).collect() });
    }
    Ok(last.to_owned())
}

/// Characters of an unreadable output that an error quotes.
const HEAD: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::leg;

    fn said(stdout: &str) -> LegTruth {
        LegTruth { stdout_head: stdout.to_owned(), ..leg(Vec::new()) }
    }

    fn read(says: &Says, leg: &LegTruth) -> Result<String, Unreadable> {
        super::read(&Voice::of(says.clone()), leg)
    }

    #[test]
    fn findings_are_read_in_three_ways() {
        let json = Says::Json("/finding/0".to_owned());
        assert_eq!(read(&json, &said("{\"finding\":[\"intercepted\"]}\n")), Ok("intercepted".to_owned()));
        assert_eq!(read(&json, &said("{\"finding\":[false]}")), Ok("false".to_owned()));
        let line = Says::Line("^chain: (OK|FAILED)".to_owned());
        assert_eq!(read(&line, &said("hello\nchain: FAILED - not trusted\n")), Ok("FAILED".to_owned()));
        let exit = Says::Exit(vec![(0, "clean".to_owned()), (1, "intercepted".to_owned())]);
        assert_eq!(read(&exit, &LegTruth { exit: Some(1), ..said("") }), Ok("intercepted".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let json = Says::Json("/finding".to_owned());
        assert!(matches!(read(&json, &said("")), Err(Unreadable::NotJson { .. })));
        assert!(matches!(read(&json, &said("{}")), Err(Unreadable::NothingThere { .. })));
        assert!(matches!(read(&json, &said("{\"finding\":{}}")), Err(Unreadable::NoScalar { .. })));
        assert!(matches!(read(&Says::Line("(".to_owned()), &said("x")), Err(Unreadable::BadPattern { .. })));
        assert!(matches!(read(&Says::Line("y".to_owned()), &said("x")), Err(Unreadable::NoLine { .. })));
        let exit = Says::Exit(vec![(0, "clean".to_owned())]);
        assert_eq!(read(&exit, &LegTruth { exit: Some(7), ..said("") }), Err(Unreadable::UnknownExit { exit: 7 }));
        assert_eq!(read(&exit, &LegTruth { exit: None, ..said("") }), Err(Unreadable::Ended));
    }

    #[test]
    fn the_last_word_counts_if_it_is_one() {
        assert_eq!(read(&Says::Word, &said("looking ...\n state-box \n\n")), Ok("state-box".to_owned()));
        assert!(matches!(read(&Says::Word, &said("state-box\nwell, perhaps\n")), Err(Unreadable::NoWord { .. })));
        assert!(matches!(read(&Says::Word, &said(" \n")), Err(Unreadable::NoWord { .. })));
    }

    #[test]
    fn a_table_of_words_is_exhaustive() {
        let voice = Voice { words: vec![("HIGH".into(), "state-box".into())], ..Voice::of(Says::Word) };
        assert_eq!(super::read(&voice, &said("HIGH")), Ok("state-box".to_owned()));
        assert_eq!(super::read(&voice, &said("LOW")), Err(Unreadable::UnknownWord { word: "LOW".to_owned() }));
    }

    #[test]
    fn an_empty_file_is_told_apart_from_an_empty_output() {
        let voice = Voice { from: From::File, ..Voice::of(Says::Word) };
        assert_eq!(super::read(&voice, &said("")), Err(Unreadable::NoFile));
        assert_eq!(super::read(&voice, &said("clean\n")), Ok("clean".to_owned()));
    }
}
