//! Finds the directories that the patterns of a workspace match.
//!
//! `*`, `?`, `[…]` and `{…}` match one part of a path, `**` any number of them. None of these matches a name that begins with
//! a dot, and `**` does not look into `node_modules` or behind links. Files are no members. `**` means the directories with a
//! build file; each directory that another pattern matches must have one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::WorkspaceError;
use crate::project::config::{BUILD_FILE, MemberPattern, Span, Spanned};

/// How many directories are looked into, and how deep, for all patterns together.
const MOST_DIRECTORIES: usize = 50_000;
const MOST_DEPTH: usize = 32;
/// The directory that no `**` looks into: packages have build files of their own.
const PACKAGES: &str = "node_modules";

/// One part of a pattern.
enum PatternPart {
    /// `**`
    Any,
    /// A name.
    Name(OsString),
    /// A pattern of names.
    Glob(GlobMatcher),
}

impl PatternPart {
    fn of(text: &str) -> Self {
        if text == "**" {
            return Self::Any;
        }
        if !text.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            return Self::Name(text.into());
        }
        // It was compiled when it was read.
        match GlobBuilder::new(text).literal_separator(true).build() {
            Ok(glob) => Self::Glob(glob.compile_matcher()),
            Err(_) => Self::Name(text.into()),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => !is_hidden(name) && name != PACKAGES,
            Self::Name(own) => own.to_str() == Some(name),
            Self::Glob(glob) => !is_hidden(name) && glob.is_match(name),
        }
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// The parts of a pattern. One `**` after another says nothing more.
fn parts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<PatternPart> {
    let mut parts: Vec<PatternPart> = texts.map(PatternPart::of).collect();
    parts.dedup_by(|next, part| matches!((part, next), (PatternPart::Any, PatternPart::Any)));
    parts
}

/// Whether a pattern matches a directory, given relative to the root.
pub(super) fn matches(pattern: &MemberPattern, place: &str) -> bool {
    match_parts(&parts(pattern.parts()), place)
}

fn match_parts(parts: &[PatternPart], place: &str) -> bool {
    let names: Vec<&str> = place.split('/').collect();
    // For each number of names from the beginning, whether the parts so far match these: as many steps as parts times
    // names, whatever the pattern is.
    let mut so_far: Vec<bool> = std::iter::once(true).chain(names.iter().map(|_| false)).collect();
    for (position, part) in parts.iter().enumerate() {
        let is_any = matches!(part, PatternPart::Any);
        // `**` at the end means what lies below, not the directory itself.
        let may_be_empty = is_any && position + 1 < parts.len();
        let mut next = vec![may_be_empty && so_far[0]];
        for (end, name) in names.iter().enumerate() {
            let goes_on = so_far[end] || is_any && next[end];
            next.push(goes_on && part.matches(name) || may_be_empty && so_far[end + 1]);
        }
        so_far = next;
    }
    so_far[names.len()]
}

/// Whether a directory, or one that it lies in, is excluded.
pub(super) fn is_excluded(exclude: &[Spanned<MemberPattern>], place: &str) -> bool {
    let ends = place.match_indices('/').map(|(end, _)| end).chain([place.len()]);
    ends.into_iter().any(|end| exclude.iter().any(|pattern| matches(pattern, &place[..end])))
}

/// The directories that match, relative to the root, each with the pattern that names it.
pub(super) struct MemberWalk<'a> {
    root: &'a Path,
    exclude: &'a [Spanned<MemberPattern>],
    found: BTreeMap<String, Span>,
    left_out: BTreeSet<String>,
    budget: usize,
}

impl<'a> MemberWalk<'a> {
    pub(super) const fn new(root: &'a Path, exclude: &'a [Spanned<MemberPattern>]) -> Self {
        Self { root, exclude, found: BTreeMap::new(), left_out: BTreeSet::new(), budget: MOST_DIRECTORIES }
    }

    /// Adds what a pattern matches; whether that is anything.
    ///
    /// # Errors
    /// When a directory cannot be read, has a name that is no text, or there are too many.
    pub(super) fn add(&mut self, pattern: &Spanned<MemberPattern>) -> Result<bool, WorkspaceError> {
        let mut any = false;
        self.visit("", &parts(pattern.parts()), pattern.span, &mut any)?;
        Ok(any)
    }

    /// All that was found, in the order of the paths, and the directories that are excluded.
    pub(super) fn into_found(self) -> (BTreeMap<String, Span>, BTreeSet<String>) {
        (self.found, self.left_out)
    }

