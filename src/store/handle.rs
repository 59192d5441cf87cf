//! The store as a value: opened once, shared by all that read and write it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::blobs::{Blobs, Spill};
use super::error::StoreError;
use super::files::{QUARANTINED, at, move_aside};
use super::layout::{Layout, LayoutError};
use super::memo;
use super::scratch::Scratch;
use crate::oci::Descriptor;
use crate::runtime::atomic::Durability;
use crate::runtime::events::Progress;
use crate::types::digest::Key;
use crate::types::shown::shown_path;

/// Paths that must be directories or regular files before anything else can be found or made.
const DIRECTORIES: [&str; 4] = ["blobs", "blobs/sha256", "memo", "locks"];
const FILES: [&str; 2] = ["oci-layout", "locks/lease"];

/// The file that marks a directory as a cache; the signature is the convention's.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# This directory is the cache of pack. It can be deleted at any time.\n";
/// In the working tree of a repository, the store is no change of it.
const GIT_IGNORE: &[u8] = b"*\n";

/// The local store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(pub(super) Arc<StoreState>);

#[derive(Clone, Debug)]
pub(super) struct StoreState {
    layout: Layout,
    pub(super) memos: PathBuf,
    pub(super) locks: PathBuf,
    /// The layout's own blobs, which may also spill.
    blobs: Blobs,
    /// Where blobs spill to.
    scratch: Option<Scratch>,
    pub(super) health: Arc<StoreHealth>,
}

/// The state of the directory, and whether the user was told.
#[derive(Debug)]
pub(super) struct StoreHealth {
    dir: PathBuf,
    readable: bool,
    writable: AtomicBool,
    warned: AtomicBool,
    pub(super) progress: Progress,
}

impl StoreHealth {
    /// Gives up writing, and says so once.
    fn degrade(&self, error: &dyn std::fmt::Display) {
        self.writable.store(false, Ordering::Relaxed);
        if !self.warned.swap(true, Ordering::Relaxed) {
            let effect = if self.readable { "nothing is added to it" } else { "working without it" };
            self.progress.warn(format!("cache `{}`: {error}; {effect}", shown_path(&self.dir)));
        }
    }
}

/// Keeps a prune from running while a build relies on the store.
#[derive(Debug)]
pub struct Lease {
    /// The lock lasts as long as the file is open.
    _file: Option<fs::File>,
}

/// Keeps other builds from changing shared memos.
#[derive(Debug)]
#[must_use]
pub struct MemoLock {
    /// The lock lasts as long as the file is open.
    _file: Option<std::fs::File>,
}

impl Store {
    /// Opens the store in `dir`, or makes one there. It never fails: a store that is read-only is read, one
    /// that is of no use at all misses everything, and either is one warning.
    ///
    /// Blobs must go somewhere even then: see [`Store::with_scratch`].
    #[must_use]
    pub fn open(dir: &Path, progress: &Progress) -> Self {
        let trouble = prepare(dir).err();
        let layout = Layout::of_store(dir);
        let health = StoreHealth {
            dir: dir.to_owned(),
            readable: trouble.is_none() || Layout::open(dir).is_ok(),
            writable: AtomicBool::new(true),
            warned: AtomicBool::new(false),
            progress: progress.clone(),
        };
        if let Some(error) = trouble {
            health.degrade(&error);
        }
        Self(Arc::new(StoreState {
            blobs: layout.blobs().clone(),
            layout,
            memos: dir.join("memo"),
            locks: dir.join("locks"),
            scratch: None,
            health: Arc::new(health),
        }))
    }

    /// Lets blobs that the store cannot take, now or when it fills up, go to `scratch`.
    #[must_use]
    pub fn with_scratch(self, scratch: &Scratch) -> Self {
        let health = Arc::clone(&self.0.health);
        let spill = Spill {
            scratch: scratch.clone(),
            always: !self.is_writable(),
            told: Box::new(move |error| health.degrade(error)),
        };
        let blobs = Blobs::of_store(self.0.layout.blobs().dir().to_owned(), Some(spill));
        Self(Arc::new(StoreState { blobs, scratch: Some(scratch.clone()), ..StoreState::clone(&self.0) }))
    }

