//! The event as a JSON object of our own, which other forms carry as well.

use serde_json::{Map, Value};

use super::super::event::DeliveryEvent;

/// Everything that the event says. Absent values are left out.
pub(super) fn object(event: &DeliveryEvent) -> Value {
    let tag = event.tags.first().map(|tag| format!(":{tag}")).unwrap_or_default();
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    put("id", Some(event.id().to_string().into()));
    put("kind", Some(event.kind.as_str().into()));
    put("time", Some(event.time.to_string().into()));
    put("image", Some(event.image.to_string().into()));
    put("digest", Some(event.digest.to_string().into()));
    put("reference", Some(format!("{}{tag}@{}", event.image, event.digest).into()));
    put("tags", Some(event.tags.iter().map(ToString::to_string).collect::<Vec<_>>().into()));
    put("mediaType", event.media_type.as_ref().map(|media_type| media_type.to_string().into()));
    put("size", event.size.map(Value::from));
    put("revision", event.revision.clone().map(Value::from));
    put("environment", event.environment.clone().map(Value::from));
    put("release", event.release.map(Value::from));
    put("previous", event.previous.map(|digest| digest.to_string().into()));
    put("chain", Some(event.chain.to_string().into()));
    Value::Object(object)
}
