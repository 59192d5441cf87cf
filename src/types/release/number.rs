//! Numbers of releases: 1, 2, 3 and so on.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The number of a release in its environment, from 1 up to 9,999,999. Numbers order releases; their times do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseNumber(u32);

impl ReleaseNumber {
    /// The first.
    pub const FIRST: Self = Self(1);
    /// The last.
    pub const LAST: Self = Self(9_999_999);

    /// The number, if it is one.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 1 && number <= Self::LAST.0 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The one before it.
    #[must_use]
    pub const fn before(self) -> Option<Self> {
        Self::new(self.0 - 1)
    }

    /// The number that a tag ends with, written in the one way that tags have: `r0001`, `r9999`, `r10000`.
    #[must_use]
    pub(super) fn of_tag(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('r')?;
        let number = Self::new(digits.parse().ok()?)?;
        (number.to_string() == text).then_some(number)
    }
}

/// As tags have it.
impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{:04}", self.0)
    }
}

/// As users write it: `3`, `r3` or `r0003`.
impl FromStr for ReleaseNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const ERROR: &str = "expected the number of a release, such as `3` or `r0003`";
        let digits = text.strip_prefix('r').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ERROR);
        }
        digits.parse().ok().and_then(Self::new).ok_or(ERROR)
    }
}

impl Serialize for ReleaseNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_each_way_and_written_in_one() {
        for text in ["3", "r3", "r0003", "0003"] {
            assert_eq!(text.parse::<ReleaseNumber>().expect(text).to_string(), "r0003");
        }
        for wrong in ["", "r", "0", "-1", "+1", "3.0", "r 3", "10000000", "99999999999", "x"] {
            assert!(wrong.parse::<ReleaseNumber>().is_err(), "{wrong}");
        }
        assert_eq!(ReleaseNumber::FIRST.before(), None);
        assert_eq!(ReleaseNumber::LAST.next(), None);
        assert_eq!(ReleaseNumber::FIRST.next().map(ReleaseNumber::get), Some(2));
    }
}
