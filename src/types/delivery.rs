//! Words about deliveries that settings, events and receivers share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The step of a delivery that an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryKind {
    /// Tags of a repository resolve to an image that was built.
    Push,
    /// An environment has another image.
    Promotion,
    /// An environment has an image again that it had before.
    Rollback,
}

impl DeliveryKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Push, Self::Promotion, Self::Rollback];

    /// The word for it in settings and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Promotion => "promotion",
            Self::Rollback => "rollback",
        }
    }
}

/// The form in which a receiver gets events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventForm {
    /// A JSON object of `pack`'s own.
    #[serde(rename = "webhook")]
    Webhook,
    /// The same object as the data of a CloudEvent, whose attributes are headers.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// The same as one JSON document.
    #[serde(rename = "cloudevents-structured")]
    CloudEventsStructured,
    /// CDEvents 0.5.1 as the data of a CloudEvent, whose attributes are headers.
    #[serde(rename = "cdevents")]
    CdEvents,
    /// CDEvents 0.4.1, which Flux reads.
    #[serde(rename = "cdevents-0.4")]
    CdEvents04,
    /// The notifications of `docker-registry`.
    #[serde(rename = "registry")]
    Registry,
}

impl EventForm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Webhook,
        Self::CloudEvents,
        Self::CloudEventsStructured,
        Self::CdEvents,
        Self::CdEvents04,
        Self::Registry,
    ];

    /// The word for it in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::CloudEvents => "cloudevents",
            Self::CloudEventsStructured => "cloudevents-structured",
            Self::CdEvents => "cdevents",
            Self::CdEvents04 => "cdevents-0.4",
            Self::Registry => "registry",
        }
    }
}

impl fmt::Display for DeliveryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for EventForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
