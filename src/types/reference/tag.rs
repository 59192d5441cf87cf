//! Tags.

use std::fmt;
use std::str::FromStr;

use super::error::{NameFault, ReferenceError, cited, shown};

const TAG: &str = "a tag";

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `latest`.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_tag(text).map_err(|fault| fault.of(TAG, text))
    }
}

/// The longest tag, in characters.
const MAX_TAG: usize = 128;

/// The tag that `text` is.
pub(super) fn parse_tag(text: &str) -> Result<Tag, NameFault> {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let other = |character: &char| !word(*character) && !matches!(character, '.' | '-');
    match text.chars().next() {
        None => return Err(NameFault::new("the tag is empty")),
        Some(first) if matches!(first, '.' | '-') => {
            let why = format!(
                "the tag `{}` begins with `{first}`; a tag begins with a letter, a digit or `_`",
                cited(text)
            );
            return Err(NameFault::new(why));
        }
        Some(_) => {}
    }
    if let Some(character) = text.chars().find(other) {
        let why = format!(
            "the tag `{}` has {} in it; a tag is letters, digits, `_`, `.` and `-`",
            cited(text),
            shown(character)
        );
        return Err(NameFault::new(why));
    }
    if text.len() > MAX_TAG {
        return Err(NameFault::new(format!(
            "the tag has {} characters; a tag has at most {MAX_TAG}",
            text.len()
        )));
    }
    Ok(Tag(text.to_owned()))
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
