//! The OCI distribution protocol: resolve, pull and push.
//!
//! A [`Client`] is blocking and may be used from many threads; inside, one small runtime drives all of
//! them. It opens nothing before the first request. Invariants:
//!
//! - Credentials go to the registry that they are for and its token server, and to nobody else.
//! - A blob or document is handed out only if its bytes are what its digest says.
//! - A push reports success only for what the registry was seen to hold.
//! - Requests are bounded in number and time, and an [`Interrupt`] ends them all.
//!
//! It knows nothing about images beyond manifests being documents that name blobs.

mod advice;
mod auth;
mod challenge;
mod clock;
mod credentials;
mod doctor;
mod engines;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
mod follow;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod helper;
mod http;
mod location;
mod login;
mod proxy;
mod pull;
mod push;
mod referrers;
mod retry;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod tls;
mod upload;
mod x509;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;

pub use self::advice::Distrust;
use self::auth::Access;
pub use self::clock::Clock;
pub use self::credentials::Credentials;
pub use self::doctor::{Check, Diagnosis, Health};
pub use self::engines::EngineFiles;
pub use self::error::{Answer, Context, Fault, RegistryError, Step};
use self::follow::Follow;
use self::http::{Http, lock};
pub use self::login::{Kept, Place, Removed};
use self::pull::{Download, Watched};
use self::push::{OpenSessions, Push, UNKNOWN_MANIFEST, Uploads};
pub use self::referrers::{Referrers, fallback_tag};
pub use self::settings::{Mirror, ProxySettings, RegistrySettings, RetryPolicy, Secret, Settings, Timeouts};
use self::upload::Sent;
use crate::oci::blob::{Blob, BlobStream, Delivery, Growing};
use crate::oci::{Descriptor, MAX_DOCUMENT, RawDocument};
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::runtime::observer::{Phase, Progress};
use crate::types::digest::{Digest, Sha256};
use crate::types::reference::{Reference, Registry, Repository, Scope};

/// How often waiting work looks whether the user interrupted.
const GLANCE: Duration = Duration::from_millis(25);

/// A registry client; cheap to clone, shared by all threads of a run.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: Arc<Http>,
    progress: Progress,
    interrupt: Interrupt,
    /// Which repositories are known to hold a blob.
    known: Mutex<BTreeMap<Digest, BTreeSet<Repository>>>,
    /// Those of them that the registry itself confirmed in this run.
    confirmed: Mutex<BTreeSet<(Repository, Digest)>>,
    /// What tags that were pulled through mirrors resolved to first.
    pinned: Mutex<BTreeMap<(Repository, String), Digest>>,
    /// Mirrors that failed in this run.
    failed_mirrors: Mutex<BTreeSet<Registry>>,
    /// Held while a blob is brought to a registry, so that others can mount it instead.
    busy: Mutex<BTreeMap<(Registry, Digest), Turn>>,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

/// What was pushed to a repository, to push it again should the registry have lost it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pushed<'a> {
    /// What manifests name.
    pub blobs: &'a [Blob],
    /// What indexes name.
    pub documents: &'a [RawDocument],
}

/// Those of `all` whose digests an answer names, or all if it names none of them.
fn named_or_all<'a, T>(
    all: &'a [T],
    answer: &Answer,
    digest: impl Fn(&T) -> Digest,
) -> impl Iterator<Item = &'a T> {
    let is_named = move |item: &T| answer.digests.contains(&digest(item));
    let any_named = all.iter().any(&is_named);
    let wanted: Vec<&T> = all.iter().filter(|item| !any_named || is_named(item)).collect();
    wanted.into_iter()
}

