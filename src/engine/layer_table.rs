//! The layers that a run builds: equal ones of several images, platforms or projects are one.
//!
//! Layers are equal if their keys are. A key is known when every file of a layer is: before it is built, where the
//! files are remembered or were read, and else only afterwards. Until then layers of one [`shape`] may be equal:
//! the second waits for the first, and then its files are read to tell.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::graph::LayerId;
use crate::layer::{self, Compression, Content, ContentSource, EntryKind, LayerSpec};
use crate::plan::LayerFacts;
use crate::runtime::events::ImageId;
use crate::runtime::interrupt::Interrupt;
use crate::transport::BlobGrower;
use crate::types::digest::{ContentId, Key};

/// A layer of a plan, by the numbers of its platform and of itself.
pub(super) type PlanPosition = (usize, usize);

/// A layer of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageLayer {
    pub(super) image: ImageId,
    pub(super) place: PlanPosition,
}

/// All of a run.
#[derive(Default)]
pub(super) struct LayerTable(Mutex<LayerTableState>);

#[derive(Default)]
struct LayerTableState {
    layers: BTreeMap<LayerId, RunLayer>,
    next: usize,
    by_key: BTreeMap<Key, LayerId>,
    by_shape: BTreeMap<Key, Vec<LayerId>>,
}

struct RunLayer {
    /// For people.
    name: String,
    members: Vec<ImageLayer>,
    key: Option<Key>,
    shape: Option<Key>,
    progress: LayerStage,
    interrupt: Interrupt,
}

/// How far a layer is.
enum LayerStage {
    /// It is not begun. Readers of it may have begun to wait.
    Waiting(LayerReaders),
    Begun,
    /// The layer that was built, which is this one or an equal one.
    Finished(LayerId, LayerFacts),
}

/// Those who take a layer while it is built.
enum LayerReaders {
    /// Nothing was said to them.
    NotAsked,
    /// They wait for this; `None` where there are none.
    Waiting(Option<BlobGrower>),
}

/// The result of adding a layer.
pub(super) enum LayerAddition {
    /// It is equal to this one, which was built in this run.
    Finished(LayerId, LayerFacts),
    /// It is one that is going to be built, or under way.
    Joined(LayerId),
    /// It is a new one, to be built after these.
    New(LayerId, Vec<LayerId>),
}

/// A layer that begins to be built.
pub(super) struct LayerStart {
    /// The image that it is for.
    pub(super) owner: ImageLayer,
    /// Its readers; the outer `None` where nothing was said to them yet.
    pub(super) grower: Option<Option<BlobGrower>>,
    /// Stops it when no image wants it any more.
    pub(super) interrupt: Interrupt,
    /// Whether a layer of the same shape was built.
    pub(super) has_twin: bool,
}

impl LayerTable {
    fn state(&self) -> MutexGuard<'_, LayerTableState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a layer that is not known.
    pub(super) fn add(
        &self,
        member: ImageLayer,
        name: &str,
        key: Option<Key>,
        shape: Option<Key>,
        interrupt: &Interrupt,
    ) -> LayerAddition {
        let mut state = self.state();
        if let Some(id) = key.and_then(|key| state.by_key.get(&key).copied())
            && let Some(layer) = state.layers.get_mut(&id)
        {
            if let LayerStage::Finished(built, facts) = layer.progress {
                return LayerAddition::Finished(built, facts);
            }
            layer.members.push(member);
            return LayerAddition::Joined(id);
        }
        let id = LayerId(state.next);
        state.next += 1;
        let twins = shape.and_then(|shape| state.by_shape.get(&shape)).cloned().unwrap_or_default();
        let may_be_equal = |twin: &LayerId| {
            let twin = state.layers.get(twin);
            twin.is_some_and(|twin| !twin.is_finished() && (key.is_none() || twin.key.is_none()))
        };
        let after = twins.into_iter().filter(may_be_equal).collect();
        state.by_key.extend(key.map(|key| (key, id)));
        if let Some(shape) = shape {
            state.by_shape.entry(shape).or_default().push(id);
        }
        let (name, members) = (name.to_owned(), vec![member]);
        let progress = LayerStage::Waiting(LayerReaders::NotAsked);
        state
            .layers
            .insert(id, RunLayer { name, members, key, shape, progress, interrupt: interrupt.part() });
        LayerAddition::New(id, after)
    }

    /// Those of up to `most` layers that are built next to whose readers nothing was said.
    pub(super) fn next(&self, most: usize) -> Vec<LayerId> {
        let state = self.state();
        let waiting = state.layers.iter().filter_map(|(id, layer)| match &layer.progress {
            LayerStage::Waiting(readers) => Some((*id, layer, readers)),
            _ => None,
        });
        let next = waiting.take(most).filter(|(id, layer, readers)| {
            matches!(readers, LayerReaders::NotAsked) && !state.may_turn_out_equal(*id, layer)
        });
        next.map(|(id, ..)| id).collect()
    }

