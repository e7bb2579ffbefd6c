//! The report for programs. Its shape is published by [`schema`]; an added field is no new version, a changed one is.
//!
//! Connections are listed with their facts but without the bytes of hellos and certificates: those are in the
//! record's `connections.jsonl`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Counts;
use crate::record::{Certificate, Connection};
use crate::verdict::run::exit_code;
use crate::verdict::{CheckResult, RunReport};

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Version of this shape.
    pub version: u32,
    /// The exit code of the run: 0, 1 or 3.
    pub exit_code: u8,
    /// How many checks came out how.
    pub counts: Counts,
    /// The run.
    pub run: RunReport,
}

/// Writes the report, with a final newline.
pub fn json(report: &RunReport) -> serde_json::Result<String> {
    let mut run = report.clone();
    slim_run(&mut run);
    let document = Document { version: VERSION, exit_code: exit_code(report), counts: Counts::of(report), run };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

/// Reads a report back.
///
/// # Errors
/// The text is no report, or one of another shape.
pub fn read(text: &[u8]) -> serde_json::Result<RunReport> {
    serde_json::from_slice::<Document>(text).map(|document| document.run)
}

/// The JSON Schema (2020-12) of [`Document`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Takes out what only the record holds: the bytes of hellos and certificates.
pub(super) fn slim_run(run: &mut RunReport) {
    run.checks.iter_mut().for_each(slim);
}

fn slim(check: &mut CheckResult) {
    let legs = [&mut check.control, &mut check.test];
    for connection in legs.into_iter().flatten().flat_map(|leg| &mut leg.connections) {
        without_bytes(connection);
    }
    if let Some(twin) = &mut check.twin {
        slim(twin);
    }
}

fn without_bytes(connection: &mut Connection) {
    let hellos = [&mut connection.hello, &mut connection.upstream_hello];
    hellos.into_iter().flatten().for_each(|hello| hello.raw.clear());
    let chains = [&mut connection.presented, &mut connection.origin.chain];
    chains.into_iter().flatten().for_each(|certificate: &mut Arc<Certificate>| Arc::make_mut(certificate).der.clear());
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_document_is_read_back() {
        let text = json(&sample::run()).expect("plain data");
        insta::assert_snapshot!(text);
        let document: Document = serde_json::from_str(&text).expect("its own shape");
        assert_eq!((document.exit_code, document.counts.failed), (1, 2));
    }

    #[test]
    fn every_field_is_in_the_schema() {
        let schema = schema().to_string();
        for field in ["targets", "containment", "evidence", "lookups", "client_half", "grade", "exit_code"] {
            assert!(schema.contains(&format!("\"{field}\"")), "{field}");
        }
    }
}
