//! The entries of a layer, with a path, metadata and content that is read only when needed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::xattrs::Xattrs;
use crate::formats::zip::{Repacked, ZipArchive};
use crate::types::stamp::Stamp;

/// A path inside an image: relative, normal, without a trailing slash; raw bytes, as Linux has them.
///
/// It cannot be empty, absolute, or contain `.`, `..`, empty parts or NUL, so joining it to a root can
/// never leave that root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>")]
pub struct EntryPath(Box<[u8]>);

/// Takes a path that is written as [`EntryPath::as_bytes`] gives it, as a memo must.
impl TryFrom<Vec<u8>> for EntryPath {
    type Error = EntryPathError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, EntryPathError> {
        let path = Self::new(&bytes)?;
        if *path.0 == bytes[..] { Ok(path) } else { Err(EntryPathError::NotNormal(path.to_string())) }
    }
}

/// Why bytes are not an entry path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryPathError {
    /// Nothing left of it.
    #[error("the path is empty")]
    Empty,
    /// It has a `..`.
    #[error("`{0}` contains `..`")]
    Parent(String),
    /// It is written otherwise than it should be.
    #[error("`{0}` is not written in its normal form")]
    NotNormal(String),
    /// It has a NUL byte.
    #[error("`{0}` contains a NUL byte")]
    Nul(String),
}

impl EntryPath {
    /// Normalises `bytes`: leading and doubled slashes and `.` parts go; `..` and NUL are errors.
    ///
    /// # Errors
    /// When nothing is left, or a part is `..`, or there is a NUL byte.
    pub fn new(bytes: &[u8]) -> Result<Self, EntryPathError> {
        Self::normal(b"", bytes)
    }

    /// `bytes` in their normal form below `above`, which is normal or nothing.
    fn normal(above: &[u8], bytes: &[u8]) -> Result<Self, EntryPathError> {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.contains(&0) {
            return Err(EntryPathError::Nul(shown()));
        }
        let mut path = Vec::with_capacity(above.len() + usize::from(!above.is_empty()) + bytes.len());
        path.extend_from_slice(above);
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(EntryPathError::Parent(shown())),
                part => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(part);
                }
            }
        }
        if path.len() == above.len() { Err(EntryPathError::Empty) } else { Ok(Self(path.into())) }
    }

    /// The bytes, without a leading or trailing slash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// This path below `root`.
    #[must_use]
    pub fn below(&self, root: &Self) -> Self {
        Self([&root.0[..], b"/", &self.0].concat().into())
    }

    /// `name`, one or more parts, below this path.
    ///
    /// # Errors
    /// As [`EntryPath::new`] for `name`.
    pub fn join(&self, name: &[u8]) -> Result<Self, EntryPathError> {
        Self::normal(&self.0, name)
    }

    /// The directory that contains it; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..slash].into()))
    }

    /// All before the last part, with the slash between them; nothing at the top.
    #[must_use]
    pub fn directory(&self) -> &[u8] {
        &self.0[..self.0.len() - self.file_name().len()]
    }

    /// The directory that contains it, without a slash at its end; nothing at the top.
    #[must_use]
    pub fn folder(&self) -> &[u8] {
        let directory = self.directory();
        directory.strip_suffix(b"/").unwrap_or(directory)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// All ancestors, outermost first, without itself.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(at, _)| Self(self.0[..at].into()))
    }

    /// The first path that can be below `directory`, in the order of paths: not itself a path of anything.
    pub(crate) fn first_below(directory: &Self) -> Self {
        Self([&directory.0[..], b"/"].concat().into())
    }

    /// Whether it is `other` or below it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0).escape_debug())
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Owner, mode, time and extended attributes of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky: at most `0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Modification time in whole seconds since the epoch.
    pub mtime: u64,
    /// Extended attributes by full name.
    pub xattrs: Xattrs,
}

/// One second after the epoch: zero means "unknown" to several consumers.
pub const DEFAULT_MTIME: u64 = 1;

impl Metadata {
    /// Mode 0755, owner 0:0, [`DEFAULT_MTIME`].
    #[must_use]
    pub const fn directory() -> Self {
        Self::with_mode(0o755)
    }

    /// Mode 0644, or 0755 for an executable; owner 0:0, [`DEFAULT_MTIME`].
    #[must_use]
    pub const fn file(executable: bool) -> Self {
        Self::with_mode(if executable { 0o755 } else { 0o644 })
    }

    /// Mode 0777, owner 0:0, [`DEFAULT_MTIME`].
    #[must_use]
    pub const fn symlink() -> Self {
        Self::with_mode(0o777)
    }

    /// `mode`, owner 0:0, [`DEFAULT_MTIME`].
    #[must_use]
    pub const fn with_mode(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0, mtime: DEFAULT_MTIME, xattrs: Xattrs::NONE }
    }
}

/// One entry of a layer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it goes.
    pub path: EntryPath,
    /// Owner, mode, time.
    pub metadata: Metadata,
    /// The kind of entry.
    pub kind: EntryKind,
}

/// The kind of an entry.
#[derive(Clone, Debug)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with its target as written.
    Symlink(Vec<u8>),
    /// Another name of a file of the same layer that sorts before it.
    Hardlink(EntryPath),
    /// A character device: major, minor.
    CharacterDevice(u32, u32),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The bytes of a regular file, wherever they are now.
#[derive(Clone, Debug)]
pub struct Content {
    /// Size in bytes.
    pub size: u64,
    /// Where they are.
    pub source: ContentSource,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum ContentSource {
    /// In a file on disk, with what `lstat` said when it was planned.
    File(Arc<Path>, Stamp),
    /// In a zip archive: the index of the entry in [`ZipArchive::entries`].
    Zip(Arc<ZipArchive>, usize),
    /// A zip archive that is made of another one's entries.
    Repacked(Arc<Repacked>),
    /// In memory.
    Bytes(Arc<[u8]>),
}

impl Entry {
    /// A directory with the default metadata.
    #[must_use]
    #[cfg(any(test, feature = "testing"))]
    pub const fn directory(path: EntryPath) -> Self {
        Self { path, metadata: Metadata::directory(), kind: EntryKind::Directory }
    }

    /// A file whose bytes are in memory.
    #[must_use]
    pub fn bytes(path: EntryPath, metadata: Metadata, bytes: &[u8]) -> Self {
        let content = Content { size: bytes.len() as u64, source: ContentSource::Bytes(bytes.into()) };
        Self { path, metadata, kind: EntryKind::File(content) }
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind, EntryKind::Directory)
    }

    /// The size of its payload: that of a file, else 0.
    #[must_use]
    pub const fn payload_size(&self) -> u64 {
        match &self.kind {
            EntryKind::File(content) => content.size,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("valid path")
    }

    #[test]
    fn normalises() {
        assert_eq!(path("/a//b/./c/").as_bytes(), b"a/b/c");
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), None);
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path("a"), path("a/b")]);
        assert_eq!(path("x/y").below(&path("a")), path("a/x/y"));
        assert!(path("a/b").starts_with(&path("a")));
        assert!(!path("ab").starts_with(&path("a")));
    }

    #[test]
    fn cannot_leave_its_root() {
        for bytes in [&b""[..], b"/", b".", b"..", b"a/../b", b"a\0b"] {
            assert!(EntryPath::new(bytes).is_err());
        }
    }
}