    /// Says who takes a layer while it is built.
    pub(super) fn read_by(&self, id: LayerId, grower: Option<BlobGrower>) {
        if let Some(layer) = self.state().layers.get_mut(&id)
            && let LayerStage::Waiting(readers) = &mut layer.progress
        {
            *readers = LayerReaders::Waiting(grower);
        }
    }

    /// Begins a layer; `None` if no image wants it any more.
    pub(super) fn begin(&self, id: LayerId) -> Option<LayerStart> {
        let mut state = self.state();
        let has_twin = state.layers.get(&id).is_some_and(|layer| state.has_twin(id, layer));
        let layer = state.layers.get_mut(&id)?;
        let owner = *layer.members.first()?;
        let grower = match std::mem::replace(&mut layer.progress, LayerStage::Begun) {
            LayerStage::Waiting(LayerReaders::Waiting(grower)) => Some(grower),
            _ => None,
        };
        Some(LayerStart { owner, grower, interrupt: layer.interrupt.clone(), has_twin })
    }

    /// The name of a layer, and the images that want it.
    pub(super) fn wanted(&self, id: LayerId) -> (String, Vec<ImageLayer>) {
        let state = self.state();
        state.layers.get(&id).map(|layer| (layer.name.clone(), layer.members.clone())).unwrap_or_default()
    }

    /// Says what the key of a layer is; an equal layer that was built, and its facts.
    pub(super) fn resolve(&self, id: LayerId, key: Key) -> Option<(LayerId, LayerFacts)> {
        let mut state = self.state();
        let first = *state.by_key.entry(key).or_insert(id);
        if let Some(layer) = state.layers.get_mut(&id) {
            layer.key = Some(key);
        }
        match state.layers.get(&first).map(|layer| &layer.progress) {
            Some(LayerStage::Finished(built, facts)) => Some((*built, *facts)),
            _ => None,
        }
    }

    /// A layer is finished, since it or an equal one was `built`; the layers of images that it is.
    pub(super) fn finish(
        &self,
        id: LayerId,
        built: LayerId,
        facts: LayerFacts,
        key: Option<Key>,
    ) -> Vec<ImageLayer> {
        let mut state = self.state();
        if let Some(key) = key {
            state.by_key.insert(key, id);
        }
        let Some(layer) = state.layers.get_mut(&id) else { return Vec::new() };
        (layer.progress, layer.key) = (LayerStage::Finished(built, facts), key);
        std::mem::take(&mut layer.members)
    }

    /// A layer cannot be built from an image's files. Whether another image wants it.
    pub(super) fn fail(&self, id: LayerId, image: ImageId, above: &Interrupt) -> bool {
        let mut state = self.state();
        let Some(layer) = state.layers.get_mut(&id) else { return false };
        layer.members.retain(|member| member.image != image);
        if layer.members.is_empty() {
            state.remove(id);
            return false;
        }
        layer.progress = LayerStage::Waiting(LayerReaders::NotAsked);
        layer.interrupt = above.part();
        true
    }

    /// An image wants no layer any more: what no other wants is stopped.
    pub(super) fn abandon(&self, image: ImageId) {
        let mut state = self.state();
        let mut unwanted = Vec::new();
        for (id, layer) in &mut state.layers {
            layer.members.retain(|member| member.image != image);
            if layer.members.is_empty() && !layer.is_finished() {
                layer.interrupt.trigger();
                unwanted.push(*id);
            }
        }
        unwanted.into_iter().for_each(|id| state.remove(id));
    }
}

impl LayerTableState {
    fn remove(&mut self, id: LayerId) {
        let Some(layer) = self.layers.remove(&id) else { return };
        if let Some(key) = layer.key.filter(|key| self.by_key.get(key) == Some(&id)) {
            self.by_key.remove(&key);
        }
        if let Some(twins) = layer.shape.and_then(|shape| self.by_shape.get_mut(&shape)) {
            twins.retain(|twin| *twin != id);
        }
    }

    /// The layers of the same shape that were added before.
    fn twins<'a>(&'a self, id: LayerId, layer: &'a RunLayer) -> impl Iterator<Item = &'a RunLayer> {
        let twins = layer.shape.and_then(|shape| self.by_shape.get(&shape));
        let before = twins.into_iter().flatten().filter(move |twin| **twin < id);
        before.filter_map(|twin| self.layers.get(twin))
    }

    fn has_twin(&self, id: LayerId, layer: &RunLayer) -> bool {
        self.twins(id, layer).any(RunLayer::is_finished)
    }

