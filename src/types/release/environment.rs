//! Environments: places such as `dev`, `test` and `prod` that a version goes through.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::key::ReleaseKey;
use super::number::ReleaseNumber;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
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

    fn code(&self) -> Option<ErrorCode> {
        None
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

    /// The tag of the record of a release, such as `prod-r0003-3f2a91c4e0b2`.
    #[must_use]
    pub fn record_tag(&self, key: ReleaseKey) -> Tag {
        self.tag(&format!("{}-{key}", self.0))
    }

    /// The tags of all records with a number, as a pattern.
    #[must_use]
    pub fn record_tags(&self, number: ReleaseNumber) -> String {
        format!("{}-{number}-*", self.0)
    }

    fn tag(&self, text: &str) -> Tag {
        text.parse().unwrap_or_else(|_| unreachable!("`{}` and a number are a tag", self.0))
    }

    /// The environment and the release that the tag of a record has.
    #[must_use]
    pub fn of_record_tag(tag: &Tag) -> Option<(Self, ReleaseKey)> {
        let (place, name) = ends_like_a_record(tag.as_str())?;
        Some((name.parse().ok()?, place))
    }
}

/// The release that the tag of a record ends with, and what stands before it.
fn ends_like_a_record(text: &str) -> Option<(ReleaseKey, &str)> {
    let (rest, _) = text.rsplit_once('-')?;
    let (name, _) = rest.rsplit_once('-')?;
    Some((ReleaseKey::of_tag(&text[name.len() + 1..])?, name))
}

impl FromStr for EnvironmentName {
    type Err = EnvironmentNameError;

    fn from_str(text: &str) -> Result<Self, EnvironmentNameError> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends_with_a_number =
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
            _ if ends_with_a_number || ends_like_a_record(text).is_some() => {
                "it ends like the tag of a release, `-r0001-3f2a91c4e0b2`"
            }
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

    use super::super::key::ReleaseId;
    use super::*;
    use crate::types::digest::Digest;

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
            "dev-r0001-3f2a91c4e0b2",
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
        let id = ReleaseId::of(&Digest::of(b"record"));
        let key = |number| ReleaseKey { number: ReleaseNumber::new(number).expect("a number"), id };
        assert_eq!(prod.pointer().as_str(), "prod");
        assert_eq!(prod.record_tag(key(7)).as_str(), "prod-r0007-70ce871f8a3d");
        assert_eq!(prod.record_tag(key(12_345)).as_str(), "prod-r12345-70ce871f8a3d");
        assert_eq!(prod.record_tags(key(7).number), "prod-r0007-*");
        let read = |tag: &str| EnvironmentName::of_record_tag(&tag.parse().expect("a tag"));
        assert_eq!(read("prod-r0007-70ce871f8a3d"), Some((prod.clone(), key(7))));
        for other in [
            "prod",
            "prod-r0007",
            "prod-r7-70ce871f8a3d",
            "prod-r00007-70ce871f8a3d",
            "prod-r0000-70ce871f8a3d",
            "prodr0007-70ce871f8a3d",
            "prod-r0007-70ce871f8a3",
            "prod-r0007-70CE871F8A3D",
            "r0007-70ce871f8a3d",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        let longest: EnvironmentName = "a".repeat(LONGEST).parse().expect("a name");
        assert!(longest.record_tag(key(ReleaseNumber::LAST.get())).as_str().len() <= 128);
    }

    proptest! {
        /// Each tag of a record is that of one environment.
        #[test]
        fn a_tag_means_one_record(name in "[a-z][a-z0-9-]{0,20}", number in 1..=20_000_u32) {
            let (Ok(name), Some(number)) = (name.parse::<EnvironmentName>(), ReleaseNumber::new(number)) else {
                return Ok(());
            };
            let key = ReleaseKey { number, id: ReleaseId::of(&Digest::of(name.as_str().as_bytes())) };
            prop_assert_eq!(EnvironmentName::of_record_tag(&name.record_tag(key)), Some((name, key)));
        }
    }
}
