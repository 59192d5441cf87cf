//! One registry that requests go to: its address, and the slots that bound how many it gets at a time.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::clock::Clock;
use super::lock::lock;
use super::retry::Pause;
use crate::types::reference::Registry;

/// One registry.
pub(in crate::registry) struct Host {
    pub(in crate::registry) registry: Registry,
    /// Scheme, host and port, with the path `/`.
    pub(in crate::registry) base: Url,
    pub(in crate::registry) reached: AtomicBool,
    not_before: Mutex<Option<Instant>>,
    // Reading and writing have slots of their own: a blob that is copied within a host needs both at once.
    pull: Arc<Semaphore>,
    push: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    clock: Clock,
}

/// A slot among the requests that a host gets at the same time.
pub(in crate::registry) type RequestSlot = Option<OwnedSemaphorePermit>;

impl Host {
    /// A registry that nothing was sent to yet, and that gets `slots` blobs at a time in each direction.
    pub(in crate::registry) fn new(registry: &Registry, base: Url, slots: usize, clock: Clock) -> Self {
        Self {
            registry: registry.clone(),
            base,
            reached: AtomicBool::new(false),
            not_before: Mutex::new(None),
            pull: Arc::new(Semaphore::new(slots)),
            push: Arc::new(Semaphore::new(slots)),
            documents: Arc::new(Semaphore::new(1)),
            clock,
        }
    }

    pub(in crate::registry) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    pub(in crate::registry) async fn pull_slot(&self) -> RequestSlot {
        Arc::clone(&self.pull).acquire_owned().await.ok()
    }

    pub(in crate::registry) async fn push_slot(&self) -> RequestSlot {
        Arc::clone(&self.push).acquire_owned().await.ok()
    }

    /// A manifest takes a free slot, or the one that blobs never take.
    pub(in crate::registry) async fn document_slot(&self) -> RequestSlot {
        tokio::select! {
            biased;
            slot = Arc::clone(&self.pull).acquire_owned() => slot.ok(),
            slot = Arc::clone(&self.documents).acquire_owned() => slot.ok(),
        }
    }

    /// Waits, and if the registry asked for it, makes everyone wait.
    pub(in crate::registry) async fn pause(&self, pause: Pause) {
        if pause.shared {
            let until = self.clock.now() + pause.time;
            let mut not_before = lock(&self.not_before);
            *not_before = Some(not_before.map_or(until, |other| other.max(until)));
        }
        self.clock.pause(pause.time).await;
    }

    pub(in crate::registry) async fn turn(&self) {
        let until = *lock(&self.not_before);
        if let Some(wait) = until.and_then(|until| until.checked_duration_since(self.clock.now())) {
            self.clock.pause(wait).await;
        }
    }
}
