//! Trees on disk: what is there, and what becomes of it in a layer.
//!
//! [`scan`] looks at every file once with `lstat`, and at directories if their modes or owners are wanted, in
//! parallel where the tree is large. It never follows a symbolic link below the root or opens a file. [`entries`] turns
//! what was found into entries by fixed [`Rules`].
//!
//! Invariants: the result depends on the tree and the options alone, not on readdir order, umask, user,
//! locale or the number of threads; names are raw bytes; nothing is left out silently except what the caller's
//! globs or the tree's `.packignore` name.
//!
//! # `.packignore`
//! One pattern a line, at the root of the tree, a subset of gitignore: blank lines and lines that begin with
//! `#` say nothing; `!` takes back what an earlier line excluded; the last line that matches decides. `*`, `?`
//! and `[…]` match within a name, `**` across names. A trailing `/` matches directories alone. A pattern with a
//! `/` at its beginning or in its middle is anchored at the root, else it matches at any depth; `./` at its
//! beginning is `/`. What lies in an excluded directory cannot be taken back. `\#` and `\!` begin a pattern with
//! that character. A byte order mark and line ends of Windows say nothing. The file itself is never part of the
//! result.

mod error;
mod filter;
mod remarks;
mod rules;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::{Link, ScanError};
use filter::Filter;
#[cfg(any(test, feature = "testing"))]
pub(crate) use filter::fuzz;
pub use filter::{MAX_PATTERNS, literally, pattern_is_too_much, pattern_never_matches};
pub use remarks::Remarks;
pub(crate) use rules::leaves;
pub use rules::{Rules, entries};
use walk::{Seen, Walk};

use super::Stamp;
use crate::runtime::workers::Workers;

/// The file at the root of a tree that says what to leave out.
pub const IGNORE_FILE: &str = ".packignore";

/// Paths that no scan finds, wherever they lie: they belong to the making of an image and not to what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeSet<PathBuf>);

impl LeftOut {
    /// Leaves out `path`, which is absolute and has no links in it, with all below it.
    pub fn add(&mut self, path: PathBuf) {
        self.0.insert(path);
    }

    /// What lies below `root`, relative to it.
    fn below(&self, root: &Path) -> BTreeSet<Vec<u8>> {
        if self.0.is_empty() {
            return BTreeSet::new();
        }
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let below = self.0.iter().filter_map(|path| path.strip_prefix(&real).ok());
        below.map(|path| path.as_os_str().as_bytes().to_vec()).filter(|path| !path.is_empty()).collect()
    }
}

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Globs of paths relative to the root; if any, only what matches one, or lies below a directory that
    /// does, is found, with the directories that lead there.
    pub include: Vec<String>,
    /// Globs of paths relative to the root that are left out, with all that lies below them.
    pub exclude: Vec<String>,
    /// Whether the root's [`IGNORE_FILE`] is obeyed.
    pub ignore_file: bool,
    /// Whether `security.capability` and `user.*` attributes are read.
    pub xattrs: bool,
    /// Whether directories have the modes and owners that they have on disk. Where nobody needs them, directories are
    /// only read, and each is spared an `lstat`.
    pub directories: bool,
    /// Whether everybody will be able to read the files in the image, as they are given the usual modes. What only
    /// its owner can read on disk is remarked on then.
    pub published: bool,
}

/// One thing in a tree.
#[derive(Clone, Debug)]
pub struct Found {
    /// The root joined with the path below it.
    pub path: Arc<Path>,
    /// Where in `path` the latter begins.
    pub(crate) below: usize,
    /// What it is.
    pub kind: FoundKind,
    /// What tells whether it changed; nothing of a directory that was not looked at.
    pub stamp: Stamp,
    /// Permission bits, at most `0o7777`; 0755 for a directory that was not looked at, whose owner is 0:0.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes, if asked for.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Found {
    /// Path below the root, raw bytes.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.path.as_os_str().as_bytes()[self.below..]
    }
}

/// What a thing in a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A socket.
    Socket,
    /// A named pipe.
    Fifo,
    /// A character device: major, minor.
    CharacterDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
}

/// Whether a file of this name would be read as a deletion (image specification, `layer.md`).
pub(crate) fn is_whiteout(name: &[u8]) -> bool {
    name.starts_with(b".wh.")
}

/// Everything below `root`, sorted by the raw bytes of the relative path; without `root` itself.
///
/// # Errors
/// When something cannot be read, is named like a deletion, is a symbolic link to an absolute path below
/// `root`, or when a glob is wrong or includes nothing.
pub fn scan(root: &Path, options: &ScanOptions, workers: &Workers) -> Result<Vec<Found>, ScanError> {
    look(root, options, &LeftOut::default(), workers).map(|(found, _)| found)
}

