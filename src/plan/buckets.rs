//! Stable buckets: a large layer split by the names of the packages in it.
//!
//! Registries move whole blobs, so one changed file costs its whole layer. Of a class that is split into `k`
//! layers by a hash of the package's name without version, one new version of a package sends about one
//! `k`-th again, and the others keep their bytes.
//!
//! The links between the packages of pnpm's store are a part of their own, of a few kilobytes: a new version of one package has new
//! links to all that it needs, which would change the buckets of those.
//!
//! Invariants: the split is a function of the planned entries and of the numbers given here, never of history;
//! every entry that is no directory is in exactly one bucket, and names of one inode are in the same; a bucket
//! has the directories that its own entries need and no other, so its bytes depend on nothing else; doubling
//! `k` splits each bucket in two; all links of a store are in the same part.

mod package;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::layer::{EntryKind, EntryPath, LayerSpec};
use crate::types::shown::shown;

/// Layers of ours in one image, where a split can choose.
const MAX_OWN_LAYERS: usize = 16;
/// Layers of an image with its base, where a split can choose. Overlay file systems stack 128, and images are
/// bases of others.
const MAX_LAYERS: usize = 100;
/// Payload in bytes that is worth a layer of its own: at least so much is in each bucket on average, and less
/// than twice as much below 256 MiB.
const WORTH_A_LAYER: u64 = 16 << 20;
/// The most buckets of one class, unless the user asks for more.
const MAX_AUTOMATIC: usize = 8;

/// How many layers a class is split into: a power of two, at most 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketCount(usize);

impl BucketCount {
    /// The largest that is not above `number`, and at least 1.
    #[must_use]
    pub fn at_most(number: usize) -> Self {
        Self(1 << number.clamp(1, MAX_OWN_LAYERS).ilog2())
    }

    /// The buckets for a class with `payload` bytes: 1 below 32 MiB, 2 below 64 MiB, 4 below 128 MiB, else 8.
    #[must_use]
    pub fn for_payload(payload: u64) -> Self {
        let worth = usize::try_from(payload / WORTH_A_LAYER).unwrap_or(usize::MAX);
        Self::at_most(worth.min(MAX_AUTOMATIC))
    }

    /// As many of these as `room` allows, and at least 1.
    #[must_use]
    pub fn within(self, room: usize) -> Self {
        Self::at_most(self.0.min(room))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// The bucket of a package: from 0.
    fn bucket(self, package: &[u8]) -> usize {
        let hash = blake3::hash(package);
        // The lowest bits of the first eight bytes, little endian, are in the first byte.
        usize::from(hash.as_bytes()[0]) & (self.0 - 1)
    }
}

/// How many layers a class may become on a base with `base` layers, beside `others` of ours.
#[must_use]
pub fn room(base: usize, others: usize) -> usize {
    MAX_LAYERS.saturating_sub(base).min(MAX_OWN_LAYERS).saturating_sub(others)
}

/// One part of a layer.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its entries, under the name of the whole layer with `NUMBER/COUNT`.
    pub spec: LayerSpec,
    /// The packages in it, sorted, as they can be shown.
    pub packages: Vec<String>,
}

impl Bucket {
    /// The reason for this part, where `whole` is the reason for the whole layer.
    #[must_use]
    pub fn why(&self, whole: &str) -> String {
        /// More would hide the rest of the line.
        const NAMED: usize = 3;
        let mut named = self.packages[..self.packages.len().min(NAMED)].join(", ");
        if self.packages.len() > NAMED {
            named = format!("{named} and {} more", self.packages.len() - NAMED);
        }
        format!("{} of {whole}; by name: {named}", self.spec.file_count())
    }
}

/// The result of splitting a layer.
#[derive(Clone, Debug)]
pub enum Split {
    /// One layer holds it all.
    Whole(LayerSpec),
    /// The buckets that have anything, in order.
    Parts(Vec<Bucket>),
}

