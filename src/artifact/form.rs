//! The form of a path on disk.

/// The form of a path on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A directory.
    Directory,
    /// A zip archive.
    Archive,
    /// Any other file.
    File,
}
