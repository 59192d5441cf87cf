//! The selection of a tree's paths: globs, and the lines of an ignore file.
//!
//! Both may come from others, and a compiled glob takes a thousand times the memory of its text. So all globs of a
//! scan that have wildcards draw on one budget, for their text and for each name that they are matched with.

use std::fs;
use std::io;
use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::{ScanError, io_error};
use super::options::{IGNORE_FILE, ScanOptions};
use crate::runtime::budget::Budget;
use crate::types::shown::{shown, shown_path};

/// The compiled globs of a scan.
#[derive(Debug)]
pub(super) struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    ignore: Option<Ignore>,
    cost: PatternCost,
}

impl Filter {
    pub(super) fn new(root: &Path, options: &ScanOptions) -> Result<Self, ScanError> {
        let mut cost = PatternCost::new(root);
        let include =
            (!options.include.is_empty()).then(|| globs(&options.include, &mut cost)).transpose()?;
        let exclude = globs(&options.exclude, &mut cost)?;
        let path = root.join(IGNORE_FILE);
        let ignore = if options.ignore_file { Ignore::read(&path, &mut cost)? } else { None };
        Ok(Self { include, exclude, ignore, cost })
    }

    /// Whether everything is included.
    pub(super) const fn all(&self) -> bool {
        self.include.is_none()
    }

    pub(super) fn includes(&self, relative: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match_candidate(&Candidate::from_bytes(relative)))
    }

    /// Whether a walk that asks both of the above of every name finds `relative`.
    pub(super) fn takes(&self, relative: &[u8], directory: bool) -> Result<bool, ScanError> {
        let slashes = relative.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut included = self.includes(relative);
        for above in slashes.map(|(slash, _)| &relative[..slash]) {
            if self.excludes(above, true)? {
                return Ok(false);
            }
            included |= self.includes(above);
        }
        Ok(included && !self.excludes(relative, directory)?)
    }

    pub(super) fn excludes(&self, relative: &[u8], directory: bool) -> Result<bool, ScanError> {
        self.cost.matching(relative)?;
        if self.exclude.is_empty() && self.ignore.is_none() {
            return Ok(false);
        }
        let candidate = Candidate::from_bytes(relative);
        Ok(self.exclude.is_match_candidate(&candidate)
            || self.ignore.as_ref().is_some_and(|ignore| {
                relative == IGNORE_FILE.as_bytes() || ignore.excludes(&candidate, directory)
            }))
    }

    /// Whether there is an ignore file.
    pub(super) const fn has_ignore_file(&self) -> bool {
        self.ignore.is_some()
    }

    /// The lines of the ignore file that leave something out, as they are written.
    pub(super) fn ignored(&self) -> impl Iterator<Item = &IgnoreLine> {
        self.ignore.iter().flat_map(|ignore| &ignore.lines).filter(|line| !line.taken_back)
    }

    /// The places of the `count` globs that include in their list, without those that match one of `paths`.
    pub(super) fn unmatched<'a>(&self, count: usize, paths: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
        let Some(set) = &self.include else { return Vec::new() };
        let (mut is_open, mut left, mut matching) = (vec![true; count], count, Vec::new());
        for path in paths {
            set.matches_candidate_into(&Candidate::from_bytes(path), &mut matching);
            for at in &matching {
                left -= usize::from(std::mem::replace(&mut is_open[*at], false));
            }
            if left == 0 {
                break;
            }
        }
        (0..count).filter(|at| is_open[*at]).collect()
    }
}

/// Globs of paths that tell which of them match.
pub struct PathGlobs {
    set: GlobSet,
    cost: PatternCost,
}

impl PathGlobs {
    /// Compiles `patterns`, which `of` names in messages.
    ///
    /// # Errors
    /// When a pattern is wrong, or all of them together take too much memory.
    pub fn new(of: &Path, patterns: &[String]) -> Result<Self, ScanError> {
        let mut cost = PatternCost::new(of);
        Ok(Self { set: globs(patterns, &mut cost)?, cost })
    }

    /// The places in the list of those that match `path`, in the order of the list.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn matching(&self, path: &[u8]) -> Result<Vec<usize>, ScanError> {
        self.cost.matching(path)?;
        Ok(self.set.matches_candidate(&Candidate::from_bytes(path)))
    }
}

