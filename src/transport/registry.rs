//! Registries as sources and destinations: thin adapters over [`Client`].
//!
//! A destination asks as little as it can. Whether there is anything to do is one HEAD per tag; if there
//! is, the manifest that the first tag resolves to now says which blobs are there without asking for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::taken_tag::{TakenTag, revision_in};
use super::{
    Blob, BlobStream, Capabilities, Delivery, Destination, GrowingBlob, ImageName, Locality, Source,
};
use crate::oci::artifact::empty_config;
use crate::oci::{Descriptor, Index, ManifestOrIndex, MediaType, RawDocument, to_json};
use crate::registry::{Client, PushedParts, Referrers, RegistryError, fallback_tag};
use crate::store::{LayoutError, Store, empty_index};
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::error::BoxedError;
use crate::types::reference::{Reference, Repository, Tag};

/// From an index on a tag, the blobs of so many platforms are looked up; the rest is asked for one by one.
const PLATFORMS: usize = 4;
/// The namespace of pushed documents in the store's memos.
const PUSHED: &str = "pushed";
/// The namespace of lists of referrers in the store's memos.
const LISTED: &str = "referrers";
/// So often a list of referrers is read and written again because somebody else wrote it in between.
const LIST_TRIES: u32 = 40;
/// A writer of such a list waits at least so long before it looks again.
const LIST_SETTLE: Duration = Duration::from_millis(20);
/// It waits at most so long.
const LIST_LONGEST: Duration = Duration::from_secs(1);

/// An image in a registry.
#[derive(Debug)]
pub struct RegistrySource {
    client: Client,
    reference: Reference,
    root: OnceLock<RawDocument>,
}

/// Reads from a registry.
#[must_use]
pub const fn source(client: Client, reference: Reference) -> RegistrySource {
    RegistrySource { client, reference, root: OnceLock::new() }
}

impl Source for RegistrySource {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        if let Some(root) = self.root.get() {
            return Ok(root.clone());
        }
        let name = self.reference.manifest_name();
        let root = self.client.document(self.reference.repository(), &name, None)?;
        Ok(self.root.get_or_init(|| root).clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        let name = descriptor.digest.to_string();
        Ok(self.client.document(self.reference.repository(), &name, Some(descriptor))?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        Ok(self.client.blob(self.reference.repository(), descriptor)?)
    }

    fn origin(&self) -> Option<Repository> {
        Some(self.reference.repository().clone())
    }

    fn pinned(&self) -> Option<Digest> {
        self.reference.digest()
    }

    fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        Ok(match self.client.referrers(self.reference.repository(), subject, None)? {
            Referrers::Api(found) | Referrers::Tag(found, _) => Some(found),
            Referrers::Nothing => None,
        })
    }

    fn under_tag(&self, tag: &Tag) -> Result<Option<RawDocument>, BoxedError> {
        let repository = self.reference.repository();
        let Some(found) = self.client.resolve(&repository.at_tag(tag.clone()))? else { return Ok(None) };
        Ok(Some(self.client.document(repository, &found.digest.to_string(), Some(&found))?))
    }

    fn check(&self) -> Result<(), BoxedError> {
        Ok(self.client.check()?)
    }

    fn name(&self) -> String {
        self.reference.to_string()
    }
}

/// A repository that an image is pushed to.
#[derive(Debug)]
pub struct RegistryDestination {
    client: Client,
    repository: Repository,
    state: Mutex<RegistryState>,
    previous: OnceLock<()>,
    /// Remembers the documents that are pushed. Of a tag that resolves to one of them, nothing is fetched.
    store: Option<Store>,
}

