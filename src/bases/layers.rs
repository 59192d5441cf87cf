//! The layers of a base image together, asked path by path.
//!
//! Paths that decide bytes ([`FileTree::lookup`]) are read until they are known: from the lock, else from the layers,
//! top down. Paths that only a check asks for ([`FileTree::peek`]) come from the lock, from the layers that are read
//! in any case, and from other machines' statements about the rest.
//!
//! Invariant: an answer never depends on what the store has. An index that the store remembers only spares reading a
//! layer that would be read otherwise.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::sync::Arc;

use super::agreed::AgreedStatements;
use super::error::BaseError;
use super::facts;
use super::index::{BaseNode, LayerIndex, Lookup};
use super::known::KnownLayers;
use super::open::{Base, PlatformBase, TreeFacts};
use super::probes::account_file;
use super::said;
use super::seen::BaseAnswer;
use super::tree::{FileTree, defined_by, directory};
use crate::formats::elf::{Dynamic, is_library_name};
use crate::layer::{Account, AccountFile, AccountKind, EntryPath};
use crate::oci::media_type::{self, LayerCompression};
use crate::oci::{Descriptor, Image};
use crate::project::lock::{Ancestor, MAX_CONTENT, SystemFacts};
use crate::runtime::budget::{Budget, unpacking};
use crate::runtime::events::{Phase, Progress, Task};
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::transport::{BlobStream, Source as _};
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::error::{BoxedError, carry};

/// As many names are listed of a directory of a base: web servers bring two or three pages.
const MAX_NAMES: usize = 16;

/// The most that is kept of the layers of one base, in bytes: paths, kinds and owners of half a million files.
pub(super) const MAX_INDEXES: u64 = 96 << 20;

/// Which layers a check may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All: the base is on this machine, or somebody asked for it.
    All,
    /// Those that something else needs, too.
    Needed,
}

/// Other machines' statements about layers.
pub trait SharedIndexes: Send + Sync {
    /// The index of a layer; `None` if there is no statement about it.
    fn index(&self, layer: &Digest) -> Option<LayerIndex>;

    /// Whether the statement about a layer is to be compared with the layer, which is read for that.
    fn is_compared(&self, _layer: &Digest) -> bool {
        false
    }
}

/// One layer, as far as it is known.
#[derive(Clone, Default)]
struct LayerKnowledge {
    /// Read off the layer, or remembered.
    index: Option<Arc<LayerIndex>>,
    /// Whether something that decides bytes asked for it, so that checks may, too.
    is_needed: bool,
    /// The statements of other machines, once they were asked.
    shared: Option<Option<Arc<LayerIndex>>>,
}

/// The tree of a base image. Remembers what it was asked.
pub struct BaseLayers<'a> {
    pub(super) base: &'a Base,
    pub(super) image: &'a Image,
    pub(super) store: &'a Store,
    progress: &'a Progress,
    pub(super) known: TreeFacts,
    /// Of what is known, what the lock says and no layer said yet.
    pub(super) unchecked: BTreeSet<EntryPath>,
    /// Of what is known, what agreed with the layers in an earlier build. Loaded when it is asked for.
    pub(super) agreed: Option<AgreedStatements>,
    /// Directories that no layer has an entry for, though something is below them. Only checks see them: our layers
    /// bring such directories as ones that are missing.
    implied: BTreeSet<EntryPath>,
    /// Bottom layer first, as in the manifest.
    layers: Vec<LayerKnowledge>,
    /// Whether indexes that the store remembers will do.
    remembers: bool,
    /// The budget for all of them.
    budget: Budget,
    pub(super) reach: Reach,
    shared: Option<Arc<dyn SharedIndexes>>,
    /// Ends the reading of layers.
    interrupt: Option<Interrupt>,
}

