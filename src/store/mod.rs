//! The local store: blobs that were built or fetched, names of local images, and memos.
//!
//! ```text
//! <store>/oci-layout, index.json, blobs/sha256/<hex>   a valid OCI image layout: the truth
//! <store>/memo/<namespace>-<hex>                       records of finished steps; disposable
//! <store>/locks/lease                                  held shared by builds, exclusively by a prune
//! <store>/CACHEDIR.TAG                                 tells backup programs to pass by
//! ```
//!
//! Invariants:
//! - The store never fails a build and never changes an image. A file that it cannot read is a miss; a file that it
//!   cannot write is not remembered. The first such trouble is told once, as a warning.
//! - Any file can vanish or be damaged at any moment.
//!
//! The module keeps no policy: what is stored under which key is the caller's business.

mod blobs;
mod layout;
mod memo;
mod prune;
mod scratch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use blobs::Spill;
pub use blobs::{BlobReader, BlobWriter, Blobs, Durability, Listed};
pub(crate) use blobs::{at, persist, temporary_in};
pub use layout::{
    CONTAINERD_NAME, EntryName, Layout, LayoutError, OCI_LAYOUT, PickError, REF_NAME, name_of, pick,
};
pub(crate) use layout::{empty_index, enter, is_complete};
#[cfg(any(test, feature = "testing"))]
pub(crate) use memo::fuzz;
pub use prune::{Damage, NamespaceUsage, PruneOptions, Pruned, StoreError, Usage};
pub use scratch::{Scratch, Swept, sweep};

use crate::oci::Descriptor;
use crate::runtime::observer::Progress;
use crate::types::digest::Key;
use crate::types::shown::shown_path;

/// Paths that must be directories or regular files before anything else can be found or made.
const DIRECTORIES: [&str; 4] = ["blobs", "blobs/sha256", "memo", "locks"];
const FILES: [&str; 2] = ["oci-layout", "locks/lease"];

/// The file that marks a directory as a cache; the signature is the convention's.
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# This directory is the cache of pack. It can be deleted at any time.\n";

/// The local store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<State>);

#[derive(Clone, Debug)]
struct State {
    layout: Layout,
    memos: PathBuf,
    locks: PathBuf,
    /// The layout's own blobs, which may also spill.
    blobs: Blobs,
    health: Arc<Health>,
}

/// The state of the directory, and whether the user was told.
#[derive(Debug)]
struct Health {
    dir: PathBuf,
    readable: bool,
    writable: AtomicBool,
    warned: AtomicBool,
    progress: Progress,
}

