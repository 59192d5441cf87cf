//! How much of a tar is read.

/// Limits for one tar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of a path or link target.
    pub(crate) path: usize,
    /// Bytes of one extension record.
    pub(crate) extension: u64,
    /// Whether GNU's sparse files may be among them: their payload is not their content.
    pub(crate) sparse: bool,
}

/// For the tar of an image: a handful of files for each layer.
pub(crate) const ARCHIVE: Limits = Limits { entries: 20_000, path: 4096, extension: 64 << 10, sparse: false };
/// For the tar of a layer: a whole file system. No path is longer where it is unpacked (`PATH_MAX`), and Go's
/// reader takes no longer records.
pub(crate) const LAYER: Limits = Limits { entries: 20_000_000, path: 4096, extension: 1 << 20, sparse: true };
/// For the tar of an artifact: as many entries as a zip archive may have, whose names have a budget of their own.
pub(crate) const ARTIFACT: Limits =
    Limits { entries: 300_000, path: 4096, extension: 1 << 20, sparse: false };
