//! Patterns of a policy: `*` stands for any text without `/`, `**` for any text, `?` for one character that is no `/`.
//!
//! A match takes at most as many steps as the pattern and the text have characters, multiplied. [`MatchSteps`] bounds the steps
//! of all matches of a judgement together, because both patterns and texts may be made by strangers.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use super::super::reference::Reference;
use super::super::shown::Foreign;
use super::package::{PackageName, UnmatchedPattern, compared_pattern};

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// The longest pattern, in bytes.
const LONGEST: usize = 512;

/// So many steps are made for all matches of a judgement: about a second of a slow machine.
const MOST_STEPS: u64 = 100_000_000;

/// The steps that are left for matches.
#[derive(Debug)]
pub struct MatchSteps(Cell<u64>);

impl Default for MatchSteps {
    fn default() -> Self {
        Self(Cell::new(MOST_STEPS))
    }
}

impl MatchSteps {
    /// Whether all steps were used, so that the last answers mean nothing.
    #[must_use]
    pub const fn are_used(&self) -> bool {
        self.0.get() == 0
    }

    /// Takes some; whether any are left.
    pub(super) fn take(&self, steps: usize) -> bool {
        let left = self.0.get().saturating_sub(steps as u64);
        self.0.set(left);
        left > 0
    }
}

/// A part of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GlobPart {
    Letter(char),
    One,
    Star,
    Stars,
}

fn parts(pattern: &str) -> Vec<GlobPart> {
    let mut parts = Vec::new();
    for letter in pattern.chars() {
        match (letter, parts.last()) {
            ('*', Some(GlobPart::Stars)) => {}
            ('*', Some(GlobPart::Star)) => {
                parts.pop();
                parts.push(GlobPart::Stars);
            }
            ('*', _) => parts.push(GlobPart::Star),
            ('?', _) => parts.push(GlobPart::One),
            (letter, _) => parts.push(GlobPart::Letter(letter)),
        }
    }
    parts
}

/// Whether a pattern matches a whole text; not if the steps are used up.
pub(super) fn matches(pattern: &str, text: &str, steps: &MatchSteps) -> bool {
    let fixed = pattern.find(['*', '?']).unwrap_or(pattern.len());
    if !steps.take(1 + fixed.min(text.len())) {
        return false;
    }
    let Some(rest) = text.strip_prefix(&pattern[..fixed]) else { return false };
    let parts = parts(&pattern[fixed..]);
    if !steps.take(parts.len()) {
        return false;
    }
    if parts.is_empty() {
        return rest.is_empty();
    }
    // `reached[n]`: the text so far is matched by the first `n` parts.
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    let skip = |reached: &mut [bool]| {
        for (at, part) in parts.iter().enumerate() {
            reached[at + 1] |= reached[at] && matches!(part, GlobPart::Star | GlobPart::Stars);
        }
    };
    skip(&mut reached);
    let mut next = vec![false; parts.len() + 1];
    for letter in rest.chars() {
        if !steps.take(parts.len()) {
            return false;
        }
        next.fill(false);
        for (at, part) in parts.iter().enumerate() {
            match part {
                GlobPart::Letter(wanted) => next[at + 1] |= reached[at] && *wanted == letter,
                GlobPart::One => next[at + 1] |= reached[at] && letter != '/',
                GlobPart::Star => next[at + 1] |= reached[at + 1] && letter != '/',
                GlobPart::Stars => next[at + 1] |= reached[at + 1],
            }
        }
        skip(&mut next);
        if !next.contains(&true) {
            return false;
        }
        std::mem::swap(&mut reached, &mut next);
    }
    reached[parts.len()]
}

fn checked(text: &str) -> Result<(), PatternError> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(PatternError(format!(
            "`{}` is no pattern: it is empty, longer than {LONGEST} bytes, or has control characters",
            Foreign::new(text)
        )));
    }
    if text.contains(['[', ']', '{', '}', '\\']) {
        return Err(PatternError(format!(
            "`{}` is no pattern: only `*`, `**` and `?` stand for other text",
            Foreign::new(text)
        )));
    }
    Ok(())
}

