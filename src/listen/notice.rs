//! A notice: one tag of one repository has an image now, whatever form the message had.

use serde::{Deserialize, Serialize};

use crate::notify::EventTime;
use crate::types::delivery::DeliveryKind;
use crate::types::digest::Digest;
use crate::types::reference::{Registry, Repository, Tag};

/// One tag of one repository has an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The id that the sender gave, or a hash of the message.
    pub id: String,
    /// The path that it came to.
    pub source: String,
    /// The kind of event.
    pub kind: DeliveryKind,
    /// The repository.
    pub image: Repository,
    /// The tag.
    pub tag: Tag,
    /// The image, if the message says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The environment, in an event of `pack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// When the message came.
    #[serde(default)]
    pub received: EventTime,
}

/// The longest id, in bytes.
const LONGEST_ID: usize = 128;

impl Notice {
    /// The tag's full name.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}:{}", self.image, self.tag)
    }

    /// The tag's full name, with the digest if that is known.
    #[must_use]
    pub fn reference(&self) -> String {
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{digest}", self.target())
    }

    /// The identity by which duplicates are found: 16 bytes of a hash of source, id and tag.
    #[must_use]
    pub fn key(&self) -> u128 {
        let Self { id, source, .. } = self;
        let text = format!("{source}\n{id}\n{}", self.target());
        let digest = blake3::hash(text.as_bytes());
        digest.as_bytes().first_chunk().copied().map_or(0, u128::from_le_bytes)
    }
}

/// An id that a message gives: printable ASCII of limited length, or a hash of whatever it is.
#[must_use]
pub fn id_of(given: Option<&str>, body: &[u8]) -> String {
    match given {
        Some(id)
            if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            id.to_owned()
        }
        Some(id) => blake3::hash(id.as_bytes()).to_hex().to_string(),
        None => blake3::hash(body).to_hex().to_string(),
    }
}

/// The repository `path` in `registry`: with the registry's host before it, which the message may not choose to be
/// another one's.
pub fn repository(registry: &Registry, path: &str) -> Option<Repository> {
    let repository: Repository = format!("{registry}/{path}").parse().ok()?;
    (repository.registry() == registry).then_some(repository)
}

/// Whether a text is the name of an environment: letters and digits, with `-`, `_` and `.` between them.
#[must_use]
pub fn is_environment(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= 64
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(is_inner)
}

#[cfg(test)]
pub(super) fn example(id: &str, tag: &str, content: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        source: "/registry".to_owned(),
        kind: DeliveryKind::Push,
        image: "localhost:5000/shop/app".parse().expect("a name"),
        tag: tag.parse().expect("a tag"),
        digest: Some(Digest::of(content.as_bytes())),
        environment: None,
        received: EventTime::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_name_another_registry() {
        let registry: Registry = "localhost:5000".parse().expect("a registry");
        assert!(repository(&registry, "shop/app").is_some());
        for path in ["", "../x", "/evil.example/app", "Shop/app", "a b", "a:b", "a@sha256:x", "-a", "$(x)"] {
            assert_eq!(repository(&registry, path), None, "{path}");
        }
        // A host without a dot or a port reads as a path of Docker Hub.
        let odd: Registry = "registry".parse().expect("a registry");
        assert_eq!(repository(&odd, "shop/app"), None);
    }

    #[test]
    fn ids_are_printable_and_short() {
        assert_eq!(id_of(Some("a-1"), b""), "a-1");
        for odd in ["", "a b", "a\n", "ü", &"x".repeat(LONGEST_ID + 1)] {
            let id = id_of(Some(odd), b"body");
            assert_eq!((id.len(), id == id_of(Some(odd), b"other")), (64, true), "{odd:?}");
        }
        assert_ne!(id_of(None, b"a"), id_of(None, b"b"));
    }

    #[test]
    fn environments_are_names() {
        assert!(is_environment("prod") && is_environment("eu-1.test_2"));
        for odd in ["", "-x", "a b", "a/b", "a\n", "$x", &"a".repeat(65)] {
            assert!(!is_environment(odd), "{odd:?}");
        }
    }
}