impl Inner {
    /// A mirror has failed: unless that is because it lacks something, it is not asked again in this run.
    fn pass_over(&self, mirror: &Repository, error: RegistryError) -> Result<(), RegistryError> {
        match error {
            RegistryError::Interrupted(_) => return Err(error),
            RegistryError::NotFound { .. } => tracing::info!("the mirror lacks it: {error}"),
            _ => {
                if lock(&self.failed_mirrors).insert(mirror.registry().clone()) {
                    self.progress.warn(format!("going on without the mirror {}: {error}", mirror.registry()));
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// How a registry greets whoever shows a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It asked for a login and took it.
    Known,
    /// It asked for no login, so that none could be checked.
    NotAsked,
}

/// Threads of the runtime: two for connections, and one that asks for addresses.
const THREADS: usize = 3;

/// One runtime for the process: clients come and go, their connections' threads need not.
fn runtime() -> Result<&'static Runtime, RegistryError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        // Where the system gives no threads, the runtime panics; so they are asked for before.
        crate::runtime::workers::check(THREADS).map_err(|error| error.to_string())?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    };
    // Whoever comes second waits for the first, and does not build another one.
    let built = RUNTIME.get_or_init(build).as_ref();
    built.map_err(|why| RegistryError::Setup { host: "any host".to_owned(), why: why.clone() })
}

impl Client {
    /// A client that has done nothing yet: no file is read and no connection opened.
    #[must_use]
    pub fn new(settings: Settings, progress: Progress, interrupt: Interrupt) -> Self {
        let http = Arc::new(Http::new(settings, progress.clone()));
        Self(Arc::new(Inner {
            http,
            progress,
            interrupt,
            known: Mutex::default(),
            confirmed: Mutex::default(),
            pinned: Mutex::default(),
            failed_mirrors: Mutex::default(),
            busy: Mutex::default(),
        }))
    }

    /// Asks a registry whether it knows us: `GET /v2/`, with a token of no scope where it wants one.
    ///
    /// # Errors
    /// When it refuses the login, cannot be asked, or is no registry.
    pub fn check_login(&self, scope: &Scope) -> Result<Greeting, RegistryError> {
        let host = self.http().host(scope.registry())?;
        let access = Access::none(scope);
        self.wait(async {
            self.http().retrying(&host, async || self.http().greet(&host, &access).await).await
        })
    }

    /// Explains step by step how a registry, or a repository in it, is reached and what it lets us do. With
    /// `push`, an upload is begun and cancelled. `now` is the time, which clocks and certificates are compared
    /// with.
    ///
    /// # Errors
    /// When interrupted; whatever else fails is in the diagnosis.
    pub fn diagnose(&self, scope: &Scope, push: bool, now: SystemTime) -> Result<Diagnosis, RegistryError> {
        self.wait(async { Ok(doctor::diagnose(&self.0.http, scope, push, now).await) })
    }

    /// What a reference resolves to, or `None` where it does not exist. One HEAD where the registry
    /// answers it well.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<Descriptor>, RegistryError> {
        let repository = reference.repository();
        self.http().check_not_blocked(repository.registry(), repository.path())?;
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

    fn look_up(&self, access: &Access, name: &str) -> Result<Option<Descriptor>, RegistryError> {
        let host = self.http().host(access.repository.registry())?;
        self.wait(async {
            let _slot = host.document_slot().await;
            self.http()
                .retrying(&host, async || self.http().look_up(&host, access, name, Step::Resolve).await)
                .await
        })
    }

    /// The manifest or index with a tag or digest, checked against both its name and `expected`.
    ///
    /// Mirrors of the registry are asked first. What a tag was the first time it is for the rest of the run:
    /// its parts may come from elsewhere than its name.
    ///
    /// # Errors
    /// When it does not exist, cannot be fetched, or is not to be trusted.
    pub fn document(
        &self,
        repository: &Repository,
        name: &str,
        expected: Option<&Descriptor>,
    ) -> Result<RawDocument, RegistryError> {
        self.http().check_not_blocked(repository.registry(), repository.path())?;
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

    /// From this repository and no other; a mirror is asked once only.
    fn document_at(
        &self,
        repository: &Repository,
        name: &str,
        expected: Option<&Descriptor>,
        once: bool,
    ) -> Result<RawDocument, RegistryError> {
        let host = self.http().host(repository.registry())?;
        let access = Access::pull(repository);
        self.wait(async {
            let _slot = host.document_slot().await;
            let fetch =
                async || self.http().fetch_document(&host, &access, name, expected, Step::PullManifest).await;
            if once { fetch().await } else { self.http().retrying(&host, fetch).await }
        })
    }

    /// What a repository is called at the mirrors of its registry that have not failed yet.
    fn mirrors(&self, repository: &Repository) -> Vec<Repository> {
        let settings = self.http().settings.registries.get(repository.registry());
        let failed = lock(&self.0.failed_mirrors);
        let mirrors = settings.map_or(&[][..], |settings| &settings.mirrors);
        let left = mirrors.iter().filter(|mirror| !failed.contains(mirror.registry()));
        left.filter_map(|mirror| mirror.of(repository)).collect()
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
        let host = self.http().host(repository.registry())?;
        let access = Access::pull(repository);
        let name = descriptor.digest.to_string();
        self.wait(async {
            let _slot = host.document_slot().await;
            self.http().fetch_document(&host, &access, &name, Some(descriptor), Step::PullManifest).await
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
        let host = self.http().host(repository.registry())?;
        let access = if to_push { Access::push(repository) } else { Access::pull(repository) };
        let name = reference.manifest_name();
        let step = Step::PullManifest;
        let fetch = async {
            let _slot = host.document_slot().await;
            self.http().fetch_document_up_to(limit, &host, &access, &name, None, step).await
        };
        self.wait(async {
            match self.http().settings.clock.within(patience, fetch).await {
                Some(Ok(document)) => Ok(Some(document)),
                Some(Err(RegistryError::NotFound { .. })) => Ok(None),
                Some(Err(error)) => Err(error),
                None => Err(RegistryError::NoAnswer {
                    context: Box::new(http::context(&host.registry, step, repository.path(), &name)),
                    fault: Fault::Stalled("looking into the cache"),
                    reached_before: true,
                }),
            }
        })
    }

    /// A blob's bytes. Reading to the end fails unless they are what `descriptor` says; a broken download
    /// goes on where it stopped. What is at most [`MAX_DOCUMENT`] long is fetched and checked at once.
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
        self.http().check_not_blocked(repository.registry(), repository.path())?;
        let task = self.0.progress.task(Phase::Pull, descriptor.digest.short(), Some(descriptor.size));
        let (digest, size) = (descriptor.digest, descriptor.size);
        let mut places = self.mirrors(repository);
        places.push(repository.clone());
        if size > MAX_DOCUMENT {
            let download = self.wait(Download::open(self, places, descriptor, task))?;
            return match self.http().settings.scratch.as_deref().filter(|_| download.has_elsewhere()) {
                Some(scratch) => Ok(Box::new(self.spool(download, scratch, &digest)?)),
                None => Ok(Box::new(Watched::new(download, digest, size))),
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
        let host = self.http().host(repository.registry())?;
        let access = Access::pull(repository);
        self.wait(async {
            let _slot = host.document_slot().await;
            self.http().retrying(&host, async || self.http().has_blob(&host, &access, descriptor).await).await
        })
    }

    /// Remembers that a repository holds a blob: it will not be asked for, and can be mounted elsewhere.
    /// If it turns out otherwise when the manifest is pushed, the blob is uploaded then.
    pub fn note_blob(&self, repository: &Repository, digest: Digest) {
        lock(&self.0.known).entry(digest).or_default().insert(repository.clone());
    }

    /// Makes sure that a repository has a blob: finds, mounts or uploads it. Whoever asks for the same at
    /// the same time waits for the first.
    ///
    /// # Errors
    /// When it cannot be brought there, or its local bytes are not what its descriptor says.
    pub fn push_blob(&self, repository: &Repository, blob: &Blob) -> Result<Delivery, RegistryError> {
        let host = self.http().host(repository.registry())?;
        let sessions = OpenSessions::default();
        let result = self.wait(self.bring(&host, repository, blob, false, &sessions));
        self.cancel(&host, repository, &sessions);
        result
    }

    /// Brings a blob to a repository while it is being made; `None` if that does not come off for whatever
    /// reason, and [`Client::push_blob`] is to do it.
    pub fn follow_blob(&self, repository: &Repository, growing: &Growing) -> Option<Delivery> {
        let host = self.http().host(repository.registry()).ok()?;
        // A registry that wants chunks wants to know their lengths.
        if host.chunk_size.is_some() || host.refused_following.load(Ordering::Relaxed) {
            return None;
        }
        let sessions = OpenSessions::default();
        let task = self.0.progress.task(Phase::Push, growing.title(), None);
        let progress = Arc::new(Sent::new(task));
        let subject = growing.title().to_owned();
        let uploads = Uploads { http: self.http(), host: &host, repository, subject, sessions: &sessions };
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
                Sent::conclude(follow.progress, delivery);
                Some(delivery)
            }
            Err(error) => {
                tracing::debug!(%error, "not uploaded while it was made");
                // Not again in this run, unless it is not the registry's fault.
                if !error.is_ours() {
                    host.refused_following.store(true, Ordering::Relaxed);
                }
                None
            }
        }
    }

    async fn bring(
        &self,
        host: &http::Host,
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
        let progress = Arc::new(Sent::new(task));
        let http = self.http();
        let push =
            Push { http, host, repository, blob, from, force, sessions, progress: Arc::clone(&progress) };
        let delivery = push.run().await?;
        self.note_blob(repository, digest);
        lock(&self.0.confirmed).insert((repository.clone(), digest));
        Sent::conclude(progress, delivery);
        Ok(delivery)
    }

    /// Brings a blob that the registry says it does not have, though it seemed to: asks for it if it has not
    /// been asked for, and else uploads it whatever the answer was.
    async fn bring_back(
        &self,
        host: &http::Host,
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

    /// Stores a manifest or index under a tag or its digest. What was pushed before and the registry says is
    /// missing is sent once more, whatever it said then.
    ///
    /// # Errors
    /// When it cannot be stored, or does not resolve to itself afterwards.
    pub fn push_document(
        &self,
        repository: &Repository,
        name: &str,
        document: &RawDocument,
        before: Pushed<'_>,
    ) -> Result<Delivery, RegistryError> {
        let host = self.http().host(repository.registry())?;
        let sessions = OpenSessions::default();
        let Pushed { blobs, documents } = before;
        let result = self.wait(async {
            let bring_blobs = async |answer: &Answer| {
                if answer.is_code(&[UNKNOWN_MANIFEST]) {
                    return Ok(false);
                }
                for blob in named_or_all(blobs, answer, |blob| blob.descriptor.digest) {
                    self.bring_back(&host, repository, blob, &sessions).await?;
                }
                Ok(!blobs.is_empty())
            };
            let bring = async |answer: &Answer| {
                if !answer.is_code(&[UNKNOWN_MANIFEST]) {
                    return bring_blobs(answer).await;
                }
                let children = named_or_all(documents, answer, RawDocument::digest);
                let mut any = false;
                for child in children.filter(|child| child.digest() != document.digest()) {
                    let name = child.digest().to_string();
                    self.http().push_document(&host, repository, &name, child, &bring_blobs).await?;
                    any = true;
                }
                Ok(any)
            };
            let _slot = host.document_slot().await;
            self.http().push_document(&host, repository, name, document, bring).await
        });
        self.cancel(&host, repository, &sessions);
        result
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

    /// How many blobs are sent to one registry at the same time.
    #[must_use]
    pub fn parallel_blobs(&self) -> usize {
        self.http().settings.concurrency.max(1)
    }

    fn http(&self) -> &Http {
        &self.0.http
    }

    /// Waits on the caller's thread, until done or interrupted.
    fn wait<T>(&self, work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
        let interrupt = &self.0.interrupt;
        interrupt.check()?;
        let interrupted = async {
            while !interrupt.is_triggered() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        // Pinned here and not moved on: it is large, and each place that it passes through has room for it.
        let mut work = std::pin::pin!(work);
        runtime()?.block_on(async {
            tokio::select! {
                biased;
                result = &mut work => result,
                () = interrupted => Err(Interrupted.into()),
            }
        })
    }

    /// Cancels what an interrupted or failed upload left open.
    fn cancel(&self, host: &http::Host, repository: &Repository, sessions: &OpenSessions) {
        if !lock(sessions).is_empty()
            && let Ok(runtime) = runtime()
        {
            runtime.block_on(Box::pin(push::cancel(self.http(), host, repository, sessions)));
        }
    }
}