    /// Where files without a name may be made.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.0.scratch.as_ref().map_or_else(|| self.dir(), Scratch::parent)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.0.layout.root()
    }

    /// Whether anything can be stored, as far as is known now.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.0.health.writable.load(Ordering::Relaxed)
    }

    /// The blobs.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// The store as the image layout that it is.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// A memo whose value has no more than `most` bytes. Whatever is damaged is a miss and is removed.
    fn memo(&self, namespace: &str, key: &Key, most: u64) -> Option<memo::MemoRecord> {
        if !self.0.health.readable || !memo::is_namespace(namespace) {
            return None;
        }
        match memo::get(&self.0.memos, namespace, key, most) {
            memo::MemoLookup::Record(record) => Some(record),
            memo::MemoLookup::Nothing => None,
            memo::MemoLookup::Damaged => {
                self.memo_remove(namespace, key);
                None
            }
        }
    }

    /// Whether something is remembered; reading it may show that it is damaged.
    #[must_use]
    pub fn has_memo(&self, namespace: &str, key: &Key) -> bool {
        self.0.health.readable
            && memo::is_namespace(namespace)
            && memo::path(&self.0.memos, namespace, key).exists()
    }

    /// Remembers a value, as far as that is possible.
    pub fn memo_put(&self, namespace: &str, key: &Key, value: &[u8]) {
        debug_assert!(memo::is_namespace(namespace), "{namespace}");
        let fits = value.len() as u64 <= memo::MAX_VALUE && memo::is_namespace(namespace);
        if fits
            && self.is_writable()
            && let Err(error) = memo::put(&self.0.memos, namespace, key, value)
        {
            self.0.health.degrade(&error);
        }
    }

    /// Forgets a value: for a caller that found it wrong.
    pub fn memo_remove(&self, namespace: &str, key: &Key) {
        if memo::is_namespace(namespace) {
            // Best effort: a record that stays is a miss again.
            let _ = std::fs::remove_file(memo::path(&self.0.memos, namespace, key));
        }
    }

    /// The bytes of a memo's value.
    #[must_use]
    pub fn memo_get(&self, namespace: &str, key: &Key) -> Option<Vec<u8>> {
        self.memo(namespace, key, memo::MAX_VALUE).map(|record| record.value().to_vec())
    }

    /// The value of a memo, decoded; one that does not decode to its last byte is a miss, and so is whatever is damaged.
    ///
    /// `namespace` is a word of lower-case letters, digits and `-`; it names a step and the version of its
    /// record.
    #[must_use]
    pub fn memo_load<T: DeserializeOwned>(&self, namespace: &str, key: &Key) -> Option<T> {
        self.memo_load_within(namespace, key, memo::MAX_VALUE).map(|(value, _)| value)
    }

    /// The value of a memo with its length, if that is no more than `most` bytes; else as [`Store::memo_load`].
    #[must_use]
    pub fn memo_load_within<T: DeserializeOwned>(
        &self,
        namespace: &str,
        key: &Key,
        most: u64,
    ) -> Option<(T, u64)> {
        let record = self.memo(namespace, key, most)?;
        match postcard::take_from_bytes(record.value()) {
            Ok((value, [])) => Some((value, record.value().len() as u64)),
            _ => {
                self.memo_remove(namespace, key);
                None
            }
        }
    }

    /// Remembers a value, encoded.
    pub fn memo_save<T: Serialize + ?Sized>(&self, namespace: &str, key: &Key, value: &T) {
        debug_assert!(memo::is_namespace(namespace), "{namespace}");
        if !self.is_writable() || !memo::is_namespace(namespace) {
            return;
        }
        let mut draft = memo::MemoDraft::new(&self.0.memos, namespace, key);
        let encoded = postcard::to_io(value, &mut draft).map(drop);
        match encoded {
            Err(error) if draft.is_sound() => debug_assert!(false, "a memo does not encode: {error}"),
            _ => {
                if let Err(error) = draft.finish() {
                    self.0.health.degrade(&error);
                }
            }
        }
    }

    /// Keeps other builds from changing memos that several of them change, until it is dropped. Without it their
    /// changes may be lost, and nothing else: each record is replaced as a whole.
    pub fn memo_lock(&self) -> MemoLock {
        MemoLock { _file: memo::lock(&self.0.memos) }
    }

    /// The descriptor of a local image's name. A damaged index is moved aside: names are gone then, and blobs are
    /// not.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<Descriptor> {
        if !self.0.health.readable {
            return None;
        }
        self.heal_index();
        self.0.layout.resolve(name).ok().flatten()
    }

    /// Moves an index aside that cannot be parsed, with a warning of its own: names were lost.
    fn heal_index(&self) {
        let layout = &self.0.layout;
        let damage = || layout.shared_index().err().filter(is_damage);
        // Looked at again under the lock: another process may have healed it, and named an image in it.
        if damage().is_some()
            && let Ok(_unlocked_on_close) = layout.lock()
            && let Some(error) = damage()
        {
            let path = layout.index_path();
            if move_aside(&path, &path.with_extension("json.bad")).is_ok() {
                self.0
                    .health
                    .progress
                    .warn(format!("{error}; it was moved aside, and the names of local images are lost"));
            }
        }
    }

    /// The store as a layout that names can be set in.
    ///
    /// # Errors
    /// When the store cannot be written: an image that is to land in it would be lost.
    pub fn writable_layout(&self) -> Result<&Layout, StoreError> {
        if !self.is_writable() {
            return Err(StoreError::Unusable(self.dir().to_owned()));
        }
        self.heal_index();
        Ok(&self.0.layout)
    }

    /// Keeps a prune away as long as the lease lives; waits for one that runs. Without locks in the file
    /// system only the prune's grace period protects.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let path = self.0.locks.join("lease");
        let open = || {
            let file = if self.is_writable() {
                std::fs::create_dir_all(&self.0.locks)?;
                fs::OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path)?
            } else {
                fs::File::open(&path)?
            };
            file.lock_shared()?;
            io::Result::Ok(file)
        };
        Lease { _file: open().ok() }
    }
}

