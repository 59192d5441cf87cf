//! `.dockerignore`: its rules as patterns below a directory that is copied.
//!
//! Docker binds each pattern to the root of the context. A rule that matches a directory is about all files below it, and
//! of several rules for a file the last one decides. `exclude` of a build file has patterns below the copied directory,
//! without rules that take files back.

/// The rules of a file.
pub(super) struct IgnoreRules(Vec<IgnoreRule>);

/// The parts of a rule that are followed. A tree of a project is less deep.
const MOST_PARTS: usize = 32;

struct IgnoreRule {
    takes_back: bool,
    /// The parts between slashes.
    parts: Vec<String>,
}

/// The parts of a directory that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IgnoredFiles {
    /// Patterns of files that alone are taken, if not all.
    pub(super) include: Vec<String>,
    /// Patterns of files that are left out.
    pub(super) exclude: Vec<String>,
    /// Whether nothing is taken.
    pub(super) all: bool,
    /// The first rule that takes files back in a way that these patterns cannot.
    pub(super) lost: Option<String>,
}

impl IgnoreRules {
    /// Reads a file.
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rule = |line: &str| {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                return None;
            }
            let (takes_back, pattern) =
                line.strip_prefix('!').map_or((false, line), |pattern| (true, pattern.trim()));
            let mut parts: Vec<String> = Vec::new();
            for part in pattern.split('/') {
                match part {
                    "" | "." => {}
                    ".." => _ = parts.pop(),
                    part => parts.push(part.to_owned()),
                }
            }
            (!parts.is_empty()).then_some(IgnoreRule { takes_back, parts })
        };
        Self(text.lines().filter_map(rule).collect())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a path is left out, by rules that are not about packages.
    pub(super) fn leave_out(&self, path: &str) -> bool {
        let mut of_files =
            self.0.iter().filter(|rule| !rule.is_about_packages() && rule.parts.len() <= MOST_PARTS);
        of_files.rfind(|rule| rule.rests(path).0).is_some_and(|rule| !rule.takes_back)
    }

    /// The rules as patterns below a directory.
    pub(super) fn below(&self, directory: &str) -> IgnoredFiles {
        let mut files = IgnoredFiles::default();
        for rule in &self.0 {
            if rule.parts.len() > MOST_PARTS {
                files.lost = files.lost.or_else(|| Some(rule.shown()));
                continue;
            }
            let (is_about_all, rests) = rule.rests(directory);
            let is_every = |rest: &String| matches!(rest.as_str(), "*" | "**" | "**/*");
            if is_about_all || rests.iter().any(is_every) {
                files = IgnoredFiles { all: !rule.takes_back, ..IgnoredFiles::default() };
                continue;
            }
            let is_allowed = files.all || !files.include.is_empty();
            match (rule.takes_back, is_allowed) {
                _ if rests.is_empty() => {}
                (false, _) => files.exclude.extend(rests),
                (true, true) if files.exclude.is_empty() => {
                    files.all = false;
                    files.include.extend(rests);
                }
                // All files are taken so far.
                (true, false) if files.exclude.is_empty() => {}
                (true, _) => files.lost = files.lost.or_else(|| Some(rule.shown())),
            }
        }
        files
    }
}

impl IgnoreRule {
    /// Whether it is about a path as a whole, and the patterns of what it is about below that.
    fn rests(&self, path: &str) -> (bool, Vec<String>) {
        let mut places = self.with_skipped(vec![0]);
        let mut is_about_all = places.contains(&self.parts.len());
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            let mut next = Vec::new();
            for place in places {
                match self.parts.get(place).map(String::as_str) {
                    Some("**") => next.push(place),
                    Some(part) if matches(part, name) => next.push(place + 1),
                    _ => {}
                }
            }
            places = self.with_skipped(next);
            is_about_all |= places.contains(&self.parts.len());
        }
        let is_first = |place: &usize| match place.checked_sub(1) {
            Some(before) => self.parts[before] != "**" || !places.contains(&before),
            None => true,
        };
        let rest = |place: usize| self.parts.get(place..).map(|parts| parts.iter().map(|part| as_glob(part)));
        let rests = places
            .iter()
            .filter(|place| is_first(place))
            .filter_map(|place| rest(*place))
            .map(|parts| parts.collect::<Vec<_>>().join("/"))
            .filter(|rest| !rest.is_empty());
        (is_about_all, rests.collect())
    }

    /// The places with those behind a `**`, which may stand for nothing.
    fn with_skipped(&self, mut places: Vec<usize>) -> Vec<usize> {
        let mut at = 0;
        while let Some(place) = places.get(at).copied() {
            if self.parts.get(place).is_some_and(|part| part == "**") {
                places.push(place + 1);
            }
            at += 1;
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    fn is_about_packages(&self) -> bool {
        self.parts.last().is_some_and(|part| is_packages(part))
    }

    fn shown(&self) -> String {
        format!("{}{}", if self.takes_back { "!" } else { "" }, self.parts.join("/"))
    }
}

/// Whether a pattern is about packages that are installed in the project before the image is made.
pub(super) fn is_packages(pattern: &str) -> bool {
    matches!(pattern.rsplit('/').next(), Some("node_modules" | ".venv" | "venv"))
}

/// A part of a pattern as `exclude` has it.
pub(super) fn as_glob(part: &str) -> String {
    let mut glob = String::new();
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' => glob.extend(['[', letter, ']']),
            '\\' => match letters.next() {
                Some(letter @ ('*' | '?' | '[' | '{' | '}')) => glob.extend(['[', letter, ']']),
                other => glob.extend(other),
            },
            letter => glob.push(letter),
        }
    }
    glob
}

