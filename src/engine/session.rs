//! The state that all images of a run share.

use crate::registry::Client;
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::Store;

/// How many bytes of plans are held at a time, unless it is said otherwise. One image is always begun.
const BUDGET: u64 = 64 << 20;

/// The session of a build.
pub struct Session {
    /// The local store.
    pub store: Store,
    /// Registries.
    pub client: Client,
    /// Threads for reading, hashing and encoding.
    pub workers: Workers,
    /// Receives progress events.
    pub progress: Progress,
    /// The user's wish to stop.
    pub interrupt: Interrupt,
    /// When the process began, nanoseconds since the epoch. Decides only what caches trust.
    pub now: i64,
    /// How many bytes may be held of images under way, besides the bodies of the layers that are built.
    pub(super) budget: u64,
}

impl Session {
    /// A session at the time `now`, in nanoseconds since the epoch.
    #[must_use]
    pub const fn new(
        store: Store,
        client: Client,
        workers: Workers,
        progress: Progress,
        interrupt: Interrupt,
        now: i64,
    ) -> Self {
        Self { store, client, workers, progress, interrupt, now, budget: BUDGET }
    }
}
