//! Commands as written: one as a flat list of words, several as a list of lists.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A command: a program and its arguments; or several commands for a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands(pub Vec<Vec<String>>);

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandsVisitor)
    }
}

struct CommandsVisitor;

impl<'de> Visitor<'de> for CommandsVisitor {
    type Value = Commands;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a program and its arguments as a list: `[\"curl\", \"{url}\"]`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Commands, A::Error> {
        let (mut words, mut commands) = (Vec::new(), Vec::new());
        while let Some(part) = list.next_element::<Part>()? {
            match part {
                Part::Word(word) => words.push(word),
                Part::Command(command) => commands.push(command),
            }
            if !words.is_empty() && !commands.is_empty() {
                return Err(A::Error::custom("words and lists of words do not mix: one command is a flat list"));
            }
        }
        Ok(Commands(if commands.is_empty() { vec![words] } else { commands }))
    }
}

enum Part {
    Word(String),
    Command(Vec<String>),
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word of a command, or a whole command as a list of words")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Part, E> {
                Ok(Part::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Part, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Part::Command)
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}

impl JsonSchema for Commands {
    fn schema_name() -> Cow<'static, str> {
        "Commands".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "array", "items": { "type": "array", "items": { "type": "string" }, "minItems": 1 }, "minItems": 1 },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_one as read;
    use super::*;

    #[test]
    fn one_command_is_flat_and_several_are_not() {
        assert_eq!(read::<Commands>("[\"curl\", \"{url}\"]").unwrap().0, [["curl", "{url}"]]);
        assert_eq!(read::<Commands>("[[\"curl\"], [\"wget\"]]").unwrap().0, [["curl"], ["wget"]]);
        assert!(read::<Commands>("[\"curl\", [\"wget\"]]").is_err() && read::<Commands>("\"curl\"").is_err());
    }
}
