//! The directory: what is in it, where, and what is set aside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use crate::runtime::atomic::Durability;
use crate::store::files::{self, QUARANTINED, entries_in, move_aside, open_unnoticed};
use crate::store::scratch::Scratch;
use crate::types::digest::Digest;
use crate::types::shown::shown_path;

/// A content-addressed directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs(pub(super) Arc<BlobDirectory>);

#[derive(Debug)]
pub(super) struct BlobDirectory {
    pub(super) dir: PathBuf,
    pub(super) durability: Durability,
    pub(super) heals: bool,
    /// Whether reading leaves no trace in the times of files.
    unnoticed: bool,
    pub(super) spill: Option<Spill>,
}

/// Where blobs go that the directory does not take.
pub(crate) struct Spill {
    /// The directory for them.
    pub(crate) scratch: Scratch,
    /// Whether the directory is known to take nothing.
    pub(crate) always: bool,
    /// Told why, each time something is spilled.
    pub(crate) told: Box<dyn Fn(&io::Error) + Send + Sync>,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

/// One blob as the directory lists it, unread.
#[derive(Clone, Debug)]
pub struct BlobFile {
    /// The digest that its name claims.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Blobs {
    /// The blobs in `dir`, which is `blobs/sha256` of some layout and need not exist yet.
    #[must_use]
    pub fn new(dir: PathBuf, durability: Durability) -> Self {
        Self(Arc::new(BlobDirectory { dir, durability, heals: false, unnoticed: false, spill: None }))
    }

    /// The local store's blobs.
    pub(crate) fn of_store(dir: PathBuf, spill: Option<Spill>) -> Self {
        Self(Arc::new(BlobDirectory {
            dir,
            durability: Durability::Relaxed,
            heals: true,
            unnoticed: false,
            spill,
        }))
    }

    /// The same blobs, for reading them in a prune or a check, which does not count as use.
    pub(crate) fn unnoticed(&self) -> Self {
        let BlobDirectory { dir, durability, heals, .. } = &*self.0;
        let (dir, durability, heals) = (dir.clone(), *durability, *heals);
        Self(Arc::new(BlobDirectory { dir, durability, heals, unnoticed: true, spill: None }))
    }

    /// The directory that is written to.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Where the blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.0.dir.join(digest.hex())
    }

    /// The path and size of a regular file that claims to be the blob. A link is followed: build tools
    /// make layouts of links, and the digest decides about the bytes anyway.
    fn find(&self, digest: &Digest) -> Option<(PathBuf, u64)> {
        let name = digest.hex();
        let spilled = self.0.spill.as_ref().and_then(|spill| spill.scratch.made());
        [Some(self.0.dir.as_path()), spilled].into_iter().flatten().find_map(|dir| {
            let path = dir.join(&name);
            let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((path, metadata.len()))
        })
    }

    /// The file that the blob is in, if there is one; its bytes are not looked at.
    #[must_use]
    pub fn file(&self, digest: &Digest) -> Option<PathBuf> {
        self.find(digest).map(|(path, _)| path)
    }

    /// The size of the blob, if there is one; its bytes are not looked at.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> Option<u64> {
        self.find(digest).map(|(_, size)| size)
    }

    /// Opens the blob, unchecked.
    ///
    /// # Errors
    /// When there is none, or it is no regular file, or it cannot be opened.
    pub fn open(&self, digest: &Digest) -> io::Result<fs::File> {
        // Looked up first, because opening a FIFO or a device would block or act.
        match self.find(digest) {
            Some((path, _)) if self.0.unnoticed => open_unnoticed(&path),
            Some((path, _)) => fs::File::open(path),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{digest} is not in `{}`", shown_path(&self.0.dir)),
            )),
        }
    }

    /// The blob as content that can be opened again and again, unchecked.
    #[must_use]
    #[cfg(test)]
    pub fn content(&self, descriptor: &crate::oci::Descriptor) -> Arc<dyn crate::oci::blob::BlobContent> {
        let (blobs, digest) = (self.clone(), descriptor.digest);
        Arc::new(move || blobs.open(&digest).map(|file| Box::new(file) as crate::oci::blob::BlobStream))
    }

    /// Moves a blob that was found damaged out of the way, so that it is fetched or built again.
    ///
    /// # Errors
    /// When it cannot be moved; not when it is gone.
    pub fn quarantine(&self, digest: &Digest) -> io::Result<()> {
        let path = self.find(digest).map_or_else(|| self.path(digest), |(path, _)| path);
        let aside = path.with_file_name(format!("{QUARANTINED}{}", digest.hex()));
        move_aside(&path, &aside)
    }

    /// Marks a blob as used now, so that a prune takes others first; best effort.
    pub fn touch(&self, digest: &Digest) {
        let _ = files::touch(&self.path(digest));
    }

    /// Everything in the directory that has a digest for a name, in digest order.
    ///
    /// # Errors
    /// When the directory cannot be read; not when there is none.
    pub fn list(&self) -> io::Result<Vec<BlobFile>> {
        let mut listed = Vec::new();
        for (name, metadata) in entries_in(&self.0.dir)? {
            if let Ok(digest) = format!("sha256:{name}").parse() {
                listed.push(BlobFile { digest, size: metadata.len() });
            }
        }
        listed.sort_unstable_by_key(|blob| blob.digest);
        Ok(listed)
    }
}
