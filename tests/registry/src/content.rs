//! The content of the registry: on one machine, or on two that learn of each other late.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Digest;

/// A manifest or index as it was put.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) media_type: String,
    pub(super) bytes: Arc<[u8]>,
}

/// An upload that is not finished.
#[derive(Clone, Default)]
pub(super) struct Session {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// How many pieces came; see [`super::Place::State`].
    pub(super) pieces: usize,
    /// The end of the first piece, for registries that never tell of the others.
    pub(super) first: usize,
    /// How long the latest piece was.
    pub(super) latest: usize,
}

/// The content of one machine.
#[derive(Clone, Default)]
pub(super) struct Content {
    blobs: BTreeMap<(String, Digest), Arc<[u8]>>,
    manifests: BTreeMap<(String, Digest), Document>,
    tags: BTreeMap<(String, String), Digest>,
    pub(super) sessions: BTreeMap<String, Session>,
}

impl Content {
    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Option<&Arc<[u8]>> {
        self.blobs.get(&(repository.to_owned(), *digest))
    }

    /// A blob of any repository, for who may read them all.
    pub(super) fn blob_anywhere(&self, digest: &Digest) -> Option<&Arc<[u8]>> {
        self.blobs.iter().find_map(|((_, other), bytes)| (other == digest).then_some(bytes))
    }

    pub(super) fn put_blob(&mut self, repository: &str, digest: Digest, bytes: Arc<[u8]>) {
        self.blobs.insert((repository.to_owned(), digest), bytes);
    }

    pub(super) fn delete_blob(&mut self, repository: &str, digest: &Digest) -> bool {
        self.blobs.remove(&(repository.to_owned(), *digest)).is_some()
    }

    pub(super) fn manifest(&self, repository: &str, digest: &Digest) -> Option<&Document> {
        self.manifests.get(&(repository.to_owned(), *digest))
    }

    /// All manifests of a repository.
    pub(super) fn manifests(&self, repository: &str) -> impl Iterator<Item = (&Digest, &Document)> {
        let own = self.manifests.iter().filter(move |((owner, _), _)| owner == repository);
        own.map(|((_, digest), document)| (digest, document))
    }

    pub(super) fn put_manifest(&mut self, repository: &str, digest: Digest, document: Document) {
        self.manifests.insert((repository.to_owned(), digest), document);
    }

    /// With every tag that resolves to it.
    pub(super) fn delete_manifest(&mut self, repository: &str, digest: &Digest) -> bool {
        self.tags.retain(|(owner, _), tagged| owner != repository || tagged != digest);
        self.manifests.remove(&(repository.to_owned(), *digest)).is_some()
    }

    pub(super) fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.tags.get(&(repository.to_owned(), tag.to_owned())).copied()
    }

    /// All tags of a repository, in order.
    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        let of = |(owner, tag): &(String, String)| (owner == repository).then(|| tag.clone());
        self.tags.keys().filter_map(of).collect()
    }

    pub(super) fn put_tag(&mut self, repository: &str, tag: &str, digest: Digest) {
        self.tags.insert((repository.to_owned(), tag.to_owned()), digest);
    }

    pub(super) fn delete_tag(&mut self, repository: &str, tag: &str) -> bool {
        self.tags.remove(&(repository.to_owned(), tag.to_owned())).is_some()
    }

    /// Whether anything was ever put into a repository.
    pub(super) fn knows(&self, repository: &str) -> bool {
        self.blobs.keys().any(|(owner, _)| owner == repository)
            || self.manifests.keys().any(|(owner, _)| owner == repository)
    }
}

/// Two machines behind one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// So many requests in a row go to the same.
    pub every: usize,
    /// The other machine learns of an addition after so many requests. Sessions are never shared.
    pub lag: usize,
}

type Change = Arc<dyn Fn(&mut Content) + Send + Sync>;

/// All machines.
#[derive(Default)]
pub(super) struct Machines {
    contents: [Content; 2],
    replicas: Option<Replicas>,
    requests: usize,
    /// The changes that the other machine will learn, and at which request.
    pending: Vec<(usize, usize, Change)>,
}

impl Machines {
    /// Which machine gets the next request.
    pub(super) fn turn(&mut self) -> usize {
        let Some(replicas) = self.replicas else { return 0 };
        self.requests += 1;
        let now = self.requests;
        let (due, later) = std::mem::take(&mut self.pending).into_iter().partition(|(at, ..)| *at <= now);
        self.pending = later;
        self.apply(due);
        (now - 1) / replicas.every.max(1) % 2
    }

    fn apply(&mut self, changes: Vec<(usize, usize, Change)>) {
        for (_, machine, change) in changes {
            change(&mut self.contents[machine]);
        }
    }

    pub(super) fn at(&self, machine: usize) -> &Content {
        &self.contents[machine]
    }

    pub(super) fn at_mut(&mut self, machine: usize) -> &mut Content {
        &mut self.contents[machine]
    }

    /// Changes one machine now and the other when it learns of it.
    pub(super) fn change(&mut self, machine: usize, change: impl Fn(&mut Content) + Send + Sync + 'static) {
        change(&mut self.contents[machine]);
        if let Some(replicas) = self.replicas {
            self.pending.push((self.requests + replicas.lag, 1 - machine, Arc::new(change)));
        }
    }

    /// Changes what was always there.
    pub(super) fn everywhere(&mut self, change: impl Fn(&mut Content)) {
        self.contents.iter_mut().for_each(change);
    }

    pub(super) fn split(&mut self, replicas: Replicas) {
        self.contents[1] = self.contents[0].clone();
        (self.replicas, self.requests) = (Some(replicas), 0);
    }

    /// One machine that knows what either knew.
    pub(super) fn join(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.apply(pending);
        self.replicas = None;
    }

    /// The answer of the first machine that knows one, once all is learnt.
    pub(super) fn any<T>(&mut self, find: impl Fn(&Content) -> Option<T>) -> Option<T> {
        let pending = std::mem::take(&mut self.pending);
        self.apply(pending);
        self.contents.iter().take(if self.replicas.is_some() { 2 } else { 1 }).find_map(find)
    }

    pub(super) fn open_sessions(&self) -> usize {
        self.contents.iter().map(|content| content.sessions.len()).sum()
    }

    /// Everything as it is, to be restored.
    pub(super) fn snapshot(&self) -> ([Content; 2], usize) {
        (self.contents.clone(), self.pending.len())
    }

    pub(super) fn restore(&mut self, (contents, pending): ([Content; 2], usize)) {
        self.contents = contents;
        self.pending.truncate(pending);
    }
}
