//! Which connections are meant.

use super::words::ConnectionQuery;
use crate::record::Connection;

impl ConnectionQuery {
    /// True if all that is said holds of the connection.
    pub fn fits(&self, connection: &Connection) -> bool {
        let decision = connection.decision();
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        self.host.as_deref().is_none_or(|host| connection.host().eq_ignore_ascii_case(host.trim_end_matches('.')))
            && is(&self.action, decision.map(|d| d.action.as_str()))
            && is(&self.rule, decision.and_then(|d| d.rule.as_deref()))
            && self.leg.is_none_or(|leg| connection.leg == Some(leg))
            && self.vantage.is_none_or(|vantage| connection.vantage == vantage)
            && self.ended.is_none_or(|ended| connection.ended == ended)
            && self.after.is_none_or(|after| connection.id.0 > after)
    }

    /// How many are given at most.
    pub fn most(&self) -> usize {
        self.limit.unwrap_or(USUAL_LIMIT).min(MOST)
    }
}

const USUAL_LIMIT: usize = 1000;
const MOST: usize = 10_000;
