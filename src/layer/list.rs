//! The bodies of one blob: where each lies, by key, and from where a layer that begins alike can go on.

use serde::{Deserialize, Serialize};

use super::encode::Compression;
use super::record::BodyRecord;
use super::trail::{Checkpoint, Mark};
use crate::types::digest::{Digest, Key};

/// The bodies of a blob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyList {
    /// Its bodies, in order.
    pub(crate) bodies: Vec<BodyRecord>,
    /// Where other layers can go on from it, in order.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// Where an encoded body is.
#[derive(Clone, Copy)]
pub(crate) struct BodyPlace {
    pub(super) blob: Digest,
    pub(super) offset: u64,
    pub(crate) record: BodyRecord,
}

/// The longest beginning of a layer that a blob has.
pub(crate) struct LayerPrefix {
    /// Its bodies.
    pub(crate) places: Vec<BodyPlace>,
    /// The states after some of them; the last one after all.
    pub(crate) marks: Vec<Mark>,
}

/// A blob with its list, in which bodies are found by key.
pub struct ListedBlob {
    pub(super) blob: Digest,
    list: BodyList,
    /// Where its first body begins.
    start: u64,
    /// One for each body, in the order of the keys.
    by_key: Vec<IndexedBody>,
}

/// Sorted by the start of the key, then by the place in the list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct IndexedBody {
    key_start: u64,
    number: u32,
    offset: u64,
}

impl ListedBlob {
    /// A layer's blob that was compressed so.
    #[must_use]
    pub fn new(blob: Digest, list: BodyList, compression: Compression) -> Self {
        let start = compression.prologue().len() as u64;
        let mut offset = start;
        let mut by_key: Vec<IndexedBody> = Vec::with_capacity(list.bodies.len());
        for (number, record) in list.bodies.iter().enumerate() {
            by_key.push(IndexedBody { key_start: start_of(&record.key), number: number as u32, offset });
            offset = offset.saturating_add(u64::from(record.encoded_length));
        }
        by_key.sort_unstable();
        Self { blob, list, start, by_key }
    }

    /// The body with this key, if the blob has it.
    pub(super) fn find(&self, key: &Key) -> Option<BodyPlace> {
        let wanted = start_of(key);
        let first = self.by_key.partition_point(|body| body.key_start < wanted);
        let candidates = self.by_key.get(first..)?.iter().take_while(|body| body.key_start == wanted);
        let place = |body: &IndexedBody| {
            let record = *self.list.bodies.get(body.number as usize)?;
            (record.key == *key).then_some(BodyPlace { blob: self.blob, offset: body.offset, record })
        };
        candidates.filter_map(place).next()
    }

    /// The trail at the checkpoint with this number.
    pub(super) fn trail(&self, checkpoint: usize) -> Option<&Key> {
        self.list.checkpoints.get(checkpoint).map(|checkpoint| &checkpoint.trail)
    }

    /// The beginning that ends with the last of `checkpoints` checkpoints, after so many bodies. A list that contradicts
    /// itself has none.
    pub(super) fn beginning(&self, checkpoints: usize, bodies: usize) -> Option<LayerPrefix> {
        let marks: Vec<Mark> =
            self.list.checkpoints.get(..checkpoints)?.iter().map(|point| point.mark.clone()).collect();
        let last = marks.last().filter(|mark| mark.bodies == bodies)?;
        let bodies = self.list.bodies.get(..bodies)?;
        let mut offset = self.start;
        let mut places = Vec::with_capacity(bodies.len());
        for record in bodies {
            places.push(BodyPlace { blob: self.blob, offset, record: *record });
            offset = offset.checked_add(u64::from(record.encoded_length))?;
        }
        let tar: u64 = bodies.iter().map(|record| u64::from(record.plain_length)).sum();
        let is_sound = !places.is_empty() && last.tar.length() == tar && last.blob.length() == offset;
        is_sound.then_some(LayerPrefix { places, marks })
    }
}

/// The first eight bytes of a key, which tell nearly all of them apart.
fn start_of(key: &Key) -> u64 {
    key.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
