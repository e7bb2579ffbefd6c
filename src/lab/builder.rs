//! How a test makes a lab: the scenario, and what is to be in force at first.

use super::{Lab, On};
use crate::error::Error;
use crate::forge;
use crate::scenario::{self, Plan};

/// A lab that is about to be started, on the explicit proxy network, in this process.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), mitmlab::error::Error> {
/// use mitmlab::lab::Lab;
///
/// let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await?;
/// assert_eq!(lab.network(), "proxy");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    source: Source,
    phase: Option<String>,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    None,
    Named(String),
    Text(String, String),
    Plan(Box<Plan>),
}

impl Lab {
    /// Begins to make a lab. It needs a scenario.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The scenario: a name of one that comes with mitmlab, or the path of a file.
    #[must_use]
    pub fn scenario(mut self, name_or_path: impl Into<String>) -> Self {
        self.source = Source::Named(name_or_path.into());
        self
    }

    /// The scenario as text, under a name for messages. It reads no file; parts of the world that come with mitmlab are known.
    #[must_use]
    pub fn scenario_text(mut self, name: impl Into<String>, toml: impl Into<String>) -> Self {
        self.source = Source::Text(name.into(), toml.into());
        self
    }

    /// The scenario, resolved already.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> Self {
        self.source = Source::Plan(Box::new(plan));
        self
    }

    /// The phase in force at first. If none is said: the first one that intercepts, else the first.
    #[must_use]
    pub fn phase(mut self, name: impl Into<String>) -> Self {
        self.phase = Some(name.into());
        self
    }

    /// Starts it. Ready when it returns: every origin listens, the box is in the path.
    ///
    /// # Errors
    /// There is no such scenario or phase, or something is wrong with it ([`Error::Usage`]); the machine cannot
    /// ([`Error::Machine`]).
    pub async fn start(self) -> Result<Lab, Error> {
        let profiles = forge::profiles();
        let profiles: Vec<&str> = profiles.iter().map(|profile| profile.name).collect();
        let plan = match self.source {
            Source::None => {
                return Err(Error::Usage("a lab needs a scenario\nhint: `Lab::builder().scenario(\"..\")`".to_owned()));
            }
            Source::Named(name) => scenario::load(&name, &profiles).map_err(|wrong| Error::Usage(wrong.render(false)))?,
            Source::Text(name, toml) => {
                scenario::load_text(&name, &toml, &profiles).map_err(|wrong| Error::Usage(wrong.render(false)))?
            }
            Source::Plan(plan) => *plan,
        };
        let first = first_phase(&plan, self.phase.as_deref())?;
        let clock = plan.phases[first].from.unwrap_or(plan.clock);
        let lab = Lab::start(plan, On::proxy()).await?;
        lab.stand(first, clock);
        Ok(lab)
    }
}

/// The phase with this name; without one, the first that intercepts, else the first.
pub(super) fn first_phase(plan: &Plan, name: Option<&str>) -> Result<usize, Error> {
    let intercepts = |at: &usize| plan.phases[*at].rules.iter().any(|rule| rule.action == scenario::Action::Intercept);
    match name {
        None => Ok((0..plan.phases.len()).find(intercepts).unwrap_or(0)),
        Some(name) => plan.phase_named(name).ok_or_else(|| {
            let names: Vec<_> = plan.phases.iter().map(|phase| format!("`{}`", phase.name)).collect();
            Error::Usage(format!("scenario `{}` has no phase `{name}`; it has {}", plan.name, names.join(", ")))
        }),
    }
}