#[derive(Debug, Default)]
struct RegistryState {
    /// The old manifest of a tag, of the first tag that had one.
    previous: Option<Descriptor>,
    /// The digests that tags were seen to resolve to, before anything was pushed.
    seen: BTreeMap<Tag, Option<Descriptor>>,
    /// Tags that may not move.
    fixed: BTreeSet<Tag>,
    /// Tags that were seen to resolve to this digest.
    current: BTreeMap<Tag, Digest>,
    /// The pushed blobs, to push them again if the registry lost them.
    blobs: BTreeMap<Digest, Blob>,
    documents: BTreeMap<Digest, RawDocument>,
}

impl RegistryState {
    /// Forgets all that was seen of an image or a tag that goes.
    fn forget(&mut self, name: &ImageName) {
        match name {
            ImageName::Tag(tag) => {
                self.seen.remove(tag);
                self.current.remove(tag);
            }
            ImageName::Digest(digest) => {
                self.seen.clear();
                self.current.retain(|_, current| current != digest);
                self.documents.remove(digest);
            }
        }
    }
}

/// Writes to a registry.
#[must_use]
pub fn destination(client: Client, repository: Repository) -> RegistryDestination {
    RegistryDestination {
        client,
        repository,
        state: Mutex::default(),
        previous: OnceLock::new(),
        store: None,
    }
}

/// The key of a pushed document in the store's memos.
fn pushed_key(digest: &Digest) -> Key {
    KeyBuilder::new("pack pushed document 1").part(digest.as_bytes()).finish()
}

/// The referrers of a manifest, when the list was last written or read.
#[derive(serde::Serialize, serde::Deserialize)]
struct ListedReferrers {
    digests: BTreeSet<Digest>,
    /// The list itself, where the registry has no referrers API.
    list: Option<Digest>,
}

impl ListedReferrers {
    fn has(&self, referrers: &[Descriptor]) -> bool {
        referrers.iter().all(|referrer| self.digests.contains(&referrer.digest))
    }
}

impl RegistryDestination {
    /// The key of a blob that all artifacts share, in this repository.
    fn blob_key(&self, digest: &Digest) -> Key {
        let repository = self.repository.to_string();
        KeyBuilder::new("pack pushed blob 1").part(repository.as_bytes()).part(digest.as_bytes()).finish()
    }

    fn listed_key(&self, subject: &Digest) -> Key {
        let repository = self.repository.to_string();
        KeyBuilder::new("pack listed referrers 1")
            .part(repository.as_bytes())
            .part(subject.as_bytes())
            .finish()
    }

    fn listed(&self, subject: &Digest) -> Option<ListedReferrers> {
        self.store.as_ref()?.memo_load(LISTED, &self.listed_key(subject))
    }

