//! The content of the store: how much it is, how much of it can go, and whether it is sound.
//!
//! Invariants:
//! - A blob that a name of the index reaches stays. Everything stays while a build holds a lease.
//! - A blob that is younger than the grace period stays: a file system without locks hides leases, and a build may be
//!   about to name the blob that it has just written.
//! - Looking after a blob is no use of it: reading leaves no trace in its times.
//! - Ages are taken against the file system's own clock, which may be another machine's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use rayon::prelude::*;
use serde::Serialize;

use super::blobs::{QUARANTINED, TEMPORARY, entries_in, last_used, remove, temporary_in};
use super::{Layout, LayoutError, Listed, Store, memo};
use crate::oci::{Descriptor, ManifestOrIndex, media_type};
use crate::runtime::observer::Phase;
use crate::runtime::workers::{self, WorkersError};
use crate::types::digest::{Digest, Sha256};
use crate::types::error::{Explain, Kind};
use crate::types::shown::shown_path;

/// Why the store cannot be looked after, or cannot take an image.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A build is running.
    #[error("the cache `{}` is in use by a running build", shown_path(.0))]
    InUse(PathBuf),
    /// It cannot be written.
    #[error("the cache `{}` cannot be written", shown_path(.0))]
    Unusable(PathBuf),
    /// Its index cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Reading or removing failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There are no threads to look with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
}

impl Explain for StoreError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::InUse(_) => Some("try again when it has ended".to_owned()),
            Self::Unusable(_) => Some("set `PACK_CACHE_DIR` to a directory that can be written".to_owned()),
            Self::Layout(error) => error.hint(),
            Self::Io(_) => None,
            Self::Threads(error) => error.hint(),
        }
    }
}

/// The content of the store in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Memos by namespace.
    pub memos: BTreeMap<String, NamespaceUsage>,
    /// Unfinished and quarantined files, in bytes.
    pub leftover_bytes: u64,
    /// The names of local images.
    pub images: Vec<String>,
}

/// The memos of one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NamespaceUsage {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The limits of a prune. Without a limit, it takes everything that no name reaches.
#[derive(Clone, Copy, Debug)]
pub struct PruneOptions {
    /// Take what was used longest ago, until the rest is no larger.
    pub max_bytes: Option<u64>,
    /// Take what was not used for longer.
    pub max_age: Option<Duration>,
    /// Whether names keep their images; else images go with their names, what was used longest ago first, as far
    /// as the limits want it.
    pub keep_named: bool,
    /// Younger files stay in any case.
    pub grace: Duration,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { max_bytes: None, max_age: None, keep_named: true, grace: Duration::from_secs(3600) }
    }
}

/// The result of a prune.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Blobs removed.
    pub blobs: u64,
    /// Memos removed.
    pub memos: u64,
    /// Unfinished and quarantined files removed.
    pub leftovers: u64,
    /// Names of images removed.
    pub names: u64,
    /// Bytes freed.
    pub bytes: u64,
    /// Bytes that are left.
    pub kept_bytes: u64,
    /// Bytes of those that names reach.
    pub kept_named_bytes: u64,
    /// Bytes of those that are younger than the grace period.
    pub kept_young_bytes: u64,
    /// Bytes of those that the limits leave.
    pub kept_within_bytes: u64,
}

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

enum What {
    /// Of an image whose name is dropped.
    Dropped,
    Blob,
    Memo,
    Leftover,
}

struct Item {
    what: What,
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

struct MemoFile {
    namespace: String,
    path: PathBuf,
    metadata: std::fs::Metadata,
}

impl Store {
    /// Every file in `memo/`, with its namespace; unfinished ones too.
    fn memo_files(&self) -> io::Result<Vec<MemoFile>> {
        let memo = |(file, metadata): (String, std::fs::Metadata)| MemoFile {
            namespace: memo::parse(&file).map_or("", |(namespace, _)| namespace).to_owned(),
            path: self.0.memos.join(file),
            metadata,
        };
        Ok(entries_in(&self.0.memos)?.into_iter().map(memo).collect())
    }

    /// Counts the content of the store.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let layout = self.layout();
        let mut usage = Usage::default();
        for (name, metadata) in entries_in(layout.blobs().dir())? {
            if is_leftover(&name) {
                usage.leftover_bytes += metadata.len();
            } else {
                usage.blobs += 1;
                usage.blob_bytes += metadata.len();
            }
        }
        for memo in self.memo_files()? {
            if is_leftover(&file_name(&memo.path)) {
                usage.leftover_bytes += memo.metadata.len();
            } else {
                let namespace = usage.memos.entry(memo.namespace).or_default();
                namespace.count += 1;
                namespace.bytes += memo.metadata.len();
            }
        }
        let images = layout.list().unwrap_or_default();
        usage.images = images.into_iter().filter_map(|(name, _)| name).collect();
        Ok(usage)
    }

