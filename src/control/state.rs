//! State, scenario, phases and the clock.

use axum::extract::State as From;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::body::Json;
use super::problem::Problem;
use super::rules;
use super::serve::App;
use super::words::{ClockChange, ClockView, PhaseChange, PhaseView, ScenarioView, SiteView, State};
use crate::scenario::{Clock, Plan};

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::openapi().to_string()).into_response()
}

pub(super) async fn state(From(app): From<App>) -> Json<State> {
    Json(app.lab().state())
}

pub(super) async fn scenario(From(app): From<App>) -> Json<ScenarioView> {
    let plan = app.lab().plan();
    let now = app.lab().state().phase;
    Json(ScenarioView {
        name: plan.name.clone(),
        title: plan.title.clone(),
        about: plan.about.clone(),
        sources: plan.sources.clone(),
        seed: plan.seed,
        profile: plan.authority.as_ref().map(|authority| authority.profile.clone()),
        phases: phases(&app, &plan, &now),
        sites: plan.world.sites.iter().map(site).collect(),
        checks: plan.checks.iter().map(|check| check.name.clone()).collect(),
    })
}

pub(super) async fn enter(From(app): From<App>, Json(change): Json<PhaseChange>) -> Result<Json<State>, Problem> {
    app.lab().enter(&change.phase)?;
    Ok(Json(app.lab().state()))
}

pub(super) async fn clock(From(app): From<App>) -> Json<ClockView> {
    Json(view(&app.lab().clock()))
}

pub(super) async fn move_clock(From(app): From<App>, Json(change): Json<ClockChange>) -> Result<Json<ClockView>, Problem> {
    let clock = app.lab().clock();
    let moved = moved(&change, clock.now())?;
    if let Some(speed) = change.speed {
        if !(0.0..=FASTEST).contains(&speed) {
            return Err(Problem::unprocessable(format!(
                "`speed` is {speed}: the clock runs at 0 to {FASTEST} times the machine's"
            )));
        }
        clock.run_at(speed);
    }
    if let Some(moment) = moved {
        clock.set(moment);
    }
    Ok(Json(view(&clock)))
}

pub(super) async fn stop(From(app): From<App>) -> StatusCode {
    app.lab().stop();
    StatusCode::ACCEPTED
}

/// Where the clock goes, if it is moved.
fn moved(change: &ClockChange, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, Problem> {
    let at = change.at.as_deref().map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
    let at = at.map_err(|e| Problem::unprocessable(format!("`at` wants a time such as 2019-07-22T12:00:00+06:00: {e}")))?;
    let on = change.advance_s.unwrap_or(0.0);
    if !(0.0..=LONGEST_LEAP).contains(&on) {
        let told = format!("`advance_s` is {on}: the clock goes forward, by {LONGEST_LEAP} seconds at most");
        return Err(Problem::unprocessable(told).hint("to set it back, say `at`"));
    }
    if at.is_none() && change.advance_s.is_none() {
        return Ok(None);
    }
    let target = at.unwrap_or(now).checked_add(time::Duration::seconds_f64(on));
    match target.filter(|t| (FIRST_YEAR..=LAST_YEAR).contains(&t.year())) {
        Some(target) => Ok(Some(target)),
        None => Err(Problem::unprocessable(format!("the clock would leave the years {FIRST_YEAR} to {LAST_YEAR}"))),
    }
}

fn view(clock: &Clock) -> ClockView {
    ClockView { now: told(clock.now()), offset_s: clock.offset().whole_seconds(), speed: clock.speed() }
}

fn phases(app: &App, plan: &Plan, now: &str) -> Vec<PhaseView> {
    let all = rules::views(app.lab(), plan);
    let of = |name: &str| all.iter().filter(|rule| rule.phase == name).cloned().collect();
    plan.phases
        .iter()
        .map(|phase| PhaseView {
            name: phase.name.clone(),
            in_force: phase.name == now,
            from: phase.from.map(told),
            to: phase.to.map(told),
            rules: of(&phase.name),
        })
        .collect()
}

fn site(site: &crate::scenario::Site) -> SiteView {
    SiteView {
        names: site.names.clone(),
        addresses: site.addresses.iter().map(ToString::to_string).collect(),
        asn: site.asn,
        place: site.place,
        ports: site.services.iter().map(|service| service.port).collect(),
    }
}

/// RFC 3339. Years that it cannot say are refused where the clock is moved.
pub(super) fn told(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_else(|_| moment.to_string())
}

/// A day in 0.1 s: faster, and a client's own patience would be over before it began.
const FASTEST: f64 = 1_000_000.0;
/// A hundred years.
const LONGEST_LEAP: f64 = 100.0 * 366.0 * 86_400.0;
/// Certificates can say dates from 1950 on (RFC 5280 section 4.1.2.5); Unix time begins in 1970.
const FIRST_YEAR: i32 = 1970;
/// Certificates can say dates up to 9999, and a forged one ends after its beginning.
const LAST_YEAR: i32 = 9998;
