//! Finished layers: known from an earlier build, or built now, or built again because somebody needs the
//! bytes and the store has lost them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::memo::{Memos, keys_of};
use super::{BuildError, Context};
use crate::digest::Digest;
use crate::error::BoxedError;
use crate::image::{Descriptor, NewLayer};
use crate::interrupt::Interrupt;
use crate::layer::{self, Built, Compression, EntryKind, KnownBodies, LayerSpec, Work, Workshop};
use crate::observer::Progress;
use crate::plan::{LayerFacts, Plan, PlannedLayer};
use crate::store::Blobs;
use crate::transport::{Blob, BlobContent, BlobStream, Grower};
use crate::workers::Workers;

/// All layers of all images, if every one of them is known.
pub(super) fn all_known(plan: &Plan) -> Option<Vec<Vec<NewLayer>>> {
    plan.images
        .iter()
        .map(|image| image.layers.iter().map(|layer| Some(new_layer(layer, layer.known.as_ref()?))).collect())
        .collect()
}

/// The layer as an image has it.
pub(super) fn new_layer(planned: &PlannedLayer, facts: &LayerFacts) -> NewLayer {
    NewLayer {
        descriptor: Descriptor::new(planned.compression.media_type(), facts.digest, facts.size),
        diff_id: facts.diff_id,
        name: planned.name.clone(),
    }
}

/// What it takes to build a layer, owned, so that it can be done later and on any thread.
#[derive(Clone)]
pub(super) struct Workbench {
    blobs: Blobs,
    workers: Workers,
    known: KnownBodies,
    progress: Progress,
    interrupt: Interrupt,
    compression: Compression,
}

impl Workbench {
    pub(super) fn new(context: &Context, memos: &Memos<'_>, compression: Compression) -> Self {
        Self {
            blobs: context.store.blobs().clone(),
            workers: context.workers.clone(),
            known: memos.known_bodies(compression),
            progress: context.progress.clone(),
            interrupt: context.interrupt.clone(),
            compression,
        }
    }

    fn build(&self, spec: &LayerSpec, grower: Option<&Grower>) -> Result<Built, layer::LayerError> {
        let workshop = Workshop {
            grower,
            blobs: &self.blobs,
            workers: &self.workers,
            known: &self.known,
            progress: &self.progress,
            interrupt: &self.interrupt,
        };
        layer::build(spec, self.compression, &workshop)
    }

    /// The layer's facts: from a build of this run, else by building it now, for `grower`'s readers to see.
    /// Remembers what it learned.
    pub(super) fn finish(
        &self,
        planned: &PlannedLayer,
        memos: &mut Memos<'_>,
        grower: Option<Grower>,
    ) -> Result<(LayerFacts, Option<Work>), BoxedError> {
        if let Some(facts) = planned.known {
            return Ok((facts, None));
        }
        // Another platform's layer may have been the same.
        let keys = memos.keys_if_known(&planned.spec, self.compression).map_err(BuildError::Content)?;
        if let Some(facts) = keys.as_ref().and_then(|keys| memos.layer(&keys.layer)) {
            return Ok((facts, None));
        }
        let built = self.build(&planned.spec, grower.as_ref())?;
        let facts = LayerFacts {
            digest: built.descriptor.digest,
            size: built.descriptor.size,
            diff_id: built.diff_id,
        };
        if let Some(grower) = grower {
            grower.finish(self.blob(planned, &new_layer(planned, &facts)));
        }
        let (mut ids, _) = memos.remembered(&planned.spec).map_err(BuildError::Content)?;
        for (index, id) in &built.ids {
            ids[*index] = Some(*id);
            if let EntryKind::File(content) = &planned.spec.entries()[*index].kind {
                memos.learn(content, *id);
            }
        }
        if let Some(keys) = keys_of(&planned.spec, self.compression, &ids) {
            memos.learn_layer(&keys.layer, &facts, &built.bodies);
            memos.learn_listing(&planned.spec, &keys.entries);
        }
        Ok((facts, Some(built.work)))
    }

    /// The layer as a blob to deliver. If the store has lost it, it is built again when somebody opens it,
    /// and must come out the same.
    pub(super) fn blob(&self, planned: &PlannedLayer, layer: &NewLayer) -> Blob {
        let bench = self.clone();
        let spec = planned.spec.clone();
        let descriptor = layer.descriptor.clone();
        let content = Remade { bench, spec, descriptor, once: Mutex::new(()) };
        Blob {
            descriptor: layer.descriptor.clone(),
            content: Arc::new(content),
            origin: None,
            title: planned.name.clone(),
        }
    }
}

/// A stored layer that is made again if the store has lost it.
struct Remade {
    bench: Workbench,
    spec: LayerSpec,
    descriptor: Descriptor,
    /// Held while it is made again.
    once: Mutex<()>,
}

impl Remade {
    fn ensure(&self) -> io::Result<()> {
        let _one_at_a_time = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bench.blobs.contains(&self.descriptor.digest) != Some(self.descriptor.size) {
            let built = self.bench.build(&self.spec, None).map_err(io::Error::other)?;
            check(&self.spec, self.descriptor.digest, built.descriptor.digest).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl BlobContent for Remade {
    /// Sets a damaged blob aside, so that opening it once more builds it again.
    fn open(&self) -> io::Result<BlobStream> {
        self.ensure()?;
        Ok(Box::new(self.bench.blobs.reader(&self.descriptor)?))
    }

    fn open_unchecked(&self) -> io::Result<BlobStream> {
        self.ensure()?;
        Ok(Box::new(self.bench.blobs.open(&self.descriptor.digest)?))
    }
}

fn check(spec: &LayerSpec, expected: Digest, found: Digest) -> Result<(), BuildError> {
    if expected == found {
        return Ok(());
    }
    Err(BuildError::Poisoned { layer: spec.name().to_owned(), expected, found })
}
