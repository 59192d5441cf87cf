//! The things that were found in a tree.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::super::xattrs::Xattrs;
use crate::types::stamp::Stamp;

/// One thing in a tree.
#[derive(Clone, Debug)]
pub struct TreeItem {
    /// The root joined with the path below it.
    pub path: Arc<Path>,
    /// Where in `path` the latter begins.
    pub(crate) below: u32,
    /// The kind of file.
    pub kind: FoundKind,
    /// The stamp that tells whether it changed; none for a directory that was not looked at.
    pub stamp: Stamp,
    /// Permission bits, at most `0o7777`; 0755 for a directory that was not looked at, whose owner is 0:0.
    pub mode: u32,
    /// Number of hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes, if asked for.
    pub xattrs: Xattrs,
    /// Whether it is a relative link that leads out of the tree, alone or through other links of the tree.
    pub(crate) leads_out: bool,
}

impl TreeItem {
    /// Path below the root, raw bytes.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.path.as_os_str().as_bytes()[self.below as usize..]
    }
}

/// The kind of a thing in a tree.
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
    Symlink(Box<[u8]>),
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
