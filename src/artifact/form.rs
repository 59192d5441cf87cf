//! What a path on disk can be.

/// What a path on disk can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A directory.
    Directory,
    /// A zip archive.
    Archive,
    /// Any other file.
    File,
}