    /// Whether only another layer, or its files, can tell whether this one is the same.
    fn may_turn_out_equal(&self, id: LayerId, layer: &RunLayer) -> bool {
        self.twins(id, layer).any(|twin| layer.key.is_none() || twin.key.is_none() && !twin.is_finished())
    }
}

impl RunLayer {
    const fn is_finished(&self) -> bool {
        matches!(self.progress, LayerStage::Finished(..))
    }
}

/// A key of all that decides a layer but for the contents of files, of which only the sizes count: layers that differ
/// in it are not equal.
pub(super) fn shape(spec: &LayerSpec, compression: Compression) -> Option<Key> {
    let entries: Option<Vec<Key>> = spec
        .entries()
        .iter()
        .map(|entry| {
            let size = match &entry.kind {
                EntryKind::File(Content { source: ContentSource::Bytes(_), .. }) => None,
                EntryKind::File(content) => Some(ContentId::of(&content.size.to_le_bytes())),
                _ => None,
            };
            layer::entry_key(entry, size.as_ref())
        })
        .collect();
    Some(layer::layer_key(compression, &entries?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::digest::Digest;

    const A: ImageLayer = ImageLayer { image: ImageId(0), place: (0, 0) };
    const B: ImageLayer = ImageLayer { image: ImageId(1), place: (0, 0) };

    fn key(number: u8) -> Option<Key> {
        Some(Key([number; 32]))
    }

    fn facts(text: &[u8]) -> LayerFacts {
        let digest = Digest::of(text);
        LayerFacts { digest, size: 1, diff_id: digest, toc: None, ztoc: None }
    }

    fn new(added: LayerAddition) -> (LayerId, Vec<LayerId>) {
        let LayerAddition::New(id, after) = added else { panic!("it is new") };
        (id, after)
    }

    #[test]
    fn layers_with_one_key_are_one() {
        let (table, stop) = (LayerTable::default(), Interrupt::default());
        let (id, after) = new(table.add(A, "l", key(1), key(9), &stop));
        assert_eq!(after, []);
        assert!(
            matches!(table.add(B, "l", key(1), key(9), &stop), LayerAddition::Joined(joined) if joined == id)
        );
        assert_eq!(table.begin(id).expect("wanted").owner, A);
        assert_eq!(table.finish(id, id, facts(b"1"), key(1)), [A, B]);
        assert!(
            matches!(table.add(B, "l", key(1), key(9), &stop), LayerAddition::Finished(built, of) if built == id && of == facts(b"1"))
        );
    }

    #[test]
    fn layers_of_one_shape_wait_until_their_keys_tell() {
        let (table, stop) = (LayerTable::default(), Interrupt::default());
        let (first, _) = new(table.add(A, "l", None, key(9), &stop));
        let (second, after) = new(table.add(B, "l", None, key(9), &stop));
        assert_eq!(after, [first]);
        assert_eq!(new(table.add(B, "l", None, key(8), &stop)).1, [], "another shape is another layer");
        assert!(!table.begin(first).expect("wanted").has_twin);
        table.finish(first, first, facts(b"1"), key(1));
        assert!(table.begin(second).expect("wanted").has_twin);
        assert_eq!(table.resolve(second, Key([1; 32])), Some((first, facts(b"1"))));
        assert_eq!(table.resolve(second, Key([2; 32])), None);
        // Both keys are known and differ: there is nothing to wait for.
        let (third, _) = new(table.add(A, "l", key(3), key(7), &stop));
        assert_eq!(new(table.add(B, "l", key(4), key(7), &stop)).1, []);
        assert_eq!(new(table.add(B, "l", None, key(7), &stop)).1.first(), Some(&third));
    }

    #[test]
    fn what_one_image_cannot_build_another_may() {
        let (table, stop) = (LayerTable::default(), Interrupt::default());
        let (id, _) = new(table.add(A, "l", key(1), None, &stop));
        table.add(B, "l", key(1), None, &stop);
        table.begin(id);
        assert!(table.fail(id, A.image, &stop));
        assert_eq!(table.begin(id).expect("wanted").owner, B);
        assert!(!table.fail(id, B.image, &stop));
        assert!(table.begin(id).is_none());
        assert!(matches!(table.add(A, "l", key(1), None, &stop), LayerAddition::New(..)), "it is forgotten");
    }

    #[test]
    fn what_no_image_wants_any_more_is_stopped() {
        let (table, stop) = (LayerTable::default(), Interrupt::default());
        let (shared, _) = new(table.add(A, "l", key(1), None, &stop));
        table.add(B, "l", key(1), None, &stop);
        let (own, _) = new(table.add(A, "l", key(2), None, &stop));
        let (shared, own) = (table.begin(shared).expect("wanted"), table.begin(own).expect("wanted"));
        table.abandon(A.image);
        assert!(!shared.interrupt.is_triggered());
        assert!(own.interrupt.is_triggered() && !stop.is_triggered());
    }
}
