//! Finished layers: known from an earlier build, or built now, or built again because somebody needs the
//! bytes and the store has lost them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::build_event::BuildEvent;
use super::build_log::ImageLog;
use super::cache::{CacheDistrust, NewEntry};
use super::error::BuildError;
use super::memo::{BlobHistory, Memos, keys_of};
use super::prepared::PreparedBuild;
use super::request::Request;
use super::session::Session;
use crate::layer::{self, Buffers, Built, Compression, EntryKind, LayerSpec, LayerWork, Workshop};
use crate::oci::Descriptor;
use crate::plan::{KnownFrom, LayerFacts, LayerKeys, PlannedLayer};
use crate::runtime::events::{ImageId, Progress};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::Blobs;
use crate::transport::{Blob, BlobContent, BlobGrower, BlobStream};
use crate::types::digest::{ContentId, Key};
use crate::types::error::{BoxedError, carry};
use crate::types::reference::Repository;

/// Everything that building a layer needs, owned, so that it can be done later and on any thread.
#[derive(Clone)]
pub(super) struct LayerBuilder {
    blobs: Blobs,
    workers: Workers,
    history: BlobHistory,
    buffers: Buffers,
    progress: Progress,
    interrupt: Interrupt,
    compression: Compression,
    log: ImageLog,
    /// Where the blobs of layers that the cache knew can be mounted from.
    origin: Option<Repository>,
    /// The cache's statements about layers that are built to compare.
    claims: Arc<BTreeMap<Key, LayerFacts>>,
    distrust: CacheDistrust,
}

/// A layer that is finished.
pub(super) struct FinishedLayer {
    pub(super) facts: LayerFacts,
    /// The work that was done; `None` if the layer was known.
    pub(super) work: Option<LayerWork>,
    /// Its key, if this machine knows that the facts belong to it.
    pub(super) key: Option<Key>,
}

impl LayerBuilder {
    /// For one image. `interrupt` stops what is made again for it.
    pub(super) fn new(
        session: &Session,
        request: &Request,
        prepared: &PreparedBuild<'_>,
        image: ImageId,
        buffers: &Buffers,
        interrupt: Interrupt,
        log: &ImageLog,
    ) -> Self {
        let PreparedBuild { memos, compression, claims, distrust, .. } = prepared;
        let compression = *compression;
        Self {
            // From its own repository a blob need not be mounted.
            origin: request.cache.read.clone().filter(|origin| *origin != request.name),
            claims: Arc::new(claims.clone()),
            distrust: distrust.clone(),
            blobs: session.store.blobs().clone(),
            workers: session.workers.clone(),
            history: memos.history(compression),
            progress: session.progress.of(image),
            interrupt,
            compression,
            log: log.clone(),
            buffers: buffers.clone(),
        }
    }

    fn build(
        &self,
        spec: &LayerSpec,
        slot: &Key,
        keys: Option<&LayerKeys>,
        grower: Option<&BlobGrower>,
        interrupt: &Interrupt,
        handed_out: &(dyn Fn() + Sync),
    ) -> Result<Built, layer::LayerError> {
        let known = self.history.lookup(slot);
        let workshop = Workshop {
            buffers: &self.buffers,
            grower,
            blobs: &self.blobs,
            workers: &self.workers,
            known: &known,
            progress: &self.progress,
            interrupt,
            handed_out,
        };
        layer::build(spec, keys.map(|keys| &keys.entries[..]), self.compression, &workshop)
    }

    /// Takes a layer that was built for another image.
    ///
    /// # Errors
    /// When the cache in a registry says something else of it.
    pub(super) fn adopt(
        &self,
        planned: &PlannedLayer,
        keys: &LayerKeys,
        facts: LayerFacts,
        memos: &mut Memos<'_>,
    ) -> Result<FinishedLayer, BoxedError> {
        memos.learn_listing(&planned.slot, &planned.spec, self.compression, keys);
        self.compare(planned, &keys.layer, &facts)?;
        Ok(FinishedLayer { facts, work: None, key: Some(keys.layer) })
    }

    /// Compares a layer with what the cache in a registry says of it.
    fn compare(&self, planned: &PlannedLayer, key: &Key, facts: &LayerFacts) -> Result<(), BoxedError> {
        if let Some(claimed) = self.claims.get(key) {
            check(&planned.spec, claimed, facts)
                .inspect_err(|error| self.distrust.because(error.to_string()))?;
        }
        Ok(())
    }