/// Splits a whole layer as it is placed, with the directories above its entries; `root` is the directory that the
/// application owns, to which names are relative.
#[must_use]
pub fn split(spec: LayerSpec, root: Option<&EntryPath>, count: BucketCount) -> Split {
    if count.get() == 1 {
        return Split::Whole(spec);
    }
    let mut assigned = BucketAssignment::new(&spec, root, count);
    if assigned.packages[..count.get()].iter().filter(|packages| !packages.is_empty()).count() < 2 {
        return Split::Whole(spec);
    }
    assigned.add_directories();
    let BucketAssignment { members, packages, .. } = assigned;
    let mut names: Vec<String> =
        (1..=count.get()).map(|number| format!("{} {number}/{}", spec.name(), count.get())).collect();
    names.push(format!("{} links", spec.name()));
    let shown = |name: &Vec<u8>| if name.is_empty() { ".".into() } else { shown(name) };
    let buckets = spec.into_parts(&names, &members).into_iter().zip(&packages);
    let buckets = buckets.filter(|(_, packages)| !packages.is_empty());
    let bucket =
        |(spec, packages): (_, &BTreeSet<_>)| Bucket { spec, packages: packages.iter().map(shown).collect() };
    Split::Parts(buckets.map(bucket).collect())
}

/// Which entries are in which buckets.
struct BucketAssignment<'a> {
    spec: &'a LayerSpec,
    /// For each entry the buckets that it is in, a bit for each.
    members: Vec<u32>,
    /// The packages of each bucket, and behind them those of the links.
    packages: Vec<BTreeSet<Vec<u8>>>,
}

impl<'a> BucketAssignment<'a> {
    /// Assigns every entry except directories that have entries in them.
    fn new(spec: &'a LayerSpec, root: Option<&EntryPath>, count: BucketCount) -> Self {
        let entries = spec.entries();
        let packages = vec![BTreeSet::new(); count.get() + 1];
        let mut assigned = Self { spec, members: vec![0; entries.len()], packages };
        let followed = hard_linked(spec);
        // Most entries are of the same package as the one before.
        let mut last: Option<(Cow<'_, [u8]>, usize)> = None;
        for (index, entry) in entries.iter().enumerate() {
            // The entries of a directory come right behind it.
            let next = entries.get(index + 1);
            if entry.is_directory() && next.is_some_and(|next| next.path.starts_with(&entry.path)) {
                continue;
            }
            let path = followed.get(&entry.path).copied().unwrap_or(&entry.path);
            let name = package::name(relative(path, root));
            if matches!(entry.kind, EntryKind::Symlink(_)) && package::is_in_store(relative(path, root)) {
                assigned.packages[count.get()].insert(name.into_owned());
                assigned.members[index] = 1 << count.get();
                continue;
            }
            let bucket = match &last {
                Some((of, bucket)) if *of == name => *bucket,
                _ => {
                    let bucket = count.bucket(&name);
                    assigned.packages[bucket].insert(name.to_vec());
                    last = Some((name, bucket));
                    bucket
                }
            };
            assigned.members[index] = 1 << bucket;
        }
        assigned
    }

    /// Puts each directory into the buckets of the entries below it.
    fn add_directories(&mut self) {
        let entries = self.spec.entries();
        let mut open: Vec<usize> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            while open.last().is_some_and(|last| !entry.path.starts_with(&entries[*last].path)) {
                self.close(&mut open);
            }
            if entry.is_directory() {
                open.push(index);
            } else if let Some(parent) = open.last() {
                self.members[*parent] |= self.members[index];
            }
        }
        while !open.is_empty() {
            self.close(&mut open);
        }
    }

    fn close(&mut self, open: &mut Vec<usize>) {
        if let (Some(closed), Some(parent)) = (open.pop(), open.last()) {
            self.members[*parent] |= self.members[closed];
        }
    }
}

/// For each further name of an inode, the first one.
fn hard_linked(spec: &LayerSpec) -> BTreeMap<&EntryPath, &EntryPath> {
    let link = spec.entries().iter().filter_map(|entry| match &entry.kind {
        EntryKind::Hardlink(first) => Some((&entry.path, first)),
        _ => None,
    });
    link.collect()
}

/// The path below `root`; where a link of the base leads elsewhere, the whole path.
fn relative<'p>(path: &'p EntryPath, root: Option<&EntryPath>) -> &'p [u8] {
    let bytes = path.as_bytes();
    match root {
        Some(root) if path != root && path.starts_with(root) => &bytes[root.as_bytes().len() + 1..],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests;
