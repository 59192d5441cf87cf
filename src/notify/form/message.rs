//! The table of forms.

use super::super::event::DeliveryEvent;
use super::{cdevents, cloudevents, object, registry};
use crate::types::delivery::EventForm;

/// The content of a message, without signatures: they are of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// The media type of the body.
    pub content_type: &'static str,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The event in one form.
#[must_use]
pub fn message(event: &DeliveryEvent, form: EventForm) -> EventMessage {
    let json = |value: &serde_json::Value| value.to_string().into_bytes();
    let plain = |content_type, body| EventMessage { content_type, headers: Vec::new(), body };
    match form {
        EventForm::Webhook => plain("application/json", json(&object::object(event))),
        EventForm::CloudEvents => EventMessage {
            content_type: "application/json",
            headers: cloudevents::headers(&cloudevents::own_attributes(event)),
            body: json(&object::object(event)),
        },
        EventForm::CloudEventsStructured => plain(
            "application/cloudevents+json",
            json(&cloudevents::structured(&cloudevents::own_attributes(event), &object::object(event))),
        ),
        EventForm::CdEvents | EventForm::CdEvents04 => {
            let version = match form {
                EventForm::CdEvents => cdevents::CdVersion::V05,
                _ => cdevents::CdVersion::V04,
            };
            EventMessage {
                content_type: "application/json",
                headers: cloudevents::headers(&cdevents::attributes(event, version)),
                body: json(&cdevents::document(event, version)),
            }
        }
        EventForm::Registry => plain(registry::MEDIA_TYPE, json(&registry::document(event))),
    }
}
