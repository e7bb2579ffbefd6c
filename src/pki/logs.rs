//! The lab's certificate transparency logs: two, of two operators, and the list by which a checker knows them.
//!
//! They sign what the genuine authorities give them (RFC 6962 section 3.2); nobody else can. They are no logs that can be
//! asked: no tree head, no proof of inclusion. The addresses in the list lead nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::x509::key::KeyError;
use crate::x509::sct::Log;

/// All logs of a run.
#[derive(Debug)]
pub(super) struct Logs(Vec<Log>);

impl Logs {
    /// Fresh logs.
    pub(super) fn new() -> Result<Self, KeyError> {
        Ok(Self(OPERATORS.iter().map(|_| Log::new()).collect::<Result<_, _>>()?))
    }

    /// To be signed by.
    pub(super) fn all(&self) -> &[Log] {
        &self.0
    }

    /// The list in the form of the log list that browsers use, version 3
    /// (www.gstatic.com/ct/log_list/v3/log_list_schema.json).
    pub(super) fn list(&self, now: OffsetDateTime) -> Value {
        let moment = |at: OffsetDateTime| at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default();
        let since = moment(now - Duration::days(2 * 365));
        let operators: Vec<Value> = OPERATORS
            .iter()
            .zip(&self.0)
            .map(|((operator, log_name, host), log)| {
                json!({
                    "name": operator,
                    "email": [format!("ct@{host}")],
                    "logs": [{
                        "description": log_name,
                        "log_id": STANDARD.encode(log.id()),
                        "key": STANDARD.encode(log.spki()),
                        "url": format!("https://{host}/"),
                        "mmd": 86_400,
                        "state": { "usable": { "timestamp": since } },
                    }],
                    "tiled_logs": [],
                })
            })
            .collect();
        json!({ "version": "1.0", "log_list_timestamp": moment(now), "operators": operators })
    }
}

/// Operator, log, and where it would be found (RFC 6761: `.invalid` is no host).
const OPERATORS: [(&str, &str, &str); 2] = [
    ("mitmlab Log Operator A", "mitmlab Alder log", "alder.ct-a.invalid"),
    ("mitmlab Log Operator B", "mitmlab Birch log", "birch.ct-b.invalid"),
];
