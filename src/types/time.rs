//! Seconds since the epoch and dates of the calendar, without a clock.

use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
pub const LAST_SECOND: u64 = 253_402_300_799;

/// A time after the year 9999: RFC 3339 has no form for it, and no tool reads what might be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} seconds after 1970 is after the year 9999, the last year that an image can have")]
pub struct TooLate(pub u64);

impl Explain for TooLate {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::SettingWrong)
    }

    fn hint(&self) -> Option<String> {
        (self.0 / 1000 <= LAST_SECOND).then(|| {
            let seconds = self.0 / 1000;
            format!("give seconds; if these are milliseconds, that is {seconds}")
        })
    }
}

/// `1970-01-01T00:00:01Z` for 1.
///
/// # Errors
/// For a time after [`LAST_SECOND`].
pub fn rfc3339(seconds: u64) -> Result<String, TooLate> {
    if seconds > LAST_SECOND {
        return Err(TooLate(seconds));
    }
    let Civil { year, month, day, hour, minute, second } = Civil::of(seconds);
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// `19700101T000001Z` for 1: ISO 8601's basic form sorts, and is valid in a tag.
#[must_use]
pub fn basic(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A date and a time of day in UTC, in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The year; 0 is the one before year 1.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
}

impl Civil {
    /// The date of so many seconds after 1970-01-01T00:00:00Z.
    ///
    /// The date of a day number is Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms"):
    /// years start in March, so that the leap day is their last.
    #[must_use]
    pub const fn of(seconds: u64) -> Self {
        // Both fit: a 64-bit number of seconds is 2^48 days at most.
        let (days, rest) = ((seconds / 86_400).cast_signed(), (seconds % 86_400).cast_signed());
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400;
        Self {
            year: if month <= 2 { year + 1 } else { year },
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Seconds after 1970-01-01T00:00:00Z; negative before. A day or an hour beyond its range counts on, as 31 April
    /// does to 1 May.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        // Hinnant's `days_from_civil`.
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let days =
            era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468;
        days * 86_400 + self.hour * 3600 + self.minute * 60 + self.second
    }

    /// Whether there is such a day, and such a time on it.
    const fn is_on_calendar(self) -> bool {
        let Self { year, month, day, hour, minute, second } = self;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return false,
        };
        1 <= day && day <= days && hour < 24 && minute < 60 && second < 60
    }
}

/// A time that was written as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenTime {
    /// Whole seconds after 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// The first three digits of its fraction.
    pub milliseconds: u64,
}

impl WrittenTime {
    /// Reads what Go, strict since 1.20, reads as a time: RFC 3339 with capital letters, years 0000 to 9999.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |at: usize, digits: usize| -> Option<i64> {
            let part = bytes.get(at..at + digits)?;
            part.iter().try_fold(0, |sum, byte| Some(sum * 10 + i64::from(char::from(*byte).to_digit(10)?)))
        };
        let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
            return None;
        }
        let civil = Civil {
            year: number(0, 4)?,
            month: number(5, 2)?,
            day: number(8, 2)?,
            hour: number(11, 2)?,
            minute: number(14, 2)?,
            second: number(17, 2)?,
        };
        if !civil.is_on_calendar() {
            return None;
        }
        let fraction = if is(19, b'.') { digits(bytes.get(20..)?)? } else { &[] };
        let zone = if fraction.is_empty() { 19 } else { 20 + fraction.len() };
        let offset = match bytes.get(zone)? {
            b'Z' if bytes.len() == zone + 1 => 0,
            sign @ (b'+' | b'-') if bytes.len() == zone + 6 && is(zone + 3, b':') => {
                let hours = number(zone + 1, 2).filter(|hours| *hours < 24)?;
                let minutes = number(zone + 4, 2).filter(|minutes| *minutes < 60)?;
                let offset = (hours * 60 + minutes) * 60;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };
        let thousandths = fraction.iter().chain(b"000").take(3);
        let milliseconds = thousandths.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        Some(Self { seconds: civil.seconds() - offset, milliseconds })
    }
}

/// The digits at the beginning, of which there is at least one.
fn digits(bytes: &[u8]) -> Option<&[u8]> {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.get(..count).filter(|digits| !digits.is_empty())
}

