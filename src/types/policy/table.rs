//! Many patterns against many texts. Only the patterns whose letters before their first `*` or `?` begin a text are
//! compared with it, so that a list of a hundred thousand names costs each text a few lookups.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{ComparedPackage, LicencePattern, MatchSteps, PackagePattern, matches};

/// Patterns by the letters that they begin with.
struct PatternTable<'a> {
    /// Each with its text as it was written.
    begun: BTreeMap<String, BTreeSet<(String, &'a str)>>,
    /// The lengths of those letters, in bytes.
    lengths: BTreeSet<usize>,
}

impl<'a> PatternTable<'a> {
    /// Of these patterns: each as it is compared, and as it was written.
    fn new(patterns: impl Iterator<Item = (String, &'a str)>) -> Self {
        let (mut begun, mut lengths) = (BTreeMap::<String, BTreeSet<_>>::new(), BTreeSet::new());
        for (compared, written) in patterns {
            let fixed = compared.find(['*', '?']).unwrap_or(compared.len());
            lengths.insert(fixed);
            begun.entry(compared[..fixed].to_owned()).or_default().insert((compared, written));
        }
        Self { begun, lengths }
    }

    fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }

    /// The first pattern that begins as `text` does and that `is_it` matches, as it was written; none if the steps are used.
    fn find(&self, text: &str, steps: &MatchSteps, mut is_it: impl FnMut(&str) -> bool) -> Option<&'a str> {
        for length in &self.lengths {
            let beginning = text.get(..*length);
            if *length > text.len() || !steps.take(1) {
                return None;
            }
            let candidates = beginning.and_then(|beginning| self.begun.get(beginning));
            for (compared, written) in candidates.into_iter().flatten() {
                if is_it(compared) {
                    return Some(written);
                }
                if steps.are_used() {
                    return None;
                }
            }
        }
        None
    }
}

/// Patterns of packages, for many packages.
pub(super) struct PackageTable<'a>(PatternTable<'a>);

impl<'a> PackageTable<'a> {
    pub(super) fn new(patterns: &'a [PackagePattern]) -> Self {
        Self(PatternTable::new(
            patterns.iter().map(|pattern| (pattern.compared().to_owned(), pattern.as_str())),
        ))
    }

    /// The pattern that means the package of a purl. A pattern without a version means all versions; qualifiers do not
    /// count.
    pub(super) fn find(&self, purl: &str, steps: &MatchSteps) -> Option<&'a str> {
        let ComparedPackage { plain, unversioned } = &ComparedPackage::of(purl)?;
        self.0.find(plain, steps, |pattern| {
            matches(pattern, plain, steps) || matches(pattern, unversioned, steps)
        })
    }
}

/// Patterns of licences, for many licences. They are compared without regard to case.
pub(super) struct LicenceTable<'a>(PatternTable<'a>);

impl<'a> LicenceTable<'a> {
    pub(super) fn new(patterns: &'a [LicencePattern]) -> Self {
        Self(PatternTable::new(
            patterns.iter().map(|pattern| (pattern.as_str().to_lowercase(), pattern.as_str())),
        ))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pattern that means the licence of this name.
    pub(super) fn find(&self, name: &str, steps: &MatchSteps) -> Option<&'a str> {
        let name = name.to_lowercase();
        self.0.find(&name, steps, |pattern| matches(pattern, &name, steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patterns_that_begin_as_the_text_are_compared() {
        let patterns = ["a*", "ab", "ab?", "b*", "é*"];
        let table = PatternTable::new(patterns.into_iter().map(|text| (text.to_owned(), text)));
        let compared = |text: &str| {
            let mut seen = Vec::new();
            table.find(text, &MatchSteps::default(), |pattern| {
                seen.push(pattern.to_owned());
                false
            });
            seen
        };
        assert_eq!(compared("abc"), ["a*", "ab", "ab?"]);
        assert_eq!(compared("éa"), ["é*"]);
        assert_eq!(compared(""), [""; 0]);
        let found = table.find("abc", &MatchSteps::default(), |pattern| pattern == "ab?");
        assert_eq!(found, Some("ab?"));
        assert!(!table.is_empty() && PatternTable::new(std::iter::empty()).is_empty());
    }

    #[test]
    fn packages_mean_all_versions_unless_they_say_one() {
        let matches = |pattern: &str, purl: &str| {
            let patterns = [pattern.parse::<PackagePattern>().expect(pattern)];
            PackageTable::new(&patterns).find(purl, &MatchSteps::default()).is_some()
        };
        assert!(matches("pkg:maven/log4j/log4j", "pkg:maven/log4j/log4j@1.2.17"));
        assert!(matches("pkg:maven/log4j/log4j@1.*", "pkg:maven/log4j/log4j@1.2.17?type=jar"));
        assert!(!matches("pkg:maven/log4j/log4j@2.*", "pkg:maven/log4j/log4j@1.2.17"));
        assert!(!matches("pkg:maven/log4j/log4j", "pkg:maven/log4j/log4j-core@2.0"));
        assert!(matches("pkg:npm/%40scope/*", "pkg:npm/@scope/name@1.0"));
        assert!(matches("pkg:npm/@scope/name", "pkg:npm/%40scope/name@1.0"));
        assert!(matches("pkg:pypi/Foo_Bar", "pkg:pypi/foo-bar@1"));
        assert!(matches("pkg:npm/evil", "pkg://NPM//%65vil@1?a=b#c"));
        assert!(matches("pkg:maven/**", "pkg:maven/a/b@1"));
        assert!(matches("pkg:**/b@1", "pkg:maven/a/b@1"));
        for wrong in ["log4j", "pkg:", "pkg:npm/", "pkg:npm/a#x", "pkg:npm/[", "pkg:npm/{a,b}", ""] {
            assert!(wrong.parse::<PackagePattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn licences_are_compared_without_regard_to_case() {
        let patterns: [LicencePattern; 1] = ["agpl-*".parse().expect("a pattern")];
        let matches = |name| LicenceTable::new(&patterns).find(name, &MatchSteps::default()).is_some();
        assert!(matches("AGPL-3.0-only") && !matches("GPL-3.0-only"));
    }
}
