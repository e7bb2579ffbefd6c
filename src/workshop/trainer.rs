//! The trainer's view: who is how far, whose lab is up, and what can be done about it.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::lab::EndedBy;
use super::lesson::html;
use super::participants::{Participant, lock};
use super::people::Trainer;
use super::serve::App;
use super::takeaway;
use crate::control::Problem;
use crate::control::body::{InPath, Json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Point {
    lesson: String,
}

pub(super) async fn all(State(app): State<App>, _: Trainer) -> Json<Value> {
    let all = app.participants().all();
    let loopback = app.address().ip().is_loopback();
    Json(json!({
        "participants": all.iter().map(|participant| row(&app, participant)).collect::<Vec<_>>(),
        "most": app.settings().most,
        "labs_up": all.iter().filter(|participant| participant.lab.is_alive()).count(),
        "labs_most": app.settings().most,
        "class_link": app.class_link(),
        "loopback": loopback,
        "warning": (!loopback).then(|| format!("whoever can reach {} can reach this console, and read along", app.address())),
        "address": app.address().to_string(),
    }))
}

pub(super) async fn one(State(app): State<App>, _: Trainer, InPath(id): InPath<String>) -> Result<Json<Value>, Problem> {
    let participant = find(&app, &id)?;
    let mut row = row(&app, &participant);
    let progress = lock(&participant.progress).clone();
    let answer = |(lesson, question, answered): (&str, &str, &super::progress::Answered)| {
        let asked = app.settings().lessons.get(lesson, "en").and_then(|lesson| lesson.questions().find(|q| q.id == question));
        json!({
            "lesson": lesson, "question": question, "prompt": asked.map(|asked| html(&asked.ask)),
            "answer": answered.answer, "right": answered.right, "tries": answered.tries,
        })
    };
    row["answers"] = progress.answers().map(answer).collect();
    Ok(Json(row))
}

pub(super) async fn end_lab(State(app): State<App>, _: Trainer, InPath(id): InPath<String>) -> Result<StatusCode, Problem> {
    let participant = find(&app, &id)?;
    lock(&participant.reports).stop();
    takeaway::keep(&participant).await;
    participant.lab.end(EndedBy::Trainer);
    Ok(StatusCode::NO_CONTENT)
}

/// A link that signs a browser in as this participant, once.
pub(super) async fn link(State(app): State<App>, _: Trainer, InPath(id): InPath<String>) -> Result<Json<Value>, Problem> {
    let code = app.participants().once(find(&app, &id)?.id)?;
    Ok(Json(json!({ "link": app.link(&code) })))
}

pub(super) async fn remove(State(app): State<App>, _: Trainer, InPath(id): InPath<String>) -> Result<StatusCode, Problem> {
    let gone = app.participants().remove(find(&app, &id)?.id)?;
    lock(&gone.reports).stop();
    gone.lab.end(EndedBy::Trainer);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn point(State(app): State<App>, _: Trainer, Json(to): Json<Point>) -> Result<StatusCode, Problem> {
    app.point_to(&to.lesson)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The class link as a QR code, where other devices can reach it at all.
pub(super) async fn qr(State(app): State<App>, _: Trainer) -> Result<Response, Problem> {
    if app.address().ip().is_loopback() {
        return Err(Problem::not_found("no other device can reach a workshop on loopback"));
    }
    let code = qrcode::QrCode::new(app.class_link()).map_err(|e| Problem::failed(format!("make the QR code: {e}")))?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(320, 320).build();
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

fn row(app: &App, participant: &Participant) -> Value {
    let progress = lock(&participant.progress).clone();
    let lesson = progress.lesson.clone().or_else(|| app.lesson());
    let told = lesson.as_deref().and_then(|name| app.settings().lessons.get(name, "en"));
    let (right, tries) = lesson.as_deref().map_or((0, 0), |name| progress.counts(name));
    json!({
        "id": participant.word(), "name": participant.name(),
        "joined_ms_ago": participant.joined.elapsed().as_millis() as u64, "seen_ms_ago": participant.idle().as_millis() as u64,
        "lab": participant.lab.view(), "memory_kb": participant.lab.memory_kb(),
        "lesson": lesson, "step": progress.step, "steps": told.map_or(0, |lesson| lesson.steps.len()),
        "right": right, "questions": told.map_or(0, |lesson| lesson.questions().count()), "tries": tries,
    })
}

fn find(app: &App, id: &str) -> Result<std::sync::Arc<Participant>, Problem> {
    let number = id.strip_prefix('p').and_then(|number| number.parse().ok());
    app.participants().by_id(number.ok_or_else(|| Problem::not_found("a participant is called p1, p2 ..."))?)
}
