//! Patterns of names of images and tags: `*` is any text without a slash, `**` any text.

use crate::project::config::decode::{FromText, Wrong, text_values};

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPattern(String);

impl TargetPattern {
    /// Whether it matches all of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }
}

impl FromText for TargetPattern {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.len() > 512 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Wrong::new(format!("`{text}` is not a pattern of names"))
                .hint("write a name, with `*` for any text without a slash and `**` for any text"));
        }
        Ok(Self(text.to_owned()))
    }
}

text_values!(TargetPattern);

/// Where a `*` was met: the pattern after it, the text that it may take more of, and whether it takes slashes.
type Star = (usize, usize, bool);

/// Goes back to the last `*` alone, and to the last `**` if that does not help: the time is bounded by the product of
/// the lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let (mut star, mut deep): (Option<Star>, Option<Star>) = (None, None);
    loop {
        if pattern[at..].starts_with(b"**") {
            at += 2;
            (deep, star) = (Some((at, seen, true)), None);
            continue;
        }
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen, false));
            continue;
        }
        match (pattern.get(at), text.get(seen)) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found => {
                at += 1;
                seen += 1;
                continue;
            }
            _ => {}
        }
        let takes = |(_, from, slashes): &Star| text.get(*from).is_some_and(|byte| *slashes || *byte != b'/');
        if let Some((after, from, _)) = star.filter(takes) {
            (at, seen) = (after, from + 1);
            star = Some((after, from + 1, false));
        } else if let Some((after, from, _)) = deep.filter(takes) {
            (at, seen) = (after, from + 1);
            (deep, star) = (Some((after, from + 1, true)), None);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, text: &str) -> bool {
        TargetPattern::from_text(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn stars() {
        for (pattern, text) in [
            ("localhost:5000/shop/*", "localhost:5000/shop/app"),
            ("**/app", "localhost:5000/shop/app"),
            ("**", "a/b"),
            ("v*", "v1.0"),
            ("*-r*", "prod-r0001"),
            ("a**b*c", "a/x/bxc"),
            ("a**b*c", "a/b/bxc"),
            ("prod", "prod"),
        ] {
            assert!(check(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("localhost:5000/shop/*", "localhost:5000/shop/a/b"),
            ("*", "a/b"),
            ("prod", "prod2"),
            ("prod*x", "prod"),
            ("a**b*c", "a/b/b/c"),
        ] {
            assert!(!check(pattern, text), "{pattern} {text}");
        }
        assert!(TargetPattern::from_text("").is_err() && TargetPattern::from_text("a b").is_err());
    }

    #[test]
    fn hostile_patterns_are_quick() {
        let pattern = "*a".repeat(250) + "b";
        assert!(!check(&pattern, &"a".repeat(4_000)));
        let pattern = "**a".repeat(160) + "b";
        assert!(!check(&pattern, &"a".repeat(4_000)));
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_both_stars(text in "[a-z/:.]{1,40}") {
            prop_assert!(check(&text, &text));
            prop_assert!(check("**", &text));
            prop_assert_eq!(check("*", &text), !text.contains('/'));
        }
    }
}