    /// Removes everything that `options` do not keep.
    ///
    /// # Errors
    /// When a build holds a lease, when the index cannot be read (nothing else says what to keep), or when something
    /// cannot be removed.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned, StoreError> {
        if !self.is_writable() {
            return Err(StoreError::Unusable(self.dir().to_owned()));
        }
        fs::create_dir_all(&self.0.locks)?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.0.locks.join("lease"))?;
        if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(StoreError::InUse(self.dir().to_owned()));
        }
        let now = self.now()?;
        let age = |used: SystemTime| now.duration_since(used).unwrap_or_default();
        let layout = &self.layout().unnoticed();
        let mut pruned = Pruned::default();
        let mut dropped = BTreeSet::new();
        if !options.keep_named {
            layout.update(|index| {
                let going = Names::of(layout, &index.manifests, &age).going(options);
                pruned.names = going.len() as u64;
                for &number in &going {
                    reach(layout, &index.manifests[number], 4, &mut dropped);
                }
                let mut number = 0..;
                index.manifests.retain(|_| number.next().is_none_or(|number| !going.contains(&number)));
                !going.is_empty()
            })?;
        }
        let marked = mark(layout)?;
        let mut items = Vec::new();
        for (name, metadata) in entries_in(layout.blobs().dir())? {
            let path = layout.blobs().dir().join(&name);
            let digest: Option<Digest> = format!("sha256:{name}").parse().ok();
            let what = match digest {
                Some(digest) if marked.contains(&digest) => {
                    pruned.kept_named_bytes += metadata.len();
                    continue;
                }
                Some(digest) if dropped.contains(&digest) => What::Dropped,
                Some(_) => What::Blob,
                None if is_leftover(&name) => What::Leftover,
                None => continue,
            };
            items.push(Item { what, path, size: metadata.len(), used: last_used(&metadata) });
        }
        for (name, metadata) in entries_in(self.dir())? {
            if is_leftover(&name) {
                let (path, used) = (self.dir().join(name), last_used(&metadata));
                items.push(Item { what: What::Leftover, path, size: metadata.len(), used });
            }
        }
        for MemoFile { path, metadata, .. } in self.memo_files()? {
            let what = if is_leftover(&file_name(&path)) { What::Leftover } else { What::Memo };
            items.push(Item { what, path, size: metadata.len(), used: last_used(&metadata) });
        }

        // First the files that go anyway, then the oldest; the path makes the order total.
        let goes_anyway = |item: &Item| matches!(item.what, What::Dropped | What::Leftover);
        items.sort_by(|a, b| (!goes_anyway(a), a.used, &a.path).cmp(&(!goes_anyway(b), b.used, &b.path)));
        let mut total = pruned.kept_named_bytes + items.iter().map(|item| item.size).sum::<u64>();
        for item in &items {
            let old = age(item.used);
            let limits = options.max_age.is_some() || options.max_bytes.is_some();
            let goes = goes_anyway(item)
                || !limits
                || options.max_age.is_some_and(|max| old > max)
                || options.max_bytes.is_some_and(|max| total > max);
            if old < options.grace {
                pruned.kept_young_bytes += item.size;
                continue;
            }
            if !goes {
                pruned.kept_within_bytes += item.size;
                continue;
            }
            remove(&item.path)?;
            total -= item.size;
            pruned.bytes += item.size;
            match item.what {
                What::Blob | What::Dropped => pruned.blobs += 1,
                What::Memo => pruned.memos += 1,
                What::Leftover => pruned.leftovers += 1,
            }
        }
        pruned.kept_bytes = pruned.kept_named_bytes + pruned.kept_young_bytes + pruned.kept_within_bytes;
        Ok(pruned)
    }

    /// The present time of the file system, from a new file.
    fn now(&self) -> io::Result<SystemTime> {
        temporary_in(&self.0.locks, TEMPORARY)?.as_file().metadata()?.modified()
    }

    /// Hashes every blob and checks every memo. Bad blobs are quarantined and bad memos removed, so that the next
    /// build makes them anew. Files that other processes remove meanwhile are gone and not damaged; a prune waits.
    ///
    /// # Errors
    /// When a directory cannot be listed.
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
        let check_blob = |blob: &Listed| {
            let found = blobs.open(&blob.digest).and_then(|file| hash(file, &|bytes| task.advance(bytes)));
            let reason = match found {
                Ok(digest) if digest == blob.digest => return None,
                Ok(digest) => format!("its bytes hash to {digest}"),
                Err(_) if is_gone(&blobs.path(&blob.digest)) => return None,
                Err(error) => error.to_string(),
            };
            // A blob that cannot be moved stays; each reader checks it anyway.
            let _ = blobs.quarantine(&blob.digest);
            Some(Damage::Blob { digest: blob.digest, reason })
        };
        let check_memo = |memo: &MemoFile| {
            task.advance(memo.metadata.len());
            if is_leftover(&file_name(&memo.path)) || memo::is_sound(&memo.path) || is_gone(&memo.path) {
                return None;
            }
            let _ = remove(&memo.path);
            Some(Damage::Memo { path: memo.path.clone() })
        };
        let check = || {
            let damaged_blobs = listed.par_iter().filter_map(check_blob);
            damaged_blobs.chain(memos.par_iter().filter_map(check_memo)).collect()
        };
        let mut damages: Vec<Damage> = workers::run(0, check)?;
        match layout.index() {
            Ok(index) => {
                for entry in &index.manifests {
                    let image = super::name_of(entry).unwrap_or("(no name)").to_owned();
                    let mut reached = BTreeSet::new();
                    reach(layout, entry, 4, &mut reached);
                    let missing = reached.into_iter().filter(|digest| blobs.contains(digest).is_none());
                    damages.extend(missing.map(|digest| Damage::Missing { image: image.clone(), digest }));
                }
            }
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

/// The named images of a store: their age, and the bytes that would be free without them.
struct Names {
    /// By entry of the index.
    images: Vec<Named>,
    /// Of each blob, its size and how many entries reach it.
    reached: BTreeMap<Digest, (u64, usize)>,
}

struct Named {
    age: Duration,
    reaches: BTreeSet<Digest>,
}

impl Names {
    fn of(layout: &Layout, entries: &[Descriptor], age: &dyn Fn(SystemTime) -> Duration) -> Self {
        let mut names = Self { images: Vec::new(), reached: BTreeMap::new() };
        for entry in entries {
            let path = layout.blobs().path(&entry.digest);
            let used = std::fs::metadata(path).map_or(SystemTime::UNIX_EPOCH, |it| last_used(&it));
            let mut reaches = BTreeSet::new();
            reach(layout, entry, 4, &mut reaches);
            for digest in &reaches {
                let size = || layout.blobs().contains(digest).unwrap_or(0);
                names.reached.entry(*digest).or_insert_with(|| (size(), 0)).1 += 1;
            }
            names.images.push(Named { age: age(used), reaches });
        }
        names
    }

    /// The entries that the limits let go: those that are too old, then the oldest, until the others are no larger.
    fn going(mut self, options: &PruneOptions) -> BTreeSet<usize> {
        let no_limits = options.max_age.is_none() && options.max_bytes.is_none();
        let max_age = options.max_age.or(no_limits.then_some(Duration::ZERO));
        let mut oldest: Vec<usize> = (0..self.images.len()).collect();
        oldest.retain(|&number| self.images[number].age >= options.grace);
        oldest.sort_by_key(|&number| (Reverse(self.images[number].age), number));
        let mut left: u64 = self.reached.values().map(|(size, _)| size).sum();
        let mut going = BTreeSet::new();
        for number in oldest {
            let is_too_old = max_age.is_some_and(|max| self.images[number].age >= max);
            let is_too_much = options.max_bytes.is_some_and(|max| left > max);
            if !is_too_old && !is_too_much {
                break;
            }
            going.insert(number);
            for digest in &self.images[number].reaches {
                if let Some((size, count)) = self.reached.get_mut(digest) {
                    *count -= 1;
                    left -= if *count == 0 { *size } else { 0 };
                }
            }
        }
        going
    }
}

/// Everything that the names of the index reach.
fn mark(layout: &Layout) -> Result<BTreeSet<Digest>, LayoutError> {
    let mut marked = BTreeSet::new();
    for entry in &layout.index()?.manifests {
        reach(layout, entry, 4, &mut marked);
    }
    Ok(marked)
}

/// A document that cannot be read reaches no blob.
fn reach(layout: &Layout, descriptor: &Descriptor, depth: usize, marked: &mut BTreeSet<Digest>) {
    let is_document = media_type::document(&descriptor.media_type).is_some();
    if !marked.insert(descriptor.digest) || !is_document {
        return;
    }
    match layout.document(descriptor).ok().and_then(|document| document.parse().ok()) {
        Some(ManifestOrIndex::Manifest(manifest)) => {
            marked.insert(manifest.config.digest);
            marked.extend(manifest.layers.iter().map(|layer| layer.digest));
        }
        Some(ManifestOrIndex::Index(index)) if depth > 0 => {
            for entry in &index.manifests {
                reach(layout, entry, depth - 1, marked);
            }
        }
        _ => {}
    }
}

fn is_leftover(name: &str) -> bool {
    name.starts_with(TEMPORARY) || name.starts_with(QUARANTINED)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::EntryName;
    use super::*;
    use crate::oci::{ConfigFile, Image, MediaType};
    use crate::runtime::observer::Progress;
    use crate::types::digest::{Key, KeyBuilder};

    const NOW: PruneOptions =
        PruneOptions { max_bytes: None, max_age: None, keep_named: true, grace: Duration::ZERO };

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(dir.path(), &Progress::default());
        (dir, store)
    }

    fn key(text: &str) -> Key {
        KeyBuilder::new("test").part(text.as_bytes()).finish()
    }

    /// Stores an image of one layer under a name.
    fn image(store: &Store, name: &str) -> Image {
        let layer = format!("layer of {name}").into_bytes();
        let digest = store.blobs().put(&layer).expect("stored");
        let mut config =
            ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..Default::default() };
        config.rootfs.diff_ids = vec![digest];
        let layers = vec![Descriptor::of(MediaType::ImageLayer, &layer)];
        let image = Image::new(&config, layers, BTreeMap::new()).expect("an image");
        store.blobs().put(image.raw_config()).expect("stored");
        store.blobs().put(&image.raw().bytes).expect("stored");
        store.layout().set(&EntryName::tag(name), &image.descriptor()).expect("set");
        image
    }

    fn age(path: &Path, seconds: u64) {
        let file = std::fs::File::options().write(true).open(path).expect("opened");
        let written = file.metadata().and_then(|metadata| metadata.modified()).expect("a time");
        let past = written - Duration::from_secs(seconds);
        let times = std::fs::FileTimes::new().set_accessed(past).set_modified(past);
        file.set_times(times).expect("aged");
    }

    #[test]
    fn prune_keeps_what_names_reach() {
        let (_dir, store) = store();
        image(&store, "kept");
        let loose = store.blobs().put(b"loose").expect("stored");
        store.memo_put("step", &key("a"), b"v");
        std::fs::write(store.blobs().dir().join(".tmp-stale"), "x").expect("written");
        let usage = store.usage().expect("counted");
        assert_eq!((usage.blobs, usage.memos["step"].count, usage.leftover_bytes), (4, 1, 1));
        assert_eq!(usage.images, ["kept"]);

        let graceful = store.prune(&PruneOptions::default()).expect("pruned");
        assert_eq!(graceful.bytes, 0, "all of it is young");
        let pruned = store.prune(&NOW).expect("pruned");
        assert_eq!((pruned.blobs, pruned.memos, pruned.leftovers), (1, 1, 1));
        assert_eq!(store.blobs().contains(&loose), None);
        assert!(store.verify().expect("verified").is_empty());
        let all = store.prune(&PruneOptions { keep_named: false, ..NOW }).expect("pruned");
        assert_eq!((all.blobs, all.kept_bytes), (3, 0));
        assert!(store.usage().expect("counted").images.is_empty());
    }

    #[test]
    fn limits_take_the_oldest_first() {
        let (_dir, store) = store();
        let digests: Vec<Digest> =
            (0..4).map(|number| store.blobs().put(&[number; 100]).expect("stored")).collect();
        for (digest, days) in digests.iter().zip([40, 3, 2, 1]) {
            age(&store.blobs().path(digest), days * 86_400);
        }
        let left = || store.blobs().list().expect("listed").len();
        store
            .prune(&PruneOptions { max_age: Some(Duration::from_secs(30 * 86_400)), ..NOW })
            .expect("pruned");
        assert_eq!(left(), 3);
        store.blobs().touch(&digests[1]);
        store.prune(&PruneOptions { max_bytes: Some(200), ..NOW }).expect("pruned");
        assert_eq!(left(), 2);
        assert_eq!(store.blobs().contains(&digests[2]), None, "the touched one was older");
    }

    #[test]
    fn images_go_with_their_names_and_only_as_far_as_the_limits_want_it() {
        let (_dir, store) = store();
        let images: Vec<Image> = ["old", "middle", "new"].map(|name| image(&store, name)).into();
        let loose = store.blobs().put(&[7; 50]).expect("stored");
        for (image, days) in images.iter().zip([30, 20, 10]) {
            age(&store.blobs().path(&image.digest()), days * 86_400);
        }
        let sizes = |image: &Image| {
            let blobs = [image.digest(), image.manifest().config.digest, image.layers()[0].digest];
            blobs.iter().filter_map(|digest| store.blobs().contains(digest)).sum::<u64>()
        };
        let (two, all) = (sizes(&images[1]) + sizes(&images[2]), images.iter().map(sizes).sum::<u64>());
        // All of them fit, so that only what no name reaches goes.
        let limits = |max_bytes, max_age| PruneOptions { max_bytes, max_age, keep_named: false, ..NOW };
        let pruned = store.prune(&limits(Some(all), None)).expect("pruned");
        assert_eq!((pruned.names, pruned.blobs, pruned.kept_bytes), (0, 1, all));
        assert_eq!(store.blobs().contains(&loose), None);
        // Two of them fit: the oldest goes, name and blobs.
        let pruned = store.prune(&limits(Some(two), None)).expect("pruned");
        assert_eq!((pruned.names, pruned.blobs, pruned.kept_bytes), (1, 3, two));
        assert_eq!(sizes(&images[0]), 0);
        assert_eq!(store.usage().expect("counted").images, ["middle", "new"]);
        assert_eq!((pruned.kept_named_bytes, pruned.kept_young_bytes, pruned.kept_within_bytes), (two, 0, 0));
        // By age, too, although its layer was just used.
        let pruned = store.prune(&limits(None, Some(Duration::from_secs(15 * 86_400)))).expect("pruned");
        assert_eq!((pruned.names, pruned.blobs), (1, 3));
        assert_eq!(store.usage().expect("counted").images, ["new"]);
        assert!(store.verify().expect("verified").is_empty());
    }

    #[test]
    fn a_lease_keeps_prune_away() {
        let (_dir, store) = store();
        let lease = store.lease();
        let _second = store.lease();
        assert!(matches!(store.prune(&NOW), Err(StoreError::InUse(_))));
        drop(lease);
        assert!(store.prune(&NOW).is_err());
        drop(_second);
        store.prune(&NOW).expect("it is free");
    }

    #[test]
    fn what_others_take_away_is_gone_and_not_damaged() {
        let (_dir, store) = store();
        image(&store, "app");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for number in 0..40_u8 {
                        let digest = store.blobs().put(&[number; 10_000]).expect("stored");
                        store.memo_put("step", &key(&number.to_string()), &[number; 10_000]);
                        let _ = std::fs::remove_file(store.blobs().path(&digest));
                        store.memo_remove("step", &key(&number.to_string()));
                    }
                }
            });
            for _ in 0..30 {
                let damages = store.verify();
                if damages.as_ref().map_or(true, |damages| !damages.is_empty()) {
                    done.store(true, Ordering::Relaxed);
                }
                assert_eq!(damages.expect("verified"), []);
            }
            done.store(true, Ordering::Relaxed);
        });
        // While it looks, a prune waits.
        let lease = store.lease();
        assert!(store.verify().expect("verified").is_empty());
        drop(lease);
    }

    #[test]
    fn a_damaged_index_prunes_nothing() {
        let (_dir, store) = store();
        image(&store, "kept");
        std::fs::write(store.layout().index_path(), "{").expect("damaged");
        assert!(matches!(store.prune(&NOW), Err(StoreError::Layout(_))));
        assert_eq!(store.blobs().list().expect("listed").len(), 3);
    }

    #[test]
    fn verify_lists_and_clears_every_damage() {
        let (_dir, store) = store();
        let image = image(&store, "app");
        let layer = image.layers()[0].digest;
        store.memo_put("step", &key("a"), b"v");
        store.memo_put("step", &key("b"), b"v");
        assert!(store.verify().expect("verified").is_empty());
        std::fs::write(store.blobs().path(&layer), "other").expect("damaged");
        std::fs::write(memo::path(&store.0.memos, "step", &key("a")), "x").expect("damaged");
        let damages = store.verify().expect("verified");
        assert_eq!(damages.len(), 3, "{damages:?}");
        assert!(matches!(&damages[0], Damage::Blob { digest, .. } if *digest == layer));
        assert!(matches!(&damages[1], Damage::Memo { .. }));
        assert!(matches!(&damages[2], Damage::Missing { digest, .. } if *digest == layer));
        assert_eq!(store.blobs().contains(&layer), None, "quarantined");
        assert_eq!(store.memo_get("step", &key("a")), None);
        assert!(store.memo_get("step", &key("b")).is_some());
        let again = store.verify().expect("verified");
        assert_eq!(again.len(), 1, "only the missing layer is left: {again:?}");
    }
}
