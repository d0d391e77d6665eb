//! Instants and days, and how they are written in Italian local time.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use policies::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Invalid;

const ROME: &str = "Europe/Rome";

/// The years that a moment may be of, in Italy: those of four digits, which read back as written,
/// but for the last, whose end is beyond what can be told in every time zone.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9_998;

/// The time zone of every date that the SAC writes or reads.
fn rome() -> TimeZone {
    TimeZone::get(ROME).expect("the time zone database is compiled in")
}

/// `at` in Italian local time, in a format of `strftime`.
pub(crate) fn in_rome(at: jiff::Timestamp, format: &str) -> String {
    at.to_zoned(rome()).strftime(format).to_string()
}

/// An instant, to the second: the wire has no finer unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(jiff::Timestamp);

impl Moment {
    /// Reads an instant of RFC 3339, with any offset; a fraction of a second is cut off. Refuses what
    /// is not of the years 1 to 9998.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let parsed = jiff::Timestamp::from_str(text).map_err(|_| Invalid::MomentShape)?;
        Moment::from_second(parsed.as_millisecond().div_euclid(1_000))
    }

    fn from_second(second: i64) -> Result<Self, Invalid> {
        jiff::Timestamp::from_second(second)
            .map_err(|_| Invalid::MomentShape)
            .and_then(Moment::within_years)
    }

    fn within_years(at: jiff::Timestamp) -> Result<Self, Invalid> {
        if YEARS.contains(&at.to_zoned(rome()).year()) {
            Ok(Moment(at))
        } else {
            Err(Invalid::MomentShape)
        }
    }

    /// The instant of the gateway's clock, cut to the second; `None` beyond the years 1 to 9998.
    pub fn from_timestamp(at: Timestamp) -> Option<Self> {
        Moment::from_second(i64::try_from(at.0 / 1_000).ok()?).ok()
    }

    /// Milliseconds since 1970; an instant before it counts as 1970.
    pub fn as_timestamp(self) -> Timestamp {
        Timestamp(u64::try_from(self.0.as_millisecond()).unwrap_or(0))
    }

    /// The instant itself.
    pub(crate) fn instant(self) -> jiff::Timestamp {
        self.0
    }

    /// As the SAC writes it: `aaaa-mm-gg HH:MM:SS` in Italian local time, 24 hours.
    pub fn to_wire(self) -> String {
        in_rome(self.0, "%Y-%m-%d %H:%M:%S")
    }

    /// With the offset that Italy had or will have then: `2026-10-02T10:15:00+02:00`.
    pub fn to_rfc3339(self) -> String {
        in_rome(self.0, "%Y-%m-%dT%H:%M:%S%:z")
    }

    /// What the SAC wrote. An hour that happens twice (end of summer time) is taken as the first.
    pub(crate) fn from_wire(text: &str) -> Result<Self, Invalid> {
        let local = civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text)
            .map_err(|_| Invalid::MomentShape)?;
        let zoned = rome().to_ambiguous_zoned(local).earlier();
        zoned
            .map_err(|_| Invalid::MomentShape)
            .and_then(|zoned| Moment::within_years(zoned.timestamp()))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl TryFrom<String> for Moment {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Moment::new(&text)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_rfc3339()
    }
}

/// A calendar day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(civil::Date);

