//! Lessons over HTTP: what there is, one of them, an answer checked, the place kept.

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bench::{self, Started, Told};
use super::lesson::{Kind, Lesson, Question, html};
use super::participants::{Participant, lock};
use super::people::{Joined, Seen};
use super::progress::ProgressView;
use super::relay;
use super::serve::App;
use super::story::of_leaf;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, InPath, Json};
use crate::control::words::Connections;
use crate::record::Connection;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    question: String,
    #[serde(default)]
    answer: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    lesson: String,
    step: usize,
}

pub(super) async fn list(State(app): State<App>, seen: Seen, Asked(told): Asked<Told>) -> Json<Value> {
    let words = Words::of(told.lang.as_deref());
    let lessons = &app.settings().lessons;
    let answered = |name: &str| seen.participant.as_ref().map_or(0, |p| lock(&p.progress).counts(name).0);
    let line = |lesson: &&Lesson| {
        let front = &lesson.front;
        json!({
            "name": lesson.name, "title": front.title, "goal": front.goal, "minutes": front.minutes, "scenario": front.scenario,
            "level": front.level, "languages": lessons.languages(&lesson.name), "steps": lesson.steps.len(),
            "questions": lesson.questions().count(), "answered": answered(&lesson.name),
        })
    };
    Json(json!({ "lessons": lessons.in_language(words.lang()).iter().map(line).collect::<Vec<_>>(), "lang": words.lang() }))
}

pub(super) async fn one(
    State(app): State<App>,
    seen: Seen,
    InPath(name): InPath<String>,
    Asked(told): Asked<Told>,
) -> Result<Json<Value>, Problem> {
    let lesson = find(&app, &name, Words::of(told.lang.as_deref()))?;
    let front = &lesson.front;
    let answered = |question: &Question| {
        let progress = seen.participant.as_ref().map(|participant| lock(&participant.progress));
        progress.and_then(|progress| progress.answered(&name, &question.id).cloned())
    };
    let question = |(_, question): &(usize, Question)| {
        json!({
            "id": question.id, "kind": question.kind(), "prompt_html": html(&question.ask), "choices": question.choices(),
            "hints": question.hints.len(), "answered": answered(question),
        })
    };
    let step = |step: &super::lesson::Step| {
        json!({
            "title": step.title, "html": html(&step.text), "do": step.todo.iter().map(|(_, todo)| todo).collect::<Vec<_>>(),
            "questions": step.questions.iter().map(question).collect::<Vec<_>>(),
            "hints": step.hints.iter().map(|hint| html(hint)).collect::<Vec<_>>(),
        })
    };
    let source = |text: &String| json!({ "text": text, "url": text.starts_with("https://").then(|| text.split(' ').next()) });
    Ok(Json(json!({
        "name": lesson.name, "title": front.title, "goal": front.goal, "minutes": front.minutes, "scenario": front.scenario,
        "phase": front.phase, "level": front.level, "lang": lesson.lang, "steps": lesson.steps.iter().map(step).collect::<Vec<_>>(),
        "sources": front.sources.iter().map(source).collect::<Vec<_>>(),
        "trainer_html": seen.trainer.then(|| html(&lesson.trainer)),
    })))
}

pub(super) async fn answer(
    State(app): State<App>,
    Joined(participant): Joined,
    InPath(name): InPath<String>,
    Asked(told): Asked<Told>,
    Json(given): Json<Answer>,
) -> Result<Json<Value>, Problem> {
    participant.touch();
    let words = Words::of(told.lang.as_deref());
    let lesson = find(&app, &name, words)?;
    let question = lesson.questions().find(|question| question.id == given.question);
    let question = question.ok_or_else(|| Problem::not_found("the lesson has no such question"))?;
    if given.answer.to_string().len() > LONGEST_ANSWER {
        return Err(Problem::unprocessable(format!("an answer has at most {LONGEST_ANSWER} characters")));
    }
    let (right, said) = judged(&participant, question, &given.answer, words).await;
    let tries = lock(&participant.progress).answer(&name, &question.id, right, given.answer);
    let hint = if right {
        None
    } else {
        question.hints.get((tries as usize).saturating_sub(1).min(question.hints.len().saturating_sub(1)))
    };
    let progress = lock(&participant.progress).view(&app.settings().lessons);
    Ok(Json(json!({
        "right": right, "told_html": html(&said), "hint_html": hint.map(|hint| html(hint)), "tries": tries, "progress": progress,
    })))
}

