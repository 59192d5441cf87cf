//! The base: found lazily, cheapest place first.
//!
//! The digest of a base's tag comes from `build.lock`, else from the place of the base. Its documents come from the
//! store, else from there. [`BaseLayers`](super::BaseLayers) answers questions about its layers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::BaseError;
use crate::layer::{Account, EntryPath};
use crate::oci::{self, Descriptor, Image, ImageError, MAX_DOCUMENT, RawDocument, media_type, soci};
use crate::project::lock::{Ancestor, BaseFacts, LockedBase, LockedPlatform, SystemFacts};
use crate::registry::RegistryError;
use crate::runtime::budget::Budget;
use crate::store::Store;
use crate::transport::load::{load_image, offers, soci_index};
use crate::transport::{Blob, BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, carry};
use crate::types::platform::Platform;
use crate::types::reference::Repository;

/// The configuration of all SOCI indexes.
#[must_use]
pub fn soci_config() -> Blob {
    Blob::in_memory(soci::config(), soci::CONFIG.to_vec(), "SOCI index")
}

/// The most bytes of documents that are kept in memory beside the store, which may not take any.
const MAX_KEPT: usize = 16 << 20;

/// A source whose documents are kept in the store and for this run, so that they are fetched once.
pub(super) struct CachedSource {
    inner: Arc<dyn Source>,
    store: Store,
    /// The root, where a lock or digest pins it.
    pinned: Option<Descriptor>,
    /// The digest in the lock, where a lock pins it.
    locked_digest: Option<Digest>,
    /// The documents in the lock; each hashes to its digest.
    locked: BTreeMap<Digest, String>,
    offline: bool,
    /// The fetched documents, the oldest first.
    kept: Mutex<VecDeque<(Digest, Arc<[u8]>)>>,
    /// The root that its name has, once that was asked for: it stays the same for all images on this base.
    root: Mutex<Option<RawDocument>>,
}

impl CachedSource {
    /// Reads `inner` through the store. `base` is what the lock says of it, and `pinned` its root, where the lock knows that.
    fn new(
        inner: Arc<dyn Source>,
        store: &Store,
        pinned: Option<Descriptor>,
        base: Option<&LockedBase>,
        offline: bool,
    ) -> Self {
        let facts = base.and_then(|base| base.facts.as_ref());
        let locked = facts.map(|facts| facts.documents.clone()).unwrap_or_default();
        Self {
            inner,
            store: store.clone(),
            pinned,
            locked_digest: base.map(|base| base.digest),
            locked,
            offline,
            kept: Mutex::default(),
            root: Mutex::default(),
        }
    }

    fn keep(&self, bytes: &[u8]) {
        // The store is a cache: the user has already been told if it cannot be written.
        let _ = self.store.blobs().put(bytes);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((Digest::of(bytes), bytes.into()));
        while kept.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MAX_KEPT {
            kept.pop_front();
        }
    }

    fn kept(&self, descriptor: &Descriptor) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(digest, bytes): &&(Digest, Arc<[u8]>)| {
            *digest == descriptor.digest && bytes.len() as u64 == descriptor.size
        };
        kept.iter().find(is_it).map(|(_, bytes)| Arc::clone(bytes))
    }

    fn stored(&self, descriptor: &Descriptor) -> Option<Vec<u8>> {
        if let Some(text) = self.locked.get(&descriptor.digest) {
            return Some(text.clone().into_bytes());
        }
        if let Some(bytes) = self.kept(descriptor) {
            return Some(bytes.to_vec());
        }
        self.store.blobs().read(descriptor, MAX_DOCUMENT).ok()
    }

    fn stored_document(&self, descriptor: &Descriptor) -> Option<RawDocument> {
        RawDocument::new(Some(&descriptor.media_type), self.stored(descriptor)?).ok()
    }

    /// If a part of a locked base is missing, another base is the remedy.
    fn gone(&self, error: BoxedError) -> BoxedError {
        let Some(locked) = self.locked_digest else { return error };
        let cause: &(dyn std::error::Error + 'static) = &*error;
        match cause.downcast_ref::<RegistryError>() {
            Some(RegistryError::NotFound { .. }) => {
                BaseError::Gone { base: self.name(), locked, inner: error }.into()
            }
            _ => error,
        }
    }

    /// Whether the store has a blob of that name and size.
    pub(super) fn has(&self, descriptor: &Descriptor) -> bool {
        self.store.blobs().contains(&descriptor.digest) == Some(descriptor.size)
    }

    /// A blob from where the base is.
    pub(super) fn fresh(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        self.check_online()?;
        self.inner.blob(descriptor).map_err(|error| self.gone(error))
    }

    fn check_online(&self) -> Result<(), BoxedError> {
        if self.offline && self.origin().is_some() {
            return Err(BaseError::Offline(self.name()).into());
        }
        Ok(())
    }
}

