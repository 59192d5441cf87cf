//! Pulling: what names resolve to, documents and blobs, from mirrors first.

use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::super::auth::access::Access;
use super::super::wire::context::{RequestStep, context};
use super::super::wire::error::RegistryError;
use super::super::wire::fault::Fault;
use super::super::wire::lock::lock;
use super::download::{Download, WatchedDownload};
use super::handle::Client;
use crate::oci::blob::BlobStream;
use crate::oci::{Descriptor, MAX_DOCUMENT, RawDocument};
use crate::runtime::events::Phase;
use crate::types::digest::{Digest, Sha256};
use crate::types::reference::{Reference, Repository};

impl Client {
    /// The manifest that a reference resolves to, or `None` if it does not exist. One HEAD where the registry answers
    /// it well.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<Descriptor>, RegistryError> {
        let repository = reference.repository();
        self.api().wire().routes.check_not_blocked(repository.registry(), repository.path())?;
        self.look_up(&Access::pull(repository), &reference.manifest_name())
    }

    /// As [`Client::resolve`], where the same repository is going to be pushed to: the token that this
    /// needs is good for both.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn resolve_for_push(&self, reference: &Reference) -> Result<Option<Descriptor>, RegistryError> {
        self.look_up(&Access::push(reference.repository()), &reference.manifest_name())
    }

    pub(super) fn look_up(&self, access: &Access, name: &str) -> Result<Option<Descriptor>, RegistryError> {
        let host = self.api().host(access.repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            self.api()
                .retrying(&host, async || self.api().look_up(&host, access, name, RequestStep::Resolve).await)
                .await
        })
    }

    /// The manifest or index with a tag or digest, checked against both its name and `expected`.
    ///
    /// Mirrors of the registry are asked first. The first digest of a tag holds for the rest of the run: its parts
    /// may come from other places than its name.
    ///
    /// # Errors
    /// When it does not exist, cannot be fetched, or is not to be trusted.
    pub fn document(
        &self,
        repository: &Repository,
        name: &str,
        expected: Option<&Descriptor>,
    ) -> Result<RawDocument, RegistryError> {
        self.api().wire().routes.check_not_blocked(repository.registry(), repository.path())?;
        let mirrors = self.mirrors(repository);
        if mirrors.is_empty() {
            return self.document_at(repository, name, expected, false);
        }
        let key = (repository.clone(), name.to_owned());
        let pinned = lock(&self.0.pinned).get(&key).map(Digest::to_string);
        let name = pinned.as_deref().unwrap_or(name);
        let mut found = None;
        for mirror in &mirrors {
            match self.document_at(mirror, name, expected, true) {
                Ok(document) => {
                    found = Some(document);
                    break;
                }
                Err(error) => self.0.pass_over(mirror, error)?,
            }
        }
        let document = match found {
            Some(document) => document,
            None => self.document_at(repository, name, expected, false)?,
        };
        lock(&self.0.pinned).entry(key).or_insert(document.digest());
        Ok(document)
    }

    /// As [`Client::document`], of at most `limit` bytes and from the registry itself: a mirror may have an older state of
    /// a tag. `to_push` says that the same repository is going to be pushed to, so that one token is good for both.
    ///
    /// # Errors
    /// As for [`Client::document`].
    pub fn own_document(
        &self,
        repository: &Repository,
        name: &str,
        expected: Option<&Descriptor>,
        limit: u64,
        to_push: bool,
    ) -> Result<RawDocument, RegistryError> {
        self.api().wire().routes.check_not_blocked(repository.registry(), repository.path())?;
        let host = self.api().host(repository.registry())?;
        let access = if to_push { Access::push(repository) } else { Access::pull(repository) };
        self.wait(async {
            let _slot = host.document_slot().await;
            let step = RequestStep::PullManifest;
            let fetch =
                async || self.api().fetch_document_up_to(limit, &host, &access, name, expected, step).await;
            self.api().retrying(&host, fetch).await
        })
    }

    /// From this repository and no other; a mirror is asked once only.
    fn document_at(
        &self,
        repository: &Repository,
        name: &str,
        expected: Option<&Descriptor>,
        once: bool,
    ) -> Result<RawDocument, RegistryError> {
        let host = self.api().host(repository.registry())?;
        let access = Access::pull(repository);
        self.wait(async {
            let _slot = host.document_slot().await;
            let fetch = async || {
                self.api().fetch_document(&host, &access, name, expected, RequestStep::PullManifest).await
            };
            if once { fetch().await } else { self.api().retrying(&host, fetch).await }
        })
    }

    /// As [`Client::document`] by digest, but with one try only: for what merely saves requests.
    ///
    /// # Errors
    /// As for [`Client::document`], and for every passing fault.
    pub fn try_document(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<RawDocument, RegistryError> {
        let host = self.api().host(repository.registry())?;
        let access = Access::pull(repository);
        let name = descriptor.digest.to_string();
        self.wait(async {
            let _slot = host.document_slot().await;
            self.api()
                .fetch_document(&host, &access, &name, Some(descriptor), RequestStep::PullManifest)
                .await
        })
    }

    /// A document of at most `limit` bytes with a tag, or `None` where there is none: one try, and given up after
    /// `patience`, for what merely saves work. `to_push` says that the same repository is going to be pushed to, so
    /// that one token is good for both.
    ///
    /// # Errors
    /// As for [`Client::document`], for every passing fault, and when it takes too long.
    pub fn glance(
        &self,
        reference: &Reference,
        limit: u64,
        patience: Duration,
        to_push: bool,
    ) -> Result<Option<RawDocument>, RegistryError> {
        let repository = reference.repository();
        let host = self.api().host(repository.registry())?;
        let access = if to_push { Access::push(repository) } else { Access::pull(repository) };
        let name = reference.manifest_name();
        let step = RequestStep::PullManifest;
        let fetch = async {
            let _slot = host.document_slot().await;
            self.api().fetch_document_up_to(limit, &host, &access, &name, None, step).await
        };
        self.wait(async {
            match self.api().wire_settings().clock.within(patience, fetch).await {
                Some(Ok(document)) => Ok(Some(document)),
                Some(Err(RegistryError::NotFound { .. })) => Ok(None),
                Some(Err(error)) => Err(error),
                None => Err(RegistryError::NoAnswer {
                    context: Box::new(context(&host.registry, step, repository.path(), &name)),
                    fault: Fault::Stalled("looking into the cache"),
                    reached_before: true,
                }),
            }
        })
    }

    /// A blob's bytes. Reading to the end fails unless they are what `descriptor` says; a broken download goes on
    /// where it stopped. A blob of at most [`MAX_DOCUMENT`] is fetched and checked at once.
    ///
    /// A stream holds one of the host's slots until it is read to its end or dropped, so open few at once.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    pub fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<BlobStream, RegistryError> {
        self.api().wire().routes.check_not_blocked(repository.registry(), repository.path())?;
        let task = self.0.progress.task(Phase::Pull, descriptor.digest.short(), Some(descriptor.size));
        let (digest, size) = (descriptor.digest, descriptor.size);
        let mut places = self.mirrors(repository);
        places.push(repository.clone());
        if size > MAX_DOCUMENT {
            let download = self.wait(Download::open(self, places, descriptor, task))?;
            return match self.api().settings.scratch.as_deref().filter(|_| download.has_elsewhere()) {
                Some(scratch) => Ok(Box::new(self.spool(download, scratch, &digest)?)),
                None => Ok(Box::new(WatchedDownload::new(download, digest, size))),
            };
        }
        let bytes = self.wait(async {
            let mut download = Download::open(self, places, descriptor, task).await?;
            loop {
                let bytes = download.rest().await?;
                let found = Digest::of(&bytes);
                if found == digest {
                    return Ok(bytes);
                }
                let context = Box::new(download.context().clone());
                let (expected, found) = (digest.to_string(), found.to_string());
                download.begin_elsewhere(RegistryError::Mismatch { context, expected, found }).await?;
            }
        })?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    /// All of a blob in a file without a name, once it is known to be right, wherever it came from.
    fn spool(
        &self,
        mut download: Download,
        scratch: &Path,
        digest: &Digest,
    ) -> Result<std::fs::File, RegistryError> {
        loop {
            let context = Box::new(download.context().clone());
            let local = |source| RegistryError::Local { context: context.clone(), source };
            let mut file = tempfile::tempfile_in(scratch).map_err(local)?;
            let mut hasher = Sha256::new();
            loop {
                let piece = self.wait(download.piece())?;
                if piece.is_empty() {
                    break;
                }
                hasher.update(&piece);
                file.write_all(&piece).map_err(local)?;
            }
            let found = hasher.finish();
            if found == *digest {
                file.rewind().map_err(local)?;
                return Ok(file);
            }
            let (expected, found) = (digest.to_string(), found.to_string());
            self.wait(download.begin_elsewhere(RegistryError::Mismatch { context, expected, found }))?;
        }
    }

    /// Whether a repository has a blob.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn has_blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let host = self.api().host(repository.registry())?;
        let access = Access::pull(repository);
        self.wait(async {
            let _slot = host.document_slot().await;
            self.api().retrying(&host, async || self.api().has_blob(&host, &access, descriptor).await).await
        })
    }
}
