//! The options of a scan of a tree.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

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

    /// The paths below `root`, relative to it.
    pub(super) fn below(&self, root: &Path) -> BTreeSet<Vec<u8>> {
        if self.0.is_empty() {
            return BTreeSet::new();
        }
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let below = self.0.iter().filter_map(|path| path.strip_prefix(&real).ok());
        below.map(|path| path.as_os_str().as_bytes().to_vec()).filter(|path| !path.is_empty()).collect()
    }
}

/// The options of a scan.
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
    /// Whether directories have the modes and owners that they have on disk. If they are not needed, directories are
    /// only read, which saves an `lstat` for each.
    pub directories: bool,
    /// Whether everybody will be able to read the files in the image, as they are given the usual modes. Files that
    /// only their owner can read on disk are remarked on then.
    pub published: bool,
}