impl Source for CachedSource {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        if let Some(pinned) = &self.pinned {
            return self.document(pinned);
        }
        self.check_online()?;
        let mut known = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = &*known {
            return Ok(root.clone());
        }
        let root = self.inner.root().map_err(|error| self.gone(error))?;
        self.keep(&root.bytes);
        *known = Some(root.clone());
        Ok(root)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        if let Some(document) = self.stored_document(descriptor) {
            return Ok(document);
        }
        self.check_online()?;
        let document = self.inner.document(descriptor).map_err(|error| self.gone(error))?;
        self.keep(&document.bytes);
        Ok(document)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        if let Some(text) = self.locked.get(&descriptor.digest) {
            return Ok(Box::new(io::Cursor::new(text.clone())));
        }
        if let Some(bytes) = self.kept(descriptor) {
            return Ok(Box::new(io::Cursor::new(bytes)));
        }
        let is_layer = media_type::layer_compression(&descriptor.media_type).is_some();
        if is_layer || descriptor.size > MAX_DOCUMENT {
            if self.has(descriptor)
                && let Ok(reader) = self.store.blobs().reader(descriptor)
            {
                return Ok(Box::new(reader));
            }
            return self.fresh(descriptor);
        }
        // A document is checked before it is handed out: one that is damaged in the store is read where the base is.
        if let Some(bytes) = self.stored(descriptor) {
            return Ok(Box::new(io::Cursor::new(bytes)));
        }
        let mut stream = self.fresh(descriptor)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(|source| BaseError::Layer {
            base: self.name(),
            layer: descriptor.digest,
            source,
        })?;
        self.keep(&bytes);
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn origin(&self) -> Option<Repository> {
        self.inner.origin()
    }

    fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        self.check_online()?;
        self.inner.referrers(subject)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

/// A base, open.
#[derive(Clone)]
pub struct Base {
    /// As the build file has it.
    pub reference: String,
    source: Arc<CachedSource>,
    locked: Option<LockedBase>,
    /// Whether the lock is not to be departed from.
    pub(super) strict: bool,
    documents: Budget,
}

fn documents_budget(reference: &str) -> Budget {
    Budget::new(format!("the base `{reference}`"), oci::MAX_IMAGES, u64::MAX)
}

/// The base for one platform.
pub struct PlatformBase {
    /// The image.
    pub image: Image,
    /// The manifest or index that the base's name resolves to.
    pub root: RawDocument,
    /// The platform; a base that does not say is taken for the one asked for.
    pub platform: Platform,
    /// Its SOCI index, where that was asked for and there is one.
    pub soci: Option<RawDocument>,
}

impl PlatformBase {
    /// The tables of contents of its layers.
    ///
    /// # Errors
    /// When its SOCI index is no manifest.
    pub fn tables(&self) -> Result<Vec<Descriptor>, ImageError> {
        self.soci.as_ref().map_or_else(|| Ok(Vec::new()), |index| soci::tables(index, self.image.layers()))
    }
}

impl Base {
    /// A base that is read from `source`. `locked` is what the lock says of it.
    pub fn new(
        reference: String,
        source: Arc<dyn Source>,
        locked: Option<LockedBase>,
        store: &Store,
        offline: bool,
    ) -> Self {
        let pinned = locked.as_ref().and_then(|locked| {
            let facts = locked.facts.as_ref()?;
            Some(Descriptor::new(facts.media_type.clone(), locked.digest, facts.size))
        });
        let source = Arc::new(CachedSource::new(source, store, pinned, locked.as_ref(), offline));
        let documents = documents_budget(&reference);
        Self { reference, source, locked, strict: false, documents }
    }

    /// The same base for another image, which has a budget of its own for documents.
    #[must_use]
    pub fn of_one_image(&self) -> Self {
        let documents = documents_budget(&self.reference);
        Self { documents, ..self.clone() }
    }

    /// Under a strict lock, a departure from the base breaks a policy.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The place that it is read from, and what refers to it there.
    #[must_use]
    pub fn place(&self) -> &dyn Source {
        &*self.source
    }

    /// Where its documents and blobs are.
    pub(super) fn source(&self) -> &CachedSource {
        &self.source
    }

    /// The lock's statements about the image `base`.
    pub(super) fn locked(&self, base: &PlatformBase) -> TreeFacts {
        let locked = self.locked.as_ref().and_then(|locked| locked.platform(&base.platform));
        let locked = locked.filter(|locked| locked.digest == base.image.digest());
        locked
            .map(|locked| TreeFacts {
                nodes: locked.ancestors.clone(),
                accounts: locked.accounts.clone(),
                system: locked.system.clone(),
            })
            .unwrap_or_default()
    }

