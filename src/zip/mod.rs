//! Zip archives (PKWARE APPNOTE 6.3), read only, with every name and size checked before use.

use std::path::{Path, PathBuf};

use crate::layer::Stamp;

/// An open archive: its path and the checked entries of its central directory.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    stamp: Stamp,
    entries: Vec<ArchiveEntry>,
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveEntry {
    /// Its name, raw bytes, normalised.
    pub name: Vec<u8>,
    /// Size of the file in bytes.
    pub size: u64,
}

impl Archive {
    /// Where the archive is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `lstat` said when it was opened.
    #[must_use]
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The entries, in central directory order.
    #[must_use]
    pub fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }
}
