//! Dates, spans of time and hours of the day as written.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use time::{OffsetDateTime, UtcOffset};

use super::text;

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

/// No span of a scenario is longer: a run must end.
const LONGEST_SPAN: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::super::read_one as read;
    use super::*;

    #[test]
    fn a_date_alone_is_midnight_in_the_scenarios_offset() {
        let when: When = read("2019-07-17").unwrap();
        let offset = UtcOffset::from_hms(6, 0, 0).unwrap();
        assert_eq!(when.moment(offset).unwrap(), time::macros::datetime!(2019-07-17 00:00 +6));
        assert!(read::<When>("12:30:00").unwrap().moment(offset).is_err());
    }

    #[test]
    fn forms_are_checked() {
        assert_eq!(read::<Span>("\"2m\"").unwrap().0, Duration::from_secs(120));
        for wrong in ["\"2\"", "\"2h\"", "\"0s\"", "\"99999999m\"", "\"é\"", "2"] {
            assert!(read::<Span>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read::<Hours>("\"21:00-24:00\"").unwrap().1, time::Time::MIDNIGHT);
        assert!(read::<Hours>("\"9:00-9:00\"").is_err());
    }
}
