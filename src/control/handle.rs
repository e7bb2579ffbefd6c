//! What the control API asks of a lab. The lab implements it, so that this room imports no lab.

use std::sync::Arc;

use super::problem::Problem;
use super::words::{LegOrder, LegView, State};
use crate::record::{LegId, Recorder};
use crate::scenario::{Clock, Plan, Rule, Trust, Vantage};

/// A future that is asked through a trait.
pub type Awaited<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a running lab can be asked.
pub trait Handle: Send + Sync + 'static {
    /// The plan with the rules that are in force now.
    fn plan(&self) -> Arc<Plan>;
    /// Where events come together.
    fn recorder(&self) -> &Recorder;
    /// What is in force.
    fn state(&self) -> State;
    /// The clock of everybody who has none of their own.
    fn clock(&self) -> Clock;
    /// Puts a phase in force.
    fn enter(&self, phase: &str) -> Result<(), Problem>;
    /// Adds a rule, written in TOML, to a phase (the one in force if none is named); at a position, else before all others.
    /// Gives the phase's name and what a caller should know.
    fn add_rule(&self, phase: Option<&str>, position: Option<usize>, toml: &str) -> Result<(String, Rule, Vec<String>), Problem>;
    /// Takes a rule out of a phase (the one in force if none is named).
    fn remove_rule(&self, phase: Option<&str>, name: &str) -> Result<(), Problem>;
    /// Puts the scenario's own rules in force again.
    fn reset_rules(&self);
    /// A certificate file of a trust.
    fn material(&self, of: Material) -> Awaited<'_, Result<Vec<u8>, Problem>>;
    /// The variables that make a client use the lab and trust what `trust` says.
    fn environment(&self, trust: Trust, vantage: Vantage) -> Awaited<'_, Result<Vec<(String, String)>, Problem>>;
    /// Starts a leg.
    fn start_leg(&self, order: LegOrder) -> Result<LegId, Problem>;
    /// A leg.
    fn leg(&self, id: LegId) -> Option<LegView>;
    /// Every leg that is still known.
    fn legs(&self) -> Vec<LegView>;
    /// Completes when the leg has ended.
    fn leg_ended(&self, id: LegId) -> Awaited<'_, ()>;
    /// Ends a leg. False if there is none such.
    fn stop_leg(&self, id: LegId) -> bool;
    /// The legs that are the proxy ports, inside and outside.
    fn doors(&self) -> (Option<LegId>, Option<LegId>);
    /// Ends the lab, once the answer is out.
    fn stop(&self);
}

/// Certificates to be had. Never a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material {
    /// The PEM bundle of a trust.
    Bundle(Trust),
    /// The PKCS #12 trust store of a trust, password `changeit`.
    Pkcs12(Trust),
    /// The authority's root, PEM.
    RootPem,
    /// The authority's root, DER.
    RootDer,
    /// The authority's root alone in a PKCS #12 trust store, password `changeit`.
    RootPkcs12,
    /// SHA-256 of blocked public keys, base64, one a line.
    Blocklist,
    /// The logs whose timestamps the authority embeds: JSON, `[{"log_id", "key"}]`, both base64.
    CtLogs,
}
