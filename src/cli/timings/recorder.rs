//! Takes the times of events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::record::{Activity, TimeSpan, micros};
use crate::runtime::events::{Event, EventKind, ImageId, Observer, Phase, Stage, TaskId};

/// Records every task and step, for later. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<RecorderState>);

struct RecorderState {
    started: Instant,
    state: Mutex<RecordedSpans>,
}

#[derive(Default)]
struct RecordedSpans {
    open: BTreeMap<TaskId, TimeSpan>,
    spans: Vec<TimeSpan>,
}

impl Recorder {
    /// Counts from `started` on.
    #[must_use]
    pub fn new(started: Instant) -> Self {
        Self(Arc::new(RecorderState { started, state: Mutex::default() }))
    }

    /// The spans that have ended so far.
    #[must_use]
    pub fn spans(&self) -> Vec<TimeSpan> {
        self.state().spans.clone()
    }

    /// Takes the spans that have ended so far, so that the next build begins with none.
    #[must_use]
    pub fn drain(&self) -> Vec<TimeSpan> {
        std::mem::take(&mut self.state().spans)
    }

    fn state(&self) -> MutexGuard<'_, RecordedSpans> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: Event, now: Instant) {
        let now = micros(now.saturating_duration_since(self.0.started));
        let Event { image, kind } = event;
        match kind {
            EventKind::Started { id, phase, name, total } => {
                self.begin(id, image, activity_of_task(phase), name, now, total.is_some());
            }
            EventKind::StepStarted { id, stage, name } => {
                self.begin(id, image, activity_of_step(stage), name, now, true);
            }
            EventKind::Advanced { id, bytes } => {
                if let Some(span) = self.state().open.get_mut(&id) {
                    span.bytes = span.bytes.saturating_add(bytes);
                }
            }
            EventKind::Finished { id, outcome } => self.end(id, now, 0, outcome),
            EventKind::StepFinished { id, bytes, outcome } => self.end(id, now, bytes, &outcome),
            EventKind::RunStarted { .. }
            | EventKind::ImageStarted { .. }
            | EventKind::ImageEnded { .. }
            | EventKind::Note(_)
            | EventKind::Warning(_) => {}
        }
    }

    fn begin(
        &self,
        id: TaskId,
        image: Option<ImageId>,
        activity: Activity,
        name: String,
        now: u64,
        sized: bool,
    ) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let image = image.map(|image| image.0);
        let span = TimeSpan {
            image,
            activity,
            name,
            thread,
            start: now,
            end: now,
            bytes: 0,
            sized,
            outcome: String::new(),
        };
        self.state().open.insert(id, span);
    }

    fn end(&self, id: TaskId, now: u64, bytes: u64, outcome: &str) {
        let mut state = self.state();
        let Some(mut span) = state.open.remove(&id) else { return };
        span.end = now.max(span.start);
        span.bytes = span.bytes.saturating_add(bytes);
        outcome.clone_into(&mut span.outcome);
        state.spans.push(span);
    }
}

impl Observer for Recorder {
    fn event(&self, event: Event) {
        self.take(event, Instant::now());
    }

    fn wants_steps(&self) -> bool {
        true
    }
}

const fn activity_of_task(phase: Phase) -> Activity {
    match phase {
        Phase::Read => Activity::Read,
        Phase::Layer => Activity::Layer,
        Phase::Pull => Activity::Pull,
        Phase::Push => Activity::Push,
        Phase::Write => Activity::Write,
        Phase::Verify => Activity::Verify,
    }
}

const fn activity_of_step(stage: Stage) -> Activity {
    match stage {
        Stage::Look => Activity::Look,
        Stage::Ask => Activity::Ask,
        Stage::Plan => Activity::Plan,
        Stage::LookUp => Activity::LookUp,
        Stage::Check => Activity::Check,
        Stage::Body => Activity::Body,
        Stage::Request => Activity::Request,
        Stage::Conclude => Activity::Conclude,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::events::Progress;

    #[test]
    fn tasks_and_steps_become_spans() {
        let recorder = Recorder::new(Instant::now());
        let progress = Progress::new(recorder.clone());
        let task = progress.task(Phase::Push, "classes", None);
        task.advance(5);
        task.advance(7);
        progress.step(Stage::Body, "classes").finish(100, "known");
        drop(progress.step_with(Stage::Request, || "HEAD /".to_owned()));
        task.finish("uploaded");
        let unfinished = progress.task(Phase::Layer, "lib", Some(3));
        let spans = recorder.spans();
        drop(unfinished);
        let short = |span: &TimeSpan| (span.activity, span.bytes, span.outcome.clone(), span.sized);
        assert_eq!(
            spans.iter().map(short).collect::<Vec<_>>(),
            [
                (Activity::Body, 100, "known".to_owned(), true),
                (Activity::Request, 0, String::new(), true),
                (Activity::Push, 12, "uploaded".to_owned(), false),
            ]
        );
        assert!(spans.iter().all(|span| span.start <= span.end));
        assert!(spans[2].start <= spans[0].start && spans[0].end <= spans[2].end);
    }

    #[test]
    fn nobody_is_told_of_steps_who_does_not_want_them() {
        #[derive(Clone, Default)]
        struct Count(Arc<Mutex<usize>>);
        impl Observer for Count {
            fn event(&self, _: Event) {
                *self.0.lock().expect("lock") += 1;
            }
        }
        let count = Count::default();
        let progress = Progress::new(count.clone());
        let step = progress.step_with(Stage::Body, || unreachable!("the name is not even made"));
        step.finish(1, "encoded");
        assert_eq!(*count.0.lock().expect("lock"), 0);
    }
}
