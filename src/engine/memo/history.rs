//! Which blobs of earlier builds have bodies that a layer may be made of.
//!
//! Three records name such blobs, so that a build finds those of its own project however many other projects are
//! built in the same store, and finds something where the project is not known:
//!
//! | record | key | finds |
//! |---|---|---|
//! | of the project | where the project lies | the last blobs of each layer of each platform |
//! | of the image | the image's repository | the same after the project was moved, in a second checkout, on a runner with another path |
//! | of the store | | what was built last, whatever project and layer: content that moves between them |
//!
//! A record has a few blobs of each layer and is bounded as a whole. All three are changed once in a build, under a
//! lock that all builds of the store take: the newest blobs must stay in order, and a blob must not be lost when two
//! builds end at the same time, which one file per blob would give only with a directory to list. The lock is held
//! for three short records. Where it cannot be had, the last build wins, which costs encoding and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use crate::layer::{BodyList, BodyLookup, Compression, FarBlobs, ListedBlob};
use crate::store::Store;
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::platform::Platform;
use crate::types::reference::Repository;

/// How many blobs a record of a project or an image keeps: room for 127 layers of two platforms.
const OF_PROJECT: Bounds = Bounds { per_layer: 4, all: 1024 };
/// How many blobs the record of the store keeps.
const OF_STORE: Bounds = Bounds { per_layer: 16, all: 64 };
/// How many blobs beside those of the layer are searched.
const FAR_BLOBS: usize = 32;
/// How many of those may be of one layer.
const FAR_PER_LAYER: usize = 2;
/// How many bytes of lists are loaded of blobs of the same layer. A layer of 100 GB has a list of 13 MB.
const NEAR_BYTES: u64 = 32 << 20;
/// How many bytes of lists are loaded of all other blobs.
const FAR_BYTES: u64 = 4 << 20;

/// Which of a project's layers a layer is: its platform and its name.
pub fn layer_slot(platform: &Platform, name: &str) -> Key {
    KeyBuilder::new("pack layer slot").part(platform.to_string().as_bytes()).part(name.as_bytes()).finish()
}

/// A blob of an earlier build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct PastBlob {
    /// Which layer it was.
    slot: Key,
    /// Its encoder: bodies of other encoders are not found in it.
    encoder: Key,
    blob: Digest,
}

/// Blobs of earlier builds, newest first.
type PastBlobs = Vec<PastBlob>;

/// How many blobs a record keeps.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of one layer, for one encoder.
    per_layer: usize,
    /// In all.
    all: usize,
}

/// Finds the blobs of earlier builds of a project. Cheap to clone.
#[derive(Clone)]
pub struct BlobHistory(Arc<HistoryState>);

struct HistoryState {
    lists: Arc<ListCache>,
    records: Arc<LazyRecords>,
    /// Beside those of the layer; shared by all layers of a build.
    far: Arc<FarBlobs>,
}

/// The content of the records, nearest first, read when it is needed.
type LazyRecords = LazyLock<[PastBlobs; 3], Box<dyn FnOnce() -> [PastBlobs; 3] + Send>>;

/// The keys of the records that a build reads and changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scopes {
    project: Key,
    image: Key,
    store: Key,
}

impl Scopes {
    /// Of a project that lies at `project`, and whose image goes to `image`.
    pub(super) fn new(project: &Path, image: &Repository) -> Self {
        let key = |of: &str| KeyBuilder::new("pack past blobs 1").part(of.as_bytes());
        Self {
            project: key("project").part(project.as_os_str().as_bytes()).finish(),
            image: key("image").part(image.to_string().as_bytes()).finish(),
            store: key("store").finish(),
        }
    }

    /// All of them, nearest first.
    const fn all(&self) -> [(Key, Bounds); 3] {
        [(self.project, OF_PROJECT), (self.image, OF_PROJECT), (self.store, OF_STORE)]
    }

    /// Whether anything was built in the store.
    pub(super) fn any_in(&self, store: &Store) -> bool {
        store.has_memo(NAMESPACE, &self.store)
    }
}

const NAMESPACE: &str = "blobs";

impl BlobHistory {
    /// For layers that are compressed so.
    pub(super) fn new(store: &Store, compression: Compression, scopes: Scopes) -> Self {
        let lists = Arc::new(ListCache { store: store.clone(), compression, loaded: Mutex::default() });
        let load = {
            let store = store.clone();
            move || scopes.all().map(|(key, bounds)| load_record(&store, &key, bounds.all))
        };
        let records: Arc<LazyRecords> = Arc::new(LazyLock::new(Box::new(load)));
        let far = {
            let (lists, records) = (Arc::clone(&lists), Arc::clone(&records));
            move || far_blobs(&lists, &records)
        };
        let far: Arc<FarBlobs> = Arc::new(LazyLock::new(Box::new(far)));
        Self(Arc::new(HistoryState { lists, records, far }))
    }

