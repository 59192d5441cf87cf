//! One entry of one layer.

use crate::formats::untar::TarEntry;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a file.
    HardLink,
    /// A device or a pipe.
    Special,
    /// The mark that a path of the layers below is removed.
    Whiteout,
    /// The mark that all is removed that the layers below have in a directory.
    Opaque,
}

impl FileKind {
    pub(super) const fn of(kind: tar::EntryType) -> Self {
        match kind {
            tar::EntryType::Directory => Self::Directory,
            tar::EntryType::Symlink => Self::Symlink,
            tar::EntryType::Link => Self::HardLink,
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => Self::Special,
            // The walk gives nothing else.
            _ => Self::Regular,
        }
    }

    /// Whether it is a mark about layers below, and no file.
    #[must_use]
    pub const fn is_mark(self) -> bool {
        matches!(self, Self::Whiteout | Self::Opaque)
    }
}

/// Whether a container sees an entry. Layers are counted from 1, the bottom layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It does, or the entry is a mark.
    Seen,
    /// The layer of this number has the path again.
    Replaced(u32),
    /// The layer of this number removes it, or a directory above it.
    Removed(u32),
}

/// Permission bits and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileMode {
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
}

impl FileMode {
    pub(super) const fn of(entry: &TarEntry) -> Self {
        Self { mode: entry.mode, uid: entry.uid, gid: entry.gid }
    }
}

/// An entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its kind.
    pub kind: FileKind,
    /// The layer, counted from 1.
    pub layer: u32,
    /// Bytes of content that are counted here.
    pub size: u64,
    /// Whether the bytes of its file are counted here: of all names of a file, at one.
    pub has_bytes: bool,
    /// The number of its permissions and owner among [`ImageFiles::modes`](super::ImageFiles::modes).
    pub mode: u32,
    /// Where a link leads.
    pub link: Option<Box<[u8]>>,
    /// Whether a container sees it.
    pub state: EntryState,
    /// The entry of an earlier layer for the same path.
    pub(super) before: Option<u32>,
}

impl FileEntry {
    /// Bytes that are in the image and that no container sees.
    #[must_use]
    pub fn covered_bytes(&self) -> u64 {
        if self.state == EntryState::Seen { 0 } else { self.size }
    }
}
