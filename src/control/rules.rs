//! Rules: what is in force, one more, one less, as the scenario has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::body::{Asked, InPath, Json};
use super::handle::Handle;
use super::problem::Problem;
use super::serve::App;
use super::words::{PhaseQuery, RuleAdded, RuleOrder, RuleView, Rules};
use crate::scenario::{Matcher, Plan, Rule};
use crate::verdict::run::Hits;

pub(super) async fn list(State(app): State<App>) -> Json<Rules> {
    Json(all(app.lab()))
}

pub(super) async fn add(State(app): State<App>, Json(order): Json<RuleOrder>) -> Result<(StatusCode, Json<RuleAdded>), Problem> {
    if !order.rule.is_object() {
        return Err(Problem::unprocessable("`rule` wants an object with `name`, `match` and `action`"));
    }
    let unwritable = |e| Problem::unprocessable(format!("`rule` cannot be written as a scenario file would: {e}"));
    let file = json!({ "rule": [without_nulls(order.rule)] });
    let toml = toml::to_string(&file).map_err(unwritable)?;
    let toml = toml.strip_prefix("[[rule]]\n").unwrap_or(&toml);
    let (phase, rule, remarks) = app.lab().add_rule(order.phase.as_deref(), order.position, toml)?;
    Ok((StatusCode::CREATED, Json(RuleAdded { rule: view(&phase, &rule, 0), remarks })))
}

pub(super) async fn remove(
    State(app): State<App>,
    InPath(name): InPath<String>,
    Asked(query): Asked<PhaseQuery>,
) -> Result<StatusCode, Problem> {
    app.lab().remove_rule(query.phase.as_deref(), &name)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reset(State(app): State<App>) -> Json<Rules> {
    app.lab().reset_rules();
    Json(all(app.lab()))
}

fn all(lab: &dyn Handle) -> Rules {
    Rules { rules: views(lab, &lab.plan()) }
}

/// The rules of a plan, with their hits.
pub(super) fn views(lab: &dyn Handle, plan: &Plan) -> Vec<RuleView> {
    let entries = lab.recorder().entries();
    let hits = Hits::count(entries.iter().map(|entry| &**entry));
    let of_phase = |phase: &crate::scenario::Phase| -> Vec<RuleView> {
        phase.rules.iter().map(|rule| view(&phase.name, rule, hits.of(&phase.name, &rule.name))).collect()
    };
    plan.phases.iter().flat_map(of_phase).collect()
}

fn view(phase: &str, rule: &Rule, hits: u64) -> RuleView {
    RuleView {
        name: rule.name.clone(),
        phase: phase.to_owned(),
        when: words(&rule.when),
        action: rule.action.clone(),
        sources: rule.sources.clone(),
        hits,
    }
}

/// A matcher in the words of a scenario file; only what it says.
fn words(when: &Matcher) -> BTreeMap<String, Value> {
    let prefixes = |all: &Vec<(IpAddr, u8)>| json!(all.iter().map(|(ip, length)| format!("{ip}/{length}")).collect::<Vec<_>>());
    let hours = |all: &Vec<(time::Time, time::Time)>| {
        let two = |t: time::Time| format!("{:02}:{:02}", t.hour(), t.minute());
        json!(all.iter().map(|(from, to)| format!("{}-{}", two(*from), two(*to))).collect::<Vec<_>>())
    };
    let said = [
        ("sni", when.sni.as_ref().map(|v| json!(v))),
        ("host", when.host.as_ref().map(|v| json!(v))),
        ("name", when.name.as_ref().map(|v| json!(v))),
        ("no_sni", when.no_sni.map(|v| json!(v))),
        ("port", when.port.as_ref().map(|v| json!(v))),
        ("transport", when.transport.map(|v| json!(v))),
        ("alpn", when.alpn.as_ref().map(|v| json!(v))),
        ("ech", when.ech.map(|v| json!(v))),
        ("direction", when.direction.map(|v| json!(v))),
        ("client", when.client.as_ref().map(prefixes)),
        ("address", when.address.as_ref().map(prefixes)),
        ("asn", when.asn.as_ref().map(|v| json!(v))),
        ("origin", when.origin.map(|v| json!(v))),
        (
            "chance",
            when.chance.map(|c| json!({ "probability": c.probability, "per": if c.per_path { "path" } else { "connection" } })),
        ),
        ("schedule", when.schedule.as_ref().map(|s| hours(&s.daily))),
    ];
    said.into_iter().filter_map(|(word, value)| Some((word.to_owned(), value?))).collect()
}

/// TOML has no null: what is null is not said.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k, without_nulls(v)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}
