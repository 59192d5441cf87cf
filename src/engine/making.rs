//! Layers in the making: the next one begins when all of the one before is handed to the workers.
//!
//! What then remains of that one is waiting for its last bodies, two hashes and the file system, which leaves
//! processors to the next.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::error::BuildError;
use super::layers::Workbench;
use crate::layer::Built;
use crate::plan::{LayerKeys, PlannedLayer};
use crate::runtime::workers;
use crate::transport::Grower;
use crate::types::error::{BoxedError, Kind};

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
    work: Work<'scope>,
}

type Outcome = Result<(Built, Duration), BoxedError>;

/// Where a layer is made.
enum Work<'scope> {
    /// On a thread of its own.
    Thread(ScopedJoinHandle<'scope, Outcome>),
    /// It is made: the system gave no thread.
    Done(Box<Outcome>),
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
        let order = Arc::new(Mutex::new(Some((keys, grower, hand_out))));
        let make = {
            let order = Arc::clone(&order);
            move || {
                let (keys, grower, hand_out) = taken(&order).ok_or(BuildError::Panicked)?;
                let begun = Instant::now();
                let built = bench.make(planned, keys.as_ref(), grower, &|| {
                    // Nobody waits any more for a second one.
                    let _ = hand_out.send(());
                });
                let built = built.inspect_err(|_| bench.give_up())?;
                Ok((built, begun.elapsed()))
            }
        };
        let work = match workers::spawn(self.scope, "layer", make.clone()) {
            Ok(thread) => Work::Thread(thread),
            Err(_) => Work::Done(Box::new(make())),
        };
        self.running.push_back(Running { place, planned, work });
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

/// What a layer is made of; whoever makes it takes it.
fn taken<T>(order: &Mutex<Option<T>>) -> Option<T> {
    order.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn join<'p>(running: Running<'_, 'p>) -> Result<Made<'p>, BoxedError> {
    let Running { place, planned, work } = running;
    let (built, elapsed) = match work {
        Work::Thread(thread) => thread.join().map_err(|_| BuildError::Panicked)??,
        Work::Done(outcome) => (*outcome)?,
    };
    Ok(Made { place, planned, built, elapsed })
}
