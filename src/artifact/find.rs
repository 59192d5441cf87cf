//! An artifact whose name has a part that changes, such as its version: `target/shop-*.war`.
//!
//! `*`, `?` and `[…]` stand for parts of a name as in a shell, and `{version}` for what begins with a digit. Exactly one
//! path may fit. A path that exists as it is written is that path, whatever characters it has.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMatch {
    /// The path.
    pub path: PathBuf,
    /// The text that `{version}` matched.
    pub version: Option<String>,
}

/// Why a path stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The pattern is none.
    #[error("`{}` is not a pattern: {reason}", shown_path(pattern))]
    Pattern {
        /// As it was written.
        pattern: PathBuf,
        /// The fault.
        reason: String,
    },
    /// Nothing fits.
    #[error("nothing fits `{}`", shown_path(.0))]
    Nothing(PathBuf),
    /// More than one path fits.
    #[error("{} paths fit `{}`: {}", found.len(), shown_path(pattern), listed(found))]
    Several {
        /// As it was written.
        pattern: PathBuf,
        /// The matching paths, in the order of people.
        found: Vec<PathBuf>,
    },
}

impl Explain for FindError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Pattern { .. } => Some(ErrorCode::PatternWrong),
            Self::Nothing(_) => Some(ErrorCode::ArtifactMissing),
            Self::Several { .. } => Some(ErrorCode::ArtifactAmbiguous),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Pattern { .. } => {
                "`*` stands for a part of a name, and `{version}` for one that begins with a digit".to_owned()
            }
            Self::Nothing(_) => "build the artifact first, or name it as it is".to_owned(),
            Self::Several { found, .. } => {
                let last = found.last().map(|path| shown_path(path)).unwrap_or_default();
                format!("remove what is old, or name one: `{last}`")
            }
        })
    }
}

/// How many paths are shown of many.
const SHOWN: usize = 10;

fn listed(found: &[PathBuf]) -> String {
    let mut names: Vec<String> =
        found.iter().take(SHOWN).map(|path| format!("`{}`", shown_path(path))).collect();
    if found.len() > SHOWN {
        names.push(format!("and {} more", found.len() - SHOWN));
    }
    names.join(", ")
}

/// The variable that stands for a version.
const VERSION: &str = "{version}";

/// The path that `path` means.
///
/// # Errors
/// When it is a pattern and not exactly one path fits.
pub fn find(path: &Path) -> Result<PathMatch, FindError> {
    let is_pattern = |part: &str| part.contains(['*', '?', '[']) || part.contains(VERSION);
    let has_pattern = path.to_str().is_some_and(is_pattern);
    if !has_pattern || std::fs::symlink_metadata(path).is_ok() {
        return Ok(PathMatch { path: path.to_owned(), version: None });
    }
    let mut found = vec![PathMatch { path: PathBuf::new(), version: None }];
    let mut is_pattern_above = false;
    for component in path.components() {
        let text = match component {
            Component::Normal(name) => name.to_str().filter(|name| is_pattern(name)),
            _ => None,
        };
        let Some(text) = text else {
            if component == Component::ParentDir && is_pattern_above {
                let reason = "`..` cannot follow it".to_owned();
                return Err(FindError::Pattern { pattern: path.to_owned(), reason });
            }
            found.iter_mut().for_each(|found| found.path.push(component));
            continue;
        };
        is_pattern_above = true;
        let pattern = NamePattern::new(text)
            .map_err(|reason| FindError::Pattern { pattern: path.to_owned(), reason })?;
        found = found.iter().flat_map(|above| pattern.below(above, text)).collect();
    }
    found.retain(|found| std::fs::metadata(&found.path).is_ok());
    found.sort_by(|a, b| natural(a.path.as_os_str().as_bytes(), b.path.as_os_str().as_bytes()));
    match found.len() {
        0 => Err(FindError::Nothing(path.to_owned())),
        1 => Ok(found.swap_remove(0)),
        _ => Err(FindError::Several {
            pattern: path.to_owned(),
            found: found.into_iter().map(|found| found.path).collect(),
        }),
    }
}

