//! Types of artifacts: media types without parameters.

use std::fmt;
use std::str::FromStr;

use super::shown::Foreign;

/// Short words for types that documents often have.
const WORDS: [(&str, &str); 3] = [
    ("cyclonedx", "application/vnd.cyclonedx+json"),
    ("openvex", "application/vnd.openvex+json"),
    ("spdx", "application/spdx+json"),
];

/// A media type of RFC 6838 without parameters, such as `application/spdx+json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactType(String);

impl ArtifactType {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArtifactType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let other = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            (1..=127).contains(&name.len())
                && name.as_bytes()[0].is_ascii_alphanumeric()
                && name.bytes().all(other)
        };
        if let Some((_, whole)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(Self((*whole).to_owned()));
        }
        match text.split_once('/') {
            Some((kind, name)) if is_name(kind) && is_name(name) => Ok(Self(text.to_owned())),
            _ => Err(format!(
                "`{}` is not a type of artifact, such as `application/spdx+json`",
                Foreign::new(text)
            )),
        }
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