/// Whether the file itself is wrong, and not only the way to it.
fn is_damage(error: &LayoutError) -> bool {
    match error {
        LayoutError::Index { .. } => true,
        LayoutError::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Sets aside what is in the place of a directory or of a file and is of another kind. Links are followed.
fn clear(dir: &Path) -> io::Result<()> {
    let is_directory = |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let is_file = |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let clear = |name: &str, is_right: &dyn Fn(&Path) -> bool| {
        let path = dir.join(name);
        if is_right(&path) || std::fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        let aside = format!("{}{}", QUARANTINED, name.replace('/', "-"));
        move_aside(&path, &dir.join(aside))
    };
    DIRECTORIES.iter().try_for_each(|name| clear(name, &is_directory))?;
    FILES.iter().try_for_each(|name| clear(name, &is_file))
}

/// Makes whatever the store lacks, and says why it could not.
fn prepare(dir: &Path) -> Result<(), LayoutError> {
    clear(dir)?;
    match Layout::open(dir) {
        Ok(layout) => {
            // The one call that sees a read-only file system before the first write fails on it.
            let blobs = layout.blobs().dir();
            match rustix::fs::access(blobs, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(at(&error.into(), blobs).into()),
            }
        }
        Err(
            LayoutError::NoDirectory(_)
            | LayoutError::File(_)
            | LayoutError::BelowFile { .. }
            | LayoutError::NotALayout { .. },
        ) => {}
        Err(error) => return Err(error),
    }
    match Layout::create_among(dir, Durability::Relaxed) {
        // No lease is held yet, so that a prune may have taken the temporary file.
        Err(LayoutError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            Layout::create_among(dir, Durability::Relaxed)?;
        }
        result => {
            result?;
        }
    }
    for (name, text) in [("CACHEDIR.TAG", CACHE_TAG), (".gitignore", GIT_IGNORE)] {
        let file = dir.join(name);
        if std::fs::symlink_metadata(&file).is_err() {
            fs::write(file, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