/// The part of a path before its first pattern; `None` if it has no pattern. A path that exists as it is written has none.
#[must_use]
pub fn before_pattern(path: &Path) -> Option<PathBuf> {
    if std::fs::symlink_metadata(path).is_ok() {
        return None;
    }
    let is_pattern = |part: &str| part.contains(['*', '?', '[']) || part.contains(VERSION);
    let mut before = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) if name.to_str().is_some_and(is_pattern) => return Some(before),
            _ => before.push(component),
        }
    }
    None
}

/// Whether `path` fits the beginning of `pattern`, component by component: something in it can decide what fits.
#[must_use]
pub fn fits_beginning(pattern: &Path, path: &Path) -> bool {
    let (mut wanted, mut given) = (pattern.components(), path.components());
    loop {
        match (wanted.next(), given.next()) {
            (_, None) => return true,
            (None, Some(_)) => return false,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(Component::Normal(wanted)), Some(Component::Normal(given))) => {
                let pattern = wanted.to_str().and_then(|wanted| NamePattern::new(wanted).ok());
                if !pattern.is_some_and(|pattern| pattern.glob.is_match(Path::new(given))) {
                    return false;
                }
            }
            (Some(_), Some(_)) => return false,
        }
    }
}

/// A pattern of one name.
struct NamePattern {
    glob: GlobMatcher,
    /// The text before and after `{version}`.
    around: Option<(GlobMatcher, GlobMatcher)>,
    takes_hidden: bool,
}

impl NamePattern {
    fn new(text: &str) -> Result<Self, String> {
        if text.contains("**") {
            return Err("`**` would cross directories".to_owned());
        }
        let glob = |text: &str| {
            let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
        };
        let around = match text.split_once(VERSION) {
            None => None,
            Some((_, after)) if after.contains(VERSION) => return Err(format!("it has `{VERSION}` twice")),
            Some((before, after)) => Some((glob(before)?, glob(after)?)),
        };
        Ok(Self {
            glob: glob(&text.replace(VERSION, "[0-9]*"))?,
            around,
            takes_hidden: text.starts_with('.'),
        })
    }

    /// The matching paths in a directory: the name as it is `written`, else every name that the pattern matches. A
    /// directory that cannot be read has nothing.
    fn below(&self, above: &PathMatch, written: &str) -> Vec<PathMatch> {
        let literal = above.path.join(written);
        if std::fs::symlink_metadata(&literal).is_ok() {
            return vec![PathMatch { path: literal, version: above.version.clone() }];
        }
        let directory = if above.path.as_os_str().is_empty() { Path::new(".") } else { &above.path };
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let fits = |name: &OsString| {
            self.glob.is_match(Path::new(name)) && (self.takes_hidden || !name.as_bytes().starts_with(b"."))
        };
        names
            .filter(fits)
            .map(|name| {
                let version = name.to_str().and_then(|name| self.version(name));
                PathMatch { path: above.path.join(&name), version: version.or_else(|| above.version.clone()) }
            })
            .collect()
    }

    /// The text that `{version}` matches in `name`: the longest that fits.
    fn version(&self, name: &str) -> Option<String> {
        let (before, after) = self.around.as_ref()?;
        let starts = name.char_indices().filter(|(_, character)| character.is_ascii_digit());
        for (start, _) in starts.filter(|(start, _)| before.is_match(&name[..*start])) {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]).collect::<Vec<_>>();
            let end =
                ends.into_iter().rev().filter(|end| *end > start).find(|end| after.is_match(&name[*end..]));
            if let Some(end) = end {
                return Some(name[start..end].to_owned());
            }
        }
        None
    }
}