    /// Builds a layer, for `grower`'s readers to see, until `interrupt` is triggered. `handed_out` is called when the
    /// workers have all of it.
    pub(super) fn make(
        &self,
        planned: &PlannedLayer,
        keys: Option<&LayerKeys>,
        grower: Option<BlobGrower>,
        interrupt: &Interrupt,
        handed_out: &(dyn Fn() + Sync),
    ) -> Result<Built, layer::LayerError> {
        let built = self.build(&planned.spec, &planned.slot, keys, grower.as_ref(), interrupt, handed_out)?;
        if let Some(grower) = grower {
            grower.finish(self.blobs(planned, facts_of(&built)).0);
        }
        Ok(built)
    }

    /// Remembers what was learned by building a layer.
    pub(super) fn learn(
        &self,
        planned: &PlannedLayer,
        keys: Option<&LayerKeys>,
        built: Built,
        memos: &mut Memos<'_>,
    ) -> Result<FinishedLayer, BoxedError> {
        let (facts, work) = (facts_of(&built), Some(built.work));
        let after;
        let keys = match keys.filter(|keys| are_confirmed(&planned.spec, keys, &built.ids)) {
            Some(keys) => Some(keys),
            None => {
                after = self.keys_after(planned, &built, memos)?;
                after.as_ref()
            }
        };
        if let Some(keys) = keys {
            let list = built.into_list(&planned.spec, self.compression, &keys.entries);
            memos.learn_layer(planned.slot, self.compression, &keys.layer, &facts, list);
            memos.learn_listing(&planned.slot, &planned.spec, self.compression, keys);
            self.compare(planned, &keys.layer, &facts)?;
        }
        Ok(FinishedLayer { facts, work, key: keys.map(|keys| keys.layer) })
    }

    /// The keys of a layer whose files were read when it was built.
    fn keys_after(
        &self,
        planned: &PlannedLayer,
        built: &Built,
        memos: &mut Memos<'_>,
    ) -> Result<Option<LayerKeys>, BoxedError> {
        let mut ids = memos.file_ids(&planned.spec).map_err(BuildError::Content)?.ids;
        for (index, id) in &built.ids {
            ids[*index] = Some(*id);
            if let EntryKind::File(content) = &planned.spec.entries()[*index].kind {
                memos.learn(content, *id);
            }
        }
        Ok(keys_of(&planned.spec, self.compression, ids))
    }

    /// The entry of a layer for the cache in a registry. Its blob is in the image's repository by then.
    pub(super) fn entry(&self, planned: &PlannedLayer, key: Key, facts: LayerFacts) -> NewEntry {
        let (blob, table) = self.blobs(planned, facts);
        NewEntry {
            key,
            facts,
            compression: self.compression,
            blobs: std::iter::once(blob).chain(table).collect(),
        }
    }

    /// The layer as a blob to deliver, and the table of contents that belongs to it, if there is one. A blob that the
    /// store has lost is built again when it is opened, and must come out the same.
    pub(super) fn blobs(&self, planned: &PlannedLayer, facts: LayerFacts) -> (Blob, Option<Blob>) {
        let builder = self.clone();
        let (spec, slot) = (planned.spec.clone(), planned.slot);
        let is_from_cache = planned.known_from == Some(KnownFrom::Registry);
        let layer =
            Arc::new(RestorableLayer { builder, spec, slot, facts, is_from_cache, made: Mutex::default() });
        let blob = |descriptor: Descriptor, title| {
            let content = LayerBlob { layer: Arc::clone(&layer), descriptor: descriptor.clone() };
            let origin = self.origin.clone().filter(|_| is_from_cache);
            Blob { descriptor, content: Arc::new(content), origin, title, is_new: false }
        };
        let table = facts.table(self.compression);
        (
            blob(facts.descriptor(self.compression), planned.name.clone()),
            table.map(|table| blob(table, format!("table of {}", planned.name))),
        )
    }
}

/// A stored layer that is made again if the store has lost it.
struct RestorableLayer {
    builder: LayerBuilder,
    spec: LayerSpec,
    slot: Key,
    facts: LayerFacts,
    /// Whether that is what the cache in a registry says.
    is_from_cache: bool,
    /// The facts of the layer that was made again; held meanwhile.
    made: Mutex<Option<LayerFacts>>,
}

