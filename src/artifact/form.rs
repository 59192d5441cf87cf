//! The form of a path on disk.

/// The form of a path on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A directory.
    Directory,
    /// A zip archive.
    Archive,
    /// A tar archive, compressed by gzip or not. It is read as the directory that it contains.
    Tar,
    /// Any other file.
    File,
}