impl<'a> BaseLayers<'a> {
    /// The tree of the image `base` of `of`.
    pub fn new(of: &'a Base, base: &'a PlatformBase, store: &'a Store, progress: &'a Progress) -> Self {
        let known = of.locked(base);
        let layers = base.image.layers();
        let reach = if of.origin().is_none() { Reach::All } else { Reach::Needed };
        Self {
            base: of,
            image: &base.image,
            store,
            progress,
            unchecked: known.nodes.keys().cloned().collect(),
            agreed: None,
            implied: BTreeSet::new(),
            interrupt: None,
            known,
            layers: vec![LayerKnowledge::default(); layers.len()],
            remembers: true,
            budget: index_budget(&of.reference, layers),
            reach,
            shared: None,
        }
    }

    /// Lets checks read these layers.
    #[must_use]
    pub const fn with_reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Lets the user end the reading of layers.
    #[must_use]
    pub fn with_interrupt(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = Some(interrupt.clone());
        self
    }

    /// With what other machines say.
    #[must_use]
    pub fn with_shared(mut self, shared: Option<Arc<dyn SharedIndexes>>) -> Self {
        self.shared = shared;
        self
    }

    /// Everything that was asked so far, or was in the lock.
    ///
    /// Where all layers of a base in a registry were read in any case, what follows from them together goes with it.
    pub fn into_known(mut self) -> TreeFacts {
        let are_read = self.layers.iter().all(|layer| layer.is_needed);
        if self.base.origin().is_some() && are_read {
            // A layer that cannot be read was needed, and has stopped the build.
            let _ = self.whole();
        }
        if let Some(agreed) = self.agreed {
            agreed.save(self.store, |path| self.known.nodes.contains_key(path));
        }
        self.known
    }

    /// The indexes that this machine read of the layers, now or before, by digest: what others may be told.
    ///
    /// # Errors
    /// When they are too large together.
    pub fn own_indexes(&mut self) -> Result<Vec<(Digest, Arc<LayerIndex>)>, BoxedError> {
        let mut own = Vec::new();
        for number in 0..self.layers.len() {
            if let Some(index) = self.remembered(number)? {
                own.push((self.image.layers()[number].digest, index));
            }
        }
        Ok(own)
    }

    /// The index of a layer that something needs.
    pub(super) fn index(&mut self, number: usize) -> Result<Arc<LayerIndex>, BoxedError> {
        self.layers[number].is_needed = true;
        self.load(number)
    }

