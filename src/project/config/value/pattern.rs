//! Globs of paths.

use std::fmt;

use super::super::decode::{FromText, Wrong, text_values};
use crate::layer::scan;

/// A glob over paths below a directory: `*` stays within one part, `**` crosses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Pattern {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("a pattern cannot be empty"));
        }
        if let Some(relative) = text.strip_prefix('/') {
            return Err(Wrong::new(format!("`{text}` can never match")).hint(format!(
                "patterns are relative to the directory that is copied: write `\"{relative}\"`"
            )));
        }
        if scan::pattern_never_matches(text) {
            return Err(Wrong::new(format!("`{text}` can never match"))
                .hint("nothing below the directory that is copied has `..` in its path"));
        }
        if let Some(why) = scan::pattern_is_too_much(text) {
            return Err(Wrong::new(format!("the pattern is too much: {why}")));
        }
        // The compiled form takes a thousand times its memory: it is compiled again where it is used.
        globset::GlobBuilder::new(text).literal_separator(true).build().map_err(|error| {
            let wrong = Wrong::new(format!("`{text}` is not a pattern: {}", error.kind()));
            match scan::literally(text) {
                Some(literally) => wrong.hint(format!(
                    "`[…]` is one of several characters, `{{…}}` one of several texts: write `\"{literally}\"` for the name itself"
                )),
                None => wrong,
            }
        })?;
        Ok(Self(text.to_owned()))
    }
}

/// A glob over paths of the image: below the root of an application, or, with `/` at its beginning, in the whole image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePattern {
    pattern: Pattern,
    is_absolute: bool,
}

impl ImagePattern {
    /// The glob, without the `/` at its beginning.
    #[must_use]
    pub fn glob(&self) -> &str {
        self.pattern.as_str()
    }

    /// Whether it is about the whole image.
    #[must_use]
    pub const fn is_absolute(&self) -> bool {
        self.is_absolute
    }

    /// Whether it is the name of one path.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.glob().contains(['*', '?', '[', '{', '\\'])
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_absolute { "/" } else { "" }, self.glob())
    }
}

impl FromText for ImagePattern {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let relative = text.strip_prefix('/');
        let pattern = Pattern::from_text(relative.unwrap_or(text).trim_end_matches('/'))?;
        Ok(Self { pattern, is_absolute: relative.is_some() })
    }
}

text_values!(Pattern, ImagePattern);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn patterns_stay_within_a_part() {
        let matches = |pattern, path| {
            let pattern = ok::<Pattern>(pattern);
            let glob = globset::GlobBuilder::new(pattern.as_str()).literal_separator(true).build();
            glob.expect("a glob").compile_matcher().is_match(path)
        };
        assert!(matches("*.xml", "a.xml") && !matches("*.xml", "b/a.xml") && matches("**/*.xml", "b/a.xml"));
        all_wrong::<Pattern>(&["", "/a", "[", "{a", "../a", "a/../b", ".."]);
    }
}
