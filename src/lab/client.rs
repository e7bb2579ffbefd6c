//! One client run, as a test asks for it: what it trusts, where it stands, what is in force; its control leg first.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::builder::first_phase;
use super::leg::host_of;
use super::{Lab, Order, Outcome};
use crate::error::Error;
use crate::record::{LegId, LegKind};
use crate::scenario::{Trust, Vantage};

/// A client that is about to be run in a lab.
#[derive(Clone, Debug)]
pub struct Client {
    lab: Lab,
    argv: Vec<String>,
    url: Option<String>,
    trust: Trust,
    vantage: Vantage,
    phase: Option<String>,
    clock: Option<OffsetDateTime>,
    deadline: Duration,
    control: bool,
}

impl Lab {
    /// A client: program and arguments. `{url}`, `{host}`, `{pin}` (of the genuine leaf), `{ca}` (the trust bundle) and `{lab}` (the
    /// lab's own small programs) are filled in. It trusts the lab's public roots, stands inside, and runs in the phase in force.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), mitmlab::error::Error> {
    /// # if !std::path::Path::new("/usr/bin/curl").exists() { return Ok(()) }
    /// use mitmlab::lab::Lab;
    ///
    /// let lab = Lab::builder().scenario("untrusted-root-is-refused").start().await?;
    /// let outcome = lab.client(["curl", "-sS", "{url}"]).url("https://untrusted-root.badtls.test/").run().await?;
    /// outcome.assert_refused("untrusted-root.badtls.test");
    /// # Ok(())
    /// # }
    /// ```
    pub fn client<I, S>(&self, argv: I) -> Client
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Client {
            lab: self.clone(),
            argv: argv.into_iter().map(Into::into).collect(),
            url: None,
            trust: Trust::Web,
            vantage: Vantage::Inside,
            phase: None,
            clock: None,
            deadline: USUAL_DEADLINE,
            control: true,
        }
    }
}

impl Client {
    /// What stands for `{url}`.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// What it trusts.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Where it stands.
    #[must_use]
    pub fn vantage(mut self, vantage: Vantage) -> Self {
        self.vantage = vantage;
        self
    }

    /// The phase in force for it. If none is said: the lab's.
    #[must_use]
    pub fn phase(mut self, name: impl Into<String>) -> Self {
        self.phase = Some(name.into());
        self
    }

    /// The scenario's clock at its start. If none is said: the beginning of the phase that was said, else the lab's clock.
    #[must_use]
    pub fn at(mut self, clock: OffsetDateTime) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long it may take, 30 s if not said. It is killed then, with all that it started.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Leaves the control leg out: the same command without interference, which runs first. Without it a client that closes
    /// without a word is not known to have refused.
    #[must_use]
    pub fn without_control(mut self) -> Self {
        self.control = false;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The phase or a placeholder is unknown, or the machine cannot. A program that is missing, fails or is ended at its deadline is
    /// no error: the outcome says so.
    pub async fn run(self) -> Result<Outcome, Error> {
        let id = self.lab.next_leg();
        self.run_as(id).await
    }

    /// The same, under a number that was taken before.
    pub(super) async fn run_as(self, id: LegId) -> Result<Outcome, Error> {
        let control = match self.control {
            true => Some(self.lab.leg(self.order(LegKind::Control)?).await?.truth),
            false => None,
        };
        let order = self.order(LegKind::Test)?;
        let phase = self.lab.plan().phases[order.phase].name.clone();
        let ended = self.lab.leg_as(id, order).await?;
        Ok(Outcome {
            id: ended.id,
            plan: Arc::clone(&self.lab.0.plan),
            phase,
            control,
            host: self.url.as_deref().and_then(host_of),
            truth: ended.truth,
            stdout: ended.stdout,
        })
    }

    fn order(&self, kind: LegKind) -> Result<Order, Error> {
        let plan = self.lab.plan();
        let named = self.phase.as_deref().map(|name| first_phase(plan, Some(name))).transpose()?;
        let phase = named.unwrap_or_else(|| self.lab.standing().phase);
        let beginning = named.and_then(|phase| plan.phases[phase].from);
        Ok(Order {
            speed: super::campaign::AS_THE_MACHINE,
            check: None,
            kind,
            argv: self.argv.clone(),
            url: self.url.clone(),
            trust: self.trust,
            vantage: self.vantage,
            phase,
            clock: self.clock.or(beginning).unwrap_or_else(|| self.lab.clock().now()),
            deadline: self.deadline,
            terminal: false,
            coins: 0,
        })
    }
}

/// Real clients take a second; a JVM on a busy machine some more.
const USUAL_DEADLINE: Duration = Duration::from_secs(30);
