//! Bodies that were encoded before, found again inside the blobs of earlier layers.
//!
//! A layer's blob is the concatenation of its encoded bodies, so the store's blobs are the body cache:
//! nothing is kept twice, and a cold build writes nothing but the blob and a short list of its bodies.
//! The list says where each body lies and what its bytes hash to; every read is checked, so a damaged
//! blob or list is a miss, never a wrong byte. It also says from where a layer that begins alike can go on.
//!
//! The blobs of the same layer are *near*: most bodies are found in them. All others are *far*, and their lists are
//! loaded when a body is not found near.

use fs_err::os::unix::fs::FileExt as _;
use std::sync::{Arc, LazyLock};

use super::encode::Compression;
use super::list::{BodyPlace, LayerPrefix, ListedBlob};
use super::record::BodyRecord;
use super::spec::LayerSpec;
use super::trail::Trails;
use crate::runtime::flight::Flight;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::store::Blobs;
use crate::types::digest::{ContentId, Digest, Key};

/// Why a body must be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKnown {
    /// No blob that was searched has it.
    New,
    /// The blob that has it is gone or damaged.
    Lost,
}

/// Blobs whose lists are loaded when they are needed.
pub type FarBlobs = LazyLock<Vec<Arc<ListedBlob>>, Box<dyn FnOnce() -> Vec<Arc<ListedBlob>> + Send>>;

/// Looks up the encoded bodies of one layer. Cheap to clone; without blobs by default.
#[derive(Clone, Default)]
pub struct BodyLookup(Option<Arc<LookupState>>);

struct LookupState {
    blobs: Blobs,
    near: Vec<Arc<ListedBlob>>,
    far: Option<Arc<FarBlobs>>,
    /// Blobs that are open, so that a body costs one read; `None` for one that cannot be opened.
    open: Flight<Digest, Option<Arc<OpenBlob>>>,
    interrupt: Interrupt,
}

struct OpenBlob {
    file: fs_err::File,
    length: u64,
}

impl BodyLookup {
    /// Looks in `near` first, in this order, then in `far`; both are in `blobs`.
    #[must_use]
    pub fn new(blobs: &Blobs, near: Vec<Arc<ListedBlob>>, far: Option<Arc<FarBlobs>>) -> Self {
        let (blobs, open, interrupt) = (blobs.clone(), Flight::default(), Interrupt::default());
        Self(Some(Arc::new(LookupState { blobs, near, far, open, interrupt })))
    }

    /// The longest beginning of the layer whose entries have these keys that some blob has.
    pub(crate) fn beginning(
        &self,
        layer: &LayerSpec,
        compression: Compression,
        keys: &[Key],
    ) -> Option<LayerPrefix> {
        let inner = self.0.as_ref()?;
        let longest = |blobs: &[Arc<ListedBlob>]| longest_beginning(blobs, layer, compression, keys);
        longest(&inner.near).or_else(|| longest(inner.far()))
    }

    /// Puts the encoded body with this key in the place of what is in `out`, if it is known and undamaged; else
    /// `out` is empty.
    pub(crate) fn read(
        &self,
        key: &Key,
        plain_length: usize,
        out: &mut Vec<u8>,
    ) -> Result<BodyRecord, NotKnown> {
        match self.0.as_ref().and_then(|inner| inner.find(key)) {
            Some(place) => self.read_at(&place, plain_length, out),
            None => {
                out.clear();
                Err(NotKnown::New)
            }
        }
    }

    /// As [`BodyLookup::read`], for the encoded body that lies there.
    pub(crate) fn read_at(
        &self,
        place: &BodyPlace,
        plain_length: usize,
        out: &mut Vec<u8>,
    ) -> Result<BodyRecord, NotKnown> {
        let found = self.overwrite(place, plain_length, out);
        if found.is_none() {
            out.clear();
        }
        found.ok_or(NotKnown::Lost)
    }

