//! Before and after: an intent for each receiver before a tag moves, and what became of it.

use std::io;
use std::sync::Arc;

use super::event::{DeliveryEvent, EventTime};
use super::outbox::{HeldEntry, Outbox, OutboxEntry};
use super::receiver::Receiver;
use crate::runtime::events::Progress;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;

/// The current time.
pub type Now = dyn Fn() -> EventTime + Send + Sync;

/// Announces events to receivers. Cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    outbox: Outbox,
    receivers: Arc<Vec<Receiver>>,
    now: Arc<Now>,
    progress: Progress,
}

/// An event that a required receiver would not survive a crash: it is refused before the tag moves.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the event for a required receiver into the outbox")]
pub struct OutboxError(#[source] io::Error);

impl Explain for OutboxError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        io_code(&self.0, ErrorCode::StoreUnusable)
    }

    fn hint(&self) -> Option<String> {
        Some("set `PACK_CACHE_DIR` to a directory that can be written, or remove `required`".to_owned())
    }
}

/// An event that is about to happen. If it is dropped, the intents stay, and the registry is asked later.
#[must_use]
#[derive(Debug, Default)]
pub struct Announcement(Vec<HeldEntry>);

impl Announcer {
    /// An announcer to these receivers.
    #[must_use]
    pub fn new(outbox: Outbox, receivers: Vec<Receiver>, now: Arc<Now>, progress: Progress) -> Self {
        Self { outbox, receivers: Arc::new(receivers), now, progress }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> EventTime {
        (self.now)()
    }

    /// Writes an intent for each receiver that wants the event. Call it before a tag moves.
    ///
    /// # Errors
    /// When the intent of a required receiver cannot be written.
    pub fn before(&self, event: &DeliveryEvent) -> Result<Announcement, OutboxError> {
        let mut held = Vec::new();
        for receiver in self.receivers.iter().filter(|receiver| receiver.wants(event.kind)) {
            let entry = OutboxEntry { event: event.clone(), receiver: receiver.clone() };
            match self.outbox.intend(entry.clone()) {
                Ok(entry) => held.push(entry),
                Err(error) if receiver.required => {
                    let announcement = Announcement(held);
                    announcement.did_not_happen();
                    return Err(OutboxError(error));
                }
                Err(error) => {
                    self.progress.warn(format!(
                        "cannot write the event for `{}` into the outbox, so it is lost if this run is killed: {error}",
                        receiver.url
                    ));
                    held.push(self.outbox.hold(entry));
                }
            }
        }
        Ok(Announcement(held))
    }

    /// Announces an event that has happened already.
    ///
    /// # Errors
    /// As for [`Announcer::before`].
    pub fn after(&self, event: &DeliveryEvent) -> Result<(), OutboxError> {
        self.before(event)?.happened();
        Ok(())
    }
}

impl Announcement {
    /// The tag has moved: the event is ready to be delivered.
    pub fn happened(self) {
        for entry in self.0 {
            // An intent that cannot be renamed is asked about later.
            if let Ok(entry) = entry.confirm() {
                entry.leave();
            }
        }
    }

    /// No tag was asked to move, or all of it was there: nothing is told.
    pub fn did_not_happen(self) {
        for entry in self.0 {
            entry.remove();
        }
    }
}
