//! What is looked at of a tree: globs, and the lines of an ignore file.

use std::fs;
use std::io;
use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{IGNORE_FILE, ScanError, ScanOptions, io_error};
use crate::shown::shown;

/// The compiled globs of a scan.
pub(super) struct Filter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    ignore: Option<Ignore>,
}

impl Filter {
    pub(super) fn new(root: &Path, options: &ScanOptions) -> Result<Self, ScanError> {
        let include = (!options.include.is_empty()).then(|| globs(&options.include)).transpose()?;
        let ignore = if options.ignore_file { Ignore::read(&root.join(IGNORE_FILE))? } else { None };
        Ok(Self { include, exclude: globs(&options.exclude)?, ignore })
    }

    /// Whether everything is included.
    pub(super) const fn all(&self) -> bool {
        self.include.is_none()
    }

    pub(super) fn includes(&self, relative: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match_candidate(&Candidate::from_bytes(relative)))
    }

    /// Whether a walk that asks both of the above of every name finds `relative`.
    pub(super) fn takes(&self, relative: &[u8], directory: bool) -> bool {
        let slashes = relative.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut included = self.includes(relative);
        for above in slashes.map(|(slash, _)| &relative[..slash]) {
            if self.excludes(above, true) {
                return false;
            }
            included |= self.includes(above);
        }
        included && !self.excludes(relative, directory)
    }

    pub(super) fn excludes(&self, relative: &[u8], directory: bool) -> bool {
        if self.exclude.is_empty() && self.ignore.is_none() {
            return false;
        }
        let candidate = Candidate::from_bytes(relative);
        self.exclude.is_match_candidate(&candidate)
            || self.ignore.as_ref().is_some_and(|ignore| {
                relative == IGNORE_FILE.as_bytes() || ignore.excludes(&candidate, directory)
            })
    }
}

/// Bytes of a pattern, which nobody writes by hand; the compiler of globs calls itself for each `{` in another.
pub(super) const MAX_PATTERN: usize = 4096;
/// How deep `{…}` may be nested.
pub(super) const MAX_BRACES: usize = 16;

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

fn glob(pattern: &str) -> Result<globset::Glob, String> {
    if let Some(why) = pattern_is_too_much(pattern) {
        return Err(why);
    }
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    built.map_err(|error| error.kind().to_string())
}

/// Globs of whole relative paths; `./x`, `/x` and `x/` mean `x`.
fn globs(patterns: &[String]) -> Result<GlobSet, ScanError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let wrong = |why: String| ScanError::Glob { pattern: pattern.clone(), origin: None, why };
        let path = pattern.strip_prefix("./").unwrap_or(pattern).trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        set.add(glob(path).map_err(wrong)?);
    }
    set.build().map_err(|error| ScanError::Glob {
        pattern: patterns.join(" "),
        origin: None,
        why: error.kind().to_string(),
    })
}

/// The patterns of an ignore file.
struct Ignore {
    set: GlobSet,
    lines: Vec<IgnoreLine>,
}

struct IgnoreLine {
    taken_back: bool,
    directory: bool,
}

impl Ignore {
    /// `None` if there is no such file.
    fn read(path: &Path) -> Result<Option<Self>, ScanError> {
        match fs::read(path) {
            Ok(bytes) => Self::parse(path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", path)(error)),
        }
    }

    fn parse(origin: &Path, bytes: &[u8]) -> Result<Self, ScanError> {
        let wrong = |pattern: &str, why: String| ScanError::Glob {
            pattern: pattern.to_owned(),
            origin: Some(origin.to_owned()),
            why,
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| wrong(&shown(&bytes[..bytes.len().min(40)]), "it is not UTF-8".to_owned()))?;
        let (mut set, mut lines) = (GlobSetBuilder::new(), Vec::new());
        for line in text.lines() {
            let written = line.trim_end();
            // A backslash keeps the space after it.
            let written = if written.ends_with('\\') && line.len() > written.len() {
                &line[..=written.len()]
            } else {
                written
            };
            if written.is_empty() || written.starts_with('#') {
                continue;
            }
            let (taken_back, pattern) = match written.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, written),
            };
            let (directory, pattern) = match pattern.strip_suffix('/') {
                Some(rest) => (true, rest),
                None => (false, pattern),
            };
            let pattern = if let Some(rest) = pattern.strip_prefix('/') {
                rest.to_owned()
            } else if pattern.contains('/') {
                pattern.to_owned()
            } else {
                format!("**/{pattern}")
            };
            if pattern.is_empty() || pattern == "**/" {
                return Err(wrong(written, "it is empty".to_owned()));
            }
            set.add(glob(&pattern).map_err(|why| wrong(written, why))?);
            lines.push(IgnoreLine { taken_back, directory });
        }
        let set = set.build().map_err(|error| wrong("", error.kind().to_string()))?;
        Ok(Self { set, lines })
    }

    fn excludes(&self, candidate: &Candidate<'_>, directory: bool) -> bool {
        let matching = self.set.matches_candidate(candidate);
        let deciding = matching.into_iter().filter(|line| directory || !self.lines[*line].directory).max();
        deciding.is_some_and(|line| !self.lines[line].taken_back)
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    /// Whether each of `paths` is excluded by the ignore file `bytes`, if it is one.
    pub(crate) fn ignored(bytes: &[u8], paths: &[&[u8]], directory: bool) -> Option<Vec<bool>> {
        let ignore = match Ignore::parse(Path::new(IGNORE_FILE), bytes) {
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
        let set = globs(patterns).ok()?;
        Some(paths.iter().map(|path| set.is_match_candidate(&Candidate::from_bytes(path))).collect())
    }
}
