//! The events of a run by image, in the order in which they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::build_event::BuildEvent;
use super::report::Report;
use super::report_fold::ReportFold;
use crate::runtime::events::ImageId;

/// The log of a run. Cheap to clone; takes events from any thread.
#[derive(Clone, Default)]
pub(super) struct BuildLog(Arc<Mutex<BTreeMap<ImageId, Vec<BuildEvent>>>>);

/// The log of a run, for events of one image.
#[derive(Clone)]
pub(super) struct ImageLog {
    log: BuildLog,
    image: ImageId,
}

impl BuildLog {
    pub(super) fn of(&self, image: ImageId) -> ImageLog {
        ImageLog { log: self.clone(), image }
    }

    fn events(&self) -> MutexGuard<'_, BTreeMap<ImageId, Vec<BuildEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ImageLog {
    /// Takes one event.
    pub(super) fn tell(&self, event: BuildEvent) {
        self.log.events().entry(self.image).or_default().push(event);
    }

    /// The report of the image, which is over: its events are forgotten.
    pub(super) fn report(&self) -> Report {
        ReportFold::of(self.take())
    }

    /// Forgets the events of an image that comes to nothing.
    pub(super) fn forget(&self) {
        drop(self.take());
    }

    fn take(&self) -> Vec<BuildEvent> {
        self.log.events().remove(&self.image).unwrap_or_default()
    }

    /// The events so far.
    #[cfg(test)]
    pub(super) fn told(&self) -> Vec<BuildEvent> {
        self.log.events().get(&self.image).cloned().unwrap_or_default()
    }
}
