//! Events of `pack`, in every form.

use serde::Deserialize;
use serde_json::Value;

use super::super::notice::{Notice, id_of, is_environment, repository};
use super::body::{ParsedBody, UnreadableBody};
use super::docker_registry;
use crate::notify::EventTime;
use crate::types::delivery::DeliveryKind;
use crate::types::reference::{Registry, Repository};

/// The plain object, as it is or as the data of a CloudEvent.
#[derive(Deserialize)]
struct OwnObject {
    id: String,
    kind: DeliveryKind,
    image: String,
    digest: String,
    tags: Vec<String>,
    environment: Option<String>,
}

/// A CDEvent of `pack`.
#[derive(Deserialize)]
struct OwnCdEvent {
    context: CdContext,
    subject: CdSubject,
    #[serde(rename = "customData")]
    custom: CdCustom,
}

#[derive(Deserialize)]
struct CdContext {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct CdSubject {
    content: CdContent,
}

#[derive(Deserialize)]
struct CdContent {
    environment: Option<CdEnvironment>,
}

#[derive(Deserialize)]
struct CdEnvironment {
    id: String,
}

#[derive(Deserialize)]
struct CdCustom {
    image: String,
    digest: String,
    tags: Vec<String>,
}

/// The tags that an event is about.
pub(super) fn parse(
    source: &str,
    registry: Option<&Registry>,
    body: &[u8],
) -> Result<ParsedBody, UnreadableBody> {
    let value: Value = serde_json::from_slice(body).map_err(|_| UnreadableBody::NotJson)?;
    if value.get("events").is_some() {
        return docker_registry::parse(source, registry, body);
    }
    let of = |value: Value| serde_json::from_value::<OwnObject>(value).map_err(|_| UnreadableBody::NotJson);
    let object = if value.get("context").is_some() {
        of_cd_event(serde_json::from_value(value).map_err(|_| UnreadableBody::NotJson)?)?
    } else if let (Some(_), Some(data)) = (value.get("specversion"), value.get("data")) {
        of(data.clone())?
    } else {
        of(value)?
    };
    let mut parsed = ParsedBody::default();
    for tag in &object.tags {
        let notice = || {
            let environment = object.environment.clone();
            if environment.as_deref().is_some_and(|environment| !is_environment(environment)) {
                return None;
            }
            Some(Notice {
                id: id_of(Some(&object.id), body),
                source: source.to_owned(),
                kind: object.kind,
                image: image(&object.image, registry)?,
                tag: tag.parse().ok()?,
                digest: Some(object.digest.parse().ok()?),
                environment,
                received: EventTime::default(),
            })
        };
        parsed.add(notice());
    }
    Ok(parsed)
}

/// The repository that an event names, in `registry` if that is given.
fn image(name: &str, registry: Option<&Registry>) -> Option<Repository> {
    let named: Repository = name.parse().ok()?;
    match registry {
        Some(registry) => repository(registry, named.path()),
        None => Some(named),
    }
}

fn of_cd_event(event: OwnCdEvent) -> Result<OwnObject, UnreadableBody> {
    let OwnCdEvent { context, subject, custom } = event;
    let predicate = context.kind.strip_prefix("dev.cdevents.").ok_or(UnreadableBody::NotJson)?;
    let kind = match predicate.rsplitn(4, '.').nth(3) {
        Some("artifact.published") => DeliveryKind::Push,
        Some("service.deployed" | "service.upgraded") => DeliveryKind::Promotion,
        Some("service.rolledback") => DeliveryKind::Rollback,
        _ => return Err(UnreadableBody::NotJson),
    };
    let environment = subject.content.environment.map(|environment| environment.id);
    let CdCustom { image, digest, tags } = custom;
    Ok(OwnObject { id: context.id, kind, image, digest, tags, environment })
}
