//! The event: what happened, to which image, and its identities.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::oci::MediaType;
use crate::types::delivery::DeliveryKind;
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};
use crate::types::time::{LAST_SECOND, rfc3339};

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryEvent {
    /// The step.
    pub kind: DeliveryKind,
    /// The repository that has the image.
    pub image: Repository,
    /// The manifest or index that the tags resolve to.
    pub digest: Digest,
    /// Whether that is a manifest or an index, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The bytes of the manifest or index, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The tags that were set.
    pub tags: Vec<Tag>,
    /// The commit that the image was built from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The environment, after a promotion or rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The number of the release there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// The digest that the environment had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// When it happened.
    pub time: EventTime,
    /// Links the build, the promotions and the rollbacks of one commit.
    pub chain: ChainId,
}

impl DeliveryEvent {
    /// Its id: a function of all that it says, and the same in every try.
    #[must_use]
    pub fn id(&self) -> EventId {
        let text = serde_json::to_vec(self).unwrap_or_default();
        EventId(uuid(&["pack event 1".as_bytes(), &text]))
    }
}

/// The identity of an event, a UUID of version 8 (RFC 9562).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(String);

/// The identity of all events about one commit of one repository, a UUID of version 8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(String);

impl ChainId {
    /// The chain of a commit in the repository of sources that the image names (`org.opencontainers.image.source`).
    #[must_use]
    pub fn of_commit(source: &str, revision: &str) -> Self {
        Self(uuid(&["pack chain 1".as_bytes(), source.as_bytes(), revision.as_bytes()]))
    }

    /// The chain of an image that names no commit.
    #[must_use]
    pub fn of_image(digest: &Digest) -> Self {
        Self(uuid(&["pack chain of an image 1".as_bytes(), digest.to_string().as_bytes()]))
    }

    /// The chain of an image with these annotations or labels: of its commit, else of its digest. The path of the
    /// repository stands for sources that are not named, so that a promotion to another registry stays in the chain.
    #[must_use]
    pub fn of(image: &Repository, digest: &Digest, source: Option<&str>, revision: Option<&str>) -> Self {
        match revision {
            Some(revision) => Self::of_commit(source.unwrap_or(image.path()), revision),
            None => Self::of_image(digest),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A UUID of version 8 from the SHA-256 of `parts`, each with its length before it.
fn uuid(parts: &[&[u8]]) -> String {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part);
    }
    let mut digits: Vec<char> = Digest::of(&text).hex().chars().take(32).collect();
    // Version 8; of the variant's two bits the first is set.
    digits[12] = '8';
    digits[16] = match digits[16] {
        '0' | '4' | '8' | 'c' => '8',
        '1' | '5' | '9' | 'd' => '9',
        '2' | '6' | 'a' | 'e' => 'a',
        _ => 'b',
    };
    let digits: String = digits.into_iter().collect();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// A time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(u64);

impl EventTime {
    /// So many milliseconds after 1970, or the last one of the year 9999.
    #[must_use]
    pub fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds.min(LAST_SECOND * 1000 + 999))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl From<SystemTime> for EventTime {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_milliseconds(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// RFC 3339 with milliseconds.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = rfc3339(self.seconds()).unwrap_or_default();
        write!(f, "{}.{:03}Z", whole.trim_end_matches('Z'), self.0 % 1000)
    }
}

#[cfg(test)]
pub(crate) fn example(kind: DeliveryKind) -> DeliveryEvent {
    let image: Repository = "localhost:5000/shop/app".parse().expect("a name");
    let (digest, old) = (Digest::of(b"new"), Digest::of(b"old"));
    let is_release = kind != DeliveryKind::Push;
    DeliveryEvent {
        kind,
        chain: ChainId::of(&image, &digest, None, Some("4f0c2d1")),
        image,
        digest,
        media_type: Some(MediaType::ImageManifest),
        size: Some(700),
        tags: vec!["1.0".parse().expect("a tag")],
        revision: Some("4f0c2d1".to_owned()),
        environment: is_release.then(|| "prod".to_owned()),
        release: is_release.then_some(7),
        previous: is_release.then_some(old),
        time: EventTime::from_milliseconds(1_751_364_000_123),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_function_of_what_the_event_says() {
        let event = example(DeliveryKind::Push);
        assert_eq!(event.id(), event.clone().id());
        let mut later = event.clone();
        later.time = EventTime::from_milliseconds(1);
        assert_ne!(event.id(), later.id());
        let id = event.id().to_string();
        assert_eq!(id.len(), 36);
        assert_eq!((&id[14..15], id.matches('-').count()), ("8", 4));
        assert!("89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn a_chain_links_a_build_to_its_promotion_elsewhere() {
        let (here, there) = ("localhost:5000/shop/app", "registry.example/shop/app");
        let (here, there): (Repository, Repository) =
            (here.parse().expect("a name"), there.parse().expect("a name"));
        let digest = Digest::of(b"x");
        let chain = |image: &Repository, source, revision| ChainId::of(image, &digest, source, revision);
        assert_eq!(chain(&here, None, Some("a")), chain(&there, None, Some("a")));
        assert_ne!(chain(&here, None, Some("a")), chain(&here, None, Some("b")));
        assert_ne!(chain(&here, Some("https://git.example/x"), Some("a")), chain(&here, None, Some("a")));
        assert_eq!(chain(&here, None, None), chain(&there, Some("https://git.example/x"), None));
    }

    #[test]
    fn times_have_milliseconds_and_an_end() {
        assert_eq!(EventTime::from_milliseconds(1_751_364_000_123).to_string(), "2025-07-01T10:00:00.123Z");
        assert_eq!(EventTime::from_milliseconds(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(EventTime::from(UNIX_EPOCH).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_event_survives_its_file() {
        for kind in DeliveryKind::ALL {
            let event = example(kind);
            let text = serde_json::to_string(&event).expect("JSON");
            assert_eq!(serde_json::from_str::<DeliveryEvent>(&text).expect("read"), event);
        }
    }
}