    /// Looks for the bodies of the layer with this slot.
    #[must_use]
    pub fn lookup(&self, slot: &Key) -> BodyLookup {
        let HistoryState { lists, records, far } = &*self.0;
        let encoder = encoder_key(lists.compression);
        let is_same = |past: &&PastBlob| past.slot == *slot && past.encoder == encoder;
        let of_layer = |record: &PastBlobs| -> Vec<Digest> {
            record.iter().filter(is_same).take(OF_PROJECT.per_layer).map(|past| past.blob).collect()
        };
        // The nearest record that has some is enough: the others name the same, or blobs of other projects.
        let blobs = records.iter().map(of_layer).find(|blobs| !blobs.is_empty()).unwrap_or_default();
        BodyLookup::new(lists.store.blobs(), lists.load(blobs, NEAR_BYTES), Some(Arc::clone(far)))
    }
}

/// The newest blobs of all records with the same encoder, two of each layer: older ones have little that is not there.
fn far_blobs(lists: &ListCache, records: &[PastBlobs; 3]) -> Vec<Arc<ListedBlob>> {
    let encoder = encoder_key(lists.compression);
    let mut blobs = Vec::new();
    for record in records {
        let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
        for past in record.iter().filter(|past| past.encoder == encoder) {
            let count = counts.entry(past.slot).or_default();
            *count += 1;
            if *count <= FAR_PER_LAYER && !blobs.contains(&past.blob) {
                blobs.push(past.blob);
            }
        }
    }
    blobs.truncate(FAR_BLOBS);
    lists.load(blobs, FAR_BYTES)
}

/// The lists of blobs, each loaded once as long as a layer needs it.
struct ListCache {
    store: Store,
    compression: Compression,
    /// With the length of each record.
    loaded: Mutex<BTreeMap<Digest, (Weak<ListedBlob>, u64)>>,
}

impl ListCache {
    /// The lists of these blobs, as far as they have no more than so many bytes together.
    fn load(&self, blobs: Vec<Digest>, bytes: u64) -> Vec<Arc<ListedBlob>> {
        let mut left = bytes;
        let mut load = |blob: Digest| {
            let (list, length) = self.load_one(blob, left)?;
            left -= length;
            Some(list)
        };
        blobs.into_iter().filter_map(&mut load).collect()
    }

    fn load_one(&self, blob: Digest, most: u64) -> Option<(Arc<ListedBlob>, u64)> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((list, length)) = loaded.get(&blob)
            && let Some(list) = list.upgrade()
        {
            return (*length <= most).then_some((list, *length));
        }
        let (list, length) = self.store.memo_load_within::<BodyList>(LISTS, &blob_key(&blob), most)?;
        let list = Arc::new(ListedBlob::new(blob, list, self.compression));
        loaded.insert(blob, (Arc::downgrade(&list), length));
        Some((list, length))
    }
}

fn load_record(store: &Store, key: &Key, most: usize) -> PastBlobs {
    let mut record: PastBlobs = store.memo_load(NAMESPACE, key).unwrap_or_default();
    record.truncate(most);
    record
}

/// Where the list of a blob's bodies is remembered.
pub(super) const LISTS: &str = "bodies";

pub(super) fn blob_key(blob: &Digest) -> Key {
    KeyBuilder::new("pack bodies of").part(blob.as_bytes()).finish()
}

fn encoder_key(compression: Compression) -> Key {
    KeyBuilder::new("pack encoder").part(compression.encoder_id().as_bytes()).finish()
}

/// Blobs that this build made, on their way into the records.
#[derive(Default)]
pub(super) struct NewBlobs(PastBlobs);

impl NewBlobs {
    /// Notes the blob of the layer with this slot.
    pub(super) fn add(&mut self, slot: Key, compression: Compression, blob: Digest) {
        self.0.push(PastBlob { slot, encoder: encoder_key(compression), blob });
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them before those that the records have.
    pub(super) fn save(self, store: &Store, scopes: &Scopes) {
        let _lock = store.memo_lock();
        for (key, bounds) in scopes.all() {
            let before = load_record(store, &key, bounds.all);
            store.memo_save(NAMESPACE, &key, &merged(&self.0, &before, bounds));
        }
    }
}

/// The new blobs, of which the last is the newest, before the old ones.
fn merged(new: &[PastBlob], old: &[PastBlob], bounds: Bounds) -> PastBlobs {
    let mut seen = BTreeSet::new();
    let mut counts: BTreeMap<(Key, Key), usize> = BTreeMap::new();
    let mut kept: PastBlobs = Vec::new();
    for past in new.iter().rev().chain(old).filter(|past| seen.insert(**past)) {
        let count = counts.entry((past.slot, past.encoder)).or_default();
        *count += 1;
        if *count <= bounds.per_layer {
            kept.push(*past);
        }
    }
    kept.truncate(bounds.all);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::events::Progress;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = Store::open(directory.path(), &Progress::default());
        (directory, store)
    }

