//! Values that may be written in more than one natural form, and values with a form of their own.
//!
//! Each is read by a visitor, never by an untagged enum, so that a mistake is told at its place and in the words of the
//! language ("a probability from 0 to 1"), not in serde's.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

mod action;
mod commands;
mod moments;

pub(crate) use action::ACTION_WORDS;
pub use action::{ActionWritten, ChanceWritten};
pub use commands::Commands;
pub use moments::{Hours, Span, When};

/// One value, or a list of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(text.into_deserializer()).map(|one| OneOrMany(vec![one]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(|one| OneOrMany(vec![one]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}

/// An address or a prefix: `192.0.2.0/24`, `2001:db8::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix(pub IpAddr, pub u8);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "an address or prefix such as `192.0.2.7` or `192.0.2.0/24`", |written| {
            let (address, bits) = written.split_once('/').map_or((written, None), |(a, b)| (a, Some(b)));
            let address: IpAddr = address.parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(longest), |b| b.parse().ok())?;
            (bits <= longest).then_some(Self(address, bits))
        })
    }
}

impl JsonSchema for Prefix {
    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An address or prefix: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`." })
    }
}

/// A list of names: the file that holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListWritten {
    /// The file: one name a line, `#` begins a comment.
    pub file: String,
    /// Why no rule uses it, if that is meant.
    pub unused_ok: Option<String>,
}

impl<'de> Deserialize<'de> for ListWritten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListTable {
    /// The file.
    file: String,
    /// Why no rule uses it, if that is meant.
    unused_ok: Option<String>,
}

impl<'de> Visitor<'de> for ListVisitor {
    type Value = ListWritten;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list's file, such as `\"lists/names.txt\"`")
    }

    fn visit_str<E: Error>(self, file: &str) -> Result<ListWritten, E> {
        Ok(ListWritten { file: file.to_owned(), unused_ok: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListWritten, A::Error> {
        let table = ListTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ListWritten { file: table.file, unused_ok: table.unused_ok })
    }
}

impl JsonSchema for ListWritten {
    fn schema_name() -> Cow<'static, str> {
        "List".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<ListTable>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}

/// The operators' text message.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeWritten {
    /// Sender.
    pub from: String,
    /// Text.
    pub text: String,
    /// Source.
    pub source: Option<String>,
}

/// Exit code to finding: `{ 0 = "clean", 1 = "intercepted" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitFindings(pub Vec<(i32, String)>);

impl<'de> Deserialize<'de> for ExitFindings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, String>::deserialize(deserializer)?;
        let pairs = written.into_iter().map(|(code, finding)| {
            let number =
                code.parse().map_err(|_| D::Error::custom(format_args!("`{code}` is no exit code: a number is expected")))?;
            Ok((number, finding))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

impl JsonSchema for ExitFindings {
    fn schema_name() -> Cow<'static, str> {
        "ExitFindings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "patternProperties": { "^-?[0-9]+$": { "type": "string" } }, "additionalProperties": false })
    }
}

/// Reads a string with a form of its own.
fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Text<F>(&'static str, F);
    impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, written: &str) -> Result<T, E> {
            (self.1)(written).ok_or_else(|| E::custom(format_args!("`{written}` is not {}", self.0)))
        }
    }
    deserializer.deserialize_str(Text(expected, parse))
}

/// Reads one value, for tests.
#[cfg(test)]
fn read_one<T: serde::de::DeserializeOwned>(written: &str) -> Result<T, String> {
    #[derive(Deserialize)]
    struct One<T> {
        v: T,
    }
    toml::from_str::<One<T>>(&format!("v = {written}")).map(|one| one.v).map_err(|e| e.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::read_one as read;
    use super::*;

    #[test]
    fn one_value_is_a_list_of_one() {
        assert_eq!(read::<OneOrMany<u16>>("443").unwrap().0, [443]);
        assert_eq!(read::<OneOrMany<u16>>("[443, 8443]").unwrap().0, [443, 8443]);
        assert!(read::<OneOrMany<u16>>("70000").is_err());
    }

    #[test]
    fn a_prefix_fits_its_family() {
        assert_eq!(read::<Prefix>("\"192.0.2.7\"").unwrap().1, 32);
        assert!(read::<Prefix>("\"192.0.2.0/33\"").is_err() && read::<Prefix>("\"2001:db8::/33\"").is_ok());
    }
}
