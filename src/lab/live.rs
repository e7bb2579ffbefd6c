//! What is in force in a lab that stays up: the phase, the clock, the rules; what was seen so far.
//!
//! It holds for everyone who has no standing of their own: what comes by an [`Entrance`](super::Entrance), and clients that are started without
//! saying a phase.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Lab;
use super::builder::first_phase;
use crate::error::Error;
use crate::middlebox::standing::Standing;
use crate::record::{Connection, Event};
use crate::scenario::{Action, Clock, Plan, Rule, Vantage, added_rule};

impl Lab {
    /// Every connection so far, in order of first sight.
    pub fn connections(&self) -> Vec<Connection> {
        self.recorder().connections()
    }

    /// Waits until a connection is as wanted, or the time is over: none then.
    pub async fn wait_for(&self, patience: Duration, wanted: impl Fn(&Connection) -> bool) -> Option<Connection> {
        let deadline = Instant::now() + patience;
        self.recorder().wait(deadline, |all| all.iter().any(&wanted)).await;
        self.connections().into_iter().find(wanted)
    }

    /// Enters a phase of the campaign. The clock goes to its beginning, if it has a date.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), mitmlab::error::Error> {
    /// let lab = mitmlab::lab::Lab::builder().scenario("nightly-interception").start().await?;
    /// let phase = lab.phase();
    /// lab.enter(&phase)?;
    /// assert!(lab.enter("no such phase").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The scenario has no such phase; the message names those that it has.
    pub fn enter(&self, phase: &str) -> Result<(), Error> {
        let at = first_phase(self.plan(), Some(phase))?;
        self.stand(at, self.plan().phases[at].from.unwrap_or_else(|| self.clock().now()));
        Ok(())
    }

    /// Name of the phase in force.
    pub fn phase(&self) -> String {
        self.plan().phases[self.standing().phase].name.clone()
    }

    /// The scenario's clock. It can be moved; forged certificates follow it.
    pub fn clock(&self) -> Clock {
        self.standing().clock
    }

    /// The plan with the rules that are in force now.
    pub fn plan_in_force(&self) -> Plan {
        self.middlebox().compiled().plan().clone()
    }

    /// Puts one more rule in force, written as in a scenario file; in the phase in force if none is named; before all others if no
    /// position is given. Gives the phase's name, the rule, and what a caller should know.
    ///
    /// # Errors
    /// The rule is wrong, its name is taken, the phase is unknown, or it intercepts in a scenario that has no authority.
    pub fn add_rule(
        &self,
        phase: Option<&str>,
        position: Option<usize>,
        toml: &str,
    ) -> Result<(String, Rule, Vec<String>), Error> {
        let rule = added_rule(self.plan(), toml).map_err(|wrong| Error::Usage(wrong.render(false)))?;
        if rule.name.trim().is_empty() {
            return Err(Error::Usage("a rule needs a name, by which it is reported and taken out again".to_owned()));
        }
        if rule.action == Action::Intercept && self.plan().needs().profiles.is_empty() {
            let told = "the scenario has no authority, so there is nobody to forge\nhint: give the scenario an `[authority]`";
            return Err(Error::Usage(format!("the rule `{}` intercepts: {told}", rule.name)));
        }
        let remarks = self.remarks_on(&rule);
        let name = self.change(phase, |rules| {
            if rules.iter().any(|known| known.name == rule.name) {
                return Err(format!("a rule `{}` is in force already", rule.name));
            }
            rules.insert(position.unwrap_or(0).min(rules.len()), rule.clone());
            Ok(())
        })?;
        Ok((name, rule, remarks))
    }

    /// Takes a rule out of force; of the phase in force if none is named.
    ///
    /// # Errors
    /// There is no such rule, or no such phase.
    pub fn remove_rule(&self, phase: Option<&str>, name: &str) -> Result<(), Error> {
        let removed = self.change(phase, |rules| {
            let at = rules.iter().position(|rule| rule.name == name).ok_or_else(|| format!("no rule `{name}` is in force"))?;
            rules.remove(at);
            Ok(())
        });
        removed.map(drop)
    }

    /// Puts the scenario's own rules in force again.
    pub fn reset_rules(&self) {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.middlebox().replace_rules(Arc::clone(&self.0.plan));
    }

    /// Puts a phase and a time in force for everyone, and tells it.
    pub(super) fn stand(&self, phase: usize, at: OffsetDateTime) {
        self.0.authorities.pin(at);
        let clock = self.clock();
        clock.set(at);
        let now = &self.plan().phases[phase];
        let told = at.format(&Rfc3339).unwrap_or_default();
        self.recorder().emit_run(None, Event::PhaseEnter { phase: now.name.clone(), clock: told });
        if let Some(notice) = &now.notice {
            self.recorder().emit_run(None, Event::NoticeSent { from: notice.from.clone(), text: notice.text.clone() });
        }
        self.middlebox().standings().set_for_everyone(Standing {
            phase,
            vantage: Vantage::Inside,
            clock,
            interference: true,
            coins: 0,
        });
    }

    pub(super) fn standing(&self) -> Standing {
        self.middlebox().standings().of(None)
    }

    fn change(&self, phase: Option<&str>, change: impl FnOnce(&mut Vec<Rule>) -> Result<(), String>) -> Result<String, Error> {
        let at = match phase {
            Some(name) => first_phase(self.plan(), Some(name))?,
            None => self.standing().phase,
        };
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plan = self.plan_in_force();
        let name = plan.phases[at].name.clone();
        change(&mut plan.phases[at].rules).map_err(|why| Error::Usage(format!("{why} in the phase `{name}`")))?;
        self.middlebox().replace_rules(Arc::new(plan));
        Ok(name)
    }

    /// What this network cannot do for a rule that comes late.
    fn remarks_on(&self, rule: &Rule) -> Vec<String> {
        let mut alone = self.plan().clone();
        for phase in &mut alone.phases {
            phase.rules.clear();
        }
        alone.phases[0].rules.push(rule.clone());
        if self.network() == "proxy" {
            return alone.needs().packets.into_iter().map(|why| format!("not exact in the proxy network: {why}")).collect();
        }
        let diverted = self.plan().diverted_ports();
        let missing = alone.diverted_ports().into_iter().filter(|port| !diverted.contains(port));
        missing
            .map(|(transport, port)| {
                format!("port {port} ({transport:?}) is not diverted through the box: no rule of the scenario names it")
            })
            .collect()
    }
}