    fn scopes(project: &str, image: &str) -> Scopes {
        Scopes::new(Path::new(project), &format!("localhost/{image}").parse().expect("a name"))
    }

    fn slot(name: &str) -> Key {
        layer_slot(&Platform::linux_amd64(), name)
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn build(store: &Store, scopes: &Scopes, layer: &str, blob: &str) {
        let mut new = NewBlobs::default();
        new.add(slot(layer), Compression::default(), digest(blob));
        new.save(store, scopes);
    }

    /// The blobs of a record, newest first.
    fn blobs(store: &Store, key: &Key) -> Vec<Digest> {
        load_record(store, key, usize::MAX).into_iter().map(|past| past.blob).collect()
    }

    #[test]
    fn other_projects_take_nothing_from_a_project() {
        let (_directory, store) = store();
        let own = scopes("/own", "own");
        build(&store, &own, "classes", "own");
        for number in 0..100 {
            let other = scopes(&format!("/other/{number}"), &format!("other-{number}"));
            build(&store, &other, "classes", &format!("classes-{number}"));
            build(&store, &other, "libraries", &format!("libraries-{number}"));
        }
        assert_eq!(blobs(&store, &own.project), [digest("own")]);
        assert_eq!(blobs(&store, &scopes("/moved", "own").image), [digest("own")]);
        assert_eq!(blobs(&store, &scopes("/own", "renamed").project), [digest("own")]);
        let of_store = blobs(&store, &own.store);
        assert_eq!(of_store.len(), 2 * OF_STORE.per_layer, "a few of each layer, whatever the project");
        assert_eq!(of_store[..2], [digest("libraries-99"), digest("classes-99")]);
    }

    #[test]
    fn a_record_keeps_the_newest_of_each_layer_and_encoder() {
        let zstd = Compression::Zstd(Default::default());
        let past = |layer: &str, compression, blob: &str| PastBlob {
            slot: slot(layer),
            encoder: encoder_key(compression),
            blob: digest(blob),
        };
        let gzip = Compression::default();
        let old: PastBlobs = (0..9).map(|n| past("a", gzip, &n.to_string())).collect();
        let new = vec![past("b", gzip, "new"), past("a", zstd, "zstd"), past("a", gzip, "2")];
        let merged = merged(&new, &old, Bounds { per_layer: 4, all: 6 });
        let expected = [
            past("a", gzip, "2"),
            past("a", zstd, "zstd"),
            past("b", gzip, "new"),
            past("a", gzip, "0"),
            past("a", gzip, "1"),
            past("a", gzip, "3"),
        ];
        assert_eq!(merged, expected);
    }

    #[test]
    fn builds_at_the_same_time_lose_no_blob() {
        let (_directory, store) = store();
        std::thread::scope(|scope| {
            // So few that none gives up waiting for the lock, however busy the machine is.
            for number in 0..3 {
                let store = &store;
                scope.spawn(move || {
                    for layer in 0..3 {
                        build(
                            store,
                            &scopes("/own", "own"),
                            &format!("layer-{number}"),
                            &format!("{number}-{layer}"),
                        );
                    }
                });
            }
        });
        let found: BTreeSet<Digest> = blobs(&store, &scopes("/own", "own").project).into_iter().collect();
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn lists_that_are_too_long_together_are_left_out() {
        let (_directory, store) = store();
        let key = |number: usize| KeyBuilder::new("test").number(number as u64).finish();
        let list = |count: usize| BodyList {
            bodies: (0..count)
                .map(|number| crate::layer::BodyRecord::new(key(number), b"plain", b"coded"))
                .collect(),
            ..BodyList::default()
        };
        let (short, long) = (digest("short"), digest("long"));
        store.memo_save(LISTS, &blob_key(&short), &list(3));
        store.memo_save(LISTS, &blob_key(&long), &list(300));
        let lists = || ListCache {
            store: store.clone(),
            compression: Compression::default(),
            loaded: Mutex::default(),
        };
        let loaded = |bytes| lists().load(vec![long, short], bytes).len();
        assert_eq!((loaded(1 << 20), loaded(1000), loaded(10)), (2, 1, 0));
        let lists = lists();
        let far = lists.load(vec![long, short], 1 << 20);
        assert!(Arc::ptr_eq(&far[1], &lists.load(vec![short], 1000)[0]), "loaded once");
        assert!(lists.load(vec![long], 1000).is_empty());
    }
}
