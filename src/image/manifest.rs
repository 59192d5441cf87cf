//! Image manifests and indexes (image specification, `manifest.md` and `image-index.md`).
//!
//! Parsing is strict where leniency is an attack: a document that is both a manifest and an index is
//! refused (CVE-2021-41190), and so are duplicate keys, which two readers resolve differently.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::descriptor::Descriptor;
use super::media_type::{self, Document, MediaType};
use crate::digest::Digest;

/// A manifest, index or configuration may have at most this many bytes.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// An image may have at most this many layers.
pub const MAX_LAYERS: usize = 500;
/// An index may have at most this many entries.
pub const MAX_CHILDREN: usize = 1000;

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u8,
    /// The media type of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// What this refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, in key order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// An image index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u8,
    /// The media type of this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, in order.
    pub manifests: Vec<Descriptor>,
    /// What this refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, in key order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// A manifest or index as it was received: the bytes are the identity and are never re-serialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDocument {
    /// What it is.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why bytes are not a document that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of this shape.
    #[error("not a valid {what}: {source}")]
    Json {
        /// Manifest, index or configuration.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Both `manifests` and `layers` or `config` (CVE-2021-41190).
    #[error("the document is a manifest and an index at once")]
    Ambiguous,
    /// A media type in the body that is not the one it was served or linked as.
    #[error("the document says it is `{inside}` but was announced as `{outside}`")]
    MediaType {
        /// In the body.
        inside: MediaType,
        /// In the header or descriptor.
        outside: MediaType,
    },
    /// Docker's schema 1.
    #[error("the manifest is Docker schema 1, which carries no content digests that can be trusted")]
    Schema1,
    /// Neither a manifest nor an index.
    #[error("`{0}` is neither an image manifest nor an index")]
    Unknown(String),
    /// Over a limit.
    #[error("the document has {found} {what}, more than {limit}")]
    Limit {
        /// Bytes, layers, manifests.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
}

/// A parsed document.
#[derive(Clone, Debug)]
pub enum ManifestOrIndex {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Box<Index>),
}

impl RawDocument {
    /// Checks `bytes` against the media type that they were announced with, if any; an absent one is
    /// derived from the body.
    ///
    /// # Errors
    /// When the document is over a limit, ambiguous, of another type, or no manifest or index.
    pub fn new(announced: Option<&MediaType>, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        check_limit("bytes", bytes.len() as u64, MAX_DOCUMENT)?;
        let shape: Shape = parse_strict("manifest", &bytes)?;
        if shape.schema_version == Some(1) || shape.fs_layers.is_some() {
            return Err(DocumentError::Schema1);
        }
        let is_index = shape.manifests.is_some();
        if is_index && (shape.layers.is_some() || shape.config.is_some()) {
            return Err(DocumentError::Ambiguous);
        }
        let announced = announced.filter(|media_type| is_specific(media_type));
        if let (Some(inside), Some(outside)) = (&shape.media_type, announced)
            && inside != outside
        {
            return Err(DocumentError::MediaType { inside: inside.clone(), outside: outside.clone() });
        }
        let media_type = shape.media_type.or_else(|| announced.cloned()).unwrap_or(if is_index {
            MediaType::ImageIndex
        } else {
            MediaType::ImageManifest
        });
        let agrees = match media_type::document(&media_type) {
            Some(Document::Index) => is_index,
            Some(Document::Manifest) => !is_index,
            None => false,
        };
        if !agrees {
            return Err(DocumentError::Unknown(media_type.to_string()));
        }
        Ok(Self { media_type, bytes })
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// A descriptor of the bytes.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type.clone(), &self.bytes)
    }

    /// The parsed document.
    ///
    /// # Errors
    /// When a field is missing or of the wrong type, or there are too many layers or manifests.
    pub fn parse(&self) -> Result<ManifestOrIndex, DocumentError> {
        if media_type::document(&self.media_type) == Some(Document::Index) {
            let index: Index = parse_strict("index", &self.bytes)?;
            check_limit("manifests", index.manifests.len() as u64, MAX_CHILDREN as u64)?;
            return Ok(ManifestOrIndex::Index(Box::new(index)));
        }
        let manifest: Manifest = parse_strict("manifest", &self.bytes)?;
        check_limit("layers", manifest.layers.len() as u64, MAX_LAYERS as u64)?;
        Ok(ManifestOrIndex::Manifest(Box::new(manifest)))
    }
}

/// Registries that do not know say one of these.
fn is_specific(media_type: &MediaType) -> bool {
    !matches!(
        media_type.to_string().as_str(),
        "" | "application/json" | "text/plain" | "application/octet-stream" | "binary/octet-stream"
    )
}

fn check_limit(what: &'static str, found: u64, limit: u64) -> Result<(), DocumentError> {
    if found > limit { Err(DocumentError::Limit { what, found, limit }) } else { Ok(()) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    manifests: Option<Value>,
    layers: Option<Value>,
    config: Option<Value>,
    fs_layers: Option<Value>,
}

/// Parses JSON, refusing duplicate keys anywhere in it.
///
/// # Errors
/// When the bytes are not JSON, have a duplicate key, or are not a `T`.
pub fn parse_strict<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DocumentError> {
    let json = |source| DocumentError::Json { what, source };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    UniqueKeys.deserialize(&mut deserializer).map_err(json)?;
    deserializer.end().map_err(json)?;
    serde_json::from_slice(bytes).map_err(json)
}

/// Walks a value and refuses an object that has a key twice.
#[derive(Clone, Copy)]
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(self)?;
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key `{key}` occurs twice")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Result<RawDocument, DocumentError> {
        RawDocument::new(None, text.as_bytes().to_vec())
    }

    #[test]
    fn refuses_what_two_readers_would_read_differently() {
        assert!(matches!(
            raw(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#),
            Err(DocumentError::Ambiguous)
        ));
        let twice = raw(r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#).expect_err("twice");
        assert!(twice.to_string().contains("`manifests` occurs twice"), "{twice}");
        assert!(matches!(raw(r#"{"schemaVersion":1,"fsLayers":[]}"#), Err(DocumentError::Schema1)));
        let other = RawDocument::new(
            Some(&MediaType::ImageManifest),
            format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, MediaType::ImageIndex)
                .into_bytes(),
        );
        assert!(matches!(other, Err(DocumentError::MediaType { .. })));
    }

    #[test]
    fn derives_the_type_where_nobody_says() {
        let index = raw(r#"{"schemaVersion":2,"manifests":[]}"#).expect("index");
        assert_eq!(index.media_type, MediaType::ImageIndex);
        assert!(raw("<html>").is_err());
        assert!(raw(r#"{"a":1} x"#).is_err());
    }
}
