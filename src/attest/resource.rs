//! Descriptors of resources: names and digests of what a statement is about
//! ([specification](https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md)).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw};
use crate::types::digest::Digest;

/// A resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A URI that identifies it everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by algorithm, in hexadecimal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// More about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Raw>,
}

impl ResourceDescriptor {
    /// A resource with a name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// A resource with a URI.
    #[must_use]
    pub fn at(uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..Self::default() }
    }

    /// With its SHA-256.
    #[must_use]
    pub fn sha256(self, digest: &Digest) -> Self {
        self.digest("sha256", digest.hex())
    }

    /// With a digest of this algorithm.
    #[must_use]
    pub fn digest(mut self, algorithm: &str, value: impl Into<String>) -> Self {
        self.digest.insert(algorithm.to_owned(), value.into());
        self
    }

    /// With one more annotation.
    ///
    /// # Errors
    /// Never for values whose encoder cannot fail.
    pub fn annotation(mut self, name: &str, value: &impl Serialize) -> Result<Self, JsonError> {
        let text = serde_json::to_string(value).map_err(JsonError::refused)?;
        self.annotations.insert(name.to_owned(), text.parse()?);
        Ok(self)
    }

    /// Its SHA-256.
    #[must_use]
    pub fn its_sha256(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.get("sha256")?).parse().ok()
    }
}

impl FromJson for ResourceDescriptor {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(
            value,
            &["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"],
        )?;
        let resource = Self {
            name: object.take("name")?,
            uri: object.take("uri")?,
            digest: object.take_or_default("digest")?,
            annotations: object.take_or_default("annotations")?,
        };
        object.finish()?;
        Ok(resource)
    }
    fn several() -> String {
        "resources".to_owned()
    }
}
