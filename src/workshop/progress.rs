//! What a participant has done: the place in a lesson, and the answers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::lesson::Lessons;

/// A participant's way through the lessons.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) lesson: Option<String>,
    pub(super) step: usize,
    lessons: BTreeMap<String, Done>,
}

/// One lesson of it.
#[derive(Clone, Debug, Default)]
struct Done {
    step: usize,
    answers: BTreeMap<String, Answered>,
}

/// An answer that was given, the last one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answered {
    pub(super) right: bool,
    pub(super) tries: u32,
    pub(super) answer: Value,
}

/// For the console.
#[derive(Serialize)]
pub(super) struct ProgressView {
    lesson: Option<String>,
    step: usize,
    lessons: BTreeMap<String, DoneView>,
}

#[derive(Serialize)]
struct DoneView {
    step: usize,
    right: usize,
    questions: usize,
    done: bool,
}

impl Progress {
    /// Goes to a step of a lesson.
    pub(super) fn go(&mut self, lesson: &str, step: usize) {
        (self.lesson, self.step) = (Some(lesson.to_owned()), step);
        self.lessons.entry(lesson.to_owned()).or_default().step = step;
    }

    /// Keeps an answer. One that was right stays right.
    pub(super) fn answer(&mut self, lesson: &str, question: &str, right: bool, answer: Value) -> u32 {
        let done = self.lessons.entry(lesson.to_owned()).or_default();
        let kept = done.answers.entry(question.to_owned()).or_insert(Answered { right: false, tries: 0, answer: Value::Null });
        kept.tries = kept.tries.saturating_add(1);
        if right || !kept.right {
            (kept.right, kept.answer) = (right, answer);
        }
        kept.tries
    }

    /// What was answered to a question.
    pub(super) fn answered(&self, lesson: &str, question: &str) -> Option<&Answered> {
        self.lessons.get(lesson)?.answers.get(question)
    }

    /// Questions of a lesson that were answered right, and tries in all.
    pub(super) fn counts(&self, lesson: &str) -> (usize, u32) {
        let answers = self.lessons.get(lesson).map(|done| &done.answers);
        let all = || answers.into_iter().flat_map(BTreeMap::values);
        (all().filter(|answered| answered.right).count(), all().map(|answered| answered.tries).sum())
    }

    /// Every answer: lesson, question, answer.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&str, &str, &Answered)> {
        self.lessons.iter().flat_map(|(lesson, done)| {
            done.answers.iter().map(move |(question, answered)| (lesson.as_str(), question.as_str(), answered))
        })
    }

    pub(super) fn view(&self, lessons: &Lessons) -> ProgressView {
        let of = |(name, done): (&String, &Done)| {
            let questions = lessons.get(name, "en").map_or(0, |lesson| lesson.questions().count());
            let right = self.counts(name).0;
            (name.clone(), DoneView { step: done.step, right, questions, done: questions > 0 && right >= questions })
        };
        ProgressView { lesson: self.lesson.clone(), step: self.step, lessons: self.lessons.iter().map(of).collect() }
    }
}