/// A name as a pattern that matches it alone.
pub(super) fn literal(name: &str) -> String {
    let mut glob = String::new();
    for letter in name.chars() {
        match letter {
            '*' | '?' | '[' | '{' | '}' => glob.extend(['[', letter, ']']),
            letter => glob.push(letter),
        }
    }
    glob
}

/// Whether a name matches a part of a pattern: `*`, `?`, `[…]` and `\`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut rest, mut name) = (pattern, name);
    // Where the last `*` stands, and how far it reaches.
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(after) = rest.strip_prefix('*') {
            star = Some((after, name));
            rest = after;
            continue;
        }
        if rest.is_empty() && name.is_empty() {
            return true;
        }
        let mut letters = name.chars();
        if let Some((after, letter)) = letters.next().and_then(|letter| Some((one(rest, letter)?, letter))) {
            rest = after;
            name = &name[letter.len_utf8()..];
            continue;
        }
        let Some((after, from)) = star else { return false };
        let Some(letter) = from.chars().next() else { return false };
        let from = &from[letter.len_utf8()..];
        (star, rest, name) = (Some((after, from)), after, from);
    }
}

/// The rest of a pattern behind its first element, if a letter matches that.
fn one(pattern: &str, letter: char) -> Option<&str> {
    let mut letters = pattern.chars();
    match letters.next()? {
        '?' => Some(letters.as_str()),
        '\\' => (letters.next()? == letter).then_some(letters.as_str()),
        '[' => class(letters.as_str(), letter),
        own => (own == letter).then_some(letters.as_str()),
    }
}

/// The rest of a pattern behind `…]`, if a letter is one of those before it.
fn class(pattern: &str, letter: char) -> Option<&str> {
    let (is_other, mut rest) = pattern.strip_prefix(['^', '!']).map_or((false, pattern), |rest| (true, rest));
    let (mut is_in, mut is_first) = (false, true);
    loop {
        let mut letters = rest.chars();
        let mut low = letters.next()?;
        if low == ']' && !is_first {
            return (is_in != is_other).then_some(letters.as_str());
        }
        if low == '\\' {
            low = letters.next()?;
        }
        rest = letters.as_str();
        let range = rest.strip_prefix('-').and_then(|rest| Some((rest.chars().next()?, rest)));
        let high = match range {
            Some((high, after)) if high != ']' => {
                rest = &after[high.len_utf8()..];
                high
            }
            _ => low,
        };
        is_in |= (low..=high).contains(&letter);
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(text: &str, directory: &str) -> IgnoredFiles {
        IgnoreRules::parse(text).below(directory)
    }

    fn excluded(patterns: &[&str]) -> IgnoredFiles {
        IgnoredFiles {
            exclude: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            ..IgnoredFiles::default()
        }
    }

    #[test]
    fn names_match_as_in_docker() {
        for (pattern, name, is_match) in [
            ("*", "a.b", true),
            ("*.log", "a.log", true),
            ("*.log", "a.logs", false),
            ("sr?", "src", true),
            ("a*b*c", "aXbYbZc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[a", "a", false),
            ("", "", true),
            ("é?", "éü", true),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_is_carried_below_the_directory_that_is_copied() {
        assert_eq!(below("sr?/a.log\n", "src"), excluded(&["a.log"]));
        assert_eq!(below("*/temp*\n", "src"), excluded(&["temp*"]));
        assert_eq!(below("*/*/temp*\n", "src"), excluded(&["*/temp*"]));
        assert_eq!(below("**/*.log\n/src/x/\nother/y\n", "src"), excluded(&["**/*.log", "x"]));
        assert_eq!(below("**/x/y\n", "x"), excluded(&["**/x/y", "y"]));
        assert_eq!(below("a{b}\n", "."), excluded(&["a[{]b[}]"]));
        assert_eq!(below("# no\n\n!x\n", "."), excluded(&[]));
    }

    #[test]
    fn a_list_of_what_is_allowed_becomes_include() {
        let allowed = below("*\n!src\n!a/b\nsrc/x\n", ".");
        assert_eq!(allowed.include, ["src", "a/b"]);
        assert_eq!((allowed.exclude, allowed.all, allowed.lost), (vec!["src/x".to_owned()], false, None));
        assert_eq!(below("*\n!src\n", "src"), excluded(&[]));
        let one = below("src/*\n!src/b.txt\n", "src");
        assert_eq!((one.include, one.all), (vec!["b.txt".to_owned()], false));
        assert!(below("*\n", "src").all && below("**\n", ".").all);
    }

    #[test]
    fn what_patterns_cannot_take_back_is_named() {
        let files = below("*.md\n!README.md\n", ".");
        assert_eq!((files.exclude, files.lost), (vec!["*.md".to_owned()], Some("!README.md".to_owned())));
        assert_eq!(below("*.md\n!README.md\n", "src").lost, None);
    }

    #[test]
    fn the_last_rule_for_a_path_decides() {
        let rules = IgnoreRules::parse("*\n!src\nsrc/x\nnode_modules\n");
        for (path, is_left_out) in
            [("a", true), ("src/y", false), ("src/x/z", true), ("src/node_modules", false)]
        {
            assert_eq!(rules.leave_out(path), is_left_out, "{path}");
        }
        assert!(!IgnoreRules::parse("node_modules\n").leave_out("node_modules"));
    }
}
