//! Webhooks of Docker Hub, which say a tag and no digest.

use serde::Deserialize;

use super::super::notice::{Notice, id_of, repository};
use super::body::{ParsedBody, UnreadableBody};
use crate::notify::EventTime;
use crate::types::delivery::DeliveryKind;
use crate::types::reference::{DOCKER_HUB, Registry};

#[derive(Deserialize)]
struct HubMessage {
    push_data: HubPush,
    repository: HubRepository,
}

#[derive(Deserialize)]
struct HubPush {
    tag: Option<String>,
}

#[derive(Deserialize)]
struct HubRepository {
    repo_name: Option<String>,
}

/// The tag that was pushed.
pub(super) fn parse(
    source: &str,
    registry: Option<&Registry>,
    body: &[u8],
) -> Result<ParsedBody, UnreadableBody> {
    let message: HubMessage = serde_json::from_slice(body).map_err(|_| UnreadableBody::NotJson)?;
    let mut parsed = ParsedBody::default();
    let hub: Option<Registry> = DOCKER_HUB.parse().ok();
    let notice = || {
        Some(Notice {
            // It has no id; a message that is sent again has the same bytes.
            id: id_of(None, body),
            source: source.to_owned(),
            kind: DeliveryKind::Push,
            image: repository(registry.or(hub.as_ref())?, message.repository.repo_name.as_deref()?)?,
            tag: message.push_data.tag.as_deref()?.parse().ok()?,
            digest: None,
            environment: None,
            received: EventTime::default(),
        })
    };
    parsed.add(notice());
    Ok(parsed)
}
