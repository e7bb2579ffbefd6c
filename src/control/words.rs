//! The words of the API: what goes in and comes out, as JSON. The record's own types go out as they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Certificate, Connection, LegId};
use crate::scenario::written::RuleWritten;
use crate::scenario::{Action, Trust, Vantage};
use crate::verdict::{LegTruth, TargetVerdict};

/// What is in force in a lab.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// Version of mitmlab.
    pub version: String,
    /// Short name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// `sealed` or `proxy`.
    pub network: String,
    /// Name of the phase in force.
    pub phase: String,
    /// The scenario's clock, RFC 3339.
    pub clock: String,
    /// Milliseconds since the lab was started, on the clock of the events (`t_us`).
    pub up_ms: u64,
    /// The explicit proxies, `127.0.0.1:PORT`; none in the sealed network.
    pub proxies: Proxies,
    /// Connections that are known.
    pub connections: usize,
    /// Legs that run now.
    pub running_legs: usize,
    /// The number that the next event will have.
    pub next_seq: u64,
}

/// The explicit proxies (HTTP CONNECT, plain HTTP, SOCKS5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proxies {
    /// For clients behind the box.
    pub inside: Option<String>,
    /// For clients beyond the box: the control vantage.
    pub outside: Option<String>,
}

/// A scenario, resolved, with the rules that are in force now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioView {
    /// Short name.
    pub name: String,
    /// Title.
    pub title: String,
    /// What it claims.
    pub about: String,
    /// Where its facts come from.
    pub sources: Vec<String>,
    /// The seed of every coin.
    pub seed: u64,
    /// Name of the authority's profile.
    pub profile: Option<String>,
    /// The phases, in their order.
    pub phases: Vec<PhaseView>,
    /// The genuine Internet.
    pub sites: Vec<SiteView>,
    /// Names of the checks.
    pub checks: Vec<String>,
}

/// A phase.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PhaseView {
    /// Name.
    pub name: String,
    /// It is in force.
    pub in_force: bool,
    /// Begins, RFC 3339.
    pub from: Option<String>,
    /// Ends, RFC 3339.
    pub to: Option<String>,
    /// Its rules, first match wins.
    pub rules: Vec<RuleView>,
}

/// A site of the world.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SiteView {
    /// Names, the first one being what reports call it.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Autonomous system.
    pub asn: Option<u32>,
    /// `inside` or `outside`.
    pub place: crate::scenario::Place,
    /// Ports that it serves.
    pub ports: Vec<u16>,
}

/// The phase to enter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseChange {
    /// Its name.
    pub phase: String,
}

/// The scenario's clock.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClockView {
    /// The scenario's time, RFC 3339.
    pub now: String,
    /// Seconds to add to it to get the machine's.
    pub offset_s: i64,
    /// Seconds of the scenario in a second of the machine. At another speed than 1, phases begin when the clock comes to their dates.
    pub speed: f64,
}

/// How to move the clock. What is not said stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// Set it to this time, RFC 3339, from 1970 to 9998.
    #[schemars(extend("format" = "date-time"))]
    pub at: Option<String>,
    /// Then let so many seconds pass; not negative: to go back, say `at`.
    #[schemars(range(min = 0.0))]
    pub advance_s: Option<f64>,
    /// Seconds of the scenario in a second of the machine, from now on; 0 stops it.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub speed: Option<f64>,
}

/// A rule as it is in force.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RuleView {
    /// Name, unique in its phase.
    pub name: String,
    /// Phase.
    pub phase: String,
    /// When it applies, in the words of a scenario file.
    #[serde(rename = "match")]
    pub when: BTreeMap<String, Value>,
    /// What is done.
    pub action: Action,
    /// Where the claim comes from.
    pub sources: Vec<String>,
    /// How often it fired, as far as the record is kept.
    pub hits: u64,
}

/// The rules of every phase.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    /// In the order of phases and of their rules.
    pub rules: Vec<RuleView>,
}

/// A rule to be added.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleOrder {
    /// The phase; the one in force if not said.
    pub phase: Option<String>,
    /// Its place among the phase's rules, from 0; before all others if not said.
    pub position: Option<usize>,
    /// The rule, in the words of a scenario file.
    #[schemars(with = "RuleWritten")]
    pub rule: Value,
}

/// A rule that was added.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RuleAdded {
    /// The rule.
    pub rule: RuleView,
    /// What a caller should know, such as what this network cannot do.
    pub remarks: Vec<String>,
}

