//! Pushing: blobs that are found, mounted or uploaded, and the documents that name them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::auth::access::Access;
use super::super::wire::answer::{ErrorAnswer, UNKNOWN_MANIFEST};
use super::super::wire::body::SentBytes;
use super::super::wire::context::{RequestStep, context};
use super::super::wire::error::RegistryError;
use super::super::wire::host::Host;
use super::super::wire::lock::lock;
use super::follow::Follow;
use super::handle::{Client, runtime};
use super::manifests::HealOutcome;
use super::upload::{self, OpenSessions, Push, Uploads};
use crate::oci::RawDocument;
use crate::oci::blob::{Blob, Delivery, GrowingBlob};
use crate::oci::media_type::{self, DocumentKind};
use crate::runtime::events::Phase;
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};

/// The pushed parts of a repository, to push them again if the registry lost them.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushedParts<'a> {
    /// The blobs that manifests name.
    pub blobs: &'a [Blob],
    /// The documents that indexes name.
    pub documents: &'a [RawDocument],
}

/// Those of `all` whose digests an answer names, or all if it names none of them.
fn named_or_all<'a, T>(
    all: &'a [T],
    answer: &ErrorAnswer,
    digest: impl Fn(&T) -> Digest,
) -> impl Iterator<Item = &'a T> {
    let is_named = move |item: &T| answer.digests.contains(&digest(item));
    let any_named = all.iter().any(&is_named);
    let wanted: Vec<&T> = all.iter().filter(|item| !any_named || is_named(item)).collect();
    wanted.into_iter()
}

fn is_index(document: &RawDocument) -> bool {
    media_type::document(&document.media_type) == Some(DocumentKind::Index)
}

impl Client {
    /// Remembers that a repository holds a blob: it will not be asked for, and can be mounted elsewhere.
    /// If it turns out otherwise when the manifest is pushed, the blob is uploaded then.
    pub fn note_blob(&self, repository: &Repository, digest: Digest) {
        lock(&self.0.known).entry(digest).or_default().insert(repository.clone());
    }

    /// Makes sure that a repository has a blob: finds, mounts or uploads it. A second caller for the same blob waits
    /// for the first.
    ///
    /// # Errors
    /// When it cannot be brought there, or its local bytes are not what its descriptor says.
    pub fn push_blob(&self, repository: &Repository, blob: &Blob) -> Result<Delivery, RegistryError> {
        let host = self.api().host(repository.registry())?;
        let sessions = OpenSessions::default();
        let result = self.wait(self.bring(&host, repository, blob, false, &sessions));
        self.cancel(&host, repository, &sessions);
        result
    }

    /// Brings a blob to a repository while it is being made; `None` if that does not come off for whatever
    /// reason, and [`Client::push_blob`] is to do it.
    pub fn follow_blob(&self, repository: &Repository, growing: &GrowingBlob) -> Option<Delivery> {
        let host = self.api().host(repository.registry()).ok()?;
        // A registry that wants chunks wants to know their lengths.
        let shape = self.api().shape(repository.registry());
        if shape.chunk_size.is_some() || shape.refused_following.load(Ordering::Relaxed) {
            return None;
        }
        let sessions = OpenSessions::default();
        let task = self.0.progress.task(Phase::Push, growing.title(), None);
        let progress = Arc::new(SentBytes::new(task));
        let subject = growing.title().to_owned();
        let uploads = Uploads { api: self.api(), host: &host, repository, subject, sessions: &sessions };
        let follow = Follow { uploads, growing, progress };
        let known = |digest: &Digest| {
            lock(&self.0.known).get(digest).is_some_and(|holders| holders.contains(repository))
        };
        let result = self.wait(follow.run(known));
        self.cancel(&host, repository, &sessions);
        match result {
            Ok(delivery) => {
                let digest = growing.finished()?.descriptor.digest;
                self.note_blob(repository, digest);
                if delivery == Delivery::Uploaded {
                    lock(&self.0.confirmed).insert((repository.clone(), digest));
                }
                SentBytes::conclude(follow.progress, delivery);
                Some(delivery)
            }
            Err(error) => {
                tracing::debug!(%error, "not uploaded while it was made");
                // Not again in this run, unless it is not the registry's fault.
                if !error.is_ours() {
                    shape.refused_following.store(true, Ordering::Relaxed);
                }
                None
            }
        }
    }

