//! Layers in the making: the next one begins when all of the one before is handed to the workers.
//!
//! What then remains of that one is waiting for its last bodies, two hashes and the file system, which leaves
//! processors to the next.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::BuildError;
use super::layers::Workbench;
use crate::error::{BoxedError, Kind};
use crate::layer::Built;
use crate::plan::{LayerKeys, PlannedLayer};
use crate::transport::Grower;

/// A layer, by the numbers of its image and of itself.
pub(super) type Place = (usize, usize);

/// Builds that are under way, in the order in which they began.
pub(super) struct Making<'scope, 'env, 'p> {
    scope: &'scope Scope<'scope, 'env>,
    bench: &'env Workbench,
    running: VecDeque<Running<'scope, 'p>>,
}

struct Running<'scope, 'p> {
    place: Place,
    planned: &'p PlannedLayer,
    thread: ScopedJoinHandle<'scope, Result<(Built, Duration), BoxedError>>,
}

/// Comes when all of a layer is handed to the workers, or it has ended.
#[must_use]
pub(super) struct HandedOut(Receiver<()>);

impl HandedOut {
    pub(super) fn wait(self) {
        let _ = self.0.recv();
    }
}

/// A layer that is built.
pub(super) struct Made<'p> {
    pub(super) place: Place,
    pub(super) planned: &'p PlannedLayer,
    pub(super) built: Built,
    pub(super) elapsed: Duration,
}

impl<'scope, 'env, 'p: 'scope> Making<'scope, 'env, 'p> {
    pub(super) const fn new(scope: &'scope Scope<'scope, 'env>, bench: &'env Workbench) -> Self {
        Self { scope, bench, running: VecDeque::new() }
    }

    /// Begins to build a layer; the next one may begin when all of it is handed to the workers.
    pub(super) fn start(
        &mut self,
        place: Place,
        planned: &'p PlannedLayer,
        keys: Option<LayerKeys>,
        grower: Option<Grower>,
    ) -> HandedOut {
        let (hand_out, handed_out) = channel();
        let bench = self.bench;
        let thread = self.scope.spawn(move || {
            let begun = Instant::now();
            let built = bench.make(planned, keys.as_ref(), grower, &|| {
                // Nobody waits any more for a second one.
                let _ = hand_out.send(());
            });
            let built = built.inspect_err(|_| bench.give_up())?;
            Ok((built, begun.elapsed()))
        });
        self.running.push_back(Running { place, planned, thread });
        HandedOut(handed_out)
    }

    /// The image of the layers under way, which are all of the same.
    pub(super) fn image(&self) -> Option<usize> {
        self.running.front().map(|running| running.place.0)
    }

    /// Waits until no more than `most` are under way; returns those that are finished.
    ///
    /// # Errors
    /// What went wrong first; nothing is under way then.
    pub(super) fn settle(&mut self, most: usize) -> Result<Vec<Made<'p>>, BoxedError> {
        let mut made = Vec::new();
        while self.running.len() > most
            && let Some(running) = self.running.pop_front()
        {
            match join(running) {
                Ok(layer) => made.push(layer),
                Err(error) => return Err(self.first(error)),
            }
        }
        Ok(made)
    }

    /// A build that failed has stopped the others: they say that they were interrupted, and it says why.
    fn first(&mut self, mut error: BoxedError) -> BoxedError {
        for running in self.running.drain(..) {
            if let Err(other) = join(running)
                && error.kind() == Kind::Interrupted
            {
                error = other;
            }
        }
        error
    }
}

fn join<'p>(running: Running<'_, 'p>) -> Result<Made<'p>, BoxedError> {
    let Running { place, planned, thread } = running;
    let (built, elapsed) = thread.join().map_err(|_| BuildError::Panicked)??;
    Ok(Made { place, planned, built, elapsed })
}