/// Which phase a rule is in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PhaseQuery {
    /// Name of the phase; the one in force if not said.
    pub phase: Option<String>,
}

/// Which connections. All that is said must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionQuery {
    /// The host that it is about, by SNI or asked name.
    pub host: Option<String>,
    /// What the box did: `forward`, `intercept`, `reset` ...
    pub action: Option<String>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// The leg that it belongs to.
    pub leg: Option<LegId>,
    /// Where the client stands.
    pub vantage: Option<Vantage>,
    /// It has ended, or not.
    pub ended: Option<bool>,
    /// Only connections with a higher number.
    pub after: Option<u64>,
    /// How many at most, the oldest first; 1000 if not said.
    pub limit: Option<usize>,
    /// Only the newest ones, so many at most.
    pub last: Option<usize>,
}

/// Connections.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Those that fit, in order of first sight.
    pub connections: Vec<Connection>,
    /// How many fit in all.
    pub total: usize,
}

/// What is waited for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitOrder {
    /// Which connections.
    #[serde(default)]
    pub filter: ConnectionQuery,
    /// How many of them; 1 if not said.
    pub count: Option<usize>,
    /// Milliseconds to wait at most; 10000 if not said, 300000 at most.
    #[schemars(range(min = 0, max = 300_000))]
    pub deadline_ms: Option<u64>,
}

/// How waiting ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Waited {
    /// They came in time.
    pub met: bool,
    /// Those that fit.
    pub connections: Vec<Connection>,
}

/// The chains of a connection, leaf first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Chains {
    /// What the client was shown.
    pub presented: Vec<Certificate>,
    /// What the origin has, as far as the box looked.
    pub genuine: Vec<Certificate>,
    /// The profile by which the presented chain was forged; none if it is genuine.
    pub forged_by: Option<String>,
}

/// For which host, and for which client.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VerdictQuery {
    /// The host.
    pub host: String,
    /// The leg; what came by the inside proxy port if not said.
    pub leg: Option<LegId>,
    /// The leg that shows what the client does when nothing is wrong; what came by the outside proxy port if not said.
    pub control: Option<LegId>,
}

/// A client to be run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegOrder {
    /// Program and arguments. `{url}`, `{host}`, `{pin}`, `{ca}` and `{lab}` are filled in.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// What stands for `{url}`; its host is judged.
    #[serde(default)]
    pub url: Option<String>,
    /// What it trusts.
    #[serde(default)]
    pub trust: Trust,
    /// Where it stands.
    #[serde(default)]
    pub vantage: Vantage,
    /// The phase in force for it; the lab's if not said.
    #[serde(default)]
    pub phase: Option<String>,
    /// Run it without interference first, so that a silent close can be judged.
    #[serde(default)]
    pub control: bool,
    /// Milliseconds that it may take; 30000 if not said, 600000 at most.
    #[serde(default)]
    #[schemars(range(min = 1, max = 600_000))]
    pub deadline_ms: Option<u64>,
}

/// A leg that was started.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LegStarted {
    /// Its number.
    pub id: LegId,
}

/// A leg.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LegView {
    /// Its number.
    pub id: LegId,
    /// `running`, `ended`, `stopped` or `failed`.
    pub state: LegState,
    /// Why it failed.
    pub error: Option<String>,
    /// What happened, once it has ended.
    pub truth: Option<LegTruth>,
    /// The same client without interference, if that was asked for.
    pub control: Option<LegTruth>,
    /// The verdict for the host of its URL, once it has ended.
    pub verdict: Option<TargetVerdict>,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LegState {
    /// It runs.
    Running,
    /// It has ended by itself, or at its deadline.
    Ended,
    /// Somebody ended it.
    Stopped,
    /// The lab could not run it.
    Failed,
}

/// Every leg.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Legs {
    /// In order of their numbers.
    pub legs: Vec<LegView>,
}

/// How long to wait for a leg's end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct LegQuery {
    /// Milliseconds to wait for its end; 0 if not said, 600000 at most.
    #[schemars(range(min = 0, max = 600_000))]
    pub wait_ms: Option<u64>,
}

/// For which client the variables are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentQuery {
    /// What it is to trust; `web` if not said.
    pub trust: Option<Trust>,
    /// Where it stands; `inside` if not said.
    pub vantage: Option<Vantage>,
}

/// Variables for a client.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Name to value.
    pub variables: BTreeMap<String, String>,
}

/// From where on events are wanted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EventsQuery {
    /// Only events with a higher number; all that are kept if not said. `Last-Event-ID` wins over it.
    pub after: Option<u64>,
}