    fn at(&self, place: &str) -> PathBuf {
        if place.is_empty() { self.root.to_owned() } else { self.root.join(place) }
    }

    fn take(&mut self, place: &str, span: Span, any: &mut bool) {
        *any = true;
        if is_excluded(self.exclude, place) {
            self.left_out.insert(place.to_owned());
        } else {
            self.found.entry(place.to_owned()).or_insert(span);
        }
    }

    fn visit(
        &mut self,
        place: &str,
        parts: &[PatternPart],
        span: Span,
        any: &mut bool,
    ) -> Result<(), WorkspaceError> {
        let Some((part, rest)) = parts.split_first() else {
            self.take(place, span, any);
            return Ok(());
        };
        match part {
            PatternPart::Name(name) => self.visit(&join(place, &name.to_string_lossy()), rest, span, any),
            PatternPart::Glob(_) => {
                for name in self.names(place, false)? {
                    if part.matches(&name) {
                        self.visit(&join(place, &name), rest, span, any)?;
                    }
                }
                Ok(())
            }
            PatternPart::Any => self.descend(place, parts, span, any, 0),
        }
    }

    /// Goes on with what follows `**` here and in all directories below.
    fn descend(
        &mut self,
        place: &str,
        parts: &[PatternPart],
        span: Span,
        any: &mut bool,
        depth: usize,
    ) -> Result<(), WorkspaceError> {
        let rest = &parts[1..];
        if !rest.is_empty() {
            // A name need not be there at each level.
            let is_there = match &rest[0] {
                PatternPart::Name(name) => {
                    self.at(place).join(name).join(BUILD_FILE).is_file() || rest.len() > 1
                }
                _ => true,
            };
            if is_there {
                self.visit(place, rest, span, any)?;
            }
        } else if depth > 0 && self.at(place).join(BUILD_FILE).is_file() {
            self.take(place, span, any);
        }
        if depth >= MOST_DEPTH {
            return Ok(());
        }
        for name in self.names(place, true)? {
            if PatternPart::Any.matches(&name) {
                self.descend(&join(place, &name), parts, span, any, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The directories in a directory, in order; links to directories only where a pattern names them.
    fn names(&mut self, place: &str, only_own: bool) -> Result<Vec<String>, WorkspaceError> {
        let directory = self.at(place);
        let failed = |source| WorkspaceError::Read { path: directory.clone(), source };
        if self.budget == 0 {
            let why = format!("the patterns of its members match more than {MOST_DIRECTORIES} directories");
            return Err(failed(io::Error::other(why)));
        }
        self.budget -= 1;
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            // The directory of a pattern such as `services/*` may not be there: then nothing matches.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let is_directory = kind.is_dir() || !only_own && kind.is_symlink() && entry.path().is_dir();
            if !is_directory {
                continue;
            }
            match entry.file_name().into_string() {
                Ok(name) => names.push(name),
                Err(_) if only_own => {}
                Err(name) => return Err(WorkspaceError::Name(directory.join(name))),
            }
        }
        names.sort();
        Ok(names)
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn matched(pattern: &str, place: &str) -> bool {
        match_parts(&parts(pattern.split('/')), place)
    }

    #[test]
    fn patterns_match_directories_part_by_part() {
        for (pattern, place) in [
            ("a", "a"),
            ("a/*", "a/b"),
            ("**", "a"),
            ("**", "a/b/c"),
            ("a/**", "a/b/c"),
            ("**/c", "c"),
            ("**/c", "a/b/c"),
            ("**/**/c", "a/c"),
            ("a/**/c", "a/c"),
            ("a/**/b/**/c", "a/x/b/y/z/c"),
            ("{a,b}/?", "b/x"),
        ] {
            assert!(matched(pattern, place), "{pattern} {place}");
        }
        for (pattern, place) in [
            ("a", "a/b"),
            ("*", "a/b"),
            ("a/**", "a"),
            ("**", ".git"),
            ("**/c", "node_modules/c"),
            ("*", ".hidden"),
            ("a/**/c", "a/b"),
            ("**/b/**", "a/b"),
        ] {
            assert!(!matched(pattern, place), "{pattern} {place}");
        }
    }

    #[test]
    fn many_double_stars_cost_no_more_than_their_number() {
        let (pattern, place) = ("**/a/".repeat(200) + "b", "a/".repeat(1000) + "c");
        let begun = Instant::now();
        assert!(!matched(&pattern, &place));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
