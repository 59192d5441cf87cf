//! The base: found lazily, cheapest place first.
//!
//! What a base's tag means comes from `build.lock`, else from where the base is. Its documents come from
//! the store, else from there. What it has at a path comes from the lock, else from the store's index of
//! the layer, and last by streaming layers from the top down, until the path is known. With a lock no layer of a
//! base in a registry is ever fetched; what the lock says is compared with what is at hand.

mod lock;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read as _};
use std::sync::{Arc, Mutex, PoisonError};

use crate::formats::untar::TarError;
use crate::layer::{Account, EntryPath, LayerIndex, Lookup, Node};
use crate::oci::media_type::LayerCompression;
use crate::oci::{
    self, Descriptor, Image, ImageError, MAX_DOCUMENT, MediaType, RawDocument, media_type, soci,
};
use crate::plan::BaseTree;
use crate::project::lock::{Ancestor, BaseFacts, LockedBase, LockedPlatform};
use crate::registry::RegistryError;
use crate::runtime::budget::{Budget, OverBudget, unpacking};
use crate::runtime::observer::{Phase, Progress, Task};
use crate::store::Store;
use crate::transport::load::{load_image, offers, soci_index};
use crate::transport::{Blob, BlobStream, Source};
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::error::{BoxedError, Explain, Kind, carry, kind_behind};
use crate::types::platform::Platform;
use crate::types::reference::Repository;
use crate::types::shown::Foreign;

/// As many names are listed of a directory of a base: web servers bring two or three pages.
const MAX_NAMES: usize = 16;

/// What may be kept of the layers of one base, in bytes: paths, kinds and owners of half a million files.
const MAX_INDEXES: u64 = 96 << 20;

/// What all SOCI indexes have for a configuration.
#[must_use]
pub fn soci_config() -> Blob {
    Blob::in_memory(soci::config(), soci::CONFIG.to_vec(), "SOCI index")
}

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// `--offline`, and the store does not have it.
    #[error("the base `{0}` is not in the store, and the network must not be used")]
    Offline(String),
    /// A layer of a media type that nobody can read.
    #[error("layer {} of the base `{}` has the media type `{}`, which is not a layer", .0, .1, Foreign::new(.2.as_ref()))]
    NotALayer(Digest, String, MediaType),
    /// A layer cannot be read.
    #[error("layer {layer} of the base `{base}` cannot be read: {source}")]
    Layer {
        /// The base.
        base: String,
        /// The layer.
        layer: Digest,
        /// The reason.
        source: io::Error,
    },
    /// What the lock pins is not there any more.
    #[error("`{base}` is pinned at {locked} by `build.lock`, and that is not there any more: {inner}")]
    Gone {
        /// The base.
        base: String,
        /// In the lock.
        locked: Digest,
        /// What the registry says.
        inner: BoxedError,
    },
    /// The base is not the one that the lock pins.
    #[error("`{base}` is {found} now, and `build.lock` pins {locked}")]
    Moved {
        /// The base.
        base: String,
        /// In the lock.
        locked: Digest,
        /// Found.
        found: Digest,
    },
    /// The lock says of a path what the layers do not say.
    #[error("`build.lock` says that `{path}` of the base `{base}` is {said}; it is {found}")]
    LockDiffers {
        /// The base.
        base: String,
        /// The path.
        path: EntryPath,
        /// What the lock says.
        said: String,
        /// What a layer says.
        found: String,
        /// Whether the lock was not to be departed from.
        strict: bool,
    },
    /// The lock says nothing of a base.
    #[error("`build.lock` says nothing of the layers of the base `{0}`")]
    NoFacts(String),
    /// Its documents for all platforms are too large together.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
}

