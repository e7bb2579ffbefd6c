//! Dates in certificates (RFC 5280 section 4.1.2.5), and which time they are in.
//!
//! Clients judge by the machine's clock. So an authority's dates, which a profile states in the scenario's time, are
//! moved to the machine's; dates copied from a genuine leaf of the lab are the machine's already and stay.

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::der::{self, Reader, tag};
use crate::scenario::Clock;

/// Which time the certificates' dates are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// The machine's: the scenario's dates are moved by the clock's offset. For certificates that a client is to judge.
    #[default]
    Moved,
    /// The scenario's, as written. For certificates that are compared, not used.
    AsWritten,
}

impl Dates {
    /// A moment of the scenario, in the certificates' time.
    pub fn scenario(self, clock: &Clock, moment: OffsetDateTime) -> OffsetDateTime {
        shifted(moment, self.offset(clock))
    }

    /// What to add to the scenario's time to get the certificates'.
    pub fn offset(self, clock: &Clock) -> Duration {
        match self {
            Self::Moved => clock.offset(),
            Self::AsWritten => Duration::ZERO,
        }
    }

    /// Now, in the certificates' time, whole seconds.
    pub fn now(self, clock: &Clock) -> OffsetDateTime {
        let now = match self {
            Self::Moved => OffsetDateTime::now_utc(),
            Self::AsWritten => clock.now().to_offset(UtcOffset::UTC),
        };
        now.replace_nanosecond(0).unwrap_or(now)
    }
}

/// A Time: UTCTime through 2049, GeneralizedTime from 2050 on (and before 1950). Years outside 0 to 9999 become the
/// nearest moment that can be written.
pub fn write(moment: OffsetDateTime) -> Vec<u8> {
    let utc = clamp(moment.checked_to_offset(UtcOffset::UTC).unwrap_or(moment));
    let tail = format!("{:02}{:02}{:02}{:02}{:02}Z", u8::from(utc.month()), utc.day(), utc.hour(), utc.minute(), utc.second());
    match utc.year() {
        year @ 1950..=2049 => der::value(tag::UTC_TIME, format!("{:02}{tail}", year % 100).as_bytes()),
        year => der::value(tag::GENERALIZED_TIME, format!("{year:04}{tail}").as_bytes()),
    }
}

/// Reads a Time, tag and all. Besides the forms that RFC 5280 allows: seconds left out, and `+0600` offsets, which old
/// certificates have. None if it is anything else.
pub fn read(der: &[u8]) -> Option<OffsetDateTime> {
    let value = Reader::new(der, "time").any().ok()?;
    let text = std::str::from_utf8(value.content).ok().filter(|text| text.is_ascii())?;
    let year_digits = match value.tag {
        tag::UTC_TIME => 2,
        tag::GENERALIZED_TIME => 4,
        _ => return None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (body, zone) = text.split_at(digits);
    let number = |from: usize, length: usize| body.get(from..from + length)?.parse::<u16>().ok();
    let year = match (year_digits, number(0, year_digits)?) {
        (2, short @ 0..=49) => 2000 + i32::from(short),
        (2, short) => 1900 + i32::from(short),
        (_, long) => i32::from(long),
    };
    let pair = |place: usize| number(year_digits + 2 * place, 2).and_then(|n| u8::try_from(n).ok());
    let second = match body.len() - year_digits {
        8 => 0,
        10 => pair(4)?,
        _ => return None,
    };
    let date = Date::from_calendar_date(year, Month::try_from(pair(0)?).ok()?, pair(1)?).ok()?;
    let time = Time::from_hms(pair(2)?, pair(3)?, second).ok()?;
    PrimitiveDateTime::new(date, time).assume_utc().checked_sub(zone_offset(zone)?)
}

/// `moment + span`, held at what can be written.
pub fn shifted(moment: OffsetDateTime, span: Duration) -> OffsetDateTime {
    clamp(moment.saturating_add(span))
}

fn clamp(moment: OffsetDateTime) -> OffsetDateTime {
    let at = |year, month, day, time| {
        Date::from_calendar_date(year, month, day).ok().map(|date| PrimitiveDateTime::new(date, time).assume_utc())
    };
    let (first, last) = (at(0, Month::January, 1, Time::MIDNIGHT), at(9999, Month::December, 31, LAST_SECOND));
    moment.clamp(first.unwrap_or(moment), last.unwrap_or(moment))
}

fn zone_offset(zone: &str) -> Option<Duration> {
    if zone == "Z" {
        return Some(Duration::ZERO);
    }
    let (sign, digits) = (zone.get(..1)?, zone.get(1..).filter(|d| d.len() == 4)?);
    let minutes = digits.get(..2)?.parse::<i64>().ok()? * 60 + digits.get(2..)?.parse::<i64>().ok()?;
    match sign {
        "+" => Some(Duration::minutes(minutes)),
        "-" => Some(Duration::minutes(-minutes)),
        _ => None,
    }
}

const LAST_SECOND: Time = time::macros::time!(23:59:59);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_right_form_for_the_year() {
        assert_eq!(write(datetime!(2049-12-31 23:59:59 UTC)), der::value(tag::UTC_TIME, b"491231235959Z"));
        assert_eq!(write(datetime!(2050-01-01 00:00 UTC)), der::value(tag::GENERALIZED_TIME, b"20500101000000Z"));
        assert_eq!(write(datetime!(1949-12-31 00:00 UTC)), der::value(tag::GENERALIZED_TIME, b"19491231000000Z"));
        assert_eq!(write(datetime!(2019-04-25 00:00 +6)), der::value(tag::UTC_TIME, b"190424180000Z"));
    }

    #[test]
    fn both_ends_of_time_hold() {
        let end = read(&der::value(tag::GENERALIZED_TIME, b"99991231235959Z")).unwrap();
        assert_eq!(write(shifted(end, Duration::days(400_000))), der::value(tag::GENERALIZED_TIME, b"99991231235959Z"));
        let start = read(&der::value(tag::GENERALIZED_TIME, b"00000101000000Z")).unwrap();
        assert_eq!(write(shifted(start, Duration::hours(-6))), der::value(tag::GENERALIZED_TIME, b"00000101000000Z"));
    }

    #[test]
    fn odd_forms_are_read_and_nonsense_is_not() {
        let read = |tag, text: &str| read(&der::value(tag, text.as_bytes()));
        assert_eq!(read(tag::UTC_TIME, "190424235959+0600"), Some(datetime!(2019-04-24 17:59:59 UTC)));
        assert_eq!(read(tag::UTC_TIME, "1904242359Z"), Some(datetime!(2019-04-24 23:59 UTC)));
        assert_eq!(read(tag::UTC_TIME, "500101000000Z"), Some(datetime!(1950-01-01 00:00 UTC)));
        for wrong in
            ["", "Z", "19042423595", "191324235959Z", "190424235959", "190424235959+06", "1904242359599Z", "190424é5959Z"]
        {
            assert_eq!(read(tag::UTC_TIME, wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_there_and_back(second in -62_167_219_200i64..253_402_300_799) {
            let moment = OffsetDateTime::from_unix_timestamp(second).unwrap();
            prop_assert_eq!(read(&write(moment)), Some(moment));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = read(&bytes);
        }
    }
}
