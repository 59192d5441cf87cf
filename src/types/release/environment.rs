//! Environments: places such as `dev`, `test` and `prod` that a version goes through.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::number::ReleaseNumber;
use crate::types::error::{Explain, Kind};
use crate::types::reference::Tag;
use crate::types::shown::Foreign;

/// The longest name, in characters: a label of a DNS name, as namespaces of Kubernetes are.
const LONGEST: usize = 63;

/// Names that stand for something else in a repository.
const TAKEN: [&str; 2] = ["latest", "pack-cache"];

/// The name of an environment: `[a-z]([a-z0-9-]*[a-z0-9])?`, at most 63 characters. It begins with a letter, so that it
/// is no number of a release, and does not end like the tag of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(String);

/// Why a text names no environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the name of an environment: {why}", Foreign::new(text))]
pub struct EnvironmentNameError {
    text: String,
    why: &'static str,
}

impl EnvironmentNameError {
    /// The fault of the name.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        self.why
    }
}

impl Explain for EnvironmentNameError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("an environment has a short name such as `dev`, `test` or `prod`".to_owned())
    }
}

impl EnvironmentName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag that always means the newest release.
    #[must_use]
    pub fn pointer(&self) -> Tag {
        self.tag(&self.0)
    }

    /// The tag of the record of a release.
    #[must_use]
    pub fn record_tag(&self, number: ReleaseNumber) -> Tag {
        self.tag(&format!("{}-{number}", self.0))
    }

    /// The number of the release whose record has this tag; `None` if the tag is not that of a record of this
    /// environment.
    #[must_use]
    pub fn number_of(&self, tag: &Tag) -> Option<ReleaseNumber> {
        ReleaseNumber::of_tag(tag.as_str().strip_prefix(&self.0)?.strip_prefix('-')?)
    }

    fn tag(&self, text: &str) -> Tag {
        text.parse().unwrap_or_else(|_| unreachable!("`{}` and a number are a tag", self.0))
    }

    /// The environment and the number that the tag of a record has.
    #[must_use]
    pub fn of_record_tag(tag: &Tag) -> Option<(Self, ReleaseNumber)> {
        let (name, number) = tag.as_str().rsplit_once('-')?;
        Some((name.parse().ok()?, ReleaseNumber::of_tag(number)?))
    }
}

impl FromStr for EnvironmentName {
    type Err = EnvironmentNameError;

    fn from_str(text: &str) -> Result<Self, EnvironmentNameError> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends_like_a_record =
            text.rsplit_once('-').is_some_and(|(_, end)| ReleaseNumber::of_tag(end).is_some());
        let why = match bytes {
            [] => "it is empty",
            [first, ..] if !first.is_ascii_lowercase() => "it does not begin with a lower-case letter",
            [.., last] if !is_word(*last) => "it does not end with a lower-case letter or a digit",
            _ if !bytes.iter().all(|byte| is_word(*byte) || *byte == b'-') => {
                "it has other characters than lower-case letters, digits and `-`"
            }
            _ if bytes.len() > LONGEST => "it has more than 63 characters",
            _ if TAKEN.contains(&text) || text.starts_with("pack-cache-") => {
                "that tag stands for something else"
            }
            _ if ends_like_a_record => "it ends like the tag of a release, `-r0001`",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(EnvironmentNameError { text: text.to_owned(), why })
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EnvironmentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_a_label() {
        for right in ["dev", "prod", "eu-west-1", "p", "release", "dev-r", "dev-r12", "sha256"] {
            assert_eq!(right.parse::<EnvironmentName>().expect(right).as_str(), right);
        }
        for wrong in [
            "",
            "3",
            "-a",
            "a-",
            "Prod",
            "a_b",
            "a.b",
            "a/b",
            "a:b",
            "a@b",
            "latest",
            "dev-r0001",
            "dev-r10000",
            "pack-cache",
            "pack-cache-x",
            "é",
        ] {
            assert!(wrong.parse::<EnvironmentName>().is_err(), "{wrong}");
        }
        assert!("a".repeat(63).parse::<EnvironmentName>().is_ok());
        assert!("a".repeat(64).parse::<EnvironmentName>().is_err());
    }

    #[test]
    fn records_have_tags() {
        let prod: EnvironmentName = "prod".parse().expect("a name");
        let number = |number| ReleaseNumber::new(number).expect("a number");
        assert_eq!(prod.pointer().as_str(), "prod");
        assert_eq!(prod.record_tag(number(7)).as_str(), "prod-r0007");
        assert_eq!(prod.record_tag(number(12_345)).as_str(), "prod-r12345");
        let read = |tag: &str| prod.number_of(&tag.parse().expect("a tag"));
        assert_eq!(read("prod-r0007"), Some(number(7)));
        for other in
            ["prod", "prod-r7", "prod-r00007", "prod-r0000", "prod-eu-r0007", "test-r0007", "prodr0007"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(prod.record_tag(ReleaseNumber::LAST).as_str().len() <= 128);
    }

    proptest! {
        /// Each tag of a record is that of one environment.
        #[test]
        fn a_tag_means_one_record(name in "[a-z][a-z0-9-]{0,20}", number in 1..=20_000_u32) {
            let (Ok(name), Some(number)) = (name.parse::<EnvironmentName>(), ReleaseNumber::new(number)) else {
                return Ok(());
            };
            let tag = name.record_tag(number);
            prop_assert_eq!(name.number_of(&tag), Some(number));
            prop_assert_eq!(EnvironmentName::of_record_tag(&tag), Some((name, number)));
        }
    }
}
