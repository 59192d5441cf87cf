//! Bodies that were encoded before, found again inside the blobs of earlier layers.
//!
//! A layer's blob is the concatenation of its encoded bodies, so the store's blobs are the body cache:
//! nothing is kept twice, and a cold build writes nothing but the blob and a short list of its bodies.
//! The list says where each body lies and what its bytes hash to; every read is checked, so a damaged
//! blob or list is a miss, never a wrong byte. It also says from where a layer that begins alike can go on.

use fs_err::os::unix::fs::FileExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::encode::Compression;
use super::spec::LayerSpec;
use super::trail::{Checkpoint, Mark, Trails};
use crate::store::Blobs;
use crate::types::digest::{ContentId, Digest, Key};

/// One body of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRecord {
    /// Hash of everything the encoded bytes depend on.
    pub key: Key,
    /// Length before encoding, in bytes.
    pub plain_length: u32,
    /// Length after encoding, in bytes.
    pub encoded_length: u32,
    /// CRC-32 of the plain bytes.
    pub crc32: u32,
    /// BLAKE3 of the encoded bytes.
    pub check: ContentId,
}

impl BodyRecord {
    pub(crate) fn new(key: Key, plain: &[u8], encoded: &[u8]) -> Self {
        Self {
            key,
            plain_length: plain.len() as u32,
            encoded_length: encoded.len() as u32,
            crc32: crc32fast::hash(plain),
            check: ContentId::of(encoded),
        }
    }
}

/// What a blob is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyList {
    /// Its bodies, in order.
    pub(crate) bodies: Vec<BodyRecord>,
    /// Where other layers can go on from it, in order.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// Where an encoded body is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    blob: Digest,
    offset: u64,
    pub(crate) record: BodyRecord,
}

/// The longest beginning of a layer that a blob has.
pub(crate) struct Beginning {
    /// Its bodies.
    pub(crate) places: Vec<Place>,
    /// The states after some of them; the last one after all.
    pub(crate) marks: Vec<Mark>,
}

/// Why a body must be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKnown {
    /// No blob of a recent build has it.
    New,
    /// The blob that has it is gone or damaged.
    Lost,
}

/// Every encoded body that can be found, by key. Cheap to clone.
#[derive(Clone, Default)]
pub struct KnownBodies(Option<Arc<Inner>>);

struct Inner {
    blobs: Blobs,
    /// By key: a list, one of its bodies, and where that lies in the blob.
    places: BTreeMap<Key, (u32, u32, u64)>,
    lists: Vec<(Digest, BodyList)>,
    /// By trail: a list and one of its checkpoints.
    checkpoints: BTreeMap<Key, (usize, usize)>,
    /// What a blob begins with before its first body.
    start: u64,
    /// Blobs that are open, so that a body costs one read.
    open: Mutex<BTreeMap<Digest, Option<Arc<OpenBlob>>>>,
}

struct OpenBlob {
    file: fs_err::File,
    length: u64,
}

impl KnownBodies {
    /// The bodies of `blobs` whose lists are given, nearest first.
    pub fn new(
        blobs: &Blobs,
        compression: Compression,
        lists: impl IntoIterator<Item = (Digest, BodyList)>,
    ) -> Self {
        let start = compression.prologue().len() as u64;
        let lists: Vec<(Digest, BodyList)> = lists.into_iter().collect();
        let (mut places, mut checkpoints) = (BTreeMap::new(), BTreeMap::new());
        for (number, (blob, list)) in lists.iter().enumerate() {
            for (position, place) in places_of(*blob, start, &list.bodies).enumerate() {
                places.entry(place.record.key).or_insert((number as u32, position as u32, place.offset));
            }
            for (position, checkpoint) in list.checkpoints.iter().enumerate() {
                checkpoints.entry(checkpoint.trail).or_insert((number, position));
            }
        }
        let open = Mutex::default();
        Self(Some(Arc::new(Inner { blobs: blobs.clone(), places, lists, checkpoints, start, open })))
    }