    /// The repository that it is in, if it is in a registry.
    #[must_use]
    pub fn origin(&self) -> Option<Repository> {
        self.source.origin()
    }

    /// The platforms that it offers.
    ///
    /// # Errors
    /// When its documents cannot be read or trusted.
    pub fn platforms(&self) -> Result<Vec<Platform>, BoxedError> {
        if let Some(locked) = self.locked.as_ref().and_then(|locked| locked.facts.as_ref())
            && media_type::document(&locked.media_type) == Some(media_type::DocumentKind::Manifest)
        {
            let known: Vec<Platform> =
                locked.platforms.iter().map(|platform| platform.platform.clone()).collect();
            if !known.is_empty() {
                return Ok(known);
            }
        }
        let offers = offers(&*self.source)?;
        let mut platforms: Vec<Platform> = offers.into_iter().filter_map(|offer| offer.platform).collect();
        platforms.sort();
        platforms.dedup();
        Ok(platforms)
    }

    /// The image for `platform`; without one, the only image there is.
    ///
    /// # Errors
    /// When there is no such image, its documents cannot be read or trusted, or the lock pins another.
    pub fn load(&self, platform: Option<&Platform>) -> Result<PlatformBase, BoxedError> {
        let loaded = load_image(&*self.source, platform)?;
        let image = &loaded.image;
        self.documents.keep(image.weight()).map_err(BaseError::from)?;
        if let Some(locked) = &self.locked
            && locked.digest != loaded.root.digest()
        {
            return Err(BaseError::Moved {
                base: self.reference.clone(),
                locked: locked.digest,
                found: loaded.root.digest(),
            }
            .into());
        }
        let named = loaded.platform.or_else(|| platform.cloned());
        let platform = named.unwrap_or_else(Platform::linux_amd64);
        Ok(PlatformBase { root: loaded.root, image: loaded.image, platform, soci: None })
    }

    /// The SOCI index of the image, if it has one.
    ///
    /// # Errors
    /// When it cannot be read or trusted.
    pub fn soci_index(&self, base: &PlatformBase) -> Result<Option<RawDocument>, BoxedError> {
        soci_index(&*self.source, &base.root, &base.image)
    }

    /// The base's layers as blobs to deliver; none is opened here.
    pub fn blobs(&self, image: &Image) -> Vec<Blob> {
        let layers = image.layers().iter().enumerate();
        layers.map(|(number, layer)| self.blob(layer, format!("base layer {}", number + 1))).collect()
    }

    /// The tables of contents of its layers, likewise.
    pub fn table_blobs(&self, tables: &[Descriptor]) -> Vec<Blob> {
        tables.iter().map(|table| self.blob(table, "table of a base layer".to_owned())).collect()
    }

    fn blob(&self, descriptor: &Descriptor, title: String) -> Blob {
        let (source, wanted) = (Arc::clone(&self.source), descriptor.clone());
        let content = move || source.blob(&wanted).map_err(carry);
        let mut descriptor = descriptor.clone();
        descriptor.media_type = media_type::to_oci(&descriptor.media_type);
        Blob { descriptor, content: Arc::new(content), origin: self.source.origin(), title, is_new: false }
    }

    /// The entry of the lock for this base.
    pub fn facts(&self, base: &PlatformBase, known: TreeFacts) -> LockedBase {
        let manifest = base.image.raw().descriptor();
        let platform = LockedPlatform {
            platform: base.platform.clone(),
            digest: manifest.digest,
            media_type: manifest.media_type,
            size: manifest.size,
            ancestors: known.nodes,
            accounts: known.accounts,
            system: known.system,
        };
        let root = base.root.descriptor();
        let mut facts = BaseFacts {
            media_type: root.media_type,
            size: root.size,
            signed_by: BTreeSet::new(),
            platforms: vec![platform],
            documents: BTreeMap::new(),
        };
        // Layers on this machine are read there.
        if self.origin().is_some() {
            let soci = base.soci.as_ref().map(|index| &index.bytes[..]);
            for bytes in [&base.root.bytes[..], &base.image.raw().bytes, base.image.raw_config()]
                .into_iter()
                .chain(soci)
            {
                facts.add_document(bytes);
            }
        }
        LockedBase { reference: self.reference.clone(), digest: root.digest, facts: Some(facts) }
    }
}

/// Facts about a base's tree.
#[derive(Clone, Debug, Default)]
pub struct TreeFacts {
    /// The entries at paths.
    pub(super) nodes: BTreeMap<EntryPath, Ancestor>,
    /// Whether a user or group is there.
    pub(super) accounts: BTreeMap<Account, bool>,
    /// The facts that follow from all layers.
    pub(super) system: Option<SystemFacts>,
}
