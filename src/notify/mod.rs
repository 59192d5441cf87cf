//! Events after a delivery: what happened to an image, told to receivers over HTTP.
//!
//! A [`DeliveryEvent`] says that tags of a repository, or an environment, have an image now. It is written into the
//! outbox of the store before the tag moves, as an intent, and is confirmed after it. A killed process leaves intents
//! behind; the next delivery asks the registry whether they came true. So an event tells of nothing that did not
//! happen, and a crash loses none.
//!
//! - An event keeps its id in all tries, so that a receiver can drop duplicates.
//! - No secret is in an event, in the outbox or in a message. The outbox has the name of a variable or a file.
//! - Nothing here fails a push whose tag has moved.

mod announced;
mod announcer;
mod courier;
mod event;
mod form;
mod outbox;
mod receiver;
mod signature;

pub use announced::{AnnouncedDestination, ImageOrigin};
pub use announcer::{Announcement, Announcer, Now};
pub use courier::{Courier, CourierReport};
pub use event::{ChainId, DeliveryEvent, EventTime};
pub use form::message;
pub use outbox::{DamagedEntry, Outbox, OutboxEntry, OutboxTries};
pub use receiver::{DEFAULT_TIMEOUT, Receiver, SecretError, SecretPlace, Variables};
pub use signature::{SignatureError, SigningKey};

#[cfg(test)]
pub(crate) use event::example as example_event;