macro_rules! pattern {
    ($(#[$about:meta])* $name:ident, $check:path) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// As it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = PatternError;

            fn from_str(text: &str) -> Result<Self, PatternError> {
                checked(text)?;
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

const fn any(_: &str) -> Result<(), PatternError> {
    Ok(())
}

pattern! {
    /// Names of images: `docker.io/library/*`, or with a tag `docker.io/library/tomcat:10*`.
    NamePattern, any
}

/// Packages, by their purl: `pkg:maven/log4j/log4j` is all its versions, `pkg:npm/left-pad@1.*` some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePattern {
    written: String,
    /// In the spelling of package URLs that are compared.
    compared: String,
}

impl FromStr for PackagePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        checked(text)?;
        let compared = compared_pattern(text).map_err(|UnmatchedPattern { why, instead }| {
            PatternError(format!(
                "`{}` names no package: {why}; write a pattern such as `{}`",
                Foreign::new(text),
                Foreign::new(&instead)
            ))
        })?;
        Ok(Self { written: text.to_owned(), compared })
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

pattern! {
    /// Licences by their SPDX name, without regard to case: `AGPL-3.0-only`, `GPL-*`.
    LicencePattern, any
}

impl NamePattern {
    /// Whether an image of this name is meant. A pattern without a tag means all tags.
    #[must_use]
    pub fn matches(&self, name: &str, steps: &MatchSteps) -> bool {
        let Ok(reference) = name.parse::<Reference>() else { return matches(&self.0, name, steps) };
        let repository = reference.repository().to_string();
        let tagged = reference.tag().map(|tag| format!("{repository}:{tag}"));
        matches(&self.0, &repository, steps) || tagged.is_some_and(|tagged| matches(&self.0, &tagged, steps))
    }
}

/// The names by which a package is compared: that with its version, and that of all versions.
#[derive(Clone, Debug)]
pub(super) struct ComparedPackage {
    pub(super) plain: String,
    pub(super) unversioned: String,
}

impl ComparedPackage {
    /// Of a purl; `None` of another text.
    pub(super) fn of(purl: &str) -> Option<Self> {
        let name = PackageName::read(purl)?;
        Some(Self { plain: name.text(), unversioned: name.unversioned() })
    }
}

impl PackagePattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// As it is compared.
    pub(super) fn compared(&self) -> &str {
        &self.compared
    }

    /// Whether it is the name of one package, of all its versions or of one.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.compared.contains(['*', '?'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_all_tags_unless_they_say_one() {
        let matches = |pattern: &str, name: &str| {
            pattern.parse::<NamePattern>().expect(pattern).matches(name, &MatchSteps::default())
        };
        assert!(matches("docker.io/library/*", "tomcat:10"));
        assert!(matches("docker.io/library/tomcat:10*", "docker.io/library/tomcat:10.1"));
        assert!(matches("docker.io/library/tomcat:?0", "docker.io/library/tomcat:10"));
        assert!(!matches("docker.io/library/tomcat:10*", "tomcat:9"));
        assert!(!matches("docker.io/library/*", "docker.io/library/a/b"));
        assert!(matches("registry.example.com/**", "registry.example.com/a/b/c:1"));
        assert!(!matches("registry.example.com/**", "registry.example.com.evil/a"));
        assert!(matches("**", "oci:base"));
    }

    /// A pattern that takes other matchers exponential time ends here, and one that takes too many steps matches nothing.
    #[test]
    fn a_pattern_takes_a_bounded_number_of_steps() {
        let pattern: PackagePattern = format!("pkg:npm/{}b", "*a".repeat(200)).parse().expect("a pattern");
        let steps = MatchSteps::default();
        let matches = |name: &str, steps: &MatchSteps| matches(&pattern.compared, name, steps);
        assert!(!matches(&format!("pkg:npm/{}", "a".repeat(10_000)), &steps));
        assert!(!steps.are_used());
        let few = MatchSteps(Cell::new(1_000));
        assert!(!matches(&format!("pkg:npm/{}b", "a".repeat(1_000)), &few));
        assert!(few.are_used());
    }
}
