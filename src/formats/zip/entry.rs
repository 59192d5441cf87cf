//! The central directory's statement about an entry, after the checks.

/// The longest name of an entry, in bytes: Linux opens no path of 4,096 bytes (`PATH_MAX`, with its end).
pub const MAX_NAME: usize = 4095;

/// The most that all names of an archive, and of the directories that they imply, may take, in bytes, each with a
/// little more.
/// A web application of 100,000 files comes to some 18 MB.
pub const MAX_NAMES: usize = 20 << 20;

/// Upper bits of a Unix mode.
pub(super) const TYPE_MASK: u32 = 0o170_000;

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveEntry {
    /// Its name, raw bytes, normalised: no leading or trailing slash, no `.` or `..`.
    pub name: Vec<u8>,
    /// Size of the file in bytes.
    pub size: u64,
    /// The kind of entry.
    pub kind: ArchiveEntryKind,
    /// Permission bits, if the archive was made on Unix.
    pub mode: Option<u32>,
    /// CRC-32 of the uncompressed bytes.
    pub crc32: u32,
    /// How it is compressed.
    pub method: Method,
    /// Size of the compressed bytes.
    pub compressed_size: u64,
    /// The length of its name as it is written, in bytes.
    pub(super) written_name: u16,
    /// Where its local header begins in the file.
    pub(super) header_offset: u64,
    /// Where the next entry, or the central directory, begins.
    pub(super) limit: u64,
}

/// The kind of an archive's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveEntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link; its content is the target.
    Symlink,
}

/// The compression methods that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Method 0: not compressed.
    Stored,
    /// Method 8: raw deflate.
    Deflate,
}

/// Where the compressed bytes of an entry lie in the archive's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressedRange {
    /// From the start of the file.
    pub offset: u64,
    /// In bytes.
    pub len: u64,
    /// How they are compressed.
    pub method: Method,
}

impl ArchiveEntry {
    /// Whether it is a file that its owner may execute.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.kind == ArchiveEntryKind::File && self.mode.is_some_and(|mode| mode & 0o100 != 0)
    }
}
