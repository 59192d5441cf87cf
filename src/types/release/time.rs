//! Times of releases, to the millisecond. They tell when; they never order.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::types::time::{Civil, LAST_SECOND, WrittenTime};

/// Milliseconds since 1970-01-01T00:00:00Z, up to the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseTime(u64);

impl ReleaseTime {
    /// The time after so many milliseconds; a later one than can be written is the last that can.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        const LAST: u64 = LAST_SECOND * 1000 + 999;
        Self(if milliseconds > LAST { LAST } else { milliseconds })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }
}

/// RFC 3339 with three digits after the seconds.
impl fmt::Display for ReleaseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = Civil::of(self.0 / 1000);
        let milliseconds = self.0 % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
    }
}

/// Reads what is written here, and nothing else.
impl FromStr for ReleaseTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let read = || {
            let WrittenTime { seconds, milliseconds } = WrittenTime::read(text)?;
            let seconds = u64::try_from(seconds).ok()?;
            let time = Self::from_milliseconds(seconds.checked_mul(1000)? + milliseconds);
            // More digits or another zone would be written in another way.
            (time.to_string() == text).then_some(time)
        };
        read().ok_or("expected a time such as `2026-01-31T12:00:00.000Z`")
    }
}

impl Serialize for ReleaseTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_in_one_form() {
        let time = ReleaseTime::from_milliseconds(1_706_702_400_007);
        assert_eq!(time.to_string(), "2024-01-31T12:00:00.007Z");
        assert_eq!("2024-01-31T12:00:00.007Z".parse(), Ok(time));
        for wrong in [
            "",
            "2024-01-31T12:00:00Z",
            "2024-02-30T12:00:00.000Z",
            "2024-01-31T24:00:00.000Z",
            "2024-01-31 12:00:00.000Z",
            "2024-01-31T12:00:00.000z",
            "2024-01-31T12:00:00.0000Z",
            "1969-12-31T23:59:59.999Z",
            "2024-01-31T12:00:00,000Z",
            "é024-01-31T12:00:00.000Z",
        ] {
            assert!(wrong.parse::<ReleaseTime>().is_err(), "{wrong}");
        }
        assert_eq!(ReleaseTime::from_milliseconds(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(milliseconds in 0..=LAST_SECOND * 1000 + 999) {
            let time = ReleaseTime::from_milliseconds(milliseconds);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