    fn remember_listed<'d>(
        &self,
        subject: &Digest,
        listed: impl IntoIterator<Item = &'d Descriptor>,
        list: Option<Digest>,
    ) {
        if let Some(store) = &self.store {
            let digests = listed.into_iter().map(|entry| entry.digest).collect();
            store.memo_save(LISTED, &self.listed_key(subject), &ListedReferrers { digests, list });
        }
    }

    /// With a store that remembers what is pushed.
    #[must_use]
    pub fn with_store(self, store: &Store) -> Self {
        Self { store: Some(store.clone()), ..self }
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the client which blobs the image before this one has. Only saves requests, so it cannot fail.
    fn note_previous(&self) {
        let previous = self.state().previous.clone();
        if let Some(previous) = previous
            && let Some(document) = self.document_at(&previous)
        {
            self.note_document(&document, 0);
        }
    }

    /// A document of the registry, from the store if it was pushed from here.
    fn document_at(&self, descriptor: &Descriptor) -> Option<RawDocument> {
        let remembered = self.store.as_ref().and_then(|store| {
            let bytes = store.memo_get(PUSHED, &pushed_key(&descriptor.digest))?;
            RawDocument::new(Some(&descriptor.media_type), bytes).ok()
        });
        remembered
            .filter(|document| document.digest() == descriptor.digest)
            .or_else(|| self.client.try_document(&self.repository, descriptor).ok())
    }

    fn remember(&self, document: &RawDocument) {
        if let Some(store) = &self.store {
            store.memo_put(PUSHED, &pushed_key(&document.digest()), &document.bytes);
        }
    }

    fn note_document(&self, document: &RawDocument, depth: u32) {
        match document.parse() {
            Ok(ManifestOrIndex::Manifest(manifest)) => {
                for descriptor in manifest.layers.iter().chain([&manifest.config]) {
                    // Layers with addresses of their own need not be in the registry.
                    if descriptor.urls.is_empty() {
                        self.client.note_blob(&self.repository, descriptor.digest);
                    }
                }
            }
            Ok(ManifestOrIndex::Index(index)) if depth == 0 => {
                for child in index.manifests.iter().take(PLATFORMS) {
                    if let Some(document) = self.document_at(child) {
                        self.note_document(&document, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn resolve(&self, tag: &Tag) -> Result<Option<Descriptor>, RegistryError> {
        self.client.resolve_for_push(&self.repository.at_tag(tag.clone()))
    }

    fn put(&self, name: &str, document: &RawDocument) -> Result<Delivery, RegistryError> {
        self.with_pushed(|before| self.client.push_document(&self.repository, name, document, before))
    }

    /// As [`Self::put`], if the tag resolves to `seen` still.
    fn put_over(
        &self,
        tag: &Tag,
        document: &RawDocument,
        seen: Option<Digest>,
    ) -> Result<Delivery, RegistryError> {
        self.with_pushed(|before| {
            self.client.push_document_over(&self.repository, tag, document, seen, before)
        })
    }

    fn is_fixed(&self, tag: &Tag) -> bool {
        self.state().fixed.contains(tag)
    }

    /// Makes a tag that may not exist yet, unless it resolves to the document already.
    fn put_new(&self, tag: &Tag, document: &RawDocument) -> Result<Delivery, BoxedError> {
        self.put_over(tag, document, None).map_err(|error| match error {
            RegistryError::Moved { found: Some(found), .. } => {
                self.taken(tag, found, document.digest()).into()
            }
            error => error.into(),
        })
    }

    /// The refusal of `digest` under a tag that resolves to `found`.
    fn taken(&self, tag: &Tag, found: Digest, digest: Digest) -> TakenTag {
        let there = source(self.client.clone(), self.repository.at_digest(found));
        TakenTag {
            name: format!("{}:{tag}", self.repository),
            found,
            found_revision: revision_in(&there),
            digest,
            revision: None,
        }
    }

    /// Pushes with what was pushed before, should the registry have lost it.
    fn with_pushed<T>(&self, push: impl FnOnce(PushedParts<'_>) -> T) -> T {
        let state = self.state();
        let blobs: Vec<Blob> = state.blobs.values().cloned().collect();
        let documents: Vec<RawDocument> = state.documents.values().cloned().collect();
        drop(state);
        push(PushedParts { blobs: &blobs, documents: &documents })
    }
}

impl Destination for RegistryDestination {
    fn begin(&self, tags: &[Tag]) -> Result<(), BoxedError> {
        for (number, tag) in tags.iter().enumerate() {
            if number == 0 || self.is_fixed(tag) {
                let found = self.resolve(tag)?;
                let mut state = self.state();
                if state.previous.is_none() {
                    state.previous.clone_from(&found);
                }
                state.seen.insert(tag.clone(), found);
            }
        }
        Ok(())
    }

    fn fix(&self, tags: &[Tag]) {
        self.state().fixed = tags.iter().cloned().collect();
    }

    fn has_fixed(&self) -> bool {
        let state = self.state();
        state.fixed.iter().any(|tag| matches!(state.seen.get(tag), Some(Some(_))))
    }

    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError> {
        self.previous.get_or_init(|| self.note_previous());
        let digest = blob.descriptor.digest;
        self.state().blobs.insert(digest, blob.clone());
        let is_shared = digest == empty_config().digest;
        // If it is gone, the manifest is refused, and it is sent then.
        if is_shared
            && self.store.as_ref().is_some_and(|store| store.has_memo(PUSHED, &self.blob_key(&digest)))
        {
            self.client.note_blob(&self.repository, digest);
        }
        let delivery = self.client.push_blob(&self.repository, blob)?;
        if let Some(store) = self.store.as_ref().filter(|_| is_shared) {
            store.memo_put(PUSHED, &self.blob_key(&digest), &[]);
        }
        Ok(delivery)
    }

    fn follow(&self, growing: &GrowingBlob) -> Option<Delivery> {
        let delivery = self.client.follow_blob(&self.repository, growing)?;
        let blob = growing.finished()?;
        self.state().blobs.insert(blob.descriptor.digest, blob);
        Some(delivery)
    }

    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError> {
        let digest = document.digest();
        if self.state().documents.contains_key(&digest) {
            return Ok(Delivery::Present);
        }
        let delivery = self.put(&digest.to_string(), document)?;
        self.remember(document);
        self.state().documents.insert(digest, document.clone());
        Ok(delivery)
    }

    /// One HEAD: a registry takes a manifest only with all that it refers to.
    fn holds(&self, document: &Descriptor) -> Result<bool, BoxedError> {
        let reference = self.repository.at_digest(document.digest);
        Ok(self.client.resolve_for_push(&reference)?.is_some())
    }

    /// One request: to the referrers API, or for the tag that stands in for it. A tag that resolves to the list that this
    /// machine last wrote or read is not read again.
    fn lacks(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<Vec<Digest>, BoxedError> {
        if let Some(ListedReferrers { list: Some(list), .. }) =
            self.listed(subject).filter(|listed| listed.has(referrers))
            && self.resolve(&fallback_tag(subject))?.is_some_and(|found| found.digest == list)
        {
            return Ok(Vec::new());
        }
        let (listed, list) = match self.client.referrers_for_push(&self.repository, subject)? {
            Referrers::Api(listed) => (listed, None),
            Referrers::Tag(listed, digest) => (listed, Some(digest)),
            Referrers::Nothing => (Vec::new(), None),
        };
        let mut missing = Vec::new();
        for referrer in referrers {
            let is_listed = listed.iter().any(|entry| entry.digest == referrer.digest);
            // The tag goes on listing a manifest that was deleted.
            if !is_listed || list.is_some() && !self.holds(referrer)? {
                missing.push(referrer.digest);
            }
        }
        if missing.is_empty() {
            self.remember_listed(subject, &listed, list);
        }
        Ok(missing)
    }

    fn has_listed(&self, subject: &Digest, referrers: &[Descriptor]) -> bool {
        self.listed(subject).is_some_and(|listed| listed.has(referrers))
    }

    fn reader(&self, digest: &Digest) -> Option<Box<dyn Source>> {
        Some(Box::new(source(self.client.clone(), self.repository.at_digest(*digest))))
    }

    /// A registry with the referrers API lists by itself. Another gets the tag that stands in for it, which is moved only
    /// if it still lists what was read. Registries look at no condition, so that of two writers who read the same list the
    /// second one may overwrite the first one's entries: each waits longer than it took from reading to writing, looks
    /// again, and writes what is gone once more.
    fn refer(&self, subject: &Digest, referrers: &[Descriptor]) -> Result<(), BoxedError> {
        if self.client.lists_referrers(&self.repository) {
            self.remember_listed(subject, referrers, None);
            return Ok(());
        }
        let tag = fallback_tag(subject);
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            let looked = Instant::now();
            let (mut all, seen) = match self.client.referrers_for_push(&self.repository, subject)? {
                Referrers::Api(_) => {
                    self.remember_listed(subject, referrers, None);
                    return Ok(());
                }
                Referrers::Tag(listed, digest) => (listed, Some(digest)),
                Referrers::Nothing => (Vec::new(), None),
            };
            let before = all.len();
            for referrer in referrers {
                if !all.iter().any(|listed| listed.digest == referrer.digest) {
                    all.push(referrer.clone());
                }
            }
            if all.len() == before {
                self.remember_listed(subject, &all, seen);
                return Ok(());
            }
            let index = Index { manifests: all, ..empty_index() };
            let wrong = |source| LayoutError::Document { place: self.name(), digest: *subject, source };
            let bytes = to_json("index", &index).map_err(wrong)?;
            let document = RawDocument::new(Some(&MediaType::ImageIndex), bytes).map_err(wrong)?;
            tries += 1;
            match self.put_over(&tag, &document, seen) {
                Ok(_) if tries >= LIST_TRIES => return Ok(()),
                Ok(_) => {}
                Err(RegistryError::Moved { .. }) if tries < LIST_TRIES => {}
                Err(error) => return Err(error.into()),
            }
            // Writers that met do not meet again at once: each has another digest. One that met others is on a busy
            // registry, where all take longer.
            let spread =
                Duration::from_millis(u64::from(document.digest().as_bytes()[0] % 32) * u64::from(tries - 1));
            let took = if tries > 1 { begun.elapsed() } else { looked.elapsed() * 3 };
            thread::sleep(took.clamp(LIST_SETTLE, LIST_LONGEST) + spread);
        }
    }

    fn list_under(
        &self,
        tag: &Tag,
        document: &RawDocument,
        seen: Option<Digest>,
    ) -> Result<bool, BoxedError> {
        self.put_over(tag, document, seen)?;
        Ok(true)
    }

    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<Delivery, BoxedError> {
        let digest = root.digest();
        if tags.is_empty() {
            Destination::document(self, root)?;
        }
        for tag in tags {
            if self.state().current.get(tag) == Some(&digest) {
                continue;
            }
            if self.is_fixed(tag) {
                self.put_new(tag, root)?;
            } else {
                self.put(tag.as_str(), root)?;
            }
            self.state().current.insert(tag.clone(), digest);
        }
        self.remember(root);
        Ok(Delivery::Uploaded)
    }

    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError> {
        if tags.is_empty() {
            let reference = self.repository.at_digest(*digest);
            return Ok(self.client.resolve_for_push(&reference)?.is_some());
        }
        let mut all = true;
        let mut is_other = false;
        for tag in tags {
            let is_fixed = self.is_fixed(tag);
            // There is work to do, and an image to compare with: tags that move need not be asked for.
            if is_other && !is_fixed {
                continue;
            }
            let seen = self.state().seen.remove(tag);
            let found = match seen {
                Some(found) => found,
                None => self.resolve(tag)?,
            };
            match found {
                Some(descriptor) if descriptor.digest == *digest => {
                    self.state().current.insert(tag.clone(), *digest);
                }
                Some(descriptor) if is_fixed => {
                    return Err(self.taken(tag, descriptor.digest, *digest).into());
                }
                Some(descriptor) => {
                    self.state().previous.get_or_insert(descriptor);
                    (all, is_other) = (false, true);
                }
                None => all = false,
            }
        }
        Ok(all)
    }

    fn delete(&self, name: &ImageName) -> Result<bool, BoxedError> {
        let reference = match name {
            ImageName::Tag(tag) => self.repository.at_tag(tag.clone()),
            ImageName::Digest(digest) => self.repository.at_digest(*digest),
        };
        self.state().forget(name);
        Ok(self.client.delete(&reference)?)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            locality: Locality::Network,
            parallel_blobs: self.client.parallel_blobs(),
            follows: true,
            needs_all_blobs: false,
            referrers: true,
            deletes: true,
            mounts_from: Some(self.repository.registry().clone()),
        }
    }

    fn name(&self) -> String {
        self.repository.to_string()
    }
}
