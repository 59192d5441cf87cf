//! A plan with what is needed to execute it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cache::CacheDistrust;
use super::memo::Memos;
use crate::bases::{Base, LayerIndex, PlatformBase};
use crate::layer::Compression;
use crate::plan::{KnownFrom, LayerFacts, Plan};
use crate::project::config::Facts;
use crate::project::lock::LockedBase;
use crate::types::digest::{Digest, Key};
use crate::types::error::BoxedError;

/// A plan with what is needed to execute it.
pub struct PreparedBuild<'a> {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The base, open, if there is one.
    pub base: Option<Base>,
    /// The base's image for each image of the plan.
    pub bases: Vec<Option<PlatformBase>>,
    /// The lock's new entry for the base.
    pub locked: Option<LockedBase>,
    /// Why the image cannot run, where the facts of the base are wanted all the same.
    pub(super) unmet: Option<BoxedError>,
    /// The results of earlier builds.
    pub memos: Memos<'a>,
    /// The facts for templates, with those of the artifact.
    pub(super) facts: Facts,
    /// How layers are compressed.
    pub compression: Compression,
    /// The cache's statements about layers that are built all the same.
    pub(super) claims: BTreeMap<Key, LayerFacts>,
    /// The indexes that this machine made of the base's layers, for a cache in a registry that is written to.
    pub(super) base_indexes: Vec<(Digest, Arc<LayerIndex>)>,
    /// Why nothing that the cache says is believed.
    pub(super) distrust: CacheDistrust,
}

impl PreparedBuild<'_> {
    /// Drops what the cache in a registry said.
    pub(super) fn forget_cached(&mut self) {
        self.claims.clear();
        for layer in Arc::make_mut(&mut self.plan).images.iter_mut().flat_map(|image| &mut image.layers) {
            if layer.known_from == Some(KnownFrom::Registry) {
                (layer.known, layer.known_from) = (None, None);
            }
        }
    }
}
