//! What a participant takes home: one page that holds everything itself. The recording is [`recording`](super::recording)'s.

use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::bench::{self, Started, Told};
use super::lesson::html;
use super::participants::{Participant, lock};
use super::people::Joined;
use super::relay;
use super::serve::App;
use super::story::{Story, tell};
use super::timeline::about;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::Asked;
use crate::control::words::Connections;
use crate::record::Connection;
use crate::scenario::Plan;

/// What a participant's labs have shown, kept when a lab ends: each with the title of its scenario.
#[derive(Default)]
pub(super) struct Kept(Vec<(String, Connection, Started)>);

impl Kept {
    fn add(&mut self, seen: Vec<(String, Connection, Started)>) {
        self.0.extend(seen);
        let surplus = self.0.len().saturating_sub(MOST_STORIES);
        self.0.drain(..surplus);
    }
}

/// Keeps what the lab has shown so far: it is about to end.
pub(super) async fn keep(participant: &Participant) {
    if let Ok(Ok(seen)) = tokio::time::timeout(PATIENCE, seen(participant)).await {
        lock(&participant.kept).add(seen); // a lab that does not answer has nothing to keep
    }
}

/// The page, as a file.
pub(super) async fn page(State(app): State<App>, Joined(participant): Joined, Asked(told): Asked<Told>) -> Response {
    participant.touch();
    let words = Words::of(told.lang.as_deref());
    let now = seen(&participant).await.unwrap_or_default(); // without a lab there are the earlier ones
    let mut all = lock(&participant.kept).0.clone();
    all.extend(now);
    let surplus = all.len().saturating_sub(MOST_STORIES);
    let page = written(&app, &participant, &all[surplus..], words);
    let kept = "attachment; filename=\"mitmlab-workshop.html\"";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_DISPOSITION, kept)], page).into_response()
}

/// The newest connections of the participant's own clients.
async fn seen(participant: &Participant) -> Result<Vec<(String, Connection, Started)>, Problem> {
    let (up, runs) = bench::with_lab(participant).await?;
    let found: Connections = relay::get(&up, &format!("/v1/connections?last={LOOKED_AT}")).await?;
    let of = |connection: Connection| {
        let run = runs.get(&connection.leg?.0)?.clone();
        Some((up.title.clone(), connection, run))
    };
    Ok(found.connections.into_iter().filter_map(of).collect())
}

fn written(app: &App, participant: &Participant, seen: &[(String, Connection, Started)], words: Words) -> String {
    let plan = app.world(participant);
    let mut page = String::with_capacity(64 * 1024);
    let title = format!("{} - {}", escaped(&participant.name()), escaped(&plan.title));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">",
        words.lang()
    );
    let _ = write!(page, "<title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n");
    lessons(app, participant, words, &mut page);
    campaign(&plan, words, &mut page);
    let mut lab = "";
    for (title, connection, run) in seen {
        if lab != title {
            lab = title;
            let _ = writeln!(page, "<h2>{}: {}</h2>", words.say("page.own", &[]), escaped(title));
        }
        told(&tell(connection, Some(run), words), words, &mut page);
    }
    let _ = writeln!(page, "<footer>{}</footer></html>", words.say("page.footer", &[]));
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

fn campaign(plan: &Plan, words: Words, page: &mut String) {
    let _ = write!(page, "<section><h2>{}</h2><dl>", words.say("page.timeline", &[]));
    for phase in &plan.phases {
        let from = phase.from.map(|from| from.date().to_string()).unwrap_or_default();
        let _ = write!(page, "<dt>{from} {}</dt><dd>{}", escaped(&phase.name), escaped(&about(&plan.name, phase, words)));
        if let Some(notice) = &phase.notice {
            let _ = write!(page, "<blockquote>{}</blockquote>", escaped(&notice.text));
        }
        if !phase.sources.is_empty() {
            let _ = write!(page, "<small>{}: {}</small>", words.say("page.sources", &[]), escaped(&phase.sources.join("; ")));
        }
        page.push_str("</dd>");
    }
    page.push_str("</dl></section>\n");
}

fn told(story: &Story, words: Words, page: &mut String) {
    let _ = write!(page, "<section><h3>c{} {}</h3><p>{}</p>", story.id, escaped(&story.host), escaped(&story.sentence));
    for pair in story.certificates.iter().filter(|pair| !pair.differences.is_empty()) {
        let head = ["page.genuine", "page.shown", "page.why"].map(|key| words.say(key, &[]));
        let differ = pair.differences.iter().filter(|row| !row.same).count().to_string();
        let summary = words.say("page.differences", &[("n", &differ)]);
        let _ = write!(page, "<details><summary>{summary}</summary>");
        let _ = write!(page, "<table><tr><td></td><th>{}</th><th>{}</th><th>{}</th></tr>", head[0], head[1], head[2]);
        for row in &pair.differences {
            let mark = if row.same { "=" } else { "\u{2260}" };
            let cells = [&row.label, &row.genuine, &row.forged, &row.why].map(|text| escaped(text));
            let _ = write!(
                page,
                "<tr><th>{mark} {}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                cells[0], cells[1], cells[2], cells[3]
            );
        }
        page.push_str("</table></details>");
    }
    page.push_str("</section>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;\
    width:100%;table-layout:fixed}th,td{border:1px solid #999;padding:.3rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
    section{margin:2rem 0}dt{font-weight:600}footer{border-top:1px solid #999;padding:1rem 0}";
/// A lab that is well answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections on the page, the newest.
const MOST_STORIES: usize = 60;
/// Connections of a lab that are looked at; half of them are the lab's own comparisons.
const LOOKED_AT: usize = 2 * MOST_STORIES;
