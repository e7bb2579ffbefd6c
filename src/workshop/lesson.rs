//! Lessons: Markdown with a front matter in TOML. A lesson is a scenario plus text, and questions that the lab's own record answers.
//!
//! ````text
//! +++                        front matter: title, goal, minutes, scenario ...
//! +++
//! ## A step                  each second-level heading begins one
//! Text.
//! ```do                      a button: start a client, enter a phase, open a view
//! ```question                what is asked, and how the answer is checked
//! ```hint                    a hint for the step
//! ```trainer                 for the trainer's eyes
//! ````

mod check;
mod html;
mod library;
mod question;
mod read;

use serde::{Deserialize, Serialize};

pub use check::check;
pub(super) use html::html;
pub use library::{Lessons, NEW, text};
pub(super) use question::plain;
pub use question::{Filter, Kind, Question};
pub use read::read;

/// A lesson in one language.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Short name: the file name without language and ending.
    pub name: String,
    /// Language, `en` if the file name says none.
    pub lang: String,
    /// What stands at its top.
    pub front: Front,
    /// The steps.
    pub steps: Vec<Step>,
    /// For the trainer's eyes, Markdown.
    pub trainer: String,
    /// The file, for messages.
    pub file: String,
}

/// What stands at a lesson's top.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// Title.
    pub title: String,
    /// What one can do after it.
    pub goal: String,
    /// Minutes that it takes a group.
    pub minutes: u16,
    /// The scenario that it plays in.
    pub scenario: String,
    /// The phase in which its lab begins.
    pub phase: Option<String>,
    /// Whom it is for.
    #[serde(default)]
    pub level: Level,
    /// Where its facts come from.
    pub sources: Vec<String>,
}

/// Whom a lesson is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nobody needs to know anything.
    #[default]
    Everyone,
    /// Who writes programs.
    Engineers,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its heading.
    pub title: String,
    /// Its text, Markdown.
    pub text: String,
    /// Buttons.
    pub todo: Vec<(usize, Do)>,
    /// Questions.
    pub questions: Vec<(usize, Question)>,
    /// Hints, Markdown.
    pub hints: Vec<String>,
    /// Line of its heading.
    pub line: usize,
}

/// Something to do, as a button.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Do {
    /// Start a client.
    Client {
        /// Which.
        client: String,
        /// What became of the root on its device.
        #[serde(default)]
        trust: super::bench::Switch,
        /// What it opens.
        host: Option<String>,
        /// What the button says.
        title: String,
    },
    /// Enter a phase.
    Phase {
        /// Which.
        phase: String,
        /// What the button says.
        title: String,
    },
    /// Move the clock.
    Clock {
        /// To when, RFC 3339.
        at: String,
        /// What the button says.
        title: String,
    },
    /// Open a view of the console.
    Open {
        /// Which.
        view: View,
        /// What the button says.
        title: String,
    },
}

/// A view of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// The picture.
    Network,
    /// The list.
    Connections,
    /// The days of the campaign.
    Timeline,
    /// The bench.
    Clients,
    /// The table.
    Verdicts,
}

/// What is wrong with a lesson, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {told}")]
pub struct LessonError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, with the next step.
    pub told: String,
}

impl Lesson {
    /// Every question, in its order.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.steps.iter().flat_map(|step| step.questions.iter().map(|(_, question)| question))
    }
}
