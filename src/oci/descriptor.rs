//! Descriptors: typed, sized, content-addressed links (image specification, `descriptor.md`).

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::media_type::MediaType;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw};
use crate::types::digest::Digest;
use crate::types::platform::Platform;

/// A link to content by digest. Unknown fields survive in `rest`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Other places to get it from; never contacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Annotations, in key order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform, in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformFields>,
    /// The type of artifact, in an index or a referrers list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// A platform as an index spells it, not normalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlatformFields {
    /// Processor architecture.
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// The names of a descriptor's fields, for every reader in Go.
const DESCRIPTOR: &[&str] =
    &["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];

/// Those of a platform, `features` being Docker's.
const PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant", "features"];

impl FromJson for Descriptor {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, DESCRIPTOR)?;
        if let Some(data) = object.get("data") {
            check_data(data).map_err(|error| error.below("data"))?;
        }
        Ok(Self {
            media_type: object.require("mediaType")?,
            digest: object.require("digest")?,
            size: object.require("size")?,
            urls: object.take_or_default("urls")?,
            annotations: object.take_or_default("annotations")?,
            platform: object.take("platform")?,
            artifact_type: object.take("artifactType")?,
            rest: object.rest()?,
        })
    }
    fn several() -> String {
        "objects".to_owned()
    }
}

/// The content itself is carried over unread; a reader in Go refuses a document in which it is no base64.
fn check_data(data: JsonValue<'_>) -> Result<(), JsonError> {
    let text: String = String::decode(data)?;
    let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    match base64::engine::general_purpose::STANDARD.decode(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(JsonError::refused("it is not base64")),
    }
}

/// As it is kept in records of ours.
impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        crate::formats::json::decode(raw.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

impl FromJson for PlatformFields {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, PLATFORM)?;
        Ok(Self {
            architecture: object.take_or_default("architecture")?,
            os: object.take_or_default("os")?,
            os_version: object.take("os.version")?,
            os_features: object.take_or_default("os.features")?,
            variant: object.take("variant")?,
            rest: object.rest()?,
        })
    }
}

impl FromJson for MediaType {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        String::decode(value).map(|text| Self::from(text.as_str()))
    }
    fn wanted() -> String {
        String::wanted()
    }
}

impl FromJson for Digest {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        String::decode(value)?.parse().map_err(JsonError::refused)
    }
    fn wanted() -> String {
        "a digest".to_owned()
    }
    fn several() -> String {
        "digests".to_owned()
    }
}

impl PlatformFields {
    /// The normalised platform, if the fields are one.
    #[must_use]
    pub fn normalised(&self) -> Option<Platform> {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref()).ok()
    }
}

impl From<&Platform> for PlatformFields {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture().to_owned(),
            os: platform.os().to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: platform.variant().map(str::to_owned),
            rest: BTreeMap::new(),
        }
    }
}

impl Descriptor {
    /// A descriptor with the three required fields.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            rest: BTreeMap::new(),
        }
    }

    /// Describes bytes in memory.
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}