impl Explain for BaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Gone { inner, .. } => inner.kind(),
            Self::LockDiffers { strict: true, .. } => Kind::Policy,
            _ => kind_behind(self, Kind::Input),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline(_) => Some("build once with the network, or use `oci:DIR` as the base".into()),
            Self::Layer { source, .. } if TarError::is_ambiguous(source) => {
                Some("take a base whose layers were made by another tool: what this one holds depends on who unpacks it".into())
            }
            Self::Layer { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Some("the base is damaged where it is stored; push or copy it there again".into())
            }
            Self::Gone { .. } => Some("`pack update` takes what its name means now".into()),
            Self::Moved { .. } => Some("`pack update` takes the new one".into()),
            Self::LockDiffers { .. } => Some(
                "the lock was edited: put it back as it was committed, or let `pack update` write it again".into(),
            ),
            Self::NoFacts(_) => Some("`pack update` writes what it should say".into()),
            _ => None,
        }
    }
}

/// The most bytes of documents that are kept in memory beside the store, which may not take any.
const MAX_KEPT: usize = 16 << 20;

/// A source whose documents are kept in the store and for this run, so that they are fetched once.
pub struct Cached {
    inner: Arc<dyn Source>,
    store: Store,
    /// The root, where a lock or digest pins it.
    pinned: Option<Descriptor>,
    /// What the lock has; each hashes to its digest.
    locked: BTreeMap<Digest, String>,
    offline: bool,
    /// What was fetched, the oldest first.
    kept: Mutex<VecDeque<(Digest, Arc<[u8]>)>>,
}

impl Cached {
    /// Reads `inner` through the store. `facts` is what the lock says of the base whose root is `pinned`.
    fn new(
        inner: Arc<dyn Source>,
        store: &Store,
        pinned: Option<Descriptor>,
        facts: Option<&BaseFacts>,
        offline: bool,
    ) -> Self {
        let locked = facts.map(|facts| facts.documents.clone()).unwrap_or_default();
        Self { inner, store: store.clone(), pinned, locked, offline, kept: Mutex::default() }
    }