/// As [`scan`], without what is left out, and with what is worth telling.
fn look(
    root: &Path,
    options: &ScanOptions,
    left_out: &LeftOut,
    workers: &Workers,
) -> Result<(Vec<Found>, Remarks), ScanError> {
    let metadata = fs::metadata(root).map_err(io_error("read", root))?;
    if !metadata.is_dir() {
        return Err(ScanError::NotADirectory { path: root.to_owned() });
    }
    let ScanOptions { xattrs, directories, .. } = *options;
    let (filter, left_out) = (Filter::new(root, options)?, left_out.below(root));
    let walk = Walk { filter, left_out, xattrs, directories, workers };
    let found = included(walk.tree(root)?);
    if found.is_empty() && !options.include.is_empty() {
        return Err(ScanError::NothingIncluded {
            path: root.to_owned(),
            patterns: options.include.clone(),
            literally: remarks::literal_includes(root, options, &options.include, workers),
        });
    }
    check_absolute_links(root, &found)?;
    let remarks = Remarks::on_tree(root, &metadata, options, &walk.filter, &found, workers)?;
    Ok((found, remarks))
}

/// The one file at `path`, or what a link there leads to: what [`scan`] would find of it in its directory.
///
/// # Errors
/// When it cannot be read.
pub fn look_at_file(path: &Path, xattrs: bool) -> Result<Found, ScanError> {
    walk::file(path, xattrs)
}

/// Whether a scan of `root` finds `relative`, a path below it that need not exist.
///
/// # Errors
/// When a glob is wrong or the ignore file cannot be read.
pub fn takes(root: &Path, options: &ScanOptions, relative: &Path, is_dir: bool) -> Result<bool, ScanError> {
    Filter::new(root, options)?.takes(relative.as_os_str().as_bytes(), is_dir)
}

/// Scans that are remembered: all parts of a build see a tree once, and as it was then.
#[derive(Debug, Default)]
pub struct Scanner {
    workers: Workers,
    left_out: LeftOut,
    seen: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    scanned: Vec<Scanned>,
    remarks: Remarks,
}

/// A root, what was looked at, and what was found.
type Scanned = (PathBuf, ScanOptions, Arc<Vec<Found>>);

impl Scanner {
    /// One that has looked at nothing yet.
    #[must_use]
    pub fn new(workers: &Workers) -> Self {
        Self { workers: workers.clone(), ..Self::default() }
    }

    /// One that passes by what is `left_out`.
    #[must_use]
    pub fn without(self, left_out: &LeftOut) -> Self {
        Self { left_out: left_out.clone(), ..self }
    }

    /// As [`scan`], the first time; then what was found.
    ///
    /// # Errors
    /// As for [`scan`].
    pub fn scan(&self, root: &Path, options: &ScanOptions) -> Result<Arc<Vec<Found>>, ScanError> {
        let same = |(of, with, _): &&Scanned| of == root && with == options;
        if let Some((_, _, found)) = self.seen().scanned.iter().find(same) {
            return Ok(Arc::clone(found));
        }
        let (found, remarks) = look(root, options, &self.left_out, &self.workers)?;
        let found = Arc::new(found);
        let mut seen = self.seen();
        seen.scanned.push((root.to_owned(), options.clone(), Arc::clone(&found)));
        seen.remarks.extend(remarks);
        Ok(found)
    }

    /// As [`look_at_file`]. Of the options, those count that are about a single file.
    ///
    /// # Errors
    /// As for [`look_at_file`].
    pub fn file(&self, path: &Path, options: &ScanOptions) -> Result<Found, ScanError> {
        let found = look_at_file(path, options.xattrs)?;
        self.seen().remarks.extend(Remarks::on_file(path, options, &found));
        Ok(found)
    }

    /// What is worth telling of all that was looked at so far.
    #[must_use]
    pub fn remarks(&self) -> Remarks {
        self.seen().remarks.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Memory> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ScanError {
    move |source| ScanError::Io { action, path: path.to_owned(), source }
}

/// Keeps what is included and the directories that lead there.
fn included(seen: Vec<Seen>) -> Vec<Found> {
    if seen.iter().all(|seen| seen.included) {
        return seen.into_iter().map(|seen| seen.found).collect();
    }
    let mut needed: BTreeSet<Vec<u8>> = BTreeSet::new();
    for seen in seen.iter().filter(|seen| seen.included) {
        let mut rest = seen.found.relative();
        while let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') {
            rest = &rest[..slash];
            if !needed.insert(rest.to_vec()) {
                break;
            }
        }
    }
    let kept = seen.into_iter().filter(|seen| seen.included || needed.contains(seen.found.relative()));
    kept.map(|seen| seen.found).collect()
}

/// An absolute target means a path in the image; one that begins with the tree's own place means this machine.
fn check_absolute_links(root: &Path, found: &[Found]) -> Result<(), ScanError> {
    let mut places: Option<Vec<PathBuf>> = None;
    let mut links = Vec::new();
    for found in found {
        let FoundKind::Symlink(target) = &found.kind else { continue };
        if !target.starts_with(b"/") {
            continue;
        }
        let places = match &mut places {
            Some(places) => places,
            empty => {
                let canonical = root.canonicalize().map_err(io_error("resolve", root))?;
                let mut places = vec![canonical, root.to_owned()];
                places.retain(|place| place.is_absolute() && place != Path::new("/"));
                empty.insert(places)
            }
        };
        let path = Path::new(OsStr::from_bytes(target));
        if places.iter().any(|place| path.starts_with(place)) {
            links.push(Link { path: found.path.to_path_buf(), target: target.clone() });
        }
    }
    if links.is_empty() { Ok(()) } else { Err(ScanError::LinksToMachine { links }) }
}

#[cfg(test)]
mod tests;
