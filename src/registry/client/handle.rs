//! The client: a handle that is cheap to clone, and what all its clones share.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::wire::error::RegistryError;
use super::super::wire::lock::lock;
use super::api::Api;
use super::settings::ClientSettings;
use crate::runtime::events::Progress;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::types::digest::Digest;
use crate::types::reference::{Registry, Repository, Tag};

/// How often waiting work looks whether the user interrupted.
const GLANCE: Duration = Duration::from_millis(25);

/// A registry client; cheap to clone, shared by all threads of a run.
#[derive(Clone)]
pub struct Client(pub(super) Arc<ClientState>);

/// The state that all clones of a client share.
pub(super) struct ClientState {
    pub(super) api: Arc<Api>,
    pub(super) progress: Progress,
    pub(super) interrupt: Interrupt,
    /// Which repositories are known to hold a blob.
    pub(super) known: Mutex<BTreeMap<Digest, BTreeSet<Repository>>>,
    /// Those of them that the registry itself confirmed in this run.
    pub(super) confirmed: Mutex<BTreeSet<(Repository, Digest)>>,
    /// The first digests of tags that were pulled through mirrors.
    pub(super) pinned: Mutex<BTreeMap<(Repository, String), Digest>>,
    /// Mirrors that failed in this run.
    failed_mirrors: Mutex<BTreeSet<Registry>>,
    /// Repositories whose referrers API has answered in this run. One that did not answer may not have been there yet.
    pub(super) listing: Mutex<BTreeSet<Repository>>,
    /// Held while a blob is brought to a registry, so that others can mount it instead.
    pub(super) busy: Mutex<BTreeMap<(Registry, Digest), PullTurn>>,
    /// Held from the look at a tag that may not move to the look after it was made. The registry is no part of the key:
    /// two names can lead to the same one.
    tag_turns: Mutex<BTreeMap<(String, Tag), TagTurn>>,
}

pub(super) type PullTurn = Arc<tokio::sync::Mutex<()>>;
type TagTurn = Arc<Mutex<()>>;

impl ClientState {
    /// A mirror has failed: unless that is because it lacks something, it is not asked again in this run.
    pub(super) fn pass_over(&self, mirror: &Repository, error: RegistryError) -> Result<(), RegistryError> {
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

/// Threads of the runtime: two for connections, and one that asks for addresses.
const THREADS: usize = 3;

/// One runtime for the process: clients come and go, their connections' threads need not.
pub(in crate::registry) fn runtime() -> Result<&'static Runtime, RegistryError> {
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
    // A second thread waits for the first, and does not build another one.
    let built = RUNTIME.get_or_init(build).as_ref();
    built.map_err(|why| RegistryError::Setup { host: "any host".to_owned(), why: why.clone() })
}

impl Client {
    /// A client that has done nothing yet: no file is read and no connection opened.
    #[must_use]
    pub fn new(settings: ClientSettings, progress: Progress, interrupt: Interrupt) -> Self {
        let api = Arc::new(Api::new(settings, &progress));
        Self(Arc::new(ClientState {
            api,
            progress,
            interrupt,
            known: Mutex::default(),
            confirmed: Mutex::default(),
            pinned: Mutex::default(),
            failed_mirrors: Mutex::default(),
            listing: Mutex::default(),
            busy: Mutex::default(),
            tag_turns: Mutex::default(),
        }))
    }

    /// How many blobs are sent to one registry at the same time.
    #[must_use]
    pub fn parallel_blobs(&self) -> usize {
        self.api().wire_settings().concurrency.max(1)
    }

    /// Goes on, unless the user interrupted.
    ///
    /// # Errors
    /// When the user did.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.0.interrupt.check()
    }

    pub(super) fn api(&self) -> &Api {
        &self.0.api
    }

    /// Held by the images of one run while they make a tag, so that the second one sees the tag that the first one made.
    pub(super) fn tag_turn(&self, path: &str, tag: &Tag) -> TagTurn {
        Arc::clone(lock(&self.0.tag_turns).entry((path.to_owned(), tag.clone())).or_default())
    }

    /// Waits on the caller's thread, until done or interrupted.
    pub(super) fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
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

    /// The names of a repository at the mirrors of its registry that have not failed yet.
    pub(super) fn mirrors(&self, repository: &Repository) -> Vec<Repository> {
        let settings = self.api().own(repository.registry());
        let failed = lock(&self.0.failed_mirrors);
        let mirrors = settings.map_or(&[][..], |settings| &settings.mirrors);
        let left = mirrors.iter().filter(|mirror| !failed.contains(mirror.registry()));
        left.filter_map(|mirror| mirror.of(repository)).collect()
    }
}
