//! The question to the targets of an image, what its tags mean there now.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::error::BuildError;
use super::target::Target;
use crate::runtime::events::{ImageId, enter};
use crate::types::error::BoxedError;
use crate::types::reference::Tag;

/// Asked by a thread of its own, while files are looked at. An image that fails before the answer comes does not wait
/// for it.
#[derive(Default)]
pub(super) struct TagQuestion(Option<JoinHandle<Result<(), BoxedError>>>);

impl TagQuestion {
    /// Asks those targets that are elsewhere, unless there is no tag to ask for yet.
    pub(super) fn ask(image: ImageId, targets: &[Target], tags: Vec<Tag>) -> Self {
        let elsewhere = targets.iter().filter(|target| !target.capabilities().is_local());
        let destinations: Vec<_> = elsewhere.map(Arc::clone).collect();
        if destinations.is_empty() || tags.is_empty() {
            return Self(None);
        }
        let ask = move || {
            let _entered = enter(image);
            destinations.iter().try_for_each(|destination| destination.begin(&tags))
        };
        Self(thread::Builder::new().name("tags".to_owned()).spawn(ask).ok())
    }

    /// Whether nothing is waited for.
    pub(super) fn is_answered(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<(), BoxedError> {
        match self.0.map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(BuildError::Panicked.into()),
        }
    }
}