    fn keep(&self, bytes: &[u8]) {
        // The store is a cache: whoever cannot write to it has been told already.
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

    /// What is missing of a base that the lock pins is for another base to mend.
    fn gone(&self, error: BoxedError) -> BoxedError {
        let Some(pinned) = &self.pinned else { return error };
        let cause: &(dyn std::error::Error + 'static) = &*error;
        match cause.downcast_ref::<RegistryError>() {
            Some(RegistryError::NotFound { .. }) => {
                BaseError::Gone { base: self.name(), locked: pinned.digest, inner: error }.into()
            }
            _ => error,
        }
    }

    /// Whether the store has a blob of that name and size.
    fn has(&self, descriptor: &Descriptor) -> bool {
        self.store.blobs().contains(&descriptor.digest) == Some(descriptor.size)
    }

    /// A blob from where the base is.
    fn fresh(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
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

impl Source for Cached {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        if let Some(pinned) = &self.pinned {
            return self.document(pinned);
        }
        self.check_online()?;
        let root = self.inner.root()?;
        self.keep(&root.bytes);
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

    fn name(&self) -> String {
        self.inner.name()
    }
}

/// A base, open.
#[derive(Clone)]
pub struct Base {
    /// As the build file has it.
    pub reference: String,
    source: Arc<Cached>,
    locked: Option<LockedBase>,
    /// Whether the lock is not to be departed from.
    strict: bool,
    documents: Budget,
}

/// The base for one platform.
pub struct PlatformBase {
    /// The image.
    pub image: Image,
    /// What the base's name resolves to: this image or an index.
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
        let facts = locked.as_ref().and_then(|locked| locked.facts.as_ref());
        let source = Arc::new(Cached::new(source, store, pinned, facts, offline));
        let documents = Budget::new(format!("the base `{reference}`"), oci::MAX_IMAGES, u64::MAX);
        Self { reference, source, locked, strict: false, documents }
    }

    /// Where the lock is not to be departed from, whoever departs from the base breaks a policy.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
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
            && media_type::document(&locked.media_type) == Some(media_type::Document::Manifest)
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
        Blob { descriptor, content: Arc::new(content), origin: self.source.origin(), title }
    }

    /// The tree of `image`, asked path by path.
    pub fn tree<'a>(&'a self, base: &'a PlatformBase, store: &'a Store, progress: &'a Progress) -> Tree<'a> {
        let locked = self
            .locked
            .as_ref()
            .and_then(|locked| locked.platform(&base.platform))
            .filter(|locked| locked.digest == base.image.digest());
        let known = locked
            .map(|locked| Known { nodes: locked.ancestors.clone(), accounts: locked.accounts.clone() })
            .unwrap_or_default();
        let layers = base.image.layers();
        let budget = index_budget(&self.reference, layers);
        let indexes = vec![None; layers.len()];
        let unchecked = known.nodes.keys().cloned().collect();
        Tree {
            base: self,
            image: &base.image,
            store,
            progress,
            known,
            unchecked,
            indexes,
            remembers: true,
            budget,
        }
    }

    /// What the lock should say of this base.
    pub fn facts(&self, base: &PlatformBase, known: Known) -> LockedBase {
        let manifest = base.image.raw().descriptor();
        let platform = LockedPlatform {
            platform: base.platform.clone(),
            digest: manifest.digest,
            media_type: manifest.media_type,
            size: manifest.size,
            ancestors: known.nodes,
            accounts: known.accounts,
        };
        let root = base.root.descriptor();
        let mut facts = BaseFacts {
            media_type: root.media_type,
            size: root.size,
            platforms: vec![platform],
            documents: BTreeMap::new(),
        };
        // What lies on this machine is read there.
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

/// Reads a layer, decompressed as its first bytes tell: so does every runtime, and so does `verify`.
fn read_index(stream: &mut impl io::Read, budget: &Budget) -> io::Result<LayerIndex> {
    let mut start = Vec::new();
    stream.take(media_type::MAGIC as u64).read_to_end(&mut start)?;
    let compression = LayerCompression::of_bytes(&start);
    LayerIndex::read(io::Cursor::new(start).chain(stream), compression, budget)
}

/// What is known of a base's tree.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What stands at a path.
    nodes: BTreeMap<EntryPath, Ancestor>,
    /// Whether a user or group is there.
    accounts: BTreeMap<Account, bool>,
}

/// What the indexes of `layers` may cost.
fn index_budget(reference: &str, layers: &[Descriptor]) -> Budget {
    let packed = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
    Budget::new(format!("the base `{reference}`"), MAX_INDEXES, unpacking(packed))
}

/// The tree of a base image. Remembers what it was asked.
pub struct Tree<'a> {
    base: &'a Base,
    image: &'a Image,
    store: &'a Store,
    progress: &'a Progress,
    known: Known,
    /// Of what is known, what the lock says and no layer said yet.
    unchecked: BTreeSet<EntryPath>,
    /// Bottom layer first, as in the manifest.
    indexes: Vec<Option<Arc<LayerIndex>>>,
    /// Whether indexes that the store remembers will do.
    remembers: bool,
    /// What all of them may cost.
    budget: Budget,
}

impl Tree<'_> {
    /// Everything that was asked so far, or was in the lock.
    pub fn into_known(self) -> Known {
        self.known
    }

    fn index(&mut self, number: usize) -> Result<Arc<LayerIndex>, BoxedError> {
        if let Some(index) = self.remembered(number)? {
            return Ok(index);
        }
        let layer = &self.image.layers()[number];
        let index = self.read_layer(layer)?;
        self.store.memo_save("layer-index", &index_key(&layer.digest), &index);
        Ok(self.keep(number, index))
    }

    /// The index of a layer that was read before.
    fn remembered(&mut self, number: usize) -> Result<Option<Arc<LayerIndex>>, BoxedError> {
        if self.indexes[number].is_some() || !self.remembers {
            return Ok(self.indexes[number].clone());
        }
        let layer = &self.image.layers()[number];
        let Some(index) = self.store.memo_load("layer-index", &index_key(&layer.digest)) else {
            return Ok(None);
        };
        LayerIndex::charge(&index, &self.budget).map_err(|error| self.unreadable(layer, error.into()))?;
        Ok(Some(self.keep(number, index)))
    }

    fn keep(&mut self, number: usize, index: LayerIndex) -> Arc<LayerIndex> {
        let index = Arc::new(index);
        self.indexes[number] = Some(Arc::clone(&index));
        index
    }

    /// Reads layers again that the store remembers.
    fn forget_indexes(&mut self) {
        self.remembers = false;
        self.indexes.fill(None);
        self.budget = index_budget(&self.base.reference, self.image.layers());
    }

    fn read_layer(&self, layer: &Descriptor) -> Result<LayerIndex, BoxedError> {
        if media_type::layer_compression(&layer.media_type).is_none() {
            return Err(BaseError::NotALayer(
                layer.digest,
                self.base.reference.clone(),
                layer.media_type.clone(),
            )
            .into());
        }
        let source = &self.base.source;
        let is_stored = source.has(layer);
        match self.index_of(layer, source.blob(layer)?) {
            // What is damaged in the store is whole where the base is.
            Err(_) if is_stored => Ok(self.index_of(layer, source.fresh(layer)?)?),
            result => Ok(result?),
        }
    }

    fn index_of(&self, layer: &Descriptor, stream: BlobStream) -> Result<LayerIndex, BaseError> {
        let task =
            self.progress.task(Phase::Read, format!("base {}", layer.digest.short()), Some(layer.size));
        let mut counted = Counted { inner: io::BufReader::with_capacity(1 << 18, stream), task: &task };
        let index =
            read_index(&mut counted, &self.budget).map_err(|source| self.unreadable(layer, source))?;
        task.finish("indexed");
        Ok(index)
    }

    fn unreadable(&self, layer: &Descriptor, source: io::Error) -> BaseError {
        BaseError::Layer { base: self.base.reference.clone(), layer: layer.digest, source }
    }

    fn search(&mut self, path: &EntryPath) -> Result<Option<Node>, BoxedError> {
        for number in (0..self.indexes.len()).rev() {
            match self.index(number)?.lookup(path) {
                Lookup::Here(node) => return Ok(Some(node.clone())),
                Lookup::Hidden => return Ok(None),
                Lookup::Below => {}
            }
        }
        Ok(None)
    }

    /// Remembers all that is in `directory`, once two things turned out to be missing there: an application that has
    /// directories of its own in one of the base's gets others, and nobody wants to read the base for each.
    fn list(&mut self, directory: Option<EntryPath>) -> Result<(), BoxedError> {
        let Some(directory) = directory else { return Ok(()) };
        let Some(Ancestor::Directory { mode, uid, gid }) = self.known.nodes.get(&directory).cloned() else {
            return Ok(());
        };
        let missing: Vec<EntryPath> = self
            .known
            .nodes
            .range(EntryPath::first_below(&directory)..)
            .take_while(|(path, _)| path.starts_with(&directory))
            .filter(|(path, known)| {
                **known == Ancestor::Missing && path.parent().as_ref() == Some(&directory)
            })
            .map(|(path, _)| path.clone())
            .collect();
        if missing.len() < 2 {
            return Ok(());
        }
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for number in (0..self.indexes.len()).rev() {
            if !self.index(number)?.names_in(&directory, MAX_NAMES + 1, &mut names, &mut hidden) {
                break;
            }
        }
        let names: Option<BTreeSet<String>> =
            names.into_iter().map(|name| String::from_utf8(name).ok()).collect();
        if let Some(names) = names.filter(|names| names.len() <= MAX_NAMES) {
            self.known.nodes.insert(directory, Ancestor::Listed { mode, uid, gid, names });
            missing.iter().for_each(|path| drop(self.known.nodes.remove(path)));
        }
        Ok(())
    }

    /// Whether the base has anything at `path`, links followed.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn exists(&mut self, path: &EntryPath) -> Result<bool, BoxedError> {
        // Placing an entry below it is what follows links.
        let Some(parent) = path.parent() else { return Ok(self.lookup(path)?.is_some()) };
        let real = crate::plan::real_directory(&parent, self);
        match real {
            Ok(Some(parent)) => match parent.join(path.file_name()) {
                Ok(path) => Ok(self.lookup(&path)?.is_some()),
                Err(_) => Ok(false),
            },
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the base has `account`; `None` where only a layer could tell that this build does not read.
    ///
    /// Of a base on this machine every layer is at hand. Of one in a registry, only the layers count that the
    /// build needs in any case, from the top down: so the answer does not depend on what the store has.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn has_account(&mut self, account: &Account) -> Result<Option<bool>, BoxedError> {
        if let Some(is_there) = self.known.accounts.get(account) {
            return Ok(Some(*is_there));
        }
        let Ok(file) = EntryPath::new(account.kind.file().as_bytes()) else { return Ok(None) };
        let is_remote = self.base.origin().is_some();
        let mut is_there = false;
        for number in (0..self.indexes.len()).rev() {
            if is_remote && self.indexes[number].is_none() {
                return Ok(None);
            }
            let index = self.index(number)?;
            match index.lookup(&file) {
                Lookup::Below => continue,
                Lookup::Hidden => {}
                Lookup::Here(_) => match index.accounts(account.kind) {
                    Some(names) => is_there = names.contains(&account.name),
                    // A link, or too large to be read.
                    None => return Ok(None),
                },
            }
            break;
        }
        self.known.accounts.insert(account.clone(), is_there);
        Ok(Some(is_there))
    }
}

impl BaseTree for Tree<'_> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<Node>, BoxedError> {
        // What the lock says of a directory decides about what is below it, too.
        for above in path.ancestors() {
            self.check_at_hand(&above)?;
        }
        self.check_at_hand(path)?;
        if let Some(ancestor) = self.known.nodes.get(path) {
            return Ok(match ancestor.clone() {
                Ancestor::Directory { mode, uid, gid } | Ancestor::Listed { mode, uid, gid, .. } => {
                    Some(Node::Directory { mode, uid, gid })
                }
                Ancestor::Symlink { target } => Some(Node::Symlink(target)),
                Ancestor::File => Some(Node::File),
                Ancestor::Missing => None,
            });
        }
        // Nothing is below what is not there. So a new directory of the application asks for nothing new.
        if path.ancestors().any(|above| self.known.nodes.get(&above) == Some(&Ancestor::Missing)) {
            return Ok(None);
        }
        if let Some(parent) = path.parent()
            && let Some(Ancestor::Listed { names, .. }) = self.known.nodes.get(&parent)
            && !std::str::from_utf8(path.file_name()).is_ok_and(|name| names.contains(name))
        {
            return Ok(None);
        }
        let node = self.search(path)?;
        let ancestor = match &node {
            Some(Node::Directory { mode, uid, gid }) => {
                Some(Ancestor::Directory { mode: *mode, uid: *uid, gid: *gid })
            }
            Some(Node::Symlink(target)) => Some(Ancestor::Symlink { target: target.clone() }),
            Some(Node::File) => Some(Ancestor::File),
            None => Some(Ancestor::Missing),
        };
        self.known.nodes.extend(ancestor.map(|ancestor| (path.clone(), ancestor)));
        if node.is_none() {
            self.list(path.parent())?;
        }
        Ok(node)
    }
}

fn index_key(layer: &Digest) -> Key {
    KeyBuilder::new("pack layer index 3").part(layer.as_bytes()).finish()
}

/// Tells a task how many bytes were read.
struct Counted<'a, R> {
    inner: R,
    task: &'a Task,
}

impl<R: io::Read> io::Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.task.advance(read as u64);
        Ok(read)
    }
}
