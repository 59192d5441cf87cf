//! Progress as events: the library tells, the command line draws.
//!
//! Nothing in the library prints. Long work opens a [`Task`], advances it in bytes and lets it go; an
//! [`Observer`] turns that into bars, plain lines, JSON or nothing.
//!
//! Every event carries the image that it is about, if it is about one. Work on an image either has a
//! [`Progress`] of that image, or runs on a thread that has [entered](enter) it: what all images share, such as
//! the client of registries, tells of the image of the thread that it works for.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The kind of a task.
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
    /// One family of checks of a planned image.
    Check,
    /// One body of a layer: reading, then encoding or finding it.
    Body,
    /// One request to a registry.
    Request,
    /// Manifests and tags.
    Conclude,
}

/// The number of an image in a run, in the order in which the images were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub usize);

thread_local! {
    static ENTERED: Cell<Option<ImageId>> = const { Cell::new(None) };
}

/// Until this is dropped, what the thread tells is about one image.
#[derive(Debug)]
#[must_use]
pub struct Entered {
    before: Option<ImageId>,
}

/// Says that this thread works on `image` from now on.
pub fn enter(image: ImageId) -> Entered {
    Entered { before: ENTERED.replace(Some(image)) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.set(self.before);
    }
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

/// How an image of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageEnd {
    /// It is where it was wanted.
    Done,
    /// It was there before.
    Unchanged,
    /// It failed.
    Failed,
    /// It was stopped for another reason than its own.
    Stopped,
    /// It was never begun.
    NotStarted,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// The image that it is about, if it is about one.
    pub image: Option<ImageId>,
    /// The kind.
    pub kind: EventKind,
}

/// An event.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A task began; `total` is its size in bytes where known.
    Started {
        /// The task.
        id: TaskId,
        /// The kind of task.
        phase: Phase,
        /// The subject of the task, for people: a layer's name, a short digest.
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
        /// The kind of step.
        stage: Stage,
        /// The subject of the step, for people.
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
    /// A run of several images began.
    RunStarted {
        /// How many images it has.
        images: usize,
    },
    /// An image of it began.
    ImageStarted {
        /// Its name, for people.
        name: String,
    },
    /// An image of it ended.
    ImageEnded {
        /// Its name, for people.
        name: String,
        /// How.
        end: ImageEnd,
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
    image: Option<ImageId>,
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
        Self { observer: Arc::new(observer), steps, image: None }
    }

    /// The same, for what is about one image.
    #[must_use]
    pub fn of(&self, image: ImageId) -> Self {
        Self { image: Some(image), ..self.clone() }
    }

    fn send(&self, kind: EventKind) {
        self.observer.event(Event { image: self.image(), kind });
    }

    fn image(&self) -> Option<ImageId> {
        self.image.or(ENTERED.get())
    }

    /// Begins a step, which ends when it is dropped. Costs nothing if no observer wants steps.
    pub fn step(&self, stage: Stage, name: &str) -> Step {
        self.step_with(stage, || name.to_owned())
    }

    /// As [`Progress::step`], for a name that has to be put together.
    pub fn step_with(&self, stage: Stage, name: impl FnOnce() -> String) -> Step {
        let id = self.steps.then(|| {
            let id = TaskId::next();
            self.send(EventKind::StepStarted { id, stage, name: name() });
            (id, self.begun())
        });
        Step { id, bytes: 0, outcome: Cow::Borrowed("") }
    }

    /// Begins a task.
    pub fn task(&self, phase: Phase, name: impl Into<String>, total: Option<u64>) -> Task {
        let id = TaskId::next();
        self.send(EventKind::Started { id, phase, name: name.into(), total });
        Task { id, progress: self.begun(), outcome: "stopped" }
    }

    /// For what began here and may go on on another thread.
    fn begun(&self) -> Self {
        Self { image: self.image(), ..self.clone() }
    }

    /// Says that a run of several images begins.
    pub fn run_started(&self, images: usize) {
        self.send(EventKind::RunStarted { images });
    }

    /// Says that an image of a run begins.
    pub fn image_started(&self, name: &str) {
        self.send(EventKind::ImageStarted { name: name.to_owned() });
    }

    /// Says how an image of a run ended.
    pub fn image_ended(&self, name: &str, end: ImageEnd) {
        self.send(EventKind::ImageEnded { name: name.to_owned(), end });
    }

    /// Tells the user something, once.
    pub fn note(&self, text: impl Into<String>) {
        self.send(EventKind::Note(text.into()));
    }

    /// Warns the user.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(EventKind::Warning(text.into()));
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
        self.progress.send(EventKind::Advanced { id: self.id, bytes });
    }

    /// Ends the task with a word for how.
    pub fn finish(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.progress.send(EventKind::Finished { id: self.id, outcome: self.outcome });
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
            progress.send(EventKind::StepFinished { id, bytes: self.bytes, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Images(Arc<Mutex<Vec<Option<usize>>>>);

    impl Observer for Images {
        fn event(&self, event: Event) {
            self.0.lock().expect("no panic").push(event.image.map(|image| image.0));
        }
    }

    #[test]
    fn events_carry_the_image_of_their_progress_or_of_their_thread() {
        let images = Images::default();
        let shared = Progress::new(images.clone());
        shared.note("of no image");
        let task = {
            let _entered = enter(ImageId(1));
            shared.note("of the thread's");
            shared.of(ImageId(2)).note("of its own");
            {
                let _entered = enter(ImageId(3));
                shared.note("of the inner one");
            }
            shared.task(Phase::Push, "began in 1", None)
        };
        std::thread::spawn(move || task.advance(1)).join().expect("no panic");
        shared.note("of no image again");
        let seen = images.0.lock().expect("no panic").clone();
        // The task began, advanced and ended.
        assert_eq!(seen, [None, Some(1), Some(2), Some(3), Some(1), Some(1), Some(1), None]);
    }
}
