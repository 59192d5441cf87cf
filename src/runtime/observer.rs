//! Progress as events: the library tells, the command line draws.
//!
//! Nothing in the library prints. Long work opens a [`Task`], advances it in bytes and lets it go; an
//! [`Observer`] turns that into bars, plain lines, JSON or nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of work a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reading a layer to see what is in it.
    Read,
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

/// A step of a build that is too short, or too much of a detail, to be shown while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Looking at the inputs from outside.
    Look,
    /// Asking the targets what their tags mean, or waiting for the answer.
    Ask,
    /// Making the plan.
    Plan,
    /// Looking up what is known of a layer, which reads files that may have changed.
    LookUp,
    /// One body of a layer: reading, then encoding or finding it.
    Body,
    /// One request to a registry.
    Request,
    /// Manifests and tags.
    Conclude,
}

/// A task's number, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

impl TaskId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

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
    /// A step began; only for an observer that wants steps.
    StepStarted {
        /// The step, numbered with the tasks.
        id: TaskId,
        /// What kind of step.
        stage: Stage,
        /// What it works on, for people.
        name: String,
    },
    /// The step ended.
    StepFinished {
        /// The step.
        id: TaskId,
        /// Bytes that it was about.
        bytes: u64,
        /// How it ended, in a word; empty where there is nothing to say.
        outcome: Cow<'static, str>,
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

    /// Whether it wants steps, too. Asked once.
    fn wants_steps(&self) -> bool {
        false
    }
}

/// Ignores everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// A shared observer, cheap to clone.
#[derive(Clone)]
pub struct Progress {
    observer: Arc<dyn Observer>,
    steps: bool,
}

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
        let steps = observer.wants_steps();
        Self { observer: Arc::new(observer), steps }
    }

    /// Begins a step, which ends when it is dropped. Costs nothing where nobody wants steps.
    pub fn step(&self, stage: Stage, name: &str) -> Step {
        self.step_with(stage, || name.to_owned())
    }

    /// As [`Progress::step`], for a name that has to be put together.
    pub fn step_with(&self, stage: Stage, name: impl FnOnce() -> String) -> Step {
        let id = self.steps.then(|| {
            let id = TaskId::next();
            self.observer.event(Event::StepStarted { id, stage, name: name() });
            (id, self.clone())
        });
        Step { id, bytes: 0, outcome: Cow::Borrowed("") }
    }

    /// Begins a task.
    pub fn task(&self, phase: Phase, name: impl Into<String>, total: Option<u64>) -> Task {
        let id = TaskId::next();
        self.observer.event(Event::Started { id, phase, name: name.into(), total });
        Task { id, progress: self.clone(), outcome: "stopped" }
    }

    /// Tells the user something, once.
    pub fn note(&self, text: impl Into<String>) {
        self.observer.event(Event::Note(text.into()));
    }

    /// Warns the user.
    pub fn warn(&self, text: impl Into<String>) {
        self.observer.event(Event::Warning(text.into()));
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
        self.progress.observer.event(Event::Advanced { id: self.id, bytes });
    }

    /// Ends the task with a word for how.
    pub fn finish(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.progress.observer.event(Event::Finished { id: self.id, outcome: self.outcome });
    }
}

/// A step under way; ends when dropped.
#[derive(Debug)]
pub struct Step {
    id: Option<(TaskId, Progress)>,
    bytes: u64,
    outcome: Cow<'static, str>,
}

impl Step {
    /// Ends the step with how many bytes it was about and a word for how.
    pub fn finish(mut self, bytes: u64, outcome: impl Into<Cow<'static, str>>) {
        (self.bytes, self.outcome) = (bytes, outcome.into());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some((id, progress)) = self.id.take() {
            let outcome = std::mem::take(&mut self.outcome);
            progress.observer.event(Event::StepFinished { id, bytes: self.bytes, outcome });
        }
    }
}
