//! The table of routes: what the router serves and what the OpenAPI document says are both made from it.

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post, put};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::serve::App;
use super::words::{
    Chains, ClockChange, ClockView, ConnectionQuery, Connections, Environment, EnvironmentQuery, EventsQuery, LegOrder, LegQuery,
    LegStarted, LegView, Legs, PhaseChange, PhaseQuery, RuleAdded, RuleOrder, Rules, ScenarioView, State, VerdictQuery,
    WaitOrder, Waited,
};
use super::{connections, events, legs, rules, state, trust};
use crate::record::Connection;
use crate::verdict::TargetVerdict;

/// The schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a path and method do.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// `operationId`.
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    pub(super) success: u16,
    pub(super) answer: Answer,
    /// Statuses besides those that every route may give.
    pub(super) fails: &'static [u16],
    pub(super) handler: MethodRouter<App>,
}

/// What a success carries.
pub(super) enum Answer {
    Json(SchemaOf),
    File(&'static str),
    Nothing,
}

impl Route {
    fn new(method: Method, path: &'static str, id: &'static str, about: &'static str, handler: MethodRouter<App>) -> Self {
        let (success, answer) = (204, Answer::Nothing);
        Self { method, path, id, about, query: None, body: None, success, answer, fails: &[], handler }
    }

    fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        (self.success, self.answer) = (status, Answer::Json(schema_of::<T>));
        self
    }

    fn gives_file(mut self, kind: &'static str) -> Self {
        (self.success, self.answer) = (200, Answer::File(kind));
        self
    }

    fn fails(mut self, statuses: &'static [u16]) -> Self {
        self.fails = statuses;
        self
    }
}

/// Every route.
pub(super) fn routes() -> Vec<Route> {
    let (read, change, add, take) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let r = Route::new;
    vec![
        r(read.clone(), "/v1/openapi.json", "describe", "This description", get(state::openapi)).gives_file("application/json"),
        r(read.clone(), "/v1/state", "state", "What is in force", get(state::state)).gives::<State>(200),
        r(read.clone(), "/v1/scenario", "scenario", "The scenario, resolved", get(state::scenario)).gives::<ScenarioView>(200),
        r(
            change.clone(),
            "/v1/phase",
            "enterPhase",
            "Enter a phase of the campaign; the clock goes to its beginning",
            put(state::enter),
        )
        .takes::<PhaseChange>()
        .gives::<State>(200)
        .fails(&[404]),
        r(read.clone(), "/v1/clock", "clock", "The scenario's clock", get(state::clock)).gives::<ClockView>(200),
        r(change, "/v1/clock", "moveClock", "Move the scenario's clock, stop it, or let it run faster", put(state::move_clock))
            .takes::<ClockChange>()
            .gives::<ClockView>(200),
        r(read.clone(), "/v1/rules", "rules", "The rules in force, and how often each fired", get(rules::list))
            .gives::<Rules>(200),
        r(add.clone(), "/v1/rules", "addRule", "Put one more rule in force", post(rules::add))
            .takes::<RuleOrder>()
            .gives::<RuleAdded>(201)
            .fails(&[404, 409]),
        r(add.clone(), "/v1/rules/reset", "resetRules", "Put the scenario's own rules in force again", post(rules::reset))
            .gives::<Rules>(200),
        r(take.clone(), "/v1/rules/{name}", "removeRule", "Take a rule out of force", delete(rules::remove))
            .query::<PhaseQuery>()
            .fails(&[404]),
        r(read.clone(), "/v1/connections", "connections", "The connections so far", get(connections::list))
            .query::<ConnectionQuery>()
            .gives::<Connections>(200),
        r(take.clone(), "/v1/connections", "clearConnections", "Forget events and ended connections", delete(connections::clear)),
        r(add.clone(), "/v1/connections/wait", "waitForConnections", "Wait until connections are there", post(connections::wait))
            .takes::<WaitOrder>()
            .gives::<Waited>(200),
        r(read.clone(), "/v1/connections/{id}", "connection", "One connection", get(connections::one))
            .gives::<Connection>(200)
            .fails(&[404]),
        r(read.clone(), "/v1/connections/{id}/chains", "chains", "The presented and the genuine chain", get(connections::chains))
            .gives::<Chains>(200)
            .fails(&[404]),
        r(read.clone(), "/v1/verdict", "verdict", "What a host's connections mean", get(connections::verdict))
            .query::<VerdictQuery>()
            .gives::<TargetVerdict>(200)
            .fails(&[404]),
        r(read.clone(), "/v1/environment", "environment", "Variables: the way to the lab, and trust", get(trust::environment))
            .query::<EnvironmentQuery>()
            .gives::<Environment>(200),
        r(read.clone(), "/v1/certificates/{file}", "certificate", trust::ABOUT, get(trust::file))
            .gives_file("application/octet-stream")
            .fails(&[404]),
        r(read.clone(), "/v1/legs", "legs", "Every leg that was started here", get(legs::list)).gives::<Legs>(200),
        r(add.clone(), "/v1/legs", "startLeg", "Start a client in the lab", post(legs::start))
            .takes::<LegOrder>()
            .gives::<LegStarted>(201)
            .fails(&[404, 429]),
        r(read.clone(), "/v1/legs/{id}", "leg", "One leg, and its result once it has ended", get(legs::one))
            .query::<LegQuery>()
            .gives::<LegView>(200)
            .fails(&[404]),
        r(take, "/v1/legs/{id}", "stopLeg", "End a leg and all that it started", delete(legs::stop)).fails(&[404]),
        r(read, "/v1/events", "events", events::ABOUT, get(events::stream))
            .query::<EventsQuery>()
            .gives_file("text/event-stream")
            .fails(&[429]),
        r(add, "/v1/stop", "stop", "End the lab and everything in it", post(state::stop)).gives_nothing_yet(),
    ]
}

impl Route {
    /// The work is done after the answer.
    fn gives_nothing_yet(mut self) -> Self {
        self.success = 202;
        self
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