pub(super) async fn progress(State(app): State<App>, Joined(participant): Joined) -> Json<ProgressView> {
    Json(lock(&participant.progress).view(&app.settings().lessons))
}

pub(super) async fn keep_place(
    State(app): State<App>,
    Joined(participant): Joined,
    Json(place): Json<Place>,
) -> Result<Json<ProgressView>, Problem> {
    participant.touch();
    let lesson = find(&app, &place.lesson, Words::of(None))?;
    let mut progress = lock(&participant.progress);
    progress.go(&lesson.name, place.step.min(lesson.steps.len().saturating_sub(1)));
    Ok(Json(progress.view(&app.settings().lessons)))
}

/// Whether it is right, and what is said to it.
async fn judged(participant: &Participant, question: &Question, given: &Value, words: Words) -> (bool, String) {
    if let Some(right) = question.right_by_itself(given) {
        let why = match &question.answer {
            Kind::Choice { why, .. } => given.as_u64().and_then(|index| why.get(usize::try_from(index).ok()?)).cloned(),
            _ => None,
        };
        let told = if right && !question.told.is_empty() { Some(question.told.clone()) } else { why };
        return said(right, told, words);
    }
    let meant = match meant(participant, question).await {
        Ok(meant) => meant,
        Err(_) => return (false, words.say("no-lab", &[])),
    };
    if meant.is_empty() {
        return (false, words.say("nothing-seen", &[]));
    }
    let (right, why) = by_record(question, given, &meant, words);
    said(right, if right && !question.told.is_empty() { Some(question.told.clone()) } else { why }, words)
}

fn said(right: bool, told: Option<String>, words: Words) -> (bool, String) {
    let first = words.say(if right { "right" } else { "wrong" }, &[]);
    (right, told.map_or_else(|| first.clone(), |told| format!("{first} {told}")))
}

fn by_record(question: &Question, given: &Value, meant: &[Connection], words: Words) -> (bool, Option<String>) {
    match &question.answer {
        Kind::Seen { .. } => (true, None),
        Kind::Connection { .. } => (meant.iter().any(|connection| given.as_u64() == Some(connection.id.0)), None),
        Kind::Field { one_of, .. } => {
            let wanted = given.as_str().unwrap_or_default();
            let rows = meant.iter().flat_map(|connection| of_leaf(connection, words));
            let row =
                rows.into_iter().find(|row| row.field.eq_ignore_ascii_case(wanted) || row.label.eq_ignore_ascii_case(wanted));
            let Some(row) = row else { return (false, None) };
            (!row.same && (one_of.is_empty() || one_of.contains(&row.field)), Some(row.why))
        }
        Kind::Value { pointer, .. } => {
            let given = super::lesson::plain(given.as_str().unwrap_or_default());
            let found = meant.iter().filter_map(|connection| serde_json::to_value(connection).ok()?.pointer(pointer).cloned());
            let mut texts = found.map(|value| super::lesson::plain(value.as_str().unwrap_or(&value.to_string())));
            (given.len() >= SHORTEST && texts.any(|text| text == given || text.contains(&given)), None)
        }
        _ => (false, None),
    }
}

/// The connections of the participant's own clients that the question is about, the newest first.
async fn meant(participant: &Participant, question: &Question) -> Result<Vec<Connection>, Problem> {
    let (up, runs) = bench::with_lab(participant).await?;
    let found: Connections = relay::get(&up, &format!("/v1/connections?last={LOOKED_AT}")).await?;
    let run_of = |connection: &Connection| -> Option<&Started> { runs.get(&connection.leg?.0) };
    let fits = |connection: &Connection| {
        let filter = question.filter();
        run_of(connection).is_some_and(|run| filter.is_none_or(|filter| filter.fits(connection, run)))
    };
    Ok(found.connections.into_iter().rev().filter(fits).collect())
}

fn find<'a>(app: &'a App, name: &str, words: Words) -> Result<&'a Lesson, Problem> {
    let lesson = app.settings().lessons.get(name, words.lang());
    lesson.ok_or_else(|| Problem::not_found("there is no such lesson"))
}

/// Connections that a question looks at, the newest.
const LOOKED_AT: usize = 200;
/// Characters.
const LONGEST_ANSWER: usize = 2000;
/// Characters of an answer that is a part of a value: less would be found anywhere.
const SHORTEST: usize = 4;