    /// Overwrites what was in `out`: to clear it first would take about as long as to read.
    fn overwrite(&self, place: &BodyPlace, plain_length: usize, out: &mut Vec<u8>) -> Option<BodyRecord> {
        // A list that lies could make us ask for gigabytes: no encoder makes a body much longer than it was.
        let longest = plain_length + plain_length / 64 + 1024;
        let encoded_length = place.record.encoded_length as usize;
        if place.record.plain_length as usize != plain_length || encoded_length > longest {
            return None;
        }
        let blob = self.0.as_ref()?.open(&place.blob)?;
        // Nor is memory taken for more than the blob has.
        let end = place.offset.checked_add(encoded_length as u64)?;
        if end > blob.length {
            return None;
        }
        out.resize(encoded_length, 0);
        blob.file.read_exact_at(out, place.offset).ok()?;
        (ContentId::of(out) == place.record.check).then_some(place.record)
    }
}

impl LookupState {
    fn far(&self) -> &[Arc<ListedBlob>] {
        self.far.as_ref().map_or(&[], |far| far)
    }

    fn find(&self, key: &Key) -> Option<BodyPlace> {
        let find_in = |blobs: &[Arc<ListedBlob>]| blobs.iter().find_map(|blob| blob.find(key));
        find_in(&self.near).or_else(|| find_in(self.far()))
    }

    fn open(&self, blob: &Digest) -> Option<Arc<OpenBlob>> {
        let opened = || {
            let file = self.blobs.open(blob).ok()?;
            let length = file.metadata().ok()?.len();
            Some(Arc::new(OpenBlob { file, length }))
        };
        self.open.get(blob, &self.interrupt, || Ok::<_, Interrupted>(opened())).ok().flatten()
    }
}

/// The beginning that most bodies of the layer have in common with one of `blobs`; of several, with the first.
fn longest_beginning(
    blobs: &[Arc<ListedBlob>],
    layer: &LayerSpec,
    compression: Compression,
    keys: &[Key],
) -> Option<LayerPrefix> {
    let mut alike: Vec<&ListedBlob> =
        blobs.iter().map(|blob| &**blob).filter(|blob| blob.trail(0).is_some()).collect();
    let mut longest: Option<(&ListedBlob, usize, usize)> = None;
    // Cutting and hashing the layer costs more than all comparisons.
    let mut trails = Trails::new(layer, compression, keys).enumerate();
    while !alike.is_empty()
        && let Some((number, (bodies, trail))) = trails.next()
    {
        alike.retain(|blob| blob.trail(number) == Some(&trail));
        longest = alike.first().map(|blob| (*blob, number + 1, bodies)).or(longest);
    }
    longest.and_then(|(blob, checkpoints, bodies)| blob.beginning(checkpoints, bodies))
}

/// A layer of small files with keys for its entries, and a list by which it begins with `blob`'s bytes from the
/// tenth on, one for each body.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn sample(blob: &[u8]) -> (LayerSpec, Vec<Key>, super::BodyList) {
    use super::trail::Mark;
    use super::{BodyList, Content, ContentSource, Entry, EntryKind, EntryPath, Metadata};
    use crate::types::digest::{KeyBuilder, Sha256};
    let bytes: Arc<[u8]> = vec![b'a'; 40_000].into();
    let file = |number: u64| Entry {
        path: EntryPath::new(format!("file-{number:02}").as_bytes()).expect("a path"),
        metadata: Metadata::file(false),
        kind: EntryKind::File(Content { size: 40_000, source: ContentSource::Bytes(Arc::clone(&bytes)) }),
    };
    let layer = LayerSpec::new("sample", (0..60).map(file).collect()).expect("a layer");
    let keys: Vec<Key> = (0..60).map(|number| KeyBuilder::new("sample").number(number).finish()).collect();
    let compression = Compression::default();
    let start = compression.prologue().len();
    let (mut bodies, mut marks) = (Vec::new(), Vec::new());
    let (mut tar, mut hasher) = (Sha256::new(), Sha256::new());
    hasher.update(&blob[..start]);
    for (number, body) in compression.bodies(layer.entries()).enumerate() {
        let Some(encoded) = blob.get(start + number..=start + number) else { break };
        let plain = vec![0; body.expect("a body").length as usize];
        bodies.push(BodyRecord::new(keys[number], &plain, encoded));
        tar.update(&plain);
        hasher.update(encoded);
        if super::trail::is_marked(number + 1) {
            marks.push(Mark { bodies: number + 1, tar: tar.midstate(), blob: hasher.midstate() });
        }
    }
    let checkpoints = super::trail::checkpoints(&layer, compression, &keys, marks);
    (layer, keys, BodyList { bodies, checkpoints })
}
