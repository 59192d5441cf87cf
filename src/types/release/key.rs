//! Which release of an environment: its number, and an identity that no other release has.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::number::ReleaseNumber;
use crate::types::digest::Digest;

/// The identity of a release: 48 bits of the hash of what its record says, apart from its place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId([u8; ReleaseId::BYTES]);

/// The place of a release in the history of its environment. Releases are ordered by number; those of one number, whose
/// writers met, by identity. So all readers agree on one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseKey {
    /// The number.
    pub number: ReleaseNumber,
    /// The identity.
    pub id: ReleaseId,
}

/// A release as users name it: by its number, with the identity where two releases have that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseChoice {
    /// The number.
    pub number: ReleaseNumber,
    /// The identity.
    pub id: Option<ReleaseId>,
}

impl ReleaseId {
    const BYTES: usize = 6;

    /// The identity that begins a digest.
    #[must_use]
    pub fn of(digest: &Digest) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&digest.as_bytes()[..Self::BYTES]);
        Self(bytes)
    }

    /// The identity in the one way that tags have it: twelve lower-case hexadecimal digits.
    fn of_tag(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * Self::BYTES || !text.bytes().all(is_hex) {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// One of its bytes, which are taken in turn.
    #[must_use]
    pub const fn byte(&self, number: usize) -> u8 {
        self.0[number % Self::BYTES]
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ReleaseKey {
    /// All keys with a number, in their order.
    #[must_use]
    pub const fn of_number(number: ReleaseNumber) -> RangeInclusive<Self> {
        let (first, last) = (ReleaseId([u8::MIN; ReleaseId::BYTES]), ReleaseId([u8::MAX; ReleaseId::BYTES]));
        RangeInclusive::new(Self { number, id: first }, Self { number, id: last })
    }

    /// The key that a tag ends with, written in the one way that tags have: `r0003-3f2a91c4e0b2`.
    #[must_use]
    pub(super) fn of_tag(text: &str) -> Option<Self> {
        let (number, id) = text.split_once('-')?;
        Some(Self { number: ReleaseNumber::of_tag(number)?, id: ReleaseId::of_tag(id)? })
    }
}

/// As tags have it.
impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.id)
    }
}

impl From<ReleaseKey> for ReleaseChoice {
    fn from(key: ReleaseKey) -> Self {
        Self { number: key.number, id: Some(key.id) }
    }
}

impl From<ReleaseNumber> for ReleaseChoice {
    fn from(number: ReleaseNumber) -> Self {
        Self { number, id: None }
    }
}

impl fmt::Display for ReleaseChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number.get())?;
        match self.id {
            Some(id) => write!(f, "-{id}"),
            None => Ok(()),
        }
    }
}

/// As users write it: `3`, `r3`, `r0003`, or with the identity as in the tag, `r0003-3f2a91c4e0b2`.
impl FromStr for ReleaseChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let Some((number, id)) = text.split_once('-') else {
            return Ok(Self::from(text.parse::<ReleaseNumber>()?));
        };
        let number = number.parse()?;
        let id = ReleaseId::of_tag(id).ok_or(
            "expected twelve hexadecimal digits after the number of the release, as its tag has them",
        )?;
        Ok(Self { number, id: Some(id) })
    }
}

impl Serialize for ReleaseChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_chosen_by_number_or_as_its_tag_has_it() {
        let read = |text: &str| text.parse::<ReleaseChoice>().map(|choice| choice.to_string());
        assert_eq!(read("3").as_deref(), Ok("3"));
        assert_eq!(read("r0003").as_deref(), Ok("3"));
        assert_eq!(read("r0003-3f2a91c4e0b2").as_deref(), Ok("3-3f2a91c4e0b2"));
        assert_eq!(read("3-3f2a91c4e0b2").as_deref(), Ok("3-3f2a91c4e0b2"));
        for wrong in
            ["", "3-", "3-3f2a", "3-3F2A91C4E0B2", "-3f2a91c4e0b2", "3-3f2a91c4e0b2-", "3-3f2a91c4e0bé"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_ordered_by_number_and_then_by_identity() {
        let key = |text: &str| ReleaseKey::of_tag(text).expect(text);
        let mut keys =
            ["r0010-000000000000", "r0002-ffffffffffff", "r0002-0fffffffffff", "r9999-3f2a91c4e0b2"].map(key);
        keys.sort_unstable();
        let sorted = keys.map(|key| key.to_string());
        assert_eq!(
            sorted,
            ["r0002-0fffffffffff", "r0002-ffffffffffff", "r0010-000000000000", "r9999-3f2a91c4e0b2"]
        );
        for wrong in
            ["r0002", "r2-0fffffffffff", "r0002-0fffffffff", "r0002-0fffffffffff-", "r0002-0FFFFFFFFFFF"]
        {
            assert_eq!(ReleaseKey::of_tag(wrong), None, "{wrong}");
        }
    }
}
