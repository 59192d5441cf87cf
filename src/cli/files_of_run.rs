//! The files of one run: the archives that it reads images from, and the files that it writes beside its result. None takes the
//! place of another or of a part of an image layout, and those that the command line names are no changes of a working tree.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::{CommandError, ExitStatus};
use crate::engine::own::{layout_of, real_path};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// A file, whatever its name is: the device and the number of the inode.
type FileIdentity = (u64, u64);

/// The files of a run, as far as they are known.
#[derive(Debug, Default)]
pub struct FilesOfRun(Mutex<KnownFiles>);

#[derive(Debug, Default)]
struct KnownFiles {
    uses: BTreeMap<FileIdentity, FileUse>,
    /// The real paths of those that the command line wants to be written.
    wanted: BTreeSet<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileUse {
    Read,
    Written,
}

impl FilesOfRun {
    /// Notes that the command line wants this file to be written. One of an earlier run is no change of a working tree.
    pub fn want(&self, path: &Path) {
        self.known().wanted.insert(real_path(path));
    }

    /// Whether the command line wants the file with this real path to be written.
    #[must_use]
    pub fn is_wanted(&self, path: &Path) -> bool {
        self.known().wanted.contains(path)
    }

    fn known(&self) -> MutexGuard<'_, KnownFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an image is read from this archive.
    ///
    /// # Errors
    /// When the file is to be written, too.
    pub fn read(&self, archive: &Path) -> Result<(), CommandError> {
        self.note(archive, FileUse::Read)
    }

    /// Notes that this file is replaced at the end.
    ///
    /// # Errors
    /// When it is read, or a part of an image layout.
    pub fn write(&self, file: &Path) -> Result<(), CommandError> {
        if let Some(layout) = layout_of(file) {
            let message = format!(
                "`{}` would be written over, a part of the image layout `{}`",
                shown_path(file),
                shown_path(&layout)
            );
            return Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::OutputConflict)
                .hint(ELSEWHERE));
        }
        self.note(file, FileUse::Written)
    }

    fn note(&self, file: &Path, now: FileUse) -> Result<(), CommandError> {
        let Ok(metadata) = std::fs::metadata(file) else { return Ok(()) };
        let before = self.known().uses.insert((metadata.dev(), metadata.ino()), now);
        if before.is_none_or(|before| before == now) {
            return Ok(());
        }
        let message = format!("`{}` would be written over, and the image is read from it", shown_path(file));
        Err(CommandError::new(ExitStatus::Input, message).coded(ErrorCode::OutputConflict).hint(ELSEWHERE))
    }
}

const ELSEWHERE: &str = "name another file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_output_takes_the_place_of_an_input() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a.tar"), "a").expect("written");
        std::fs::hard_link(path("a.tar"), path("b.tar")).expect("linked");
        let files = FilesOfRun::default();
        files.read(&path("a.tar")).expect("it is free");
        files.read(&path("a.tar")).expect("twice is once");
        assert!(files.write(&path("b.tar")).is_err());
        files.write(&path("new")).expect("it is free");
        let files = FilesOfRun::default();
        files.write(&path("b.tar")).expect("it is free");
        assert!(files.read(&path("a.tar")).is_err());
    }

    #[test]
    fn parts_of_a_layout_are_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let files = FilesOfRun::default();
        files.write(&path("index.json")).expect("there is no layout");
        std::fs::write(path("oci-layout"), "{}").expect("written");
        for part in ["index.json", "oci-layout", "blobs/sha256/aa", "blobs/x"] {
            assert!(files.write(&path(part)).is_err(), "{part}");
        }
        for beside in ["page.html", "docs/index.json"] {
            files.write(&path(beside)).expect("it is beside the image");
        }
    }
}