/// The order of people: numbers by their value.
pub(crate) fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (mut left, mut right) = (a, b);
    loop {
        match (digits(left), digits(right)) {
            (0, _) | (_, 0) => match (left.first(), right.first()) {
                (Some(one), Some(other)) if one == other => (left, right) = (&left[1..], &right[1..]),
                // As bytes, where both are the same to people.
                (None, None) => return a.cmp(b),
                (one, other) => return one.cmp(&other),
            },
            (one, other) => {
                let value = |digits: &[u8]| {
                    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
                    digits[zeros..].to_vec()
                };
                let (this, that) = (value(&left[..one]), value(&right[..other]));
                let order = this.len().cmp(&that.len()).then_with(|| this.cmp(&that));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (&left[one..], &right[other..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_pattern_is_found_and_fits() {
        let pattern = Path::new("/none/libs-*/shop-{version}.jar");
        assert_eq!(before_pattern(pattern), Some(PathBuf::from("/none")));
        assert_eq!(before_pattern(Path::new("/none/shop.jar")), None);
        for (path, fits) in [
            ("/none", true),
            ("/none/libs-1", true),
            ("/none/lib", false),
            ("/none/libs-1/shop-2.0.jar", true),
            ("/none/libs-1/shop-x.jar", false),
            ("/none/libs-1/shop-2.0.jar/x", false),
        ] {
            assert_eq!(fits_beginning(pattern, Path::new(path)), fits, "{path}");
        }
    }

    fn directory(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for name in names {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        directory
    }

    #[test]
    fn one_path_fits() {
        let names = [
            "a/shop-1.9-rc1.war",
            "a/shop-1.9-rc1.war.original",
            "a/shop-sources.jar",
            "a/.shop-2.war",
            "b2/x",
        ];
        let directory = directory(&names);
        let found = |pattern: &str| {
            let found =
                find(&directory.path().join(pattern)).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            let path = found.path.strip_prefix(directory.path()).expect("below").display().to_string();
            (path, found.version)
        };
        let war = "a/shop-1.9-rc1.war".to_owned();
        assert_eq!(found("a/shop-*.war"), (war.clone(), None));
        assert_eq!(found("a/shop-{version}.war"), (war.clone(), Some("1.9-rc1".to_owned())));
        assert_eq!(found("?/shop-[0-9]*.war"), (war.clone(), None));
        assert_eq!(found("a/*{version}.war"), (war, Some("1.9-rc1".to_owned())));
        assert_eq!(found("b{version}/x"), ("b2/x".to_owned(), Some("2".to_owned())));
        assert_eq!(found("a/.shop-*.war").0, "a/.shop-2.war");
        assert_eq!(found("b2"), ("b2".to_owned(), None));
        assert_eq!(found("missing").0, "missing", "no pattern: opening it gives the error");
    }

    #[test]
    fn a_name_that_exists_is_that_name() {
        let directory = directory(&["shop-*.war", "shop-1.war", "d[1]/shop-1.war", "d1/shop-1.war"]);
        let path = |name: &str| directory.path().join(name);
        assert_eq!(find(&path("shop-*.war")).expect("found").path, path("shop-*.war"));
        assert_eq!(find(&path("d[1]/shop-?.war")).expect("found").path, path("d[1]/shop-1.war"));
    }

    #[test]
    fn nothing_and_too_much_are_errors() {
        let directory = directory(&["shop-1.10.war", "shop-1.9.war", "shop-1.9.1.war", "shop-01.9.war"]);
        let error = |pattern: &str| find(&directory.path().join(pattern)).expect_err(pattern);
        let FindError::Several { found, .. } = error("shop-*.war") else { panic!("several fit") };
        let names: Vec<&str> = found
            .iter()
            .map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default())
            .collect();
        assert_eq!(names, ["shop-1.9.1.war", "shop-01.9.war", "shop-1.9.war", "shop-1.10.war"]);
        assert!(matches!(error("*.jar"), FindError::Nothing(_)));
        assert!(matches!(error("**/x"), FindError::Pattern { .. }));
        assert!(matches!(error("{version}{version}"), FindError::Pattern { .. }));
        assert!(matches!(error("*/../x"), FindError::Pattern { .. }));
        assert!(matches!(error("[a"), FindError::Pattern { .. }));
        let many: Vec<PathBuf> = (0..12).map(|number| PathBuf::from(format!("{number}"))).collect();
        assert!(listed(&many).ends_with("`9`, and 2 more"));
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names = ["a10", "a9", "a", "b1", "a9.1", "a09", "a9-x"].map(str::as_bytes);
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "a09", "a9", "a9-x", "a9.1", "a10", "b1"].map(str::as_bytes));
    }
}
