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

/// A glob over the directories of a workspace's members, relative to its root: `services/*`, `tools/cli`, `apps/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPattern(String);

impl MemberPattern {
    /// As it was written, without `./` at its beginning and `/` at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, from the root down.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromText for MemberPattern {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let plain = text.strip_prefix("./").unwrap_or(text);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        let below = "members lie below the directory of the workspace's build file: write a path such as `services/*`";
        if plain.is_empty() || plain == "." {
            let why = format!("`{text}` is the root of the workspace, which is none of its members");
            return Err(Wrong::new(why).hint("put the image into a directory of its own, and name that"));
        }
        if plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
            return Err(Wrong::new(format!("`{text}` leads out of the workspace")).hint(below));
        }
        if plain.split('/').any(|part| matches!(part, "" | ".")) {
            return Err(Wrong::new(format!("`{text}` has an empty part")).hint(below));
        }
        if let Some(why) = scan::pattern_is_too_much(plain) {
            return Err(Wrong::new(format!("the pattern is too much: {why}")));
        }
        for part in plain.split('/') {
            globset::GlobBuilder::new(part).literal_separator(true).build().map_err(|error| {
                let wrong = Wrong::new(format!("`{text}` is not a pattern: {}", error.kind()));
                if plain.contains('{') {
                    return wrong.hint("write two patterns where `{…}` would have a `/` in it");
                }
                wrong
                    .hint("a character that means something in patterns stands for itself in brackets: `[[]`")
            })?;
        }
        Ok(Self(plain.to_owned()))
    }
}

text_values!(Pattern, ImagePattern, MemberPattern);

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

    #[test]
    fn members_lie_below_the_root() {
        let pattern = |text| ok::<MemberPattern>(text).as_str().to_owned();
        assert_eq!(pattern("./services/*/"), "services/*");
        assert_eq!(ok::<MemberPattern>("a/**").parts().collect::<Vec<_>>(), ["a", "**"]);
        all_wrong::<MemberPattern>(&[
            "", ".", "./", "/a", "..", "../a", "a/../b", "a//b", "a/./b", "[", "{a/b,c}",
        ]);
    }
}
