//! Builders of synthetic connections and legs for the tests of this room.

use super::LegTruth;
use crate::record::{Connection, LegKind};
use crate::scenario::{Trust, Vantage};

/// A leg with these connections that ended well.
pub(crate) fn leg(connections: Vec<Connection>) -> LegTruth {
    LegTruth {
        kind: LegKind::Test,
        argv: vec!["client".to_owned(), "https://bank.lab.test/".to_owned()],
        trust: Trust::Web,
        vantage: Vantage::Inside,
        exit: Some(0),
        signal: None,
        timed_out: false,
        not_started: None,
        ms: 12,
        stdout_head: String::new(),
        stderr_tail: String::new(),
        connections,
        lookups: Vec::new(),
        killed_us: None,
    }
}
