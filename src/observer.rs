//! Progress as events: the library tells, the command line draws.
//!
//! Nothing in the library prints. Long work opens a [`Task`], advances it in bytes and lets it go; an
//! [`Observer`] turns that into bars, plain lines, JSON or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of work a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reading and hashing files to see what changed.
    Hash,
    /// Building a layer: reading, compressing, digesting.
    Layer,
    /// Downloading.
    Pull,
    /// Uploading.
    Push,
    /// Writing an output on disk.
    Write,
    /// Re-deriving digests.
    Verify,
}

/// A task's number, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A task began; `total` is its size in bytes where known.
    Started {
        /// The task.
        id: TaskId,
        /// What kind of work.
        phase: Phase,
        /// What it works on, for people: a layer's name, a short digest.
        name: String,
        /// Bytes to go, if known.
        total: Option<u64>,
    },
    /// So many more bytes are done.
    Advanced {
        /// The task.
        id: TaskId,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// The task ended; `outcome` says how in a word or two, such as `mounted`.
    Finished {
        /// The task.
        id: TaskId,
        /// How it ended.
        outcome: &'static str,
    },
    /// Something the user should know, once.
    Note(String),
    /// Something the user should probably change.
    Warning(String),
}

/// Receives events, from any thread.
pub trait Observer: Send + Sync {
    /// Takes one event; must be quick.
    fn event(&self, event: Event);
}

/// Ignores everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// A shared observer, cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Observer>);

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(Silent)
    }
}

impl Progress {
    /// Sends events to `observer`.
    pub fn new(observer: impl Observer + 'static) -> Self {
        Self(Arc::new(observer))
    }

    /// Begins a task.
    pub fn task(&self, phase: Phase, name: impl Into<String>, total: Option<u64>) -> Task {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = TaskId(NEXT.fetch_add(1, Ordering::Relaxed));
        self.0.event(Event::Started { id, phase, name: name.into(), total });
        Task { id, progress: self.clone(), outcome: "stopped" }
    }

    /// Tells the user something, once.
    pub fn note(&self, text: impl Into<String>) {
        self.0.event(Event::Note(text.into()));
    }

    /// Warns the user.
    pub fn warn(&self, text: impl Into<String>) {
        self.0.event(Event::Warning(text.into()));
    }
}

/// Work under way; ends when dropped.
#[derive(Debug)]
pub struct Task {
    id: TaskId,
    progress: Progress,
    outcome: &'static str,
}

impl Task {
    /// Reports `bytes` more done.
    pub fn advance(&self, bytes: u64) {
        self.progress.0.event(Event::Advanced { id: self.id, bytes });
    }

    /// Ends the task with a word for how.
    pub fn finish(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.progress.0.event(Event::Finished { id: self.id, outcome: self.outcome });
    }
}
