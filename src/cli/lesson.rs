//! `mitmlab lesson`: list, show, check, and one to start from.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::print;
use crate::error::{AS_EXPECTED, Error, USAGE};
use crate::workshop::lesson::{self, Lesson, Lessons};

/// `mitmlab lesson`
#[derive(Debug, Subcommand)]
pub enum LessonCommand {
    /// The lessons that are built in
    List {
        /// Language of the titles: en, ru, kk
        #[arg(long, default_value = "en")]
        lang: String,
        /// Machine-readable
        #[arg(long)]
        json: bool,
    },
    /// Print a lesson's file
    Show {
        /// Name
        name: String,
        /// Language
        #[arg(long, default_value = "en")]
        lang: String,
    },
    /// Check lesson files: every mistake with its line; a translation (`my.ru.md`) against the original beside it
    Check {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write a lesson to start from
    New {
        /// Its name; the file is NAME.md in this folder
        name: String,
    },
}

/// Runs one of the subcommands.
pub(super) fn lesson(command: &LessonCommand) -> Result<u8, Error> {
    match command {
        LessonCommand::List { lang, json } => list(lang, *json)?,
        LessonCommand::Show { name, lang } => {
            let text = lesson::text(name, lang);
            let unknown = || Error::Usage(format!("no built-in lesson `{name}`\nhint: `mitmlab lesson list` names them all"));
            print::out(text.ok_or_else(unknown)?)?;
        }
        LessonCommand::Check { files } => return check(files),
        LessonCommand::New { name } => begin(name)?,
    }
    Ok(AS_EXPECTED)
}

fn list(lang: &str, json: bool) -> Result<(), Error> {
    let lessons = Lessons::built_in().map_err(|e| Error::Bug(e.to_string()))?;
    let all = lessons.in_language(lang);
    if json {
        let entry = |lesson: &&Lesson| {
            let front = &lesson.front;
            serde_json::json!({
                "name": lesson.name, "title": front.title, "goal": front.goal, "minutes": front.minutes,
                "scenario": front.scenario, "languages": lessons.languages(&lesson.name),
            })
        };
        return print::line(format_args!("{:#}", all.iter().map(entry).collect::<serde_json::Value>()));
    }
    let width = all.iter().map(|lesson| lesson.name.len()).max().unwrap_or(0);
    all.iter().try_for_each(|lesson| {
        print::line(format_args!("{:width$}  {:>3} min  {}", lesson.name, lesson.front.minutes, lesson.front.title))
    })
}

fn check(files: &[PathBuf]) -> Result<u8, Error> {
    let mut wrong = 0;
    for file in files {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|e| Error::Usage(format!("cannot read `{}`: {e}", file.display())))?;
        let read = lesson::read(&file.display().to_string(), &text);
        let mistakes = read.map_or_else(|first| vec![first], |lesson| lesson::check(&lesson, original(file, &lesson).as_ref()));
        match mistakes.is_empty() {
            true => print::line(format_args!("{}: sound", file.display()))?,
            false => mistakes.iter().for_each(|mistake| print::err(format_args!("{mistake}"))),
        }
        wrong += mistakes.len();
    }
    Ok(if wrong == 0 { AS_EXPECTED } else { USAGE })
}

/// The lesson of which this is a translation, if it lies beside it: `my.md` beside `my.ru.md`. Its own mistakes are told where it is named.
fn original(file: &Path, lesson: &Lesson) -> Option<Lesson> {
    let other = file.with_file_name(format!("{}.md", lesson.name));
    if lesson.lang == "en" || other == *file {
        return None;
    }
    lesson::read(&other.display().to_string(), &std::fs::read_to_string(&other).ok()?).ok()
}

fn begin(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::Usage(format!("`{name}` is no name of a lesson: small letters, digits and hyphens")));
    }
    let file = format!("{name}.md");
    let opened = OpenOptions::new().write(true).create_new(true).open(&file); // what is there is not overwritten
    let written = opened.and_then(|mut opened| opened.write_all(lesson::NEW.as_bytes()));
    written.map_err(|e| Error::Usage(format!("cannot write `{file}`: {e}")))?;
    print::line(format_args!("{file}: edit it, then `mitmlab lesson check {file}` and `mitmlab workshop {file}`"))
}
