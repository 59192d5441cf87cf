//! The damage in the store: every blob hashed, every memo and name checked.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::blobs::BlobFile;
use super::error::StoreError;
use super::files::{is_no_damage, remove};
use super::handle::Store;
use super::layout::{LayoutError, name_of};
use super::memo;
use super::prune::{MemoFile, file_name, is_leftover, reach};
use crate::runtime::events::Phase;
use crate::runtime::workers;
use crate::types::digest::{Digest, Sha256};

/// Something in the store that does not match its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Damage {
    /// A blob has other bytes than its name says, or cannot be read. It is moved aside, and the next build replaces
    /// it.
    Blob {
        /// Which one.
        digest: Digest,
        /// The reason.
        reason: String,
    },
    /// A memo is damaged. It is removed.
    Memo {
        /// The file.
        #[serde(serialize_with = "crate::types::shown::path_as_text")]
        path: PathBuf,
    },
    /// The index cannot be read.
    Index {
        /// The reason.
        reason: String,
    },
    /// A local image lacks something.
    Missing {
        /// The image's name.
        image: String,
        /// The missing blob.
        digest: Digest,
    },
}

impl Store {
    /// Hashes every blob and checks every memo. Bad blobs are quarantined and bad memos removed, so that the next
    /// build makes them anew. Files that other processes remove meanwhile are gone and not damaged; a prune waits.
    ///
    /// # Errors
    /// When a directory cannot be listed, or a file not opened for a reason that says nothing about it.
    pub fn verify(&self) -> Result<Vec<Damage>, StoreError> {
        let _lease = self.lease();
        let layout = &self.layout().unnoticed();
        let blobs = layout.blobs();
        let listed = blobs.list()?;
        let memos = self.memo_files()?;
        let total = listed.iter().map(|blob| blob.size).sum::<u64>()
            + memos.iter().map(|memo| memo.metadata.len()).sum::<u64>();
        let task = self.0.health.progress.task(Phase::Verify, "cache", Some(total));
        let is_gone = |path: &Path| {
            std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let check_blob = |blob: &BlobFile| {
            let found = blobs.open(&blob.digest).and_then(|file| hash(file, &|bytes| task.advance(bytes)));
            let reason = match found {
                Ok(digest) if digest == blob.digest => return Ok(None),
                Ok(digest) => format!("its bytes hash to {digest}"),
                Err(_) if is_gone(&blobs.path(&blob.digest)) => return Ok(None),
                Err(error) if is_no_damage(&error) => return Err(error),
                Err(error) => error.to_string(),
            };
            // A blob that cannot be moved stays; each reader checks it anyway.
            let _ = blobs.quarantine(&blob.digest);
            Ok(Some(Damage::Blob { digest: blob.digest, reason }))
        };
        let check_memo = |memo: &MemoFile| {
            task.advance(memo.metadata.len());
            if is_leftover(&file_name(&memo.path)) || memo::is_sound(&memo.path)? || is_gone(&memo.path) {
                return Ok(None);
            }
            let _ = remove(&memo.path);
            Ok(Some(Damage::Memo { path: memo.path.clone() }))
        };
        let check = || {
            let of_blobs = listed.par_iter().map(check_blob);
            of_blobs.chain(memos.par_iter().map(check_memo)).filter_map(Result::transpose).collect()
        };
        let found: io::Result<Vec<Damage>> = workers::run(0, check)?;
        let mut damages = found?;
        match layout.index() {
            Ok(index) => {
                for entry in &index.manifests {
                    let image = name_of(entry).unwrap_or("(no name)").to_owned();
                    let mut reached = BTreeSet::new();
                    reach(layout, entry, 4, &mut reached);
                    let missing = reached.into_iter().filter(|digest| blobs.contains(digest).is_none());
                    damages.extend(missing.map(|digest| Damage::Missing { image: image.clone(), digest }));
                }
            }
            Err(LayoutError::Io(source)) if is_no_damage(&source) => return Err(source.into()),
            Err(error) => damages.push(Damage::Index { reason: error.to_string() }),
        }
        task.finish("checked");
        Ok(damages)
    }
}

fn hash(mut file: impl Read, advance: &dyn Fn(u64)) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                advance(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