/// The longest pattern, in bytes, which is more than people write by hand; the compiler of globs calls itself for
/// each `{` in another.
pub(super) const MAX_PATTERN: usize = 4096;
/// How deep `{…}` may be nested.
pub(super) const MAX_BRACES: usize = 16;
/// Bytes of an ignore file, and of all patterns of a build file.
pub const MAX_PATTERNS: u64 = 1 << 20;
/// The memory for a byte of a pattern with wildcards when it is compiled: up to 950 bytes were measured.
const COMPILED: usize = 1024;
/// The most that is compiled.
const MAX_COMPILED: u64 = 64 << 20;
/// Bytes of patterns times bytes of paths. Up to 17 in a nanosecond were measured, of patterns made to be slow.
const MAX_STEPS: u64 = 300_000_000_000;

/// The cost of the patterns of a scan.
#[derive(Debug)]
struct PatternCost {
    budget: Budget,
    /// Bytes of all patterns with wildcards.
    wild: usize,
}

impl PatternCost {
    fn new(root: &Path) -> Self {
        let what = format!("the patterns for `{}`", shown_path(root));
        Self { budget: Budget::new(what, MAX_COMPILED, MAX_STEPS), wild: 0 }
    }

    /// Pays for a pattern before it is compiled. One without wildcards is looked up, whatever others there are.
    fn compiling(&mut self, pattern: &str) -> Result<(), ScanError> {
        if pattern.contains(['*', '?', '[', '{', '\\']) {
            self.wild += pattern.len();
            self.budget.keep(pattern.len() * COMPILED)?;
        }
        Ok(())
    }

    /// Pays for matching all of them with a path.
    fn matching(&self, path: &[u8]) -> Result<(), ScanError> {
        if self.wild > 0 {
            self.budget.step(self.wild.saturating_mul(path.len()))?;
        }
        Ok(())
    }
}

/// Why a pattern is too long or too deep to be compiled; `None` where it is not.
#[must_use]
pub fn pattern_is_too_much(pattern: &str) -> Option<String> {
    if pattern.len() > MAX_PATTERN {
        return Some(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    let mut depth = 0_usize;
    for byte in pattern.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACES {
            return Some(format!("its braces are nested more than {MAX_BRACES} deep"));
        }
    }
    None
}

/// Whether a pattern has a part that no path below a tree has.
#[must_use]
pub fn pattern_never_matches(pattern: &str) -> bool {
    pattern.split('/').any(|part| part == "..")
}

/// How a pattern is written whose brackets are meant as they are; `None` where it has none.
#[must_use]
pub fn literally(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '[' => text.push_str("[[]"),
            '{' => text.push_str("[{]"),
            '}' => text.push_str("[}]"),
            other => text.push(other),
        }
    }
    (text != pattern).then_some(text)
}

/// Checks a pattern before it is compiled.
fn check(pattern: &str) -> Result<(), String> {
    if let Some(why) = pattern_is_too_much(pattern) {
        return Err(why);
    }
    if pattern_never_matches(pattern) {
        return Err("it can never match, as nothing below the root has `..` in its path".to_owned());
    }
    Ok(())
}

fn glob(pattern: &str) -> Result<globset::Glob, String> {
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    built.map_err(|error| error.kind().to_string())
}

/// Globs of whole relative paths; `./x`, `/x` and `x/` mean `x`.
fn globs(patterns: &[String], cost: &mut PatternCost) -> Result<GlobSet, ScanError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let wrong = |why: String| ScanError::Glob { pattern: pattern.clone(), origin: None, why };
        let path = pattern.strip_prefix("./").unwrap_or(pattern).trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        check(path).map_err(wrong)?;
        cost.compiling(path)?;
        set.add(glob(path).map_err(wrong)?);
    }
    set.build().map_err(|error| ScanError::Glob {
        pattern: patterns.join(" "),
        origin: None,
        why: error.kind().to_string(),
    })
}

/// Some of the globs in `patterns`, for remarks on what they miss.
pub(super) fn few_globs(root: &Path, patterns: &[String]) -> Result<GlobSet, ScanError> {
    globs(patterns, &mut PatternCost::new(root))
}

/// The patterns of an ignore file.
#[derive(Debug)]
struct Ignore {
    set: GlobSet,
    lines: Vec<IgnoreLine>,
}

