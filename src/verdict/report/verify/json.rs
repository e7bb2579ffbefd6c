//! The report of `verify` for programs. Its shape is published by [`schema`].

use super::super::json::slim_run;
use crate::verdict::verify::VerifyReport;

/// Writes the report, with a final newline.
///
/// # Errors
/// None in practice: the report is plain data.
pub fn json(report: &VerifyReport) -> serde_json::Result<String> {
    let mut report = report.clone();
    report.cases.iter_mut().filter_map(|case| case.run.as_mut()).for_each(slim_run);
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

/// The JSON Schema (2020-12) of the report.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(VerifyReport).to_value()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_document_is_read_back() {
        let text = json(&sample::report()).expect("plain data");
        let read: VerifyReport = serde_json::from_str(&text).expect("its own shape");
        assert_eq!(read.cases.len(), sample::report().cases.len());
        let schema = schema().to_string();
        for field in ["digest", "shard", "settings", "agrees", "read", "reason"] {
            assert!(schema.contains(&format!("\"{field}\"")), "{field}");
        }
    }
}
