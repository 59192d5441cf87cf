//! What all builds of a process share.

use crate::registry::Client;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::observer::Progress;
use crate::runtime::workers::Workers;
use crate::store::Store;

/// What builds work with.
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
}
