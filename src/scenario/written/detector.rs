//! A detector as written: its command, and how its finding is read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{At, ExitFindings};
use crate::scenario::detector::From;

/// A detector and how its finding is read.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorWritten {
    /// Program and arguments, with the placeholders of `client`. Required.
    #[schemars(required)]
    pub run: Option<At<Vec<String>>>,
    /// How its finding is read: exactly one of `json`, `line`, `exit`, `junit`, `word`. Required.
    #[schemars(required)]
    pub says: Option<At<SaysWritten>>,
}

/// How a detector's finding is read. Exactly one of `json`, `line`, `exit`, `junit`, `word`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaysWritten {
    /// JSON pointer (RFC 6901), such as `/finding`.
    pub json: Option<At<String>>,
    /// Pattern of a line; what its first group holds is the finding.
    pub line: Option<At<String>>,
    /// Exit code to finding.
    pub exit: Option<At<ExitFindings>>,
    /// Name of a JUnit test case; its result (`passed`, `failed`, `error`, `skipped`) is the finding. `""`: the worst of all.
    pub junit: Option<At<String>>,
    /// The last line that is not empty is the finding, and one word. Only `true`.
    pub word: Option<At<bool>>,
    /// Where it is looked for: in standard output, or in the `file` that stands for `{out}` in its arguments. Default: `stdout`.
    pub from: Option<At<From>>,
    /// The detector's words and those that stand for them. With it, any other word is an error.
    pub words: Option<BTreeMap<String, String>>,
}