impl Day {
    /// Reads `yyyy-mm-dd`.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.len() != "yyyy-mm-dd".len() {
            return Err(Invalid::DayShape);
        }
        civil::Date::strptime("%Y-%m-%d", text)
            .map(Day)
            .map_err(|_| Invalid::DayShape)
    }

    /// The day that it is in Italy at an instant.
    pub(crate) fn in_rome(at: jiff::Timestamp) -> Self {
        Day(at.to_zoned(rome()).date())
    }

    /// `yyyy-mm-dd`, also on the wire.
    pub fn to_wire(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl TryFrom<String> for Day {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Day::new(&text)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_wire()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_italian_time_summer_and_winter() {
        let cases = [
            ("2026-10-02T08:15:00Z", "2026-10-02 10:15:00"),
            ("2026-10-02T10:15:00+02:00", "2026-10-02 10:15:00"),
            ("2026-12-02T10:15:00+01:00", "2026-12-02 10:15:00"),
            ("2026-12-02T23:30:00Z", "2026-12-03 00:30:00"),
            ("2026-07-02T12:00:00Z", "2026-07-02 14:00:00"),
            // Summer time begins on 29 March 2026 at 01:00 UTC and ends on 25 October.
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 02:59:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25 02:00:00"),
        ];
        for (instant, wire) in cases {
            assert_eq!(Moment::new(instant).unwrap().to_wire(), wire, "{instant}");
        }
    }

    #[test]
    fn a_wire_date_reads_back_as_the_instant_it_was() {
        for instant in [
            "2026-10-02T08:15:00Z",
            "2026-12-31T23:59:59Z",
            "2026-03-29T01:00:00Z",
        ] {
            let moment = Moment::new(instant).unwrap();
            assert_eq!(Moment::from_wire(&moment.to_wire()).unwrap(), moment);
        }
        // The hour that happens twice is the only loss.
        let second = Moment::new("2026-10-25T01:30:00Z").unwrap();
        let first = Moment::new("2026-10-25T00:30:00Z").unwrap();
        assert_eq!(Moment::from_wire(&second.to_wire()).unwrap(), first);
    }

    #[test]
    fn json_keeps_the_instant_and_drops_the_fraction() {
        let moment: Moment = serde_json::from_str("\"2026-10-02T08:15:00.999Z\"").unwrap();
        assert_eq!(
            serde_json::to_string(&moment).unwrap(),
            "\"2026-10-02T10:15:00+02:00\""
        );
        assert_eq!(moment.as_timestamp(), Timestamp(1_790_928_900_000));
        assert_eq!(Moment::from_timestamp(moment.as_timestamp()), Some(moment));
        assert_eq!(Moment::from_timestamp(Timestamp(u64::MAX)), None);
    }

    #[test]
    fn every_moment_that_is_taken_reads_back() {
        for instant in ["0001-01-02T00:00:00Z", "9998-12-30T23:59:59Z"] {
            let moment = Moment::new(instant).unwrap();
            assert_eq!(Moment::new(&moment.to_rfc3339()), Ok(moment));
            assert_eq!(Moment::from_wire(&moment.to_wire()), Ok(moment));
        }
        for wrong in ["0000-06-01 00:00:00", "9999-06-01 00:00:00"] {
            assert_eq!(Moment::from_wire(wrong), Err(Invalid::MomentShape));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "",
            "2026-10-02",
            "2026-10-02T10:15:00",
            "2026-13-02T10:15:00Z",
            "-000001-10-02T10:15:00Z",
            "-002026-10-02T10:15:00Z",
            "0000-12-31T12:00:00Z",
            "9999-01-01T00:00:00Z",
            "9998-12-31T23:59:59-01:00",
            "yesterday",
        ] {
            assert_eq!(
                Moment::new(wrong).err(),
                Some(Invalid::MomentShape),
                "{wrong}"
            );
        }
        for wrong in [
            "2026-10-02T10:15:00",
            "2026-10-02 25:15:00",
            "2026-10-02 10:15",
            "",
        ] {
            assert_eq!(
                Moment::from_wire(wrong).err(),
                Some(Invalid::MomentShape),
                "{wrong}"
            );
        }
        for wrong in ["", "2026-02-30", "02/10/2026", "2026-10-2", "+2026-10-02"] {
            assert_eq!(Day::new(wrong).err(), Some(Invalid::DayShape), "{wrong}");
        }
        assert_eq!(Day::new("1970-01-31").unwrap().to_wire(), "1970-01-31");
    }
}
