//! CloudEvents 1.0.2 over HTTP: attributes as headers (binary mode) or beside the data (structured mode).

use serde_json::{Value, json};

use super::super::event::DeliveryEvent;
use crate::types::delivery::DeliveryKind;

/// The attributes of a CloudEvent whose data is JSON.
pub(super) struct CloudAttributes {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) subject: String,
    pub(super) time: String,
}

/// The place that events come from, a URI: the repository.
pub(super) fn source(event: &DeliveryEvent) -> String {
    format!("oci://{}", event.image)
}

/// The attributes of an event that carries our own object.
pub(super) fn own_attributes(event: &DeliveryEvent) -> CloudAttributes {
    let kind = match event.kind {
        DeliveryKind::Push => "pushed",
        DeliveryKind::Promotion => "promoted",
        DeliveryKind::Rollback => "rolled-back",
    };
    CloudAttributes {
        id: event.id().to_string(),
        kind: format!("pack.image.{kind}.v1"),
        source: source(event),
        subject: format!("{}@{}", event.image.path(), event.digest),
        time: event.time.to_string(),
    }
}

/// Binary mode: each attribute is a header.
pub(super) fn headers(attributes: &CloudAttributes) -> Vec<(&'static str, String)> {
    let CloudAttributes { id, kind, source, subject, time } = attributes;
    [
        ("ce-specversion", "1.0"),
        ("ce-id", id),
        ("ce-type", kind),
        ("ce-source", source),
        ("ce-subject", subject),
        ("ce-time", time),
    ]
    .map(|(name, value)| (name, in_header(value)))
    .to_vec()
}

/// Structured mode: one JSON document.
pub(super) fn structured(attributes: &CloudAttributes, data: &Value) -> Value {
    let CloudAttributes { id, kind, source, subject, time } = attributes;
    json!({
        "specversion": "1.0",
        "id": id,
        "type": kind,
        "source": source,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// A value in a header: spaces, quotes, percent signs and all but printable ASCII are percent-encoded (HTTP protocol
/// binding, section 3.1.3.2).
fn in_header(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => encoded.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn header_values_are_percent_encoded() {
        assert_eq!(in_header("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(in_header("a%3Ab\"\u{7f}~"), "a%253Ab%22%7F~");
    }
}
