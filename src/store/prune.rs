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
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::Serialize;

use super::error::StoreError;
use super::files::{QUARANTINED, TEMPORARY, entries_in, last_used, remove, temporary_in};
use super::handle::Store;
use super::layout::{Layout, LayoutError};
use super::memo;
use crate::oci::{Descriptor, ManifestOrIndex, media_type};
use crate::types::digest::Digest;

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
pub struct PruneResult {
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

enum CandidateKind {
    /// Of an image whose name is dropped.
    Dropped,
    Blob,
    Memo,
    Leftover,
}

struct PruneCandidate {
    what: CandidateKind,
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

pub(super) struct MemoFile {
    namespace: String,
    pub(super) path: PathBuf,
    pub(super) metadata: std::fs::Metadata,
}

impl Store {
    /// Every file in `memo/`, with its namespace; unfinished ones too.
    pub(super) fn memo_files(&self) -> io::Result<Vec<MemoFile>> {
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
    pub fn prune(&self, options: &PruneOptions) -> Result<PruneResult, StoreError> {
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
        let mut pruned = PruneResult::default();
        let mut dropped = BTreeSet::new();
        if !options.keep_named {
            layout.update(|index| {
                let going = NamedImages::of(layout, &index.manifests, &age).going(options);
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
                Some(digest) if dropped.contains(&digest) => CandidateKind::Dropped,
                Some(_) => CandidateKind::Blob,
                None if is_leftover(&name) => CandidateKind::Leftover,
                None => continue,
            };
            items.push(PruneCandidate { what, path, size: metadata.len(), used: last_used(&metadata) });
        }
        for (name, metadata) in entries_in(self.dir())? {
            if is_leftover(&name) {
                let (path, used) = (self.dir().join(name), last_used(&metadata));
                items.push(PruneCandidate {
                    what: CandidateKind::Leftover,
                    path,
                    size: metadata.len(),
                    used,
                });
            }
        }
        for MemoFile { path, metadata, .. } in self.memo_files()? {
            let what =
                if is_leftover(&file_name(&path)) { CandidateKind::Leftover } else { CandidateKind::Memo };
            items.push(PruneCandidate { what, path, size: metadata.len(), used: last_used(&metadata) });
        }

        // First the files that go anyway, then the oldest; the path makes the order total.
        let goes_anyway =
            |item: &PruneCandidate| matches!(item.what, CandidateKind::Dropped | CandidateKind::Leftover);
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
                CandidateKind::Blob | CandidateKind::Dropped => pruned.blobs += 1,
                CandidateKind::Memo => pruned.memos += 1,
                CandidateKind::Leftover => pruned.leftovers += 1,
            }
        }
        pruned.kept_bytes = pruned.kept_named_bytes + pruned.kept_young_bytes + pruned.kept_within_bytes;
        Ok(pruned)
    }

    /// The present time of the file system, from a new file.
    fn now(&self) -> io::Result<SystemTime> {
        temporary_in(&self.0.locks, TEMPORARY)?.as_file().metadata()?.modified()
    }
}

/// The named images of a store: their age, and the bytes that would be free without them.
struct NamedImages {
    /// By entry of the index.
    images: Vec<NamedImage>,
    /// Of each blob, its size and how many entries reach it.
    reached: BTreeMap<Digest, (u64, usize)>,
}

struct NamedImage {
    age: Duration,
    reaches: BTreeSet<Digest>,
}

impl NamedImages {
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
            names.images.push(NamedImage { age: age(used), reaches });
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
pub(super) fn reach(layout: &Layout, descriptor: &Descriptor, depth: usize, marked: &mut BTreeSet<Digest>) {
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

pub(super) fn is_leftover(name: &str) -> bool {
    name.starts_with(TEMPORARY) || name.starts_with(QUARANTINED)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
