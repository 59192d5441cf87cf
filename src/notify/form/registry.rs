//! The notifications of `docker-registry` (distribution, "Notifications"): one event for each tag.
//!
//! For receivers that know registries and not `pack`. They have no word for a promotion: all is a push.

use serde_json::{Map, Value, json};

use super::super::event::DeliveryEvent;

/// The media type of the envelope.
pub(super) const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";

/// The envelope.
pub(super) fn document(event: &DeliveryEvent) -> Value {
    let id = event.id().to_string();
    let mut tags: Vec<Option<&str>> = event.tags.iter().map(|tag| Some(tag.as_str())).collect();
    if tags.is_empty() {
        tags.push(None);
    }
    let one = |(number, tag): (usize, &Option<&str>)| {
        let mut target = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                target.insert(name.to_owned(), value);
            }
        };
        put("mediaType", event.media_type.as_ref().map(|media_type| media_type.to_string().into()));
        put("digest", Some(event.digest.to_string().into()));
        put("size", event.size.map(Value::from));
        put("length", event.size.map(Value::from));
        put("repository", Some(event.image.path().into()));
        put("tag", tag.map(Value::from));
        json!({
            // The first has the event's own id; an id is of one event.
            "id": if number == 0 { id.clone() } else { format!("{id}-{number}") },
            "timestamp": event.time.to_string(),
            "action": "push",
            "target": target,
            "request": { "id": id, "host": event.image.registry().to_string(), "method": "PUT", "useragent": "pack" },
            "actor": {},
            "source": {},
        })
    };
    json!({ "events": tags.iter().enumerate().map(one).collect::<Vec<_>>() })
}