    /// The longest beginning of the layer whose entries have these keys that some blob has.
    pub(crate) fn beginning(
        &self,
        layer: &LayerSpec,
        compression: Compression,
        keys: &[Key],
    ) -> Option<Beginning> {
        let inner = self.0.as_ref().filter(|inner| !inner.checkpoints.is_empty())?;
        let trails = Trails::new(layer, compression, keys);
        let found = trails.map_while(|(bodies, trail)| Some((bodies, *inner.checkpoints.get(&trail)?)));
        let (bodies, (list, position)) = found.last()?;
        let (blob, list) = &inner.lists[list];
        let marks: Vec<Mark> = list.checkpoints[..=position].iter().map(|point| point.mark.clone()).collect();
        let places: Vec<Place> = places_of(*blob, inner.start, &list.bodies).take(bodies).collect();
        // A list that contradicts itself is none.
        let tar: u64 = places.iter().map(|place| u64::from(place.record.plain_length)).sum();
        let end = places.last().map(|last| last.offset + u64::from(last.record.encoded_length))?;
        let is_sound = marks.last().is_some_and(|mark| {
            mark.bodies == bodies && mark.tar.length() == tar && mark.blob.length() == end
        });
        (is_sound && places.len() == bodies).then_some(Beginning { places, marks })
    }

    /// Puts the encoded body with this key in the place of what is in `out`, if it is known and undamaged; else
    /// `out` is empty.
    pub(crate) fn read(
        &self,
        key: &Key,
        plain_length: usize,
        out: &mut Vec<u8>,
    ) -> Result<BodyRecord, NotKnown> {
        match self.place(key) {
            Some(place) => self.read_at(&place, plain_length, out),
            None => {
                out.clear();
                Err(NotKnown::New)
            }
        }
    }

    fn place(&self, key: &Key) -> Option<Place> {
        let inner = self.0.as_ref()?;
        let (list, body, offset) = *inner.places.get(key)?;
        let (blob, list) = &inner.lists[list as usize];
        Some(Place { blob: *blob, offset, record: list.bodies[body as usize] })
    }

    /// As [`KnownBodies::read`], for the encoded body that lies there.
    pub(crate) fn read_at(
        &self,
        place: &Place,
        plain_length: usize,
        out: &mut Vec<u8>,
    ) -> Result<BodyRecord, NotKnown> {
        let found = self.overwrite(place, plain_length, out);
        if found.is_none() {
            out.clear();
        }
        found.ok_or(NotKnown::Lost)
    }

    /// What was in `out` is overwritten: to clear it first would take about as long as to read.
    fn overwrite(&self, place: &Place, plain_length: usize, out: &mut Vec<u8>) -> Option<BodyRecord> {
        // A list that lies could make us ask for gigabytes: no encoder makes a body much longer than it was.
        let longest = plain_length + plain_length / 64 + 1024;
        let encoded_length = place.record.encoded_length as usize;
        if place.record.plain_length as usize != plain_length || encoded_length > longest {
            return None;
        }
        let blob = self.0.as_ref()?.open(&place.blob)?;
        // Nor does anybody get memory for more than the blob has.
        let end = place.offset.checked_add(encoded_length as u64)?;
        if end > blob.length {
            return None;
        }
        out.resize(encoded_length, 0);
        blob.file.read_exact_at(out, place.offset).ok()?;
        (ContentId::of(out) == place.record.check).then_some(place.record)
    }
}

/// Where the bodies of a blob lie; `start` is the length of what stands before the first.
fn places_of(blob: Digest, start: u64, bodies: &[BodyRecord]) -> impl Iterator<Item = Place> {
    bodies.iter().scan(start, move |next, record| {
        let offset = *next;
        *next += u64::from(record.encoded_length);
        Some(Place { blob, offset, record: *record })
    })
}

/// A layer of small files with keys for its entries, and a list by which it begins with `blob`'s bytes from the
/// tenth on, one for each body.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn sample(blob: &[u8]) -> (LayerSpec, Vec<Key>, BodyList) {
    use super::{Content, ContentSource, Entry, EntryKind, EntryPath, Metadata};
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

impl Inner {
    fn open(&self, blob: &Digest) -> Option<Arc<OpenBlob>> {
        let opened = || {
            let file = self.blobs.open(blob).ok()?;
            let length = file.metadata().ok()?.len();
            Some(Arc::new(OpenBlob { file, length }))
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(*blob).or_insert_with(opened).clone()
    }
}