impl Health {
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
pub struct Lease(#[allow(dead_code, reason = "the lock lasts as long as the file is open")] Option<fs::File>);

/// Keeps other builds from changing shared memos.
#[derive(Debug)]
#[must_use]
pub struct MemoLock(
    #[allow(dead_code, reason = "the lock lasts as long as the file is open")] Option<std::fs::File>,
);

impl Store {
    /// Opens the store in `dir`, or makes one there. It never fails: a store that is read-only is read, one
    /// that is of no use at all misses everything, and either is one warning.
    ///
    /// Blobs must go somewhere even then: see [`Store::with_scratch`].
    #[must_use]
    pub fn open(dir: &Path, progress: &Progress) -> Self {
        let trouble = prepare(dir).err();
        let layout = Layout::of_store(dir);
        let health = Health {
            dir: dir.to_owned(),
            readable: trouble.is_none() || Layout::open(dir).is_ok(),
            writable: AtomicBool::new(true),
            warned: AtomicBool::new(false),
            progress: progress.clone(),
        };
        if let Some(error) = trouble {
            health.degrade(&error);
        }
        Self(Arc::new(State {
            blobs: layout.blobs().clone(),
            layout,
            memos: dir.join("memo"),
            locks: dir.join("locks"),
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
        Self(Arc::new(State { blobs, ..State::clone(&self.0) }))
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
    fn memo(&self, namespace: &str, key: &Key, most: u64) -> Option<memo::Record> {
        if !self.0.health.readable || !memo::is_namespace(namespace) {
            return None;
        }
        match memo::get(&self.0.memos, namespace, key, most) {
            memo::Found::Record(record) => Some(record),
            memo::Found::Nothing => None,
            memo::Found::Damaged => {
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
    #[cfg(test)]
    pub(crate) fn memo_get(&self, namespace: &str, key: &Key) -> Option<Vec<u8>> {
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
        if !self.is_writable() {
            return;
        }
        match postcard::to_stdvec(value) {
            Ok(bytes) => self.memo_put(namespace, key, &bytes),
            Err(error) => debug_assert!(false, "a memo does not encode: {error}"),
        }
    }

    /// Keeps other builds from changing memos that several of them change, until it is dropped. Without it their
    /// changes may be lost, and nothing else: each record is replaced as a whole.
    #[must_use]
    pub fn memo_lock(&self) -> MemoLock {
        MemoLock(memo::lock(&self.0.memos))
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
        let damage = || layout.index().err().filter(is_damage);
        // Looked at again under the lock: another process may have healed it, and named an image in it.
        if damage().is_some()
            && let Ok(_unlocked_on_close) = layout.lock()
            && let Some(error) = damage()
        {
            let path = layout.index_path();
            if blobs::move_aside(&path, &path.with_extension("json.bad")).is_ok() {
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
        Lease(open().ok())
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
        let aside = format!("{}{}", blobs::QUARANTINED, name.replace('/', "-"));
        blobs::move_aside(&path, &dir.join(aside))
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
        Err(LayoutError::NoDirectory(_) | LayoutError::NotALayout { .. }) => {}
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
    let tag = dir.join("CACHEDIR.TAG");
    if std::fs::symlink_metadata(&tag).is_err() {
        fs::write(tag, CACHE_TAG)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::oci::MediaType;
    use crate::runtime::observer::{Event, EventKind, Observer};
    use crate::types::digest::KeyBuilder;

    #[derive(Clone, Default)]
    struct Warnings(Arc<Mutex<Vec<String>>>);

    impl Observer for Warnings {
        fn event(&self, event: Event) {
            if let EventKind::Warning(text) = event.kind {
                self.0.lock().expect("no panic").push(text);
            }
        }
    }

    impl Warnings {
        fn count(&self) -> usize {
            self.0.lock().expect("no panic").len()
        }
    }

    fn key(text: &str) -> Key {
        KeyBuilder::new("test").part(text.as_bytes()).finish()
    }

    fn open(dir: &Path) -> (Store, Warnings) {
        let warnings = Warnings::default();
        (Store::open(dir, &Progress::new(warnings.clone())), warnings)
    }

    #[test]
    fn remembers_across_openings() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("deep/er");
        let (store, warnings) = open(&path);
        store.memo_save("step-1", &key("a"), &(7_u32, "seven".to_owned()));
        let digest = store.blobs().put(b"blob").expect("stored");
        let (store, _) = open(&path);
        assert_eq!(store.memo_load("step-1", &key("a")), Some((7_u32, "seven".to_owned())));
        assert_eq!(store.memo_load::<u64>("step-1", &key("b")), None);
        assert_eq!(store.blobs().contains(&digest), Some(4));
        assert_eq!(warnings.count(), 0);
        assert!(Layout::open(&path).is_ok(), "it is an image layout");
        assert!(path.join("CACHEDIR.TAG").exists());
    }

    #[test]
    fn a_value_of_another_shape_is_a_miss_and_goes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (store, _) = open(dir.path());
        store.memo_save("step", &key("a"), &(1_u8, 2_u8));
        assert!(store.has_memo("step", &key("a")) && !store.has_memo("step", &key("b")));
        assert_eq!(store.memo_load::<u8>("step", &key("a")), None);
        assert!(store.memo_get("step", &key("a")).is_none() && !store.has_memo("step", &key("a")), "removed");
        assert!(store.memo_get("../x", &key("a")).is_none());
    }

    #[test]
    fn an_unusable_place_is_one_warning_and_no_cache() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let (store, warnings) = open(&file.join("store"));
        assert!(!store.is_writable());
        store.memo_put("step", &key("a"), b"v");
        store.memo_save("step", &key("a"), &1);
        assert_eq!(store.memo_get("step", &key("a")), None);
        assert_eq!(store.resolve("a"), None);
        let _lease = store.lease();
        assert!(store.writable_layout().is_err());
        assert_eq!(warnings.count(), 1);
        let scratch = dir.path().join("scratch");
        let store = store.with_scratch(&Scratch::new(scratch.clone()));
        let digest = store.blobs().put(b"layer").expect("stored");
        assert_eq!(store.blobs().contains(&digest), Some(5));
        assert_eq!(warnings.count(), 1);
        drop(store);
        assert_eq!(std::fs::read_dir(&scratch).expect("readable").count(), 0);
    }

    #[test]
    fn a_write_that_fails_is_one_warning_and_the_rest_is_read() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (store, warnings) = open(dir.path());
        store.memo_put("good", &key("a"), b"v");
        // Not even root can make a file there.
        let memos = dir.path().join("memo");
        std::fs::rename(&memos, dir.path().join("aside")).expect("moved");
        std::os::unix::fs::symlink("/proc/self", &memos).expect("linked");
        store.memo_put("bad", &key("a"), b"v");
        store.memo_put("bad", &key("b"), b"v");
        assert_eq!(warnings.count(), 1);
        std::fs::remove_file(&memos).expect("removed");
        std::fs::rename(dir.path().join("aside"), &memos).expect("moved");
        assert_eq!(store.memo_get("good", &key("a")).as_deref(), Some(&b"v"[..]));
    }

    /// Puts something of another kind in the place of whatever `path` names.
    fn replace_with(path: &Path, kind: &str) {
        blobs::remove(path).expect("removed");
        match kind {
            "file" => std::fs::write(path, "x").expect("written"),
            "directory" => std::fs::create_dir_all(path.join("full")).expect("created"),
            "link" => std::os::unix::fs::symlink("/nowhere", path).expect("linked"),
            "loop" => std::os::unix::fs::symlink(path, path).expect("linked"),
            "socket" => drop(std::os::unix::net::UnixListener::bind(path).expect("bound")),
            "fifo" => {
                use rustix::fs::{CWD, FileType, Mode, mknodat};
                mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn anything_can_be_of_another_kind_and_heals() {
        let places = DIRECTORIES.into_iter().chain(FILES).chain(["index.json"]);
        for place in places {
            for kind in ["file", "directory", "link", "loop", "socket", "fifo"] {
                let dir = tempfile::tempdir().expect("temporary directory");
                let path = dir.path();
                drop(open(path).0.lease());
                open(path).0.memo_put("step", &key("a"), b"v");
                // Twice: the second time something is aside already.
                for other in ["directory", kind, "file", kind] {
                    replace_with(&path.join(place), other);
                    let (store, _) = open(path);
                    assert!(store.is_writable(), "{kind} for {place}");
                    let lease = store.lease();
                    let image = Descriptor::of(MediaType::ImageManifest, b"m");
                    let layout = store.writable_layout().expect("writable");
                    layout.set(&EntryName::tag("name"), &image).expect("set");
                    assert!(store.resolve("name").is_some(), "{kind} for {place}");
                    let digest = store.blobs().put(b"x").expect("stored");
                    assert_eq!(store.blobs().contains(&digest), Some(1));
                    assert!(store.memo_get("step", &key("b")).is_none());
                    store.memo_put("step", &key("a"), b"v");
                    assert_eq!(store.memo_get("step", &key("a")).as_deref(), Some(&b"v"[..]));
                    assert!(store.is_writable(), "{kind} for {place}");
                    assert!(lease.0.is_some(), "{kind} for {place}");
                }
                let now = PruneOptions {
                    keep_named: false,
                    grace: std::time::Duration::ZERO,
                    ..Default::default()
                };
                let (store, _) = open(path);
                store.prune(&now).expect("pruned");
                let left = std::fs::read_dir(path).expect("readable");
                let names =
                    left.map(|entry| entry.expect("readable").file_name().into_string().expect("text"));
                assert_eq!(names.filter(|name| name.starts_with('.')).count(), 0, "{kind} for {place}");
                assert!(store.verify().expect("verified").is_empty(), "{kind} for {place}");
            }
        }
    }

    #[test]
    fn a_damaged_layout_file_or_index_heals() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (store, _) = open(dir.path());
        let digest = store.blobs().put(b"x").expect("stored");
        std::fs::write(dir.path().join("oci-layout"), "").expect("damaged");
        std::fs::write(dir.path().join("index.json"), "{").expect("damaged");
        let (store, warnings) = open(dir.path());
        assert!(store.is_writable());
        assert_eq!(store.blobs().contains(&digest), Some(1));
        assert_eq!(store.resolve("name"), None);
        let name = EntryName::tag("name");
        let layout = store.writable_layout().expect("writable");
        layout.set(&name, &Descriptor::of(MediaType::ImageManifest, b"m")).expect("set");
        assert!(store.resolve("name").is_some());
        assert!(warnings.count() <= 2, "{:?}", warnings.0);
    }
}
