//! What is asked, and how the answer is checked: by itself, or against the record of the participant's own lab.

use serde::Deserialize;
use serde_json::Value;

use crate::record::Connection;
use crate::scenario::Messages;
use crate::workshop::bench::{Started, Switch, of_connection};

/// A question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Unique in the lesson, and the same in every language.
    pub id: String,
    /// What is asked, Markdown.
    pub ask: String,
    /// Hints, one after each wrong answer.
    #[serde(default)]
    pub hints: Vec<String>,
    /// What is said to a right answer, Markdown.
    #[serde(default)]
    pub told: String,
    /// How it is answered.
    pub answer: Kind,
}

/// How a question is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// One of several.
    Choice {
        /// What there is to choose from.
        choices: Vec<String>,
        /// The right one, from 0.
        right: usize,
        /// What is said to each.
        #[serde(default)]
        why: Vec<String>,
    },
    /// All that are right, and no other.
    Choices {
        /// What there is to choose from.
        choices: Vec<String>,
        /// The right ones, from 0.
        right: Vec<usize>,
    },
    /// A word or two.
    Text {
        /// What is taken.
        one_of: Vec<String>,
    },
    /// A field in which a forged certificate differs from the genuine one, in the lab's record.
    Field {
        /// Only these; any that differs if empty.
        #[serde(default)]
        one_of: Vec<String>,
        /// Of which connection.
        #[serde(default, rename = "where")]
        filter: Filter,
    },
    /// A connection of the lab's record.
    Connection {
        /// Which.
        #[serde(rename = "where")]
        filter: Filter,
    },
    /// Nothing: the lab's record shows that it was done.
    Seen {
        /// What it must show.
        #[serde(rename = "where")]
        filter: Filter,
    },
    /// What stands at a place of a connection in the lab's record, or a part of it.
    Value {
        /// JSON pointer (RFC 6901) into the connection, as the API gives it.
        pointer: String,
        /// Of which connection.
        #[serde(rename = "where")]
        filter: Filter,
    },
}

/// Which connections are meant. All that is said must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The client of the bench.
    pub client: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// What the box did.
    pub action: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
    /// What had become of the root.
    pub trust: Option<Switch>,
    /// The phase in force.
    pub phase: Option<String>,
    /// What the messages of a chat were to the box.
    pub messages: Option<Messages>,
}

impl Question {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self.answer {
            Kind::Choice { .. } => "choice",
            Kind::Choices { .. } => "choices",
            Kind::Text { .. } => "text",
            Kind::Field { .. } => "field",
            Kind::Connection { .. } => "connection",
            Kind::Seen { .. } => "seen",
            Kind::Value { .. } => "value",
        }
    }

    /// What there is to choose from.
    pub fn choices(&self) -> Option<&[String]> {
        match &self.answer {
            Kind::Choice { choices, .. } | Kind::Choices { choices, .. } => Some(choices),
            _ => None,
        }
    }

    /// The right ones of its choices.
    pub(super) fn right_ones(&self) -> &[usize] {
        match &self.answer {
            Kind::Choice { right, .. } => std::slice::from_ref(right),
            Kind::Choices { right, .. } => right,
            _ => &[],
        }
    }

    /// Which connections it is about.
    pub fn filter(&self) -> Option<&Filter> {
        match &self.answer {
            Kind::Field { filter, .. } | Kind::Connection { filter } | Kind::Seen { filter } | Kind::Value { filter, .. } => {
                Some(filter)
            }
            _ => None,
        }
    }

    /// Whether an answer is right, for kinds that need no record; none for those that do.
    pub(in crate::workshop) fn right_by_itself(&self, given: &Value) -> Option<bool> {
        match &self.answer {
            Kind::Choice { right, .. } => Some(given.as_u64() == Some(*right as u64)),
            Kind::Choices { right, .. } => {
                let mut chosen: Vec<u64> = given.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
                let mut wanted: Vec<u64> = right.iter().map(|&index| index as u64).collect();
                chosen.sort_unstable();
                chosen.dedup();
                wanted.sort_unstable();
                Some(chosen == wanted)
            }
            Kind::Text { one_of } => {
                let given = plain(given.as_str().unwrap_or_default());
                Some(one_of.iter().any(|taken| plain(taken) == given))
            }
            _ => None,
        }
    }
}

impl Filter {
    /// True if the connection of that run is meant.
    pub(in crate::workshop) fn fits(&self, connection: &Connection, run: &Started) -> bool {
        let decision = connection.decision();
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found));
        is(&self.client, run.client.id)
            && is(&self.host, &connection.host())
            && is(&self.action, decision.map_or("", |decision| &decision.action))
            && is(&self.phase, decision.map_or(run.phase.as_str(), |decision| &decision.phase))
            && is(&self.outcome, of_connection(connection, Some(run)))
            && self.trust.is_none_or(|trust| trust == run.switch)
            && self.messages.is_none_or(|messages| connection.messages() == Some(messages))
    }
}

/// Words without case, quotes and marks around them, with single spaces.
pub(in crate::workshop) fn plain(text: &str) -> String {
    let kept: String = text.chars().map(|c| if c.is_alphanumeric() || ".-=".contains(c) { c } else { ' ' }).collect();
    kept.to_lowercase()
        .split_whitespace()
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question(answer: Kind) -> Question {
        Question { id: "q".into(), ask: "?".into(), hints: Vec::new(), told: String::new(), answer }
    }

    #[test]
    fn answers_that_need_no_record() {
        let two = || vec!["a".to_owned(), "b".to_owned()];
        let choice = question(Kind::Choice { choices: two(), right: 1, why: Vec::new() });
        assert_eq!(choice.right_by_itself(&json!(1)), Some(true));
        for wrong in [json!(0), json!("1"), json!(null), json!([1]), json!(-1)] {
            assert_eq!(choice.right_by_itself(&wrong), Some(false), "{wrong}");
        }
        let both = question(Kind::Choices { choices: two(), right: vec![1, 0] });
        assert_eq!(both.right_by_itself(&json!([0, 1, 1])), Some(true));
        assert_eq!(both.right_by_itself(&json!([0])), Some(false));
        let text = question(Kind::Text { one_of: vec!["the Issuer".to_owned()] });
        assert_eq!(text.right_by_itself(&json!("  «The   issuer». ")), Some(true));
        assert_eq!(text.right_by_itself(&json!("")), Some(false));
        assert_eq!(question(Kind::Seen { filter: Filter::default() }).right_by_itself(&json!(null)), None);
    }
}
