//! Durations as text (`250ms`, `8s`, `15m`, `72h`, `90d`), for the files that operators edit.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// Parses one number and one unit among `ms`, `s`, `m`, `h`, `d`.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or(DurationError)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError),
    };
    number
        .checked_mul(millis_per_unit)
        .map(Duration::from_millis)
        .ok_or(DurationError)
}

/// The text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a whole number and a unit among ms, s, m, h, d, as in \"250ms\"")]
pub struct DurationError;

/// For `#[serde(deserialize_with = "duration::text")]`.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `#[serde(deserialize_with = "duration::texts")]` on a list.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| parse(text).map_err(D::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit_and_refuses_the_rest() {
        let cases = [
            ("250ms", Some(250)),
            ("8s", Some(8_000)),
            ("15m", Some(900_000)),
            ("72h", Some(259_200_000)),
            ("1d", Some(86_400_000)),
            ("8", None),
            ("s", None),
            ("", None),
            ("1.5s", None),
            ("-1s", None),
            ("8 s", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text).ok().map(|d| d.as_millis()), millis, "{text}");
        }
    }
}
