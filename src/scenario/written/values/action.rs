//! Actions and chances as written: a word or a number, or a table with parameters.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::scenario::plan::Chance;
use crate::scenario::words::{Action, ResetTo, ResidualPer};

/// What the box does: a word, or a word with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionWritten(pub Action);

impl<'de> Deserialize<'de> for ActionWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = ActionWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an action: a word such as `\"intercept\"`, or one with parameters such as `{ throttle = { down_kbps = 128 } }`",
        )
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ActionWritten, E> {
        Ok(ActionWritten(match word {
            "forward" => Action::Forward,
            "intercept" => Action::Intercept,
            "reset" => Action::Reset { to: ResetTo::default() },
            "close" => Action::Close,
            "drop" => Action::Drop { residual_s: 0, residual: ResidualPer::default() },
            "drop-syn" => Action::DropSyn,
            "refuse" => Action::Refuse,
            "unreachable" => Action::Unreachable,
            "cut" => Action::Cut,
            "strip-starttls" => Action::StripStarttls,
            "refuse-starttls" => Action::RefuseStarttls,
            "mangle-starttls" => Action::MangleStarttls,
            _ => match ACTIONS_WITH_PARAMETERS.iter().find(|(name, _)| *name == word) {
                Some((_, form)) => return Err(E::custom(format_args!("`{word}` needs parameters: `{form}`"))),
                None => return Err(E::unknown_variant(word, ACTION_WORDS)),
            },
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ActionWritten, A::Error> {
        Action::deserialize(MapAccessDeserializer::new(map)).map(ActionWritten)
    }
}

impl JsonSchema for ActionWritten {
    fn schema_name() -> Cow<'static, str> {
        "ActionOrWord".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = generator.subschema_for::<Action>();
        json_schema!({ "anyOf": [{ "enum": ["reset", "drop"] }, full] })
    }
}

/// A seeded coin: a probability, or `{ probability, per }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChanceWritten(pub Chance);

impl<'de> Deserialize<'de> for ChanceWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChanceVisitor)
    }
}

struct ChanceVisitor;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChanceTable {
    /// From 0 to 1.
    probability: f64,
    /// One coin for each path (client and destination address), or for each connection. Default: `path`.
    #[serde(default)]
    per: Per,
}

#[derive(Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Per {
    #[default]
    Path,
    Connection,
}

impl<'de> Visitor<'de> for ChanceVisitor {
    type Value = ChanceWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a probability from 0 to 1, or `{ probability = 0.07, per = \"path\" }`")
    }

    fn visit_f64<E: Error>(self, probability: f64) -> Result<ChanceWritten, E> {
        chance(probability, true)
    }

    fn visit_i64<E: Error>(self, probability: i64) -> Result<ChanceWritten, E> {
        chance(probability as f64, true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ChanceWritten, A::Error> {
        let table = ChanceTable::deserialize(MapAccessDeserializer::new(map))?;
        chance(table.probability, table.per == Per::Path)
    }
}

fn chance<E: Error>(probability: f64, per_path: bool) -> Result<ChanceWritten, E> {
    if (0.0..=1.0).contains(&probability) {
        Ok(ChanceWritten(Chance { probability, per_path }))
    } else {
        Err(E::custom(format_args!("`{probability}` is no probability: a number from 0 to 1 is expected")))
    }
}

impl JsonSchema for ChanceWritten {
    fn schema_name() -> Cow<'static, str> {
        "Chance".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ChanceTable>();
        json_schema!({ "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, table] })
    }
}

pub(crate) const ACTION_WORDS: &[&str] = &[
    "forward",
    "intercept",
    "reset",
    "close",
    "alert",
    "drop",
    "drop-after",
    "throttle",
    "stall",
    "drop-syn",
    "refuse",
    "unreachable",
    "page",
    "redirect",
    "cut",
    "strip-starttls",
    "refuse-starttls",
    "mangle-starttls",
    "dns",
];

const ACTIONS_WITH_PARAMETERS: &[(&str, &str)] = &[
    ("alert", "{ alert = { number = 80 } }"),
    ("drop-after", "{ drop-after = { packets = 5 } }"),
    ("throttle", "{ throttle = { down_kbps = 128 } }"),
    ("stall", "{ stall = { after_bytes = 16384 } }"),
    ("page", "{ page = { file = \"blocked.html\" } }"),
    ("redirect", "{ redirect = { to = \"http://portal.test/\" } }"),
    ("dns", "{ dns = \"nxdomain\" }"),
];

#[cfg(test)]
mod tests {
    use super::super::read_one as read;
    use super::*;

    #[test]
    fn an_action_is_a_word_or_a_word_with_parameters() {
        assert_eq!(read::<ActionWritten>("\"reset\"").unwrap().0, Action::Reset { to: ResetTo::Both });
        assert_eq!(read::<ActionWritten>("{ reset = { to = \"client\" } }").unwrap().0, Action::Reset { to: ResetTo::Client });
        assert_eq!(read::<ActionWritten>("{ dns = \"nxdomain\" }").unwrap().0.name(), "dns");
        let told = read::<ActionWritten>("\"throttle\"").unwrap_err();
        assert!(told.contains("down_kbps"), "{told}");
    }

    #[test]
    fn a_chance_is_a_probability() {
        assert!(read::<ChanceWritten>("1.5").is_err() && read::<ChanceWritten>("nan").is_err());
        assert!(read::<ChanceWritten>("0.5").unwrap().0.per_path);
        assert!(!read::<ChanceWritten>("{ probability = 0.5, per = \"connection\" }").unwrap().0.per_path);
    }
}
