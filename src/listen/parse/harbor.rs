//! Webhooks of Harbor: its own form, and CloudEvents in structured mode with the same data.

use serde::Deserialize;

use super::super::notice::{Notice, id_of, repository};
use super::body::{ParsedBody, UnreadableBody};
use crate::notify::EventTime;
use crate::types::delivery::DeliveryKind;
use crate::types::reference::{Reference, Registry};

#[derive(Deserialize)]
struct HarborMessage {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    /// In its own form.
    event_data: Option<HarborData>,
    /// In a CloudEvent.
    data: Option<HarborData>,
}

#[derive(Deserialize)]
struct HarborData {
    #[serde(default)]
    resources: Vec<HarborResource>,
    repository: Option<HarborRepository>,
}

#[derive(Deserialize)]
struct HarborResource {
    digest: Option<String>,
    tag: Option<String>,
    resource_url: Option<String>,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: Option<String>,
}

/// The tags that were pushed.
pub(super) fn parse(
    source: &str,
    registry: Option<&Registry>,
    body: &[u8],
) -> Result<ParsedBody, UnreadableBody> {
    let message: HarborMessage = serde_json::from_slice(body).map_err(|_| UnreadableBody::NotJson)?;
    let mut parsed = ParsedBody::default();
    let is_push = matches!(message.kind.as_str(), "PUSH_ARTIFACT" | "harbor.artifact.pushed" | "pushImage");
    let Some(data) = message.event_data.or(message.data).filter(|_| is_push) else {
        parsed.others += 1;
        return Ok(parsed);
    };
    let name = data.repository.and_then(|repository| repository.repo_full_name);
    for (number, resource) in data.resources.into_iter().enumerate() {
        let HarborResource { digest, tag, resource_url } = resource;
        let Some(tag) = tag.filter(|tag| !tag.is_empty()) else {
            parsed.others += 1;
            continue;
        };
        let reference = resource_url.and_then(|url| url.parse::<Reference>().ok());
        let notice = || {
            let image = match (registry, reference) {
                (Some(registry), _) => repository(registry, name.as_deref()?)?,
                (None, reference) => reference?.repository().clone(),
            };
            Some(Notice {
                id: format!("{}-{number}", id_of(message.id.as_deref(), body)),
                source: source.to_owned(),
                kind: DeliveryKind::Push,
                image,
                tag: tag.parse().ok()?,
                digest: Some(digest.as_deref()?.parse().ok()?),
                environment: None,
                received: EventTime::default(),
            })
        };
        parsed.add(notice());
    }
    Ok(parsed)
}
