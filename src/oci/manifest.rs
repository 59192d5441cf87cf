//! Image manifests and indexes (image specification, `manifest.md` and `image-index.md`).
//!
//! Parsing is strict where leniency is an attack: a document that is both a manifest and an index is
//! refused (CVE-2021-41190), and so is whatever two readers of JSON understand differently (see [`crate::formats::json`]).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::descriptor::Descriptor;
use super::media_type::{self, DocumentKind, MediaType};
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object, Raw};
use crate::types::digest::Digest;
use crate::types::shown::Foreign;

/// A manifest, index or configuration may have at most this many bytes.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// An image may have at most this many layers.
pub const MAX_LAYERS: usize = 500;
/// An index may have at most this many entries.
pub const MAX_CHILDREN: usize = 1000;
/// A document may consist of at most this many JSON values: each takes more memory than its text.
pub const MAX_VALUES: usize = 200_000;

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u8,
    /// The media type of this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// The image that this document refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, in key order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// An image index.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u8,
    /// The media type of this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, in order.
    pub manifests: Vec<Descriptor>,
    /// The image that this document refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, in key order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Raw>,
}

/// A manifest or index as it was received: the bytes are the identity and are never re-serialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawDocument {
    /// The media type.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why bytes are not a document that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of this shape.
    #[error("{}: {source}", invalid(.what, .digest.as_ref()))]
    Json {
        /// Manifest, index or configuration.
        what: &'static str,
        /// Which one, if it has no other name.
        digest: Option<Digest>,
        /// The error of the parser.
        source: JsonError,
    },
    /// A document of ours that is not written.
    #[error("the {what} cannot be written: {source}")]
    Write {
        /// Manifest, index or configuration.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Both `manifests` and `layers` or `config` (CVE-2021-41190).
    #[error("the document is a manifest and an index at once")]
    Ambiguous,
    /// A media type in the body that is not the one it was served or linked as.
    #[error(
        "the document says it is `{}` but was announced as `{}`",
        Foreign::new(inside.as_ref()),
        Foreign::new(outside.as_ref())
    )]
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
    #[error("`{}` is neither an image manifest nor an index", Foreign::new(.0.as_ref()))]
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

fn invalid(what: &str, digest: Option<&Digest>) -> impl fmt::Display {
    digest.map_or_else(|| format!("not a valid {what}"), |digest| format!("the {what} {digest} is not valid"))
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
        let shape: DocumentShape = parse_strict("manifest", &bytes)?;
        if shape.is_schema_1 {
            return Err(DocumentError::Schema1);
        }
        if shape.manifests == DocumentField::Value && shape.is_manifest {
            return Err(DocumentError::Ambiguous);
        }
        // `null` is what Go writes for an index that lists nothing.
        let is_index = shape.manifests == DocumentField::Value
            || (shape.manifests == DocumentField::Null && !shape.is_manifest);
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
            Some(DocumentKind::Index) => is_index,
            Some(DocumentKind::Manifest) => !is_index,
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
        if media_type::document(&self.media_type) == Some(DocumentKind::Index) {
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

/// The names of the fields of manifests and indexes: a reader in Go looks at both to tell which it is.
const DOCUMENT: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    // Docker's schema 1.
    "fsLayers",
];

/// Whether a field is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DocumentField {
    Absent,
    Null,
    Value,
}

/// The fields that tell manifests and indexes apart.
struct DocumentShape {
    media_type: Option<MediaType>,
    is_schema_1: bool,
    manifests: DocumentField,
    is_manifest: bool,
}

impl FromJson for DocumentShape {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, DOCUMENT)?;
        let version: Option<u64> = object.take("schemaVersion")?;
        Ok(Self {
            media_type: object.take("mediaType")?,
            is_schema_1: version == Some(1) || object.has("fsLayers"),
            manifests: match (object.mentions("manifests"), object.has("manifests")) {
                (_, true) => DocumentField::Value,
                (true, false) => DocumentField::Null,
                (false, false) => DocumentField::Absent,
            },
            is_manifest: object.has("layers") || object.has("config"),
        })
    }
}

fn schema_version(object: &mut Object<'_>) -> Result<u8, JsonError> {
    let number: u64 = object.require("schemaVersion")?;
    u8::try_from(number).map_err(|_| JsonError::refused("no version that is known").below("schemaVersion"))
}

impl FromJson for Manifest {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, DOCUMENT)?;
        Ok(Self {
            schema_version: schema_version(&mut object)?,
            media_type: object.take("mediaType")?,
            artifact_type: object.take("artifactType")?,
            config: object.require("config")?,
            layers: object.take_or_default("layers")?,
            subject: object.take("subject")?,
            annotations: object.take_or_default("annotations")?,
            rest: object.rest()?,
        })
    }
}

impl FromJson for Index {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, DOCUMENT)?;
        Ok(Self {
            schema_version: schema_version(&mut object)?,
            media_type: object.take("mediaType")?,
            artifact_type: object.take("artifactType")?,
            manifests: object.take_or_default("manifests")?,
            subject: object.take("subject")?,
            annotations: object.take_or_default("annotations")?,
            rest: object.rest()?,
        })
    }
}

/// Parses a document that its digest names.
///
/// # Errors
/// When the bytes are not JSON, have more than [`MAX_VALUES`] values, are not a `T`, or mean different things to
/// different readers.
pub fn parse_strict<T: FromJson>(what: &'static str, bytes: &[u8]) -> Result<T, DocumentError> {
    let parsed = json::parse_within(bytes, MAX_VALUES).and_then(T::decode);
    parsed.map_err(|source| DocumentError::Json { what, digest: Some(Digest::of(bytes)), source })
}

/// Parses a file of a layout or archive, of at most `values` JSON values.
///
/// # Errors
/// As for [`parse_strict`].
pub fn parse_file<T: FromJson>(what: &'static str, bytes: &[u8], values: usize) -> Result<T, DocumentError> {
    let parsed = json::parse_within(bytes, values).and_then(T::decode);
    parsed.map_err(|source| DocumentError::Json { what, digest: None, source })
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
