//! Spans of time and modification times.

use std::time::Duration;

use super::super::decode::{Decode, Decoder, FromText, Wrong};
use super::super::node::{TomlNode, TomlValue};
use super::numbers::decimal;
use crate::types::time::Civil;

/// A span of time. Written `"30s"`, `"1m30s"` or `"500ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

impl Period {
    /// The span.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whole nanoseconds, as image configurations count.
    #[must_use]
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The text of a hint.
const WRITTEN: &str = "write `\"30s\"`, `\"1m30s\"` or `\"500ms\"`";

/// Largest first, the order in which they are written.
const UNITS: [(&str, u64); 4] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];

impl FromText for Period {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let period = || {
            let (mut rest, mut units, mut total) = (text, &UNITS[..], 0_u64);
            while !rest.is_empty() {
                let digits = rest.find(|character: char| !character.is_ascii_digit())?;
                let number: u64 = decimal(&rest[..digits])?;
                rest = &rest[digits..];
                let letters = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
                let at = units.iter().position(|(unit, _)| *unit == &rest[..letters])?;
                total = total.checked_add(number.checked_mul(units[at].1)?)?;
                units = &units[at + 1..];
                rest = &rest[letters..];
            }
            // Docker's field is a signed 64-bit number, and zero there means "as the base has it".
            (total > 0 && i64::try_from(total).is_ok()).then_some(Self(Duration::from_nanos(total)))
        };
        period().ok_or_else(|| {
            Wrong::new(format!("`{text}` is not a duration"))
                .hint(format!("{WRITTEN}; it must be above zero"))
        })
    }
}

impl Decode for Period {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            // A number has no unit.
            TomlValue::Integer(_) | TomlValue::Float => {
                decoder.mismatch(node, "a string", Some(WRITTEN.to_owned()))
            }
            _ => decoder.text(node),
        }
    }
}

/// A modification time. Written as seconds since the epoch, a date with an offset, `"commit"` or `"content"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mtime {
    /// Seconds since the epoch.
    At(u64),
    /// `SOURCE_DATE_EPOCH`, else the time of the git commit.
    Commit,
    /// For each file a time that is a function of its content.
    Content,
}

impl FromText for Mtime {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "content" => Ok(Self::Content),
            "commit" => Ok(Self::Commit),
            _ => Err(Wrong::new(format!("`{text}` is not a time"))
                .hint("write seconds since the epoch, a date such as `2024-01-31T12:00:00Z` without quotes, `\"commit\"` or `\"content\"`")),
        }
    }
}

impl Decode for Mtime {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Integer(_) => decoder.number(node, MAX_MTIME).map(Self::At),
            TomlValue::Datetime(datetime) => match seconds(datetime) {
                Some(seconds) => Some(Self::At(seconds)),
                None => {
                    let wrong = Wrong::new("a time needs a date, an offset and a year from 1970")
                        .hint("write `2024-01-31T12:00:00Z`");
                    decoder.wrong(node.span, wrong)
                }
            },
            _ => decoder.text(node),
        }
    }
}

/// The most that the octal field of a tar header can hold.
const MAX_MTIME: u64 = 0o777_7777_7777;

fn seconds(datetime: &toml::value::Datetime) -> Option<u64> {
    let (date, time) = (datetime.date?, datetime.time?);
    let minutes = match datetime.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    let civil = Civil {
        year: date.year.into(),
        month: date.month.into(),
        day: date.day.into(),
        hour: time.hour.into(),
        minute: i64::from(time.minute) - minutes,
        second: time.second.unwrap_or(0).into(),
    };
    u64::try_from(civil.seconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::super::names::MirrorAddress;
    use super::super::numbers::ByteSize;
    use super::*;

    #[test]
    fn periods_have_units() {
        assert_eq!(ok::<Period>("30s").nanoseconds(), 30_000_000_000);
        assert_eq!(ok::<Period>("1m30s"), Period(Duration::from_secs(90)));
        assert_eq!(ok::<Period>("1h500ms"), Period(Duration::from_millis(3_600_500)));
        assert_eq!(ok::<ByteSize>("16MiB").get(), 16 << 20);
        assert_eq!(ok::<ByteSize>("5000000").get(), 5_000_000);
        all_wrong::<ByteSize>(&["", "0", "MiB", "-1", "1.5MB", "16mb", "99999999999GiB"]);
        assert_eq!(
            ok::<MirrorAddress>("https://m.example:5000/hub/").scope().to_string(),
            "m.example:5000/hub"
        );
        assert!(ok::<MirrorAddress>("http://10.0.0.1").is_plain());
        all_wrong::<MirrorAddress>(&[
            "",
            "m.example",
            "https://",
            "https://u:p@m.example",
            "ftp://m.example",
            "https://m.example/A",
        ]);
        all_wrong::<Period>(&["", "30", "s", "0s", "1s1m", "1s1s", "1.5s", "-1s", "1 s", "99999999999h"]);
    }

    #[test]
    fn dates_become_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("2024-01-31T12:00:00+02:00", Some(1_706_695_200)),
            ("1969-12-31T23:59:59Z", None),
            ("2024-01-31T12:00:00", None),
            ("2024-01-31", None),
        ] {
            assert_eq!(seconds(&text.parse().expect(text)), expected, "{text}");
        }
    }
}