    fn load(&mut self, number: usize) -> Result<Arc<LayerIndex>, BoxedError> {
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
        if self.layers[number].index.is_some() || !self.remembers {
            return Ok(self.layers[number].index.clone());
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
        self.layers[number].index = Some(Arc::clone(&index));
        index
    }

    /// The index of a layer, unless that would have to be fetched.
    pub(super) fn at_hand(&mut self, number: usize) -> Result<Option<Arc<LayerIndex>>, BoxedError> {
        let layer = &self.image.layers()[number];
        // A layer that a base on this machine lacks cannot be read either.
        let is_near = self.store.blobs().contains(&layer.digest) == Some(layer.size)
            || (self.base.origin().is_none() && self.base.source().blob(layer).is_ok());
        if is_near { self.load(number).map(Some) } else { self.remembered(number) }
    }

    /// The index of a layer as a check may have it.
    fn for_check(&mut self, number: usize) -> Result<Option<Arc<LayerIndex>>, BoxedError> {
        if self.reach == Reach::All || self.layers[number].is_needed {
            return self.index(number).map(Some);
        }
        if let Some(shared) = &self.layers[number].shared {
            return Ok(shared.clone());
        }
        let layer = &self.image.layers()[number];
        let said = self.shared.as_ref().and_then(|shared| shared.index(&layer.digest));
        if let Some(said) = &said
            && self.shared.as_ref().is_some_and(|shared| shared.is_compared(&layer.digest))
        {
            return self.compared(number, said).map(Some);
        }
        // A statement that does not fit into the budget is not known.
        let said = said.filter(|index| index.charge(&self.budget).is_ok()).map(Arc::new);
        self.layers[number].shared = Some(said.clone());
        Ok(said)
    }

    /// The index of a layer that is read to compare it with the statement of another machine. The layer decides.
    fn compared(&mut self, number: usize, said: &LayerIndex) -> Result<Arc<LayerIndex>, BoxedError> {
        let index = self.index(number)?;
        if *index != *said {
            let layer = &self.image.layers()[number].digest;
            self.progress.warn(format!(
                "the cache in the registry tells otherwise of the base layer {layer} than what the layer has: its entry \
                 `pack-cache-base-{}` is wrong",
                layer.hex()
            ));
        }
        Ok(index)
    }

    /// The index of a layer as a check may have it; `None` where nothing at hand tells.
    ///
    /// # Errors
    /// When a layer that may be read cannot be.
    pub fn layer(&mut self, number: usize) -> Result<Option<Arc<LayerIndex>>, BoxedError> {
        self.for_check(number)
    }

    /// Whether the base has nothing in `directory`. `false` where nothing at hand tells, or what is at hand cannot be read.
    pub fn is_known_empty(&mut self, directory: &EntryPath) -> bool {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for number in (0..self.layers.len()).rev() {
            let Ok(Some(index)) = self.for_check(number) else { return false };
            let are_more_below = index.names_in(directory, 1, &mut names, &mut hidden);
            if !names.is_empty() || !are_more_below {
                break;
            }
        }
        names.is_empty()
    }

    /// Whether what a check found comes from layers that were read, and may be told on.
    fn is_own(&self, number: usize) -> bool {
        self.reach == Reach::All || self.layers[number].is_needed
    }

    /// Reads layers again that the store remembers.
    pub(super) fn forget_indexes(&mut self) {
        self.remembers = false;
        self.layers.iter_mut().for_each(|layer| layer.index = None);
        self.budget = index_budget(&self.base.reference, self.image.layers());
    }

    /// Whether the index of every layer is loaded.
    pub(super) fn are_loaded(&self) -> bool {
        self.layers.iter().all(|layer| layer.index.is_some())
    }

    pub(super) fn count(&self) -> usize {
        self.layers.len()
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
        let source = self.base.source();
        let is_stored = source.has(layer);
        match self.index_of(layer, source.blob(layer)?) {
            // A layer that is damaged in the store is whole in the base's place.
            Err(_) if is_stored => Ok(self.index_of(layer, source.fresh(layer)?)?),
            result => Ok(result?),
        }
    }

    fn index_of(&self, layer: &Descriptor, stream: BlobStream) -> Result<LayerIndex, BaseError> {
        let task =
            self.progress.task(Phase::Read, format!("base {}", layer.digest.short()), Some(layer.size));
        let mut counted = CountingReader {
            inner: io::BufReader::with_capacity(1 << 18, stream),
            task: &task,
            interrupt: self.interrupt.as_ref(),
        };
        let index =
            read_index(&mut counted, &self.budget).map_err(|source| self.unreadable(layer, source))?;
        task.finish("indexed");
        Ok(index)
    }

    fn unreadable(&self, layer: &Descriptor, source: io::Error) -> BaseError {
        BaseError::Layer { base: self.base.reference.clone(), layer: layer.digest, source }
    }

    fn search(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        for number in (0..self.layers.len()).rev() {
            let index = self.index(number)?;
            match index.lookup(path) {
                Lookup::Here(node) => return Ok(Some(node.clone())),
                Lookup::Hidden => break,
                Lookup::Below => {}
            }
        }
        Ok(None)
    }

    /// Remembers whether something is below `path`, which has no entry in the layers; as far as a check may know them.
    fn find_implied(&mut self, path: &EntryPath) -> Result<bool, BoxedError> {
        for number in (0..self.layers.len()).rev() {
            let Some(index) = self.for_check(number)? else { return Ok(false) };
            if index.implies(path) {
                self.implied.insert(path.clone());
                return Ok(true);
            }
            if index.lookup(path) == Lookup::Hidden {
                break;
            }
        }
        Ok(false)
    }

    /// Whether `path`, which is said to be missing, is a directory without an entry. The lock has what was found below.
    fn is_implied(&mut self, path: &EntryPath) -> Result<bool, BoxedError> {
        if self.implied.contains(path) {
            return Ok(true);
        }
        let below = self.known.nodes.range(EntryPath::first_below(path)..);
        let mut below = below.take_while(|(found, _)| found.starts_with(path));
        let Some(found) = below.find(|(_, said)| **said != Ancestor::Missing) else { return Ok(false) };
        let found = found.0.clone();
        self.check_at_hand(&found)?;
        self.implied.insert(path.clone());
        Ok(true)
    }

    /// The statement about `path` for a check, which sees directories without an entry; `None` if there is none.
    fn said_to_check(&mut self, path: &EntryPath) -> Result<Option<Option<BaseNode>>, BoxedError> {
        match self.said(path)? {
            Some(None) => {}
            said => return Ok(said),
        }
        for above in path.ancestors() {
            if self.known.nodes.get(&above) == Some(&Ancestor::Missing) && !self.is_implied(&above)? {
                return Ok(Some(None));
            }
        }
        Ok(match self.known.nodes.get(path) {
            Some(_) => Some(self.is_implied(path)?.then(directory)),
            None => self.said_in_list(path),
        })
    }

    /// Remembers the whole content of `directory` after two paths turned out to be missing there: an application that
    /// has directories of its own in a directory of the base will get more of them, and reading the base for each
    /// would be slow.
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
        for number in (0..self.layers.len()).rev() {
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

    /// The lock's statement about `path`, or the one that was found before; `None` if neither tells.
    fn said(&mut self, path: &EntryPath) -> Result<Option<Option<BaseNode>>, BoxedError> {
        // The lock's statement about a directory also decides about the paths below it.
        for above in path.ancestors() {
            self.check_at_hand(&above)?;
        }
        self.check_at_hand(path)?;
        if let Some(ancestor) = self.known.nodes.get(path) {
            return Ok(Some(said::node(ancestor)));
        }
        // Nothing is below what is not there. So a new directory of the application asks for nothing new.
        if path.ancestors().any(|above| self.known.nodes.get(&above) == Some(&Ancestor::Missing)) {
            return Ok(Some(None));
        }
        Ok(self.said_in_list(path))
    }

    /// That `path` is missing, if the names in its directory are known, and it is none of them.
    fn said_in_list(&self, path: &EntryPath) -> Option<Option<BaseNode>> {
        let Ancestor::Listed { names, .. } = self.known.nodes.get(&path.parent()?)? else { return None };
        let is_named = std::str::from_utf8(path.file_name()).is_ok_and(|name| names.contains(name));
        (!is_named).then_some(None)
    }

    fn remember(&mut self, path: &EntryPath, node: Option<&BaseNode>) {
        self.known.nodes.insert(path.clone(), said::ancestor(node));
    }

    /// The facts about the whole image that follow from the layers of the base; `None` if not all of them are known.
    fn whole(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        if let Some(said) = &self.known.system {
            return Ok(Some(said.clone()));
        }
        let mut view = Vec::new();
        let mut is_own = true;
        for number in 0..self.layers.len() {
            let Some(index) = self.for_check(number)? else { return Ok(None) };
            view.push(index);
            is_own &= self.is_own(number);
        }
        let system = facts::system(&mut KnownLayers(view))?;
        if is_own {
            self.known.system = Some(system.clone());
        }
        Ok(Some(system))
    }

    /// The lock's statement about a file of users or groups, or the one that was found before.
    fn said_file(&self, path: &EntryPath) -> Option<AccountFile> {
        match self.known.nodes.get(path)? {
            Ancestor::File { content: Some(content), .. } => {
                Some(AccountFile::new(content.clone().into_bytes()))
            }
            _ => None,
        }
    }

    /// Adds the content of a small text file to what is known of it.
    fn say_file(&mut self, path: &EntryPath, file: &AccountFile) {
        if let Some(Ancestor::File { content, .. }) = self.known.nodes.get_mut(path)
            && file.bytes().len() <= MAX_CONTENT
        {
            *content = String::from_utf8(file.bytes().to_vec()).ok();
        }
    }

    fn no_accounts(&self, path: EntryPath) -> BoxedError {
        BaseError::NoAccounts { base: self.base.reference.clone(), path }.into()
    }

    /// Whether the base has `account`, as the lock says.
    fn said_account(&self, account: &Account) -> Option<bool> {
        self.known.accounts.get(account).copied()
    }

    /// Whether the base has `account`, as the lock or the layers say.
    fn find_account(&mut self, account: &Account) -> Result<BaseAnswer<()>, BoxedError> {
        let answer = |is_there| if is_there { BaseAnswer::Here(()) } else { BaseAnswer::Nothing };
        if let Some(is_there) = self.said_account(account) {
            return Ok(answer(is_there));
        }
        let (found, is_own) = self.find_accounts(account.kind)?;
        let is_there = match found {
            BaseAnswer::Here(names) => names.contains(&account.name),
            BaseAnswer::Nothing => false,
            BaseAnswer::Unknown => return Ok(BaseAnswer::Unknown),
        };
        if is_own {
            self.known.accounts.insert(account.clone(), is_there);
        }
        Ok(answer(is_there))
    }

    /// The dynamic section of a file, and whether it comes from layers that were read.
    fn find_dynamic(&mut self, path: &EntryPath) -> Result<(BaseAnswer<Dynamic>, bool), BoxedError> {
        let mut is_own = true;
        for number in (0..self.layers.len()).rev() {
            let Some(index) = self.for_check(number)? else { return Ok((BaseAnswer::Unknown, false)) };
            is_own &= self.is_own(number);
            let node = match index.lookup(path) {
                Lookup::Below => continue,
                Lookup::Hidden => break,
                Lookup::Here(node) => node,
            };
            return Ok((index.dynamic(path, node), is_own));
        }
        Ok((BaseAnswer::Nothing, is_own))
    }

    /// The file of a kind, and whether it comes from layers that were read.
    fn find_accounts(&mut self, kind: AccountKind) -> Result<(BaseAnswer<AccountFile>, bool), BoxedError> {
        let Some(file) = account_file(kind) else { return Ok((BaseAnswer::Unknown, false)) };
        let mut is_own = true;
        for number in (0..self.layers.len()).rev() {
            let Some(index) = self.for_check(number)? else { return Ok((BaseAnswer::Unknown, false)) };
            is_own &= self.is_own(number);
            match index.lookup(&file) {
                Lookup::Below => {}
                Lookup::Hidden => return Ok((BaseAnswer::Nothing, is_own)),
                // A link, or too large to be read.
                Lookup::Here(_) => {
                    let names = index.accounts(kind).cloned();
                    return Ok((names.map_or(BaseAnswer::Unknown, BaseAnswer::Here), is_own));
                }
            }
        }
        Ok((BaseAnswer::Nothing, is_own))
    }
}

impl FileTree for BaseLayers<'_> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        if let Some(said) = self.said(path)? {
            return Ok(said);
        }
        let node = self.search(path)?;
        self.remember(path, node.as_ref());
        if node.is_none() {
            self.find_implied(path)?;
            self.list(path.parent())?;
        }
        Ok(node)
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        if let Some(said) = self.said_to_check(path)? {
            return Ok(said.map_or(BaseAnswer::Nothing, BaseAnswer::Here));
        }
        let mut is_own = true;
        let mut found = None;
        for number in (0..self.layers.len()).rev() {
            let Some(index) = self.for_check(number)? else { return Ok(BaseAnswer::Unknown) };
            is_own &= self.is_own(number);
            match index.lookup(path) {
                Lookup::Here(node) => found = Some(node.clone()),
                Lookup::Hidden => {}
                Lookup::Below => continue,
            }
            break;
        }
        if is_own {
            self.remember(path, found.as_ref());
        }
        if found.is_none() && self.find_implied(path)? {
            return Ok(BaseAnswer::Here(directory()));
        }
        Ok(found.map_or(BaseAnswer::Nothing, BaseAnswer::Here))
    }

    fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        self.check_at_hand(path)?;
        match self.known.nodes.get(path) {
            Some(Ancestor::File { dynamic: Some(dynamic), .. }) => {
                return Ok(BaseAnswer::Here(dynamic.clone()));
            }
            // A library that the lock has no machine of is no ELF file.
            Some(Ancestor::File { mode: Some(_), machine: None, .. })
                if is_library_name(path.file_name()) =>
            {
                return Ok(BaseAnswer::Nothing);
            }
            _ => {}
        }
        let (found, is_own) = self.find_dynamic(path)?;
        if let (true, BaseAnswer::Here(found), Some(Ancestor::File { dynamic, .. })) =
            (is_own, &found, self.known.nodes.get_mut(path))
        {
            *dynamic = Some(Dynamic { versions: None, ..found.clone() });
        }
        Ok(found)
    }

    fn versions(&mut self, path: &EntryPath) -> Result<BaseAnswer<BTreeSet<String>>, BoxedError> {
        self.check_at_hand(path)?;
        if let Some(Ancestor::File { dynamic: Some(Dynamic { versions: Some(versions), .. }), .. }) =
            self.known.nodes.get(path)
        {
            return Ok(BaseAnswer::Here(versions.defined.clone()));
        }
        let (found, is_own) = self.find_dynamic(path)?;
        let found = match found {
            BaseAnswer::Here(found) => found,
            BaseAnswer::Nothing => return Ok(BaseAnswer::Nothing),
            BaseAnswer::Unknown => return Ok(BaseAnswer::Unknown),
        };
        if let (true, Some(Ancestor::File { dynamic, .. })) = (is_own, self.known.nodes.get_mut(path)) {
            *dynamic = Some(found.clone().without_needed_versions());
        }
        Ok(defined_by(found))
    }

    fn account_file(&mut self, kind: AccountKind) -> Result<Option<AccountFile>, BoxedError> {
        let Some(path) = account_file(kind) else { return Ok(None) };
        match self.lookup(&path)? {
            None => return Ok(None),
            Some(BaseNode::File(_)) => {}
            Some(_) => return Err(self.no_accounts(path)),
        }
        if let Some(said) = self.said_file(&path) {
            return Ok(Some(said));
        }
        for number in (0..self.layers.len()).rev() {
            let index = self.index(number)?;
            if index.lookup(&path) == Lookup::Below {
                continue;
            }
            let Some(file) = index.accounts(kind) else { return Err(self.no_accounts(path)) };
            self.say_file(&path, file);
            return Ok(Some(file.clone()));
        }
        Ok(None)
    }

    fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        let Some(path) = account_file(kind) else { return Ok(BaseAnswer::Unknown) };
        self.check_at_hand(&path)?;
        if let Some(said) = self.said_file(&path) {
            return Ok(BaseAnswer::Here(said));
        }
        let (found, is_own) = self.find_accounts(kind)?;
        if let (true, BaseAnswer::Here(file)) = (is_own, &found) {
            self.peek(&path)?;
            self.say_file(&path, file);
        }
        Ok(found)
    }

    fn has_account(&mut self, account: &Account) -> Result<BaseAnswer<()>, BoxedError> {
        self.find_account(account)
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        self.whole()
    }
}

/// Reads a layer, decompressed as its first bytes tell: so does every runtime, and so does `verify`.
fn read_index(stream: &mut impl io::Read, budget: &Budget) -> io::Result<LayerIndex> {
    let mut start = Vec::new();
    stream.take(media_type::MAGIC as u64).read_to_end(&mut start)?;
    let compression = LayerCompression::of_bytes(&start);
    LayerIndex::read(io::Cursor::new(start).chain(stream), compression, budget)
}

/// The budget for the indexes of `layers`.
fn index_budget(reference: &str, layers: &[Descriptor]) -> Budget {
    let packed = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
    Budget::new(format!("the base `{reference}`"), MAX_INDEXES, unpacking(packed))
}

fn index_key(layer: &Digest) -> Key {
    KeyBuilder::new("pack layer index 10").part(layer.as_bytes()).finish()
}

/// Tells a task how many bytes were read, until the user interrupts.
struct CountingReader<'a, R> {
    inner: R,
    task: &'a Task,
    interrupt: Option<&'a Interrupt>,
}

impl<R: io::Read> io::Read for CountingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.map_or(Ok(()), Interrupt::check).map_err(carry)?;
        let read = self.inner.read(buffer)?;
        self.task.advance(read as u64);
        Ok(read)
    }
}
