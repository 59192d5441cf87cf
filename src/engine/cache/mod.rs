//! The registry as a shared cache of layers: what one machine built, another need not.
//!
//! Below a layer's key, which hashes everything that decides its bytes, an entry says digest, size and diffID of
//! the finished layer; see `record.rs`. A machine with an empty store then reads its files to know the keys, and
//! that is all.
//!
//! Invariants:
//! - Whatever fails in looking an entry up is a miss. It never fails a build, and a build does not wait for it
//!   longer than ten seconds at a time; after one fault nothing more is looked up.
//! - The statement of an entry is used in this build only, and not remembered as if this machine had built it.
//! - If any entry is found to be wrong, everything that came from the cache is dropped, and the build starts over.
//! - Nothing is written unless it was asked for, and only what this machine built or its own memos know.

mod layers;
mod marker;
mod push;
mod record;
pub use layers::SharedLayers;
pub(super) use layers::share;
#[cfg(any(test, feature = "testing"))]
pub(crate) use record::fuzz;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::layer::Compression;
use crate::plan::LayerFacts;
use crate::project::config::Percent;
use crate::registry::Client;
use crate::runtime::workers;
use crate::transport::Blob;
use crate::types::digest::Key;
use crate::types::error::BoxedError;
use crate::types::fingerprint;
use crate::types::fingerprint::fingerprint_fields;
use crate::types::reference::Repository;

/// How long an entry is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many entries are written at a time.
const WRITERS: usize = 4;

/// The use that a build makes of the cache in a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CachePolicy {
    /// Where entries are read.
    pub read: Option<Repository>,
    /// Where entries are written.
    pub write: Option<Repository>,
    /// How many of the layers that are found are built all the same, to compare.
    pub verify: Percent,
}

fingerprint_fields!(CachePolicy { read, write, verify });

impl CachePolicy {
    /// Whether the cache is there only to spare this machine work: it is neither written nor compared with.
    pub(super) const fn only_saves_work(&self) -> bool {
        self.write.is_none() && self.verify.get() == 0
    }

    /// Whether layers must be identified before they are built.
    pub(super) const fn is_used(&self) -> bool {
        self.read.is_some() || self.write.is_some()
    }

    /// Stands for this policy in the keys of memos.
    pub(super) fn key(&self) -> Key {
        fingerprint::fingerprint("pack cache policy 2", self)
    }

    /// Whether a layer with this key is among those that are built to compare: the same on every machine, so that
    /// it does not depend on luck whether a build is fast, or fails to notice.
    fn verifies(&self, key: &Key) -> bool {
        let [first, second, third, fourth, ..] = key.0;
        u32::from_le_bytes([first, second, third, fourth]) % 100 < u32::from(self.verify.get())
    }
}

/// Why nothing from the cache is believed any more; shared by all who may find out.
#[derive(Clone, Debug, Default)]
pub(super) struct CacheDistrust(Arc<Mutex<Option<String>>>);

