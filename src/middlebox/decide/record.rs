//! A decision as the record tells it.

use time::format_description::well_known::Rfc3339;

use super::{Context, Decision, Why};
use crate::record::DecisionRecord;
use crate::scenario::{Plan, Rule};

impl<'p> Decision<'p> {
    /// The rule that it rests on: the one that matched, or the one that just missed.
    pub fn rule(&self) -> Option<&'p Rule> {
        match self {
            Self::Act { rule, .. } => Some(rule),
            Self::AskOrigin => None,
            Self::Forward(why) => why.rule(),
        }
    }

    /// The decision for the record. `rule` is named only if it matched or just missed.
    pub fn record(&self, plan: &Plan, context: &Context) -> DecisionRecord {
        let (action, reason, coin) = match self {
            Self::Act { rule, coin } => (rule.action.name(), "rule", *coin),
            Self::AskOrigin => ("forward", "origin-not-asked", None),
            Self::Forward(why) => ("forward", why.word(), why.coin()),
        };
        DecisionRecord {
            action: action.to_owned(),
            reason: reason.to_owned(),
            rule: self.rule().map(|rule| rule.name.clone()),
            phase: plan.phases.get(context.phase).map(|phase| phase.name.clone()).unwrap_or_default(),
            coin,
            clock: context.now.format(&Rfc3339).unwrap_or_else(|_| context.now.to_string()),
        }
    }
}

impl<'p> Why<'p> {
    /// The word of the record.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CannotAct { .. } => "cannot-act",
            Self::Coin { .. } => "coin",
            Self::Later { .. } => "later",
            Self::NoHello(_) => "no-hello",
            Self::NoRules => "no-rules",
            Self::NotListed => "not-listed",
            Self::OriginTrusted { .. } => "origin-trusted",
            Self::OriginUntrusted { .. } => "origin-untrusted",
            Self::OutOfSchedule { .. } => "out-of-schedule",
        }
    }

    fn rule(&self) -> Option<&'p Rule> {
        match self {
            Self::CannotAct { rule }
            | Self::Coin { rule, .. }
            | Self::Later { rule }
            | Self::OriginTrusted { rule }
            | Self::OriginUntrusted { rule }
            | Self::OutOfSchedule { rule } => Some(rule),
            Self::NoHello(_) | Self::NoRules | Self::NotListed => None,
        }
    }

    fn coin(&self) -> Option<(f64, f64)> {
        match self {
            Self::Coin { drawn, threshold, .. } => Some((*drawn, *threshold)),
            _ => None,
        }
    }
}
