//! The table `[case]` as written: what a suite needs to know of a scenario.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, OneOrMany};
use crate::scenario::case::{Must, Need, Speaks, Truth};

/// What a case of a suite is about: `must` for `verify`, `truth` for `score`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseWritten {
    /// What a safe client must do.
    pub must: Option<At<Must>>,
    /// What a detector should find.
    pub truth: Option<At<Truth>>,
    /// Why, in a sentence. Required.
    #[schemars(required)]
    pub reason: Option<At<String>>,
    /// What kind of fault it is, for grouping: `chain`, `name`, `time` ...
    pub group: Option<At<String>>,
    /// What client or detector must claim, or the machine must have, for the case to be run. Default: nothing.
    pub needs: Option<At<OneOrMany<Need>>>,
    /// With this claim, `must = "maybe"` is `refuse`.
    pub firm: Option<At<Need>>,
    /// With this claim, `must = "accept"` is `maybe`.
    pub soft: Option<At<Need>>,
    /// What a client may speak that is run in it; the check's `url` is one example of it. Default: `https`.
    pub speaks: Option<At<OneOrMany<Speaks>>>,
}