    async fn bring(
        &self,
        host: &Host,
        repository: &Repository,
        blob: &Blob,
        force: bool,
        sessions: &OpenSessions,
    ) -> Result<Delivery, RegistryError> {
        let digest = blob.descriptor.digest;
        let busy = {
            let key = (repository.registry().clone(), digest);
            Arc::clone(lock(&self.0.busy).entry(key).or_default())
        };
        let _turn = busy.lock().await;
        let from = {
            let mut known = lock(&self.0.known);
            let holders = known.entry(digest).or_default();
            if force {
                holders.clear();
            }
            if let Some(origin) = blob.origin.as_ref().filter(|_| !force) {
                holders.insert(origin.clone());
            }
            if holders.contains(repository) {
                return Ok(Delivery::Present);
            }
            holders.iter().find(|holder| holder.registry() == repository.registry()).cloned()
        };
        let _slot = host.push_slot().await;
        let task = self.0.progress.task(Phase::Push, blob.title.clone(), Some(blob.descriptor.size));
        let progress = Arc::new(SentBytes::new(task));
        let (api, shape) = (self.api(), self.api().shape(repository.registry()));
        let push = Push {
            api,
            host,
            repository,
            blob,
            from,
            force,
            sessions,
            progress: Arc::clone(&progress),
            shape,
        };
        let delivery = push.run().await?;
        self.note_blob(repository, digest);
        lock(&self.0.confirmed).insert((repository.clone(), digest));
        SentBytes::conclude(progress, delivery);
        Ok(delivery)
    }

    /// Brings a blob that the registry says it does not have, though it seemed to: asks for it if it has not
    /// been asked for, and else uploads it whatever the answer was.
    async fn bring_back(
        &self,
        host: &Host,
        repository: &Repository,
        blob: &Blob,
        sessions: &OpenSessions,
    ) -> Result<Delivery, RegistryError> {
        let digest = blob.descriptor.digest;
        let force = lock(&self.0.confirmed).contains(&(repository.clone(), digest));
        if let Some(holders) = lock(&self.0.known).get_mut(&digest) {
            holders.remove(repository);
        }
        let other_origin = blob.origin.clone().filter(|origin| origin != repository);
        let blob = Blob { origin: other_origin, ..blob.clone() };
        self.bring(host, repository, &blob, force, sessions).await
    }

    /// Stores a manifest or index under a tag or its digest. Parts that were pushed before and that the registry says
    /// are missing are sent once more, whatever it said then.
    ///
    /// # Errors
    /// When it cannot be stored, or does not resolve to itself afterwards.
    pub fn push_document(
        &self,
        repository: &Repository,
        name: &str,
        document: &RawDocument,
        before: PushedParts<'_>,
    ) -> Result<Delivery, RegistryError> {
        self.put(repository, (name, false), document, before)
    }

