//! What a participant takes home: one page that holds everything itself, and the recording of the lab.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::bench::{self, Told};
use super::lesson::html;
use super::participants::{Participant, lock};
use super::people::Joined;
use super::relay;
use super::serve::App;
use super::story::{Story, tell};
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, InPath, Json};
use crate::control::words::Connections;

/// The page, as a file.
pub(super) async fn page(State(app): State<App>, Joined(participant): Joined, Asked(told): Asked<Told>) -> Response {
    participant.touch();
    let words = Words::of(told.lang.as_deref());
    let stories = stories(&participant, words).await.unwrap_or_default(); // without a lab there is none to tell
    let page = written(&app, &participant, &stories, words);
    let kept = "attachment; filename=\"mitmlab-workshop.html\"";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_DISPOSITION, kept)], page).into_response()
}

/// The files of the recording.
pub(super) async fn recording(Joined(participant): Joined) -> Result<Json<Value>, Problem> {
    participant.touch();
    let up = participant.lab.up()?;
    let mut files = Vec::new();
    let entries = std::fs::read_dir(up.record.path()).map_err(|e| Problem::failed(format!("read the recording: {e}")))?;
    for entry in entries.flatten() {
        let (Ok(about), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else { continue };
        if about.is_file() && is_plain(&name) {
            files.push((name, about.len()));
        }
    }
    files.sort();
    let all: Vec<_> = files.into_iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
    Ok(Json(json!({ "files": all })))
}

/// One of them.
pub(super) async fn file(Joined(participant): Joined, InPath(name): InPath<String>) -> Result<Response, Problem> {
    participant.touch();
    let up = participant.lab.up()?;
    let missing = || Problem::not_found("the recording has no such file");
    if !is_plain(&name) {
        return Err(missing());
    }
    let path = up.record.path().join(&name);
    let about = tokio::fs::symlink_metadata(&path).await.map_err(|_| missing())?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(missing());
    }
    let bytes = tokio::fs::read(&path).await.map_err(|_| missing())?;
    let kept = format!("attachment; filename=\"{name}\"");
    Ok(([(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, kept)], bytes)
        .into_response())
}

async fn stories(participant: &Participant, words: Words) -> Result<Vec<Story>, Problem> {
    let (up, runs) = bench::with_lab(participant).await?;
    let found: Connections = relay::get(&up, &format!("/v1/connections?last={MOST_STORIES}")).await?;
    let of = |connection: &crate::record::Connection| {
        let run = runs.get(&connection.leg?.0)?;
        Some(tell(connection, Some(run), words))
    };
    Ok(found.connections.iter().filter_map(of).collect())
}

fn written(app: &App, participant: &Participant, stories: &[Story], words: Words) -> String {
    let plan = app.world(participant);
    let mut page = String::with_capacity(64 * 1024);
    let title = format!("{} - {}", escaped(&participant.name()), escaped(&plan.title));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">",
        words.lang()
    );
    let _ = write!(page, "<title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{}</p>\n", escaped(&plan.about));
    lessons(app, participant, words, &mut page);
    campaign(&plan, &mut page);
    for story in stories {
        connection(story, &mut page);
    }
    page.push_str("<footer>mitmlab: a simulation. Every key was made for this lab and is gone.</footer></html>\n");
    page
}

fn lessons(app: &App, participant: &Participant, words: Words, page: &mut String) {
    let progress = lock(&participant.progress).clone();
    for lesson in app.settings().lessons.in_language(words.lang()) {
        let mut answered = lesson.questions().filter_map(|q| Some((q, progress.answered(&lesson.name, &q.id)?))).peekable();
        if answered.peek().is_none() {
            continue;
        }
        let _ = write!(page, "<section><h2>{}</h2><p>{}</p><ol>", escaped(&lesson.front.title), escaped(&lesson.front.goal));
        for (question, answer) in answered {
            let mark = if answer.right { "\u{2713}" } else { "\u{2717}" };
            let chosen = |index: &Value| question.choices()?.get(usize::try_from(index.as_u64()?).ok()?).cloned();
            let given = match &answer.answer {
                Value::String(text) => text.clone(),
                Value::Array(all) => all.iter().filter_map(chosen).collect::<Vec<_>>().join("; "),
                Value::Null => String::new(),
                other => chosen(other).unwrap_or_else(|| format!("c{other}")),
            };
            let told = if answer.right { html(&question.told) } else { String::new() };
            let _ = write!(page, "<li>{}<p><b>{mark}</b> {}</p>{told}</li>", html(&question.ask), escaped(&given));
        }
        page.push_str("</ol></section>\n");
    }
}

fn campaign(plan: &crate::scenario::Plan, page: &mut String) {
    page.push_str("<section><h2>Timeline</h2><dl>");
    for phase in &plan.phases {
        let from = phase.from.map(|from| from.date().to_string()).unwrap_or_default();
        let notice = phase.notice.as_ref().map(|notice| notice.text.as_str()).unwrap_or_default();
        let _ = write!(page, "<dt>{from} {}</dt><dd>{} {}</dd>", escaped(&phase.name), escaped(&phase.about), escaped(notice));
    }
    page.push_str("</dl></section>\n");
}

fn connection(story: &Story, page: &mut String) {
    let _ = write!(page, "<section><h2>c{} {}</h2><p>{}</p>", story.id, escaped(&story.host), escaped(&story.sentence));
    for pair in story.certificates.iter().filter(|pair| !pair.differences.is_empty()) {
        page.push_str("<table><tr><th></th><th>genuine</th><th>shown</th><th></th></tr>");
        for row in &pair.differences {
            let mark = if row.same { "=" } else { "\u{2260}" };
            let cells = [&row.label, &row.genuine, &row.forged, &row.why].map(|text| escaped(text));
            let _ = write!(
                page,
                "<tr><th>{mark} {}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                cells[0], cells[1], cells[2], cells[3]
            );
        }
        page.push_str("</table>");
    }
    page.push_str("</section>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A file's own name, and not a hidden one.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;\
    width:100%;table-layout:fixed}th,td{border:1px solid #999;padding:.3rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
    section{margin:2rem 0}dt{font-weight:600}footer{border-top:1px solid #999;padding:1rem 0}";
/// Connections on the page, the newest.
const MOST_STORIES: usize = 60;
/// Bytes of a file that is handed out in one piece.
const LARGEST: u64 = 256 << 20;
