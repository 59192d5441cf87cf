//! The room for paths: what an image may have of them in memory.
//!
//! A small checkout may have a hundred thousand files whose paths are as long as paths can be. Each path is kept several
//! times, as a file on this machine, as an entry of a layer, and in records.

use std::path::Path;

use super::error::ScanError;
use super::found::{FoundKind, TreeItem};
use super::tree::ItemFacts;
use crate::runtime::budget::Budget;

/// The most that all paths may take, in bytes, each with [`EACH`] more. The packages of a large application, 300,000 files
/// with paths of 40 MB, take 95 MiB.
const MAX_PATHS: u64 = 100 << 20;
/// The bytes that a file takes besides its path.
const EACH: usize = 200;
/// So long the path of a tree may be. The bytes behind that count for each of its files: the answer is the same wherever an
/// ordinary checkout lies.
const FREE: usize = 256;
/// How often the text of a link counts: it is copied more often than a path, and followed.
const LINK: usize = 4;

/// The rest of it. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PathRoom(Budget);

impl Default for PathRoom {
    fn default() -> Self {
        Self(Budget::new("the paths", MAX_PATHS, 0))
    }
}

impl PathRoom {
    /// The room for what was found at `path`, whose part below the root begins at `below`.
    pub(super) fn size(path: &[u8], below: u32, facts: &ItemFacts) -> usize {
        let link = match &facts.kind {
            FoundKind::Symlink(target) => LINK * target.len(),
            _ => 0,
        };
        let attributes: usize =
            facts.xattrs.iter().map(|(name, value)| EACH + name.len() + value.len()).sum();
        let relative = path.len() - below as usize;
        EACH + relative + (below as usize).saturating_sub(FREE) + link + attributes
    }

    /// Takes room for entries at `target` of what was found below `root`.
    ///
    /// # Errors
    /// When there is no more.
    pub(super) fn copy(&self, root: &Path, target: usize, found: &[TreeItem]) -> Result<(), ScanError> {
        self.take(root, found.iter().map(|item| EACH + target + item.relative().len()).sum())
    }

    /// Takes so much room for what is below `root`.
    ///
    /// # Errors
    /// When there is no more.
    pub(super) fn take(&self, root: &Path, size: usize) -> Result<(), ScanError> {
        self.0.keep(size).map_err(|_| ScanError::Paths { path: root.to_owned(), bound: MAX_PATHS })
    }
}
