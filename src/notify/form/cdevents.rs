//! CDEvents 0.4.1 and 0.5.1: the JSON document, and the attributes of the CloudEvent that carries it.
//!
//! A push is an artifact that was published. A promotion deploys or upgrades a service, a rollback rolls it back: the
//! environment's image is the service's artifact. All that the schemas have no place for is in `customData`, the only
//! place where they allow more.

use serde_json::{Map, Value, json};

use super::super::event::DeliveryEvent;
use super::cloudevents::{CloudAttributes, source};
use crate::types::delivery::DeliveryKind;

/// A version of the specification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CdVersion {
    V04,
    V05,
}

/// The attributes of the CloudEvent.
pub(super) fn attributes(event: &DeliveryEvent, version: CdVersion) -> CloudAttributes {
    CloudAttributes {
        id: event.id().to_string(),
        kind: kind(event, version),
        source: source(event),
        subject: subject(event),
        time: event.time.to_string(),
    }
}

/// The event.
pub(super) fn document(event: &DeliveryEvent, version: CdVersion) -> Value {
    let (version_key, number) = match version {
        CdVersion::V04 => ("version", "0.4.1"),
        CdVersion::V05 => ("specversion", "0.5.1"),
    };
    let context = json!({
        version_key: number,
        "id": event.id().to_string(),
        "source": source(event),
        "type": kind(event, version),
        "timestamp": event.time.to_string(),
        "chainId": event.chain.to_string(),
    });
    let content = match event.kind {
        DeliveryKind::Push => json!({}),
        DeliveryKind::Promotion | DeliveryKind::Rollback => json!({
            "environment": { "id": environment(event) },
            "artifactId": purl(event),
        }),
    };
    let mut subject = json!({ "id": subject(event), "source": source(event), "content": content });
    if let (CdVersion::V04, Some(subject)) = (version, subject.as_object_mut()) {
        let kind = if event.kind == DeliveryKind::Push { "artifact" } else { "service" };
        subject.insert("type".to_owned(), kind.into());
    }
    json!({
        "context": context,
        "subject": subject,
        "customData": custom(event),
        "customDataContentType": "application/json",
    })
}

fn kind(event: &DeliveryEvent, version: CdVersion) -> String {
    let predicate = match (event.kind, event.previous) {
        (DeliveryKind::Push, _) => "artifact.published",
        (DeliveryKind::Promotion, None) => "service.deployed",
        (DeliveryKind::Promotion, Some(_)) => "service.upgraded",
        (DeliveryKind::Rollback, _) => "service.rolledback",
    };
    // All of these have the same version in one version of the specification.
    let number = if version == CdVersion::V04 { "0.2.0" } else { "0.3.0" };
    format!("dev.cdevents.{predicate}.{number}")
}

/// An artifact's package URL, or a service: the repository that the environment has its image in.
fn subject(event: &DeliveryEvent) -> String {
    match event.kind {
        DeliveryKind::Push => purl(event),
        DeliveryKind::Promotion | DeliveryKind::Rollback => event.image.to_string(),
    }
}

/// A schema wants an id that is not empty, whatever a caller knows.
fn environment(event: &DeliveryEvent) -> &str {
    event.environment.as_deref().filter(|name| !name.is_empty()).unwrap_or("default")
}

/// The package URL of an image (purl-spec, type `oci`): the last part of the repository, the digest, and where it is.
pub(super) fn purl(event: &DeliveryEvent) -> String {
    let path = event.image.path();
    let name = path.rsplit('/').next().unwrap_or(path);
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut purl = format!(
        "pkg:oci/{name}@{}?repository_url={}",
        encode(&event.digest.to_string()),
        encode(&event.image.to_string())
    );
    if let Some(tag) = event.tags.first() {
        purl.push_str(&format!("&tag={}", encode(tag.as_str())));
    }
    purl
}

fn custom(event: &DeliveryEvent) -> Value {
    let mut custom = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            custom.insert(name.to_owned(), value);
        }
    };
    put("image", Some(event.image.to_string().into()));
    put("digest", Some(event.digest.to_string().into()));
    put("tags", Some(event.tags.iter().map(ToString::to_string).collect::<Vec<_>>().into()));
    put("revision", event.revision.clone().map(Value::from));
    put("release", event.release.map(Value::from));
    put("previous", event.previous.map(|digest| digest.to_string().into()));
    Value::Object(custom)
}