/// A pattern of an ignore file.
#[derive(Debug)]
pub(super) struct IgnoreLine {
    taken_back: bool,
    directory: bool,
    /// The glob of whole relative paths that it is.
    pub(super) glob: String,
    /// As it is written, without `!` and the `/` at its end.
    pub(super) written: String,
}

impl IgnoreLine {
    /// The meaning of a line; `None` for one without any.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        // Editors of Windows begin a file with it, and joined files have it in their middle.
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let written = line.trim_end();
        if written.contains('\r') {
            return Err("it has the line ends of old Macs".to_owned());
        }
        // A backslash keeps the space after it.
        let written = if written.ends_with('\\') && line.len() > written.len() {
            &line[..=written.len()]
        } else {
            written
        };
        if written.is_empty() || written.starts_with('#') {
            return Ok(None);
        }
        let (taken_back, pattern) = match written.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let (directory, pattern) = match pattern.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let anchored = pattern.strip_prefix("./").or_else(|| pattern.strip_prefix('/'));
        let glob = if let Some(rest) = anchored {
            rest.to_owned()
        } else if pattern.contains('/') {
            pattern.to_owned()
        } else {
            format!("**/{pattern}")
        };
        if glob.is_empty() || glob == "**/" {
            return Err("it is empty".to_owned());
        }
        Ok(Some(Self { taken_back, directory, glob, written: pattern.to_owned() }))
    }
}

impl Ignore {
    /// `None` if there is no such file.
    fn read(path: &Path, cost: &mut PatternCost) -> Result<Option<Self>, ScanError> {
        match crate::runtime::input::read(path, MAX_PATTERNS) {
            Ok(bytes) => Self::parse(path, &bytes, cost).map(Some),
            // A link that leads nowhere was meant to exclude something.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                Ok(None)
            }
            Err(error) => Err(io_error("read", path)(error)),
        }
    }

    fn parse(origin: &Path, bytes: &[u8], cost: &mut PatternCost) -> Result<Self, ScanError> {
        let text = text(bytes)
            .map_err(|why| ScanError::NotPatterns { path: origin.to_owned(), why: why.to_owned() })?;
        let (mut set, mut lines) = (GlobSetBuilder::new(), Vec::new());
        for line in text.lines() {
            let wrong = |why: String| ScanError::Glob {
                pattern: shown(&line.as_bytes()[..line.len().min(MAX_PATTERN)]),
                origin: Some(origin.to_owned()),
                why,
            };
            let Some(line) = IgnoreLine::parse(line).map_err(wrong)? else { continue };
            check(&line.glob).map_err(wrong)?;
            cost.compiling(&line.glob)?;
            set.add(glob(&line.glob).map_err(wrong)?);
            lines.push(line);
        }
        let set = set.build().map_err(|error| ScanError::NotPatterns {
            path: origin.to_owned(),
            why: error.kind().to_string(),
        })?;
        Ok(Self { set, lines })
    }

    fn excludes(&self, candidate: &Candidate<'_>, directory: bool) -> bool {
        let matching = self.set.matches_candidate(candidate);
        let deciding = matching.into_iter().filter(|line| directory || !self.lines[*line].directory).max();
        deciding.is_some_and(|line| !self.lines[line].taken_back)
    }
}

/// The text of an ignore file. One that is read as another encoding than it has would exclude nothing.
fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16");
    }
    if bytes.contains(&0) {
        return Err("it has NUL characters, as UTF-16 has");
    }
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    /// Whether each of `paths` is excluded by the ignore file `bytes`, if it is one.
    pub(crate) fn ignored(bytes: &[u8], paths: &[&[u8]], directory: bool) -> Option<Vec<bool>> {
        let ignore = match Ignore::parse(Path::new(IGNORE_FILE), bytes, &mut PatternCost::new(Path::new(".")))
        {
            Ok(ignore) => ignore,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        };
        Some(paths.iter().map(|path| ignore.excludes(&Candidate::from_bytes(path), directory)).collect())
    }

    /// Whether each of `paths` matches one of `patterns`, if they are globs.
    pub(crate) fn matched(patterns: &[String], paths: &[&[u8]]) -> Option<Vec<bool>> {
        let set = few_globs(Path::new("."), patterns).ok()?;
        Some(paths.iter().map(|path| set.is_match_candidate(&Candidate::from_bytes(path))).collect())
    }
}
