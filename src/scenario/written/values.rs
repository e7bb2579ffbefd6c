//! Values that may be written in more than one natural form, and values with a form of their own.
//!
//! Each is read by a visitor, never by an untagged enum, so that a mistake is told at its place and in the words of the
//! language ("a probability from 0 to 1"), not in serde's.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use time::{OffsetDateTime, UtcOffset};

use crate::scenario::plan::Chance;
use crate::scenario::words::{Action, ResetTo};

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

/// A date, or a date and time, with or without a UTC offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct When(toml::value::Datetime);

impl When {
    /// The moment that is meant: midnight if no time is written, in `offset` if none is written.
    ///
    /// # Errors
    /// A time of day alone, or an offset that no place on Earth has.
    pub fn moment(&self, offset: UtcOffset) -> Result<OffsetDateTime, String> {
        let date = self.0.date.ok_or("a time of day alone says no moment")?;
        let month = time::Month::try_from(date.month).map_err(|e| e.to_string())?;
        let day = time::Date::from_calendar_date(i32::from(date.year), month, date.day).map_err(|e| e.to_string())?;
        let clock = match self.0.time {
            None => time::Time::MIDNIGHT,
            Some(t) => time::Time::from_hms_nano(t.hour, t.minute, t.second.unwrap_or(0).min(59), t.nanosecond.unwrap_or(0))
                .map_err(|e| e.to_string())?,
        };
        Ok(time::PrimitiveDateTime::new(day, clock).assume_offset(self.offset()?.unwrap_or(offset)))
    }

    /// The UTC offset that is written, if one is.
    ///
    /// # Errors
    /// An offset that no place on Earth has.
    pub fn offset(&self) -> Result<Option<UtcOffset>, String> {
        match self.0.offset {
            None => Ok(None),
            Some(toml::value::Offset::Z) => Ok(Some(UtcOffset::UTC)),
            Some(toml::value::Offset::Custom { minutes }) => {
                UtcOffset::from_whole_seconds(i32::from(minutes) * 60).map(Some).map_err(|e| e.to_string())
            }
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::value::Datetime::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for When {
    fn schema_name() -> Cow<'static, str> {
        "When".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A date, or a date and time, without quotes.", "anyOf": [
            { "type": "string", "format": "date-time" }, { "type": "string", "format": "date" }
        ] })
    }
}

/// A span of time: `"500ms"`, `"20s"`, `"2m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a span of time such as `\"500ms\"`, `\"20s\"` or `\"2m\"`", |written| {
            let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let number: u32 = digits.parse().ok()?;
            let unit = match &written[digits.len()..] {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_secs(60),
                _ => return None,
            };
            unit.checked_mul(number).filter(|span| !span.is_zero() && *span <= LONGEST_SPAN).map(Self)
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m)$", "description": "A span of time, at most an hour: `500ms`, `20s`, `2m`." })
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

/// Hours of the day: `"21:00-24:00"`; an end before the begin crosses midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours(pub time::Time, pub time::Time);

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "hours of the day such as `\"21:00-24:00\"`", |written| {
            let (begin, end) = written.split_once('-')?;
            let (begin, end) = (time_of_day(begin)?, time_of_day(end)?);
            (begin != end).then_some(Self(begin, end))
        })
    }
}

impl JsonSchema for Hours {
    fn schema_name() -> Cow<'static, str> {
        "Hours".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$", "description": "Hours of the day: `21:00-24:00`." })
    }
}

fn time_of_day(written: &str) -> Option<time::Time> {
    let (hour, minute) = written.trim().split_once(':')?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = if (hour, minute) == (24, 0) { 0 } else { hour };
    time::Time::from_hms(hour, minute, 0).ok()
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
            "drop" => Action::Drop { residual_s: 0 },
            "drop-syn" => Action::DropSyn,
            "refuse" => Action::Refuse,
            "unreachable" => Action::Unreachable,
            "cut" => Action::Cut,
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

/// No span of a scenario is longer: a run must end.
const LONGEST_SPAN: Duration = Duration::from_secs(3600);

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
    use super::*;

    #[derive(Deserialize)]
    struct One<T> {
        v: T,
    }

    fn read<T: serde::de::DeserializeOwned>(written: &str) -> Result<T, String> {
        toml::from_str::<One<T>>(&format!("v = {written}")).map(|one| one.v).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        assert_eq!(read::<OneOrMany<u16>>("443").unwrap().0, [443]);
        assert_eq!(read::<OneOrMany<u16>>("[443, 8443]").unwrap().0, [443, 8443]);
        assert!(read::<OneOrMany<u16>>("70000").is_err());
    }

    #[test]
    fn an_action_is_a_word_or_a_word_with_parameters() {
        assert_eq!(read::<ActionWritten>("\"reset\"").unwrap().0, Action::Reset { to: ResetTo::Both });
        assert_eq!(read::<ActionWritten>("{ reset = { to = \"client\" } }").unwrap().0, Action::Reset { to: ResetTo::Client });
        assert_eq!(read::<ActionWritten>("{ dns = \"nxdomain\" }").unwrap().0.name(), "dns");
        let told = read::<ActionWritten>("\"throttle\"").unwrap_err();
        assert!(told.contains("down_kbps"), "{told}");
    }

    #[test]
    fn forms_are_checked() {
        assert_eq!(read::<Span>("\"2m\"").unwrap().0, Duration::from_secs(120));
        for wrong in ["\"2\"", "\"2h\"", "\"0s\"", "\"99999999m\"", "\"é\"", "2"] {
            assert!(read::<Span>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read::<Hours>("\"21:00-24:00\"").unwrap().1, time::Time::MIDNIGHT);
        assert!(read::<Prefix>("\"192.0.2.0/33\"").is_err());
        assert!(read::<ChanceWritten>("1.5").is_err());
        assert!(!read::<ChanceWritten>("{ probability = 0.5, per = \"connection\" }").unwrap().0.per_path);
        assert_eq!(read::<Commands>("[\"curl\", \"{url}\"]").unwrap().0.len(), 1);
        assert_eq!(read::<Commands>("[[\"curl\", \"{url}\"], [\"wget\", \"{url}\"]]").unwrap().0.len(), 2);
    }

    #[test]
    fn a_date_alone_is_midnight_in_the_scenarios_offset() {
        let when: When = read("2019-07-17").unwrap();
        let offset = UtcOffset::from_hms(6, 0, 0).unwrap();
        assert_eq!(when.moment(offset).unwrap(), time::macros::datetime!(2019-07-17 00:00 +6));
        assert!(read::<When>("12:30:00").unwrap().moment(offset).is_err());
    }
}