/// Whether Go reads `text` as a time, as [`WrittenTime::read`] does.
#[must_use]
pub fn is_rfc3339(text: &str) -> bool {
    WrittenTime::read(text).is_some()
}

/// The seconds of a time of RFC 3339 since 1970; `None` for any other text, and for a time before.
#[must_use]
pub fn seconds_of_rfc3339(text: &str) -> Option<u64> {
    u64::try_from(WrittenTime::read(text)?.seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:01Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST_SECOND, "9999-12-31T23:59:59Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(rfc3339(seconds).as_deref(), Ok(text));
            assert!(is_rfc3339(text), "{text}");
        }
    }

    #[test]
    fn a_basic_time_is_the_same_without_signs() {
        for seconds in [0, 951_827_696, 1_706_702_400, LAST_SECOND] {
            let expected = rfc3339(seconds).expect("in time").replace(['-', ':'], "");
            assert_eq!(basic(seconds), expected);
        }
        assert_eq!(basic(1_706_702_400), "20240131T120000Z");
    }

    /// Every day of RFC 3339, counted one by one.
    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=LAST_SECOND / 86_400 {
            let civil = Civil::of(days * 86_400);
            assert_eq!((civil.year, civil.month, civil.day), (year, month, day));
            assert_eq!(civil.seconds().cast_unsigned(), days * 86_400);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last =
                [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn dates_before_1970_are_negative() {
        let at = |year, month, day, hour, minute, second| {
            Civil { year, month, day, hour, minute, second }.seconds()
        };
        assert_eq!(at(1969, 12, 31, 23, 59, 59), -1);
        assert_eq!(at(1950, 1, 1, 0, 0, 0), -631_152_000);
        assert_eq!(at(0, 1, 1, 0, 0, 0), -62_167_219_200);
        assert_eq!(at(2023, 4, 31, 0, 0, 0), at(2023, 5, 1, 0, 0, 0));
    }

    proptest! {
        #[test]
        fn times_are_those_of_another_program(seconds in 0..=LAST_SECOND) {
            let then = UNIX_EPOCH + Duration::from_secs(seconds);
            let Civil { year, day, hour, minute, second, .. } = Civil::of(seconds);
            prop_assert_eq!(Civil::of(seconds).seconds().cast_unsigned(), seconds);
            let theirs = httpdate::fmt_http_date(then);
            let ours = format!("{day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", &theirs[8..11]);
            prop_assert_eq!(&theirs[5..], ours);
            prop_assert!(is_rfc3339(&rfc3339(seconds).expect("in time")));
        }
    }

    #[test]
    fn no_time_is_after_the_year_9999() {
        let milliseconds = rfc3339(1_700_000_000_000).expect_err("the year 55840");
        assert_eq!(
            milliseconds.hint().as_deref(),
            Some("give seconds; if these are milliseconds, that is 1700000000")
        );
        assert_eq!(rfc3339(LAST_SECOND + 1), Err(TooLate(LAST_SECOND + 1)));
        assert_eq!(rfc3339(u64::MAX).map_err(|late| late.hint()), Err(None));
    }

    #[test]
    fn a_fraction_and_a_zone_count() {
        let read = |text| WrittenTime::read(text).map(|time| (time.seconds, time.milliseconds));
        assert_eq!(read("1970-01-01T00:00:01.5Z"), Some((1, 500)));
        assert_eq!(read("1970-01-01T01:00:01.0079+01:00"), Some((1, 7)));
        assert_eq!(read("1969-12-31T23:30:01-00:30"), Some((1, 0)));
        assert_eq!(read("1969-12-31T23:59:59Z"), Some((-1, 0)));
        assert_eq!(seconds_of_rfc3339("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn a_time_is_one_that_go_reads() {
        for right in [
            "0000-01-01T00:00:00Z",
            "2024-02-29T23:59:59.123456789+23:59",
            "2000-02-29T00:00:00.0Z",
            "2023-01-31T00:00:00-00:00",
        ] {
            assert!(is_rfc3339(right), "{right}");
        }
        for wrong in [
            "",
            "2024-01-01",
            "55840-01-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T0:00:00Z",
            "2024-01-01T00:00:00Z ",
            "-001-01-01T00:00:00Z",
            "2024-01-01 00:00:00Z",
        ] {
            assert!(!is_rfc3339(wrong), "{wrong}");
        }
    }
}
