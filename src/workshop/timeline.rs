//! The campaign in time: its phases with what is known of each, and a way to move the clock.

use axum::extract::State;
use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bench::Told;
use super::participants::Participant;
use super::people::Joined;
use super::relay;
use super::serve::App;
use super::words::Words;
use crate::control::Problem;
use crate::control::body::{Asked, Json};
use crate::control::words::{ClockView, Rules, State as LabState};
use crate::scenario::{Phase, Rule};

/// The campaign.
#[derive(Serialize)]
pub(super) struct Timeline {
    scenario: String,
    title: String,
    about: String,
    sources: Vec<String>,
    clock: Option<String>,
    phase: Option<String>,
    phases: Vec<PhaseView>,
}

#[derive(Serialize)]
struct PhaseView {
    name: String,
    from: Option<String>,
    to: Option<String>,
    about: String,
    sources: Vec<String>,
    in_force: bool,
    rules: Vec<RuleView>,
    notice: Option<Notice>,
}

#[derive(Serialize)]
struct RuleView {
    name: String,
    action: String,
    words: String,
    sources: Vec<String>,
    hits: u64,
}

#[derive(Serialize)]
struct Notice {
    from: String,
    text: String,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Move {
    at: String,
}

pub(super) async fn timeline(
    State(app): State<App>,
    Joined(participant): Joined,
    Asked(told): Asked<Told>,
) -> Result<Json<Timeline>, Problem> {
    participant.touch();
    view(&app, &participant, Words::of(told.lang.as_deref())).await.map(Json)
}

/// Enters the phase that holds a moment, and sets the clock to it.
pub(super) async fn go(
    State(app): State<App>,
    Joined(participant): Joined,
    Asked(told): Asked<Told>,
    Json(to): Json<Move>,
) -> Result<Json<Timeline>, Problem> {
    participant.touch();
    let at = OffsetDateTime::parse(&to.at, &Rfc3339);
    let at = at.map_err(|e| Problem::unprocessable(format!("`at` wants a time such as 2019-07-22T12:00:00+06:00: {e}")))?;
    let plan = app.world(&participant);
    let phase = plan.phase_at(at).map(|index| plan.phases[index].name.clone());
    let phase = phase.ok_or_else(|| Problem::unprocessable("no phase of the campaign holds that moment"))?;
    let up = participant.lab.up()?;
    relay::ask::<LabState>(&up, Method::PUT, "/v1/phase", &json!({ "phase": phase })).await?;
    relay::ask::<ClockView>(&up, Method::PUT, "/v1/clock", &json!({ "at": to.at })).await?;
    view(&app, &participant, Words::of(told.lang.as_deref())).await.map(Json)
}

async fn view(app: &App, participant: &Participant, words: Words) -> Result<Timeline, Problem> {
    let plan = app.world(participant);
    let (state, rules) = match participant.lab.up() {
        Ok(up) => {
            let rules = relay::get::<Rules>(&up, "/v1/rules").await?;
            (Some(relay::get::<LabState>(&up, "/v1/state").await?), rules.rules)
        }
        Err(_) => (None, Vec::new()),
    };
    let now = state.as_ref().map(|state| state.phase.clone());
    let hits = |phase: &str, rule: &str| rules.iter().find(|r| r.phase == phase && r.name == rule).map_or(0, |r| r.hits);
    let phase_view = |phase: &Phase| PhaseView {
        name: phase.name.clone(),
        from: phase.from.and_then(told),
        to: phase.to.and_then(told),
        about: about(&plan.name, phase, words),
        sources: phase.sources.clone(),
        in_force: now.as_deref() == Some(phase.name.as_str()),
        rules: phase.rules.iter().map(|rule| rule_view(rule, hits(&phase.name, &rule.name), words)).collect(),
        notice: phase.notice.as_ref().map(|notice| Notice {
            from: notice.from.clone(),
            text: notice.text.clone(),
            source: notice.source.clone(),
        }),
    };
    Ok(Timeline {
        scenario: plan.name.clone(),
        title: plan.title.clone(),
        about: plan.about.clone(),
        sources: plan.sources.clone(),
        clock: state.as_ref().map(|state| state.clock.clone()),
        phases: plan.phases.iter().map(phase_view).collect(),
        phase: now,
    })
}

/// What is said of a phase: in the language that is asked for where a translator has put it into words, else as the scenario says it.
pub(super) fn about(scenario: &str, phase: &Phase, words: Words) -> String {
    let key = format!("phase.{scenario}.{}", phase.name);
    words.own(&key).map_or_else(|| phase.about.clone(), str::to_owned)
}

fn rule_view(rule: &Rule, hits: u64, words: Words) -> RuleView {
    let what = subject(rule, words);
    let action = rule.action.name().to_owned();
    let key = format!("rule.{action}");
    RuleView {
        name: rule.name.clone(),
        words: words.first(&[&key, "rule.other"], &[("what", &what), ("action", &action)]),
        action,
        sources: rule.sources.clone(),
        hits,
    }
}

/// What a rule is for, by name where it says names.
fn subject(rule: &Rule, words: Words) -> String {
    let names = [&rule.when.sni, &rule.when.host, &rule.when.name].into_iter().flatten().next();
    let Some(names) = names else { return words.say("rule.everything", &[]) };
    let some = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => some,
        more => words.say("rule.and-more", &[("some", &some), ("n", &more.to_string())]),
    }
}

fn told(moment: OffsetDateTime) -> Option<String> {
    moment.format(&Rfc3339).ok()
}

/// Names that a sentence names.
const SHOWN: usize = 3;