impl CacheDistrust {
    pub(super) fn because(&self, why: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why.into());
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether a repository has a cache, and its entries, looked up while the plan is made.
///
/// Most repositories have none. One question finds that out, asked before the answer is needed; nothing is looked
/// up in them, and no file is hashed for it.
pub(super) struct Lookups {
    asker: Option<CacheReader>,
    presence: CachePresence,
    policy: CachePolicy,
    lookups: BTreeMap<Key, LayerQuery>,
    /// Layers that are to be looked for once it is known that there is a cache.
    waiting: Vec<Key>,
    /// The statements of entries about layers that are built to compare.
    pub(super) claims: BTreeMap<Key, LayerFacts>,
}

/// Whether there is a cache.
enum CachePresence {
    NotAsked,
    Asked(JoinHandle<bool>),
    Answered,
}

enum LayerQuery {
    Asked(JoinHandle<Option<LayerFacts>>),
    Answered(Option<LayerFacts>),
}

#[derive(Clone)]
struct CacheReader {
    client: Client,
    repository: Repository,
    /// Whether the image is pushed to the same repository.
    to_push: bool,
    compression: Compression,
    /// Whether a fault made the cache not worth asking.
    is_down: Arc<AtomicBool>,
}

impl Lookups {
    /// For an image that goes to `name`.
    pub(super) fn new(
        client: &Client,
        policy: &CachePolicy,
        name: &Repository,
        compression: Compression,
    ) -> Self {
        let asker = policy.read.as_ref().map(|repository| CacheReader {
            client: client.clone(),
            repository: repository.clone(),
            to_push: repository == name,
            compression,
            is_down: Arc::default(),
        });
        let (presence, policy) = (CachePresence::NotAsked, policy.clone());
        Self {
            asker,
            presence,
            policy,
            lookups: BTreeMap::new(),
            waiting: Vec::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Asks whether there is anything to look up, once, and does not wait for the answer.
    pub(super) fn begin(&mut self) {
        if let (CachePresence::NotAsked, Some(asker)) = (&self.presence, self.asker.clone()) {
            let asking = thread::Builder::new().name("cache".to_owned()).spawn(move || asker.is_there());
            self.presence = asking.map_or(CachePresence::Answered, CachePresence::Asked);
        }
    }

    /// Whether there is anything to look up. Waits for the answer, the first time.
    pub(super) fn are_worth_asking(&mut self) -> bool {
        self.begin();
        if let CachePresence::Asked(asking) = std::mem::replace(&mut self.presence, CachePresence::Answered)
            && !asking.join().unwrap_or(false)
        {
            self.asker = None;
        }
        self.asker.is_some()
    }

    /// Begins to look for the layer with this key, once, as soon as it is known that there is a cache. Planning goes on
    /// meanwhile.
    pub(super) fn ask(&mut self, key: &Key) {
        self.begin();
        self.waiting.push(*key);
        if !matches!(&self.presence, CachePresence::Asked(asking) if !asking.is_finished()) {
            self.ask_waiting();
        }
    }

    fn ask_waiting(&mut self) {
        for key in std::mem::take(&mut self.waiting) {
            if self.are_worth_asking() {
                self.ask_now(&key);
            }
        }
    }

    fn ask_now(&mut self, key: &Key) {
        let Some(asker) = self.asker.clone().filter(|_| !self.lookups.contains_key(key)) else { return };
        let wanted = *key;
        let asking = thread::Builder::new().name("cache".to_owned()).spawn(move || asker.look_up(&wanted));
        let lookup = asking.map_or(LayerQuery::Answered(None), LayerQuery::Asked);
        self.lookups.insert(*key, lookup);
    }

    /// The cache's answer about a layer; nothing for layers that are built to compare.
    pub(super) fn answer(&mut self, key: &Key) -> Option<LayerFacts> {
        self.ask_waiting();
        let facts = match self.lookups.remove(key)? {
            LayerQuery::Asked(asking) => asking.join().ok().flatten(),
            LayerQuery::Answered(facts) => facts,
        };
        self.lookups.insert(*key, LayerQuery::Answered(facts));
        let facts = facts?;
        if self.policy.verifies(key) {
            self.claims.insert(*key, facts);
            return None;
        }
        Some(facts)
    }
}

impl CacheReader {
    fn is_there(&self) -> bool {
        let reference = self.repository.at_tag(record::marker_tag());
        let found = self.client.glance(&reference, record::MAX_ENTRY, PATIENCE, self.to_push);
        match &found {
            Ok(Some(_)) => {}
            Ok(None) => tracing::debug!(%reference, "there is no cache"),
            Err(error) => tracing::debug!(%reference, %error, "the cache cannot be read"),
        }
        matches!(found, Ok(Some(_)))
    }

    fn look_up(&self, key: &Key) -> Option<LayerFacts> {
        if self.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let reference = self.repository.at_tag(record::tag(key));
        let document = match self.client.glance(&reference, record::MAX_ENTRY, PATIENCE, self.to_push) {
            Ok(Some(document)) => document,
            Ok(None) => {
                tracing::debug!(%reference, "not in the cache");
                return None;
            }
            Err(error) => {
                // A registry in trouble is not asked once more for each layer; a strange document is one layer's.
                let is_fault = !error.is_about_the_document();
                self.is_down.fetch_or(is_fault, Ordering::Relaxed);
                tracing::debug!(%reference, %error, "the cache cannot be read");
                return None;
            }
        };
        match record::read(&document, key, self.compression) {
            Ok(facts) => {
                tracing::debug!(%reference, digest = %facts.digest, "found in the cache");
                Some(facts)
            }
            Err(why) => {
                tracing::debug!(%reference, why, "what is in the cache is no entry");
                None
            }
        }
    }
}

/// A layer that the cache is to know.
pub(super) struct NewEntry {
    pub(super) key: Key,
    pub(super) facts: LayerFacts,
    pub(super) compression: Compression,
    /// For a repository that lacks them.
    pub(super) blobs: Vec<Blob>,
}

/// Writes entries that are not there, of layers that `holder` has. How many were written; where one cannot be, the others are left out.
///
/// # Errors
/// When the registry cannot be asked or refuses.
pub(super) fn write(
    client: &Client,
    repository: &Repository,
    holder: &Repository,
    entries: Vec<NewEntry>,
) -> Result<usize, BoxedError> {
    if !entries.is_empty() {
        marker::mark(client, repository)?;
    }
    let queue = Mutex::new(entries.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let has_failed = AtomicBool::new(false);
    let work = || {
        let mut written = 0;
        while !has_failed.load(Ordering::Relaxed)
            && let Some(entry) = next()
        {
            match write_one(client, repository, holder, &entry) {
                Ok(is_new) => written += usize::from(is_new),
                Err(error) => {
                    has_failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(written)
    };
    thread::scope(|scope| {
        // If the system gives no more threads, the others write the rest.
        let threads: Vec<_> = (1..WRITERS).map_while(|_| workers::spawn(scope, "cache", work).ok()).collect();
        let own = work();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(super::error::BuildError::Panicked.into())));
        // All of them, so that no thread's result is lost.
        results.chain([own]).collect::<Vec<_>>().into_iter().sum()
    })
}

fn write_one(
    client: &Client,
    repository: &Repository,
    holder: &Repository,
    entry: &NewEntry,
) -> Result<bool, BoxedError> {
    let document = record::write(&entry.key, entry.compression, &entry.facts)?;
    let tag = record::tag(&entry.key);
    if push::is_there(client, repository, &tag, &document)? {
        return Ok(false);
    }
    let origin = (repository != holder).then(|| holder.clone());
    let of_layer = entry.blobs.iter().map(|blob| Blob { origin: origin.clone(), ..blob.clone() });
    let blobs: Vec<Blob> = std::iter::once(record::empty()).chain(of_layer).collect();
    push::push(client, repository, &tag, &document, &blobs)?;
    Ok(true)
}