impl RestorableLayer {
    /// Makes sure that the store has what `wanted` names of it. A layer that came out differently stays an error,
    /// although the store may have its blob by then.
    fn ensure(&self, wanted: &Descriptor) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stored = self.builder.blobs.contains(&wanted.digest) == Some(wanted.size);
        let found = match *made {
            None if is_stored => return Ok(()),
            Some(found) if is_stored => found,
            _ => {
                let Self { builder, spec, slot, .. } = self;
                let built =
                    builder.build(spec, slot, None, None, &builder.interrupt, &|| ()).map_err(carry)?;
                builder.log.tell(BuildEvent::LayerRemade { digest: self.facts.digest, work: built.work });
                facts_of(&built)
            }
        };
        *made = Some(found);
        let result = check(&self.spec, &self.facts, &found);
        if let (Err(error), true) = (&result, self.is_from_cache) {
            self.builder.distrust.because(error.to_string());
        }
        result.map_err(carry)
    }
}

/// One of the blobs that a layer comes to.
struct LayerBlob {
    layer: Arc<RestorableLayer>,
    descriptor: Descriptor,
}

impl BlobContent for LayerBlob {
    /// Sets a damaged blob aside, so that opening it once more builds it again.
    fn open(&self) -> io::Result<BlobStream> {
        self.layer.ensure(&self.descriptor)?;
        Ok(Box::new(self.layer.builder.blobs.reader(&self.descriptor)?))
    }

    fn open_unchecked(&self) -> io::Result<BlobStream> {
        self.layer.ensure(&self.descriptor)?;
        Ok(Box::new(self.layer.builder.blobs.open(&self.descriptor.digest)?))
    }
}

/// Whether the files that were read have what the keys were made of.
fn are_confirmed(spec: &LayerSpec, keys: &LayerKeys, read: &[(usize, ContentId)]) -> bool {
    let is_same = |(index, id): &(usize, ContentId)| {
        layer::entry_key(&spec.entries()[*index], Some(id)).as_ref() == Some(&keys.entries[*index])
    };
    read.iter().all(is_same)
}

/// The key of a layer that this machine built once.
pub(super) fn own_key(planned: &PlannedLayer) -> Option<Key> {
    let is_own = planned.known_from == Some(KnownFrom::Store);
    planned.keys.as_ref().filter(|_| is_own).map(|keys| keys.layer)
}

const fn facts_of(built: &Built) -> LayerFacts {
    let Descriptor { digest, size, .. } = built.descriptor;
    LayerFacts { digest, size, diff_id: built.diff_id, toc: built.toc, ztoc: built.ztoc }
}

fn check(spec: &LayerSpec, expected: &LayerFacts, found: &LayerFacts) -> Result<(), BuildError> {
    if expected == found {
        return Ok(());
    }
    let shown = |facts: &LayerFacts| {
        format!("{} of {} bytes with diffID {}", facts.digest, facts.size, facts.diff_id)
    };
    let (expected, found) = (shown(expected), shown(found));
    Err(BuildError::Poisoned { layer: spec.name().to_owned(), expected, found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Content, ContentSource, Entry, EntryPath, Metadata, Stamp};

    #[test]
    fn keys_of_other_bytes_than_were_read_are_not_confirmed() {
        let stamp = Stamp { size: 3, mtime_ns: 1, ctime_ns: 1, inode: 1, device: 1 };
        let content =
            Content { size: 3, source: ContentSource::File(std::path::Path::new("/a").into(), stamp) };
        let path = EntryPath::new(b"a").expect("a path");
        let entry = Entry { path, metadata: Metadata::file(false), kind: EntryKind::File(content) };
        let spec = LayerSpec::new("l", vec![entry]).expect("a layer");
        let (said, read) = (ContentId::of(b"one"), ContentId::of(b"two"));
        let keys = keys_of(&spec, Compression::default(), vec![Some(said)]).expect("all ids are known");
        assert!(are_confirmed(&spec, &keys, &[(0, said)]));
        assert!(are_confirmed(&spec, &keys, &[]), "nothing was read that says otherwise");
        assert!(!are_confirmed(&spec, &keys, &[(0, read)]));
    }
}