    fn put(
        &self,
        repository: &Repository,
        (name, new): (&str, bool),
        document: &RawDocument,
        before: PushedParts<'_>,
    ) -> Result<Delivery, RegistryError> {
        let host = self.api().host(repository.registry())?;
        let sessions = OpenSessions::default();
        let PushedParts { blobs, documents } = before;
        let result = self.wait(async {
            let bring_blobs = async |answer: &ErrorAnswer| {
                if answer.is_code(&[UNKNOWN_MANIFEST]) || blobs.is_empty() {
                    return Ok(self.nothing_to_send(repository));
                }
                for blob in named_or_all(blobs, answer, |blob| blob.descriptor.digest) {
                    self.bring_back(&host, repository, blob, &sessions).await?;
                }
                Ok(HealOutcome::Sent)
            };
            let bring = async |answer: &ErrorAnswer| {
                // An index names manifests, whatever code a registry has for one that it lacks.
                let names_blob = || blobs.iter().any(|blob| answer.digests.contains(&blob.descriptor.digest));
                let children = named_or_all(documents, answer, RawDocument::digest);
                let mut children = children.filter(|child| child.digest() != document.digest()).peekable();
                let is_manifest = answer.is_code(&[UNKNOWN_MANIFEST]);
                if !is_manifest && (children.peek().is_none() || !is_index(document) || names_blob()) {
                    return bring_blobs(answer).await;
                }
                let mut done = self.nothing_to_send(repository);
                for child in children {
                    let name = child.digest().to_string();
                    self.api().push_document(&host, repository, (&name, false), child, &bring_blobs).await?;
                    done = HealOutcome::Sent;
                }
                Ok(done)
            };
            let _slot = host.document_slot().await;
            self.api().push_document(&host, repository, (name, new), document, bring).await
        });
        self.cancel(&host, repository, &sessions);
        result
    }

    /// Whether this run has sent something to a repository, where there is nothing to send now.
    fn nothing_to_send(&self, repository: &Repository) -> HealOutcome {
        match lock(&self.0.confirmed).iter().any(|(holder, _)| holder == repository) {
            true => HealOutcome::SentBefore,
            false => HealOutcome::Nothing,
        }
    }

    /// Moves a tag, unless somebody else has moved it: it must resolve to `expected` now, or to nothing where that is
    /// none, and to the document afterwards; a registry that knows conditions is told that the tag must be new. Those that
    /// share a client take turns at a tag. Of two others that do this at once and see the same, the registry takes both,
    /// and the one that is overwritten before its last look is told so.
    ///
    /// # Errors
    /// [`RegistryError::Moved`] when the tag is not what it should be, and whatever [`Client::push_document`] fails by.
    pub fn push_document_over(
        &self,
        repository: &Repository,
        tag: &Tag,
        document: &RawDocument,
        expected: Option<Digest>,
        before: PushedParts<'_>,
    ) -> Result<Delivery, RegistryError> {
        let access = Access::push(repository);
        let resolve = || self.look_up(&access, tag.as_str()).map(|found| found.map(|found| found.digest));
        let moved = |found: Option<Digest>| RegistryError::Moved {
            context: Box::new(context(
                repository.registry(),
                RequestStep::PushManifest,
                repository.path(),
                tag.as_str(),
            )),
            expected,
            found,
        };
        let digest = document.digest();
        let turn = self.tag_turn(repository.path(), tag);
        let _turn = lock(&turn);
        match resolve()? {
            Some(found) if found == digest => return Ok(Delivery::Present),
            found if found == expected => {}
            found => return Err(moved(found)),
        }
        let name = (tag.as_str(), expected.is_none());
        let delivery = self.put(repository, name, document, before)?;
        match resolve()? {
            Some(found) if found == digest => Ok(delivery),
            found => Err(moved(found)),
        }
    }

    /// Asks whether a name resolves to `digest` now.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn confirm(
        &self,
        repository: &Repository,
        name: &str,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let found = self.look_up(&Access::push(repository), name)?;
        Ok(found.is_some_and(|descriptor| descriptor.digest == *digest))
    }

    /// Cancels what an interrupted or failed upload left open.
    fn cancel(&self, host: &Host, repository: &Repository, sessions: &OpenSessions) {
        if !lock(sessions).is_empty()
            && let Ok(runtime) = runtime()
        {
            runtime.block_on(Box::pin(upload::cancel(self.api(), host, repository, sessions)));
        }
    }
}
