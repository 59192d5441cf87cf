//! Notifications of `docker-registry` (distribution): an envelope of events, of which pushes of tagged manifests count.

use serde::Deserialize;

use super::super::notice::{Notice, id_of, repository};
use super::body::{ParsedBody, UnreadableBody};
use crate::notify::EventTime;
use crate::oci::MediaType;
use crate::oci::media_type;
use crate::types::delivery::DeliveryKind;
use crate::types::reference::Registry;

#[derive(Deserialize)]
struct Envelope {
    events: Vec<RegistryEvent>,
}

#[derive(Deserialize)]
struct RegistryEvent {
    id: Option<String>,
    action: Option<String>,
    target: Option<EventTarget>,
    request: Option<EventRequest>,
}

#[derive(Deserialize)]
struct EventTarget {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    digest: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
struct EventRequest {
    host: Option<String>,
}

/// The tagged manifests that were pushed.
pub(super) fn parse(
    source: &str,
    registry: Option<&Registry>,
    body: &[u8],
) -> Result<ParsedBody, UnreadableBody> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| UnreadableBody::NotJson)?;
    let mut parsed = ParsedBody::default();
    for (number, event) in envelope.events.into_iter().enumerate() {
        let RegistryEvent { id, action, target, request } = event;
        let is_manifest = |target: &EventTarget| {
            target
                .media_type
                .as_deref()
                .is_none_or(|text| media_type::document(&MediaType::from(text)).is_some())
        };
        let target = target.filter(|target| target.tag.is_some() && is_manifest(target));
        let (Some("push"), Some(target)) = (action.as_deref(), target) else {
            parsed.others += 1;
            continue;
        };
        let own = request.and_then(|request| request.host).and_then(|host| host.parse::<Registry>().ok());
        let id = match &id {
            Some(id) => id_of(Some(id), body),
            None => format!("{}-{number}", id_of(None, body)),
        };
        let notice = || {
            Some(Notice {
                id,
                source: source.to_owned(),
                kind: DeliveryKind::Push,
                image: repository(registry.or(own.as_ref())?, target.repository.as_deref()?)?,
                tag: target.tag.as_deref()?.parse().ok()?,
                digest: Some(target.digest.as_deref()?.parse().ok()?),
                environment: None,
                received: EventTime::default(),
            })
        };
        parsed.add(notice());
    }
    Ok(parsed)
}
