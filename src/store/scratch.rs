//! A directory for blobs of one run, for the case that the store cannot be written.
//!
//! ```text
//! <parent>/pack-XXXXXX/.pack-scratch   locked as long as its process lives
//! <parent>/pack-XXXXXX/<hex>           blobs
//! ```
//!
//! It is made on first use and removed at the end of the run. If a process was killed, its directory goes when the
//! next process makes one, or at a prune. The name, the owner, a directory's kind and the marker say that the
//! directory is one of these; the lock on the marker, which the system drops with its process, says whether it is in
//! use.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use fs_err as fs;
use rustix::fs::{AtFlags, RawDir};
use serde::Serialize;
use tempfile::TempDir;

use super::files::{TEMPORARY, temporary_in};

const PREFIX: &str = "pack-";
/// Characters that follow in a name.
const RANDOM: usize = 6;
const MARKER: &str = ".pack-scratch";

/// A directory for this run, made when it is needed. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Scratch(Arc<ScratchState>);

#[derive(Debug)]
struct ScratchState {
    parent: PathBuf,
    made: OnceLock<ScratchDirectory>,
    is_over: AtomicBool,
}

#[derive(Debug)]
struct ScratchDirectory {
    dir: TempDir,
    /// The same, open: where the system has no handles left, it can still be emptied.
    open: OwnedFd,
    /// Held as long as the file is open.
    _lock: fs::File,
}

/// Remains of processes that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScratchSweep {
    /// Directories removed.
    pub directories: u64,
    /// Bytes freed.
    pub bytes: u64,
}

impl Scratch {
    /// One in `parent`.
    #[must_use]
    pub fn new(parent: PathBuf) -> Self {
        Self(Arc::new(ScratchState { parent, made: OnceLock::new(), is_over: AtomicBool::new(false) }))
    }

    /// The directory that it is made in.
    #[must_use]
    pub fn parent(&self) -> &Path {
        &self.0.parent
    }

    /// The directory, if it was needed.
    pub(super) fn made(&self) -> Option<&Path> {
        self.0.made.get().map(|made| made.dir.path())
    }

    /// The directory, made now if it is the first time.
    ///
    /// # Errors
    /// When it cannot be made, or the run is over.
    pub fn dir(&self) -> io::Result<&Path> {
        if self.0.is_over.load(Ordering::Relaxed) {
            return Err(io::Error::other("the run is over"));
        }
        if self.0.made.get().is_none() {
            fs::create_dir_all(&self.0.parent)?;
            sweep(&self.0.parent);
            // If two threads make one at the same time, the later directory is removed at once.
            let _ = self.0.made.set(ScratchDirectory::new(&self.0.parent)?);
        }
        self.made().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Removes the directory, even while others still hold this; none is made after that.
    pub fn remove(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        if let Some(made) = self.0.made.get() {
            made.remove();
        }
    }
}

impl ScratchDirectory {
    fn new(parent: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).rand_bytes(RANDOM).tempdir_in(parent)?;
        // Locked before it has its name: no marker is ever seen unlocked while its process lives.
        let file = temporary_in(dir.path(), TEMPORARY)?;
        // Where the file system has no locks, nothing of it is ever swept.
        let has_locks = file.as_file().try_lock().is_ok();
        let marker = dir.path().join(MARKER);
        let lock =
            if has_locks { file.persist(&marker).map_err(|error| error.error)? } else { file.into_file() };
        let open = fs::File::open(dir.path())?.into_parts().0.into();
        Ok(Self { _lock: fs::File::from_parts(lock, marker), open, dir })
    }

    /// Removes it; another run sweeps the files that cannot be removed now.
    fn remove(&self) {
        let mut buffer = [const { MaybeUninit::uninit() }; 8 << 10];
        let mut names = RawDir::new(&self.open, &mut buffer);
        while let Some(Ok(entry)) = names.next() {
            // A directory, which none of ours is, stays for the call below.
            let _ = rustix::fs::unlinkat(&self.open, entry.file_name(), AtFlags::empty());
        }
        let _ = std::fs::remove_dir(self.dir.path()).or_else(|_| std::fs::remove_dir_all(self.dir.path()));
    }
}

/// Removes what processes left in `parent` that were killed.
pub fn sweep(parent: &Path) -> ScratchSweep {
    let mut swept = ScratchSweep::default();
    let Ok(entries) = std::fs::read_dir(parent) else { return swept };
    for entry in entries.flatten() {
        let Some(bytes) = left_behind(&entry.path()) else { continue };
        // The lock is held until all is gone, so that of two sweepers one is too late.
        if std::fs::remove_dir_all(entry.path()).is_ok() {
            swept.directories += 1;
            swept.bytes += bytes.size;
        }
    }
    swept
}

/// A directory that is no longer in use, locked.
struct Leftover {
    size: u64,
    /// Held as long as the file is open.
    _lock: std::fs::File,
}

/// The directory at `path`, if it is ours and its process is no more.
fn left_behind(path: &Path) -> Option<Leftover> {
    let random = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    if random.len() != RANDOM || !random.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let own = rustix::process::geteuid().as_raw();
    let is_private = metadata.is_dir() && metadata.uid() == own && metadata.permissions().mode() & 0o077 == 0;
    if !is_private {
        return None;
    }
    // The directory is private: no other user can exchange anything in it.
    let marker = path.join(MARKER);
    if !std::fs::symlink_metadata(&marker).is_ok_and(|metadata| metadata.is_file() && metadata.uid() == own) {
        return None;
    }
    let (lock, _) = crate::runtime::input::open(&marker).ok()?;
    lock.try_lock().ok()?;
    let entries = std::fs::read_dir(path).ok()?.flatten();
    let size = entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum();
    Some(Leftover { size, _lock: lock })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_process_holds_stays_and_what_is_not_ours_too() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let at = |name: &str| parent.path().join(name);
        let living = Scratch::new(parent.path().to_owned());
        let dir = living.dir().expect("made").to_owned();
        std::fs::write(dir.join("blob"), "x").expect("written");
        // As a killed process leaves it: the marker is there and has no lock.
        let make = |name: &str, mode: u32, marker: bool| {
            std::fs::create_dir(at(name)).expect("made");
            std::fs::write(at(name).join("blob"), "12345").expect("written");
            if marker {
                std::fs::write(at(name).join(MARKER), "").expect("written");
            }
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).expect("set");
        };
        make("pack-dead00", 0o700, true);
        make("pack-plain0", 0o700, false);
        make("pack-public", 0o755, true);
        make("pack-longer-name", 0o700, true);
        make("other-dead00", 0o700, true);
        std::os::unix::fs::symlink("other-dead00", at("pack-link00")).expect("linked");
        assert_eq!(sweep(parent.path()), ScratchSweep { directories: 1, bytes: 5 });
        assert!(!at("pack-dead00").exists());
        for stays in ["pack-plain0", "pack-public", "pack-longer-name", "other-dead00", "pack-link00"] {
            assert!(at(stays).join("blob").exists(), "{stays}");
        }
        assert!(dir.join("blob").exists());
        // Making one sweeps, too.
        make("pack-dead01", 0o700, true);
        let other = Scratch::new(parent.path().to_owned());
        other.dir().expect("made");
        assert!(!at("pack-dead01").exists() && dir.exists());
        // It is removed although a clone still exists.
        let kept = living.clone();
        living.remove();
        assert!(!dir.exists());
        kept.dir().expect_err("the run is over");
    }
}
