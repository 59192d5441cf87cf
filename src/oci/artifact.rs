//! Artifacts: manifests that hold something other than an image (image specification, `manifest.md`, "Guidelines for
//! Artifact Usage").
//!
//! There is one way to write them, so that their bytes are a function of what they say.

use std::collections::BTreeMap;

use super::blob::Blob;
use super::{Descriptor, ImageError, Manifest, MediaType, RawDocument, to_json};

/// The configuration of an artifact that has none of its own.
pub const EMPTY: &[u8] = b"{}";

/// An artifact to be written.
#[derive(Clone, Debug)]
pub struct OciArtifact {
    manifest: Manifest,
}

impl OciArtifact {
    /// An artifact of this type, with the empty configuration and nothing in it.
    #[must_use]
    pub fn new(artifact_type: &str) -> Self {
        let mut artifact = Self::of_config(empty_config());
        artifact.manifest.artifact_type = Some(artifact_type.to_owned());
        artifact
    }

    /// An artifact whose type is the media type of its configuration.
    #[must_use]
    pub const fn of_config(config: Descriptor) -> Self {
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::ImageManifest),
            artifact_type: None,
            config,
            layers: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        };
        Self { manifest }
    }

    /// With these blobs, in this order.
    #[must_use]
    pub fn layers(mut self, layers: impl IntoIterator<Item = Descriptor>) -> Self {
        self.manifest.layers.extend(layers);
        self
    }

    /// With one more annotation.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: impl Into<String>) -> Self {
        self.manifest.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// As a referrer of this manifest.
    #[must_use]
    pub fn subject(mut self, subject: Descriptor) -> Self {
        self.manifest.subject = Some(subject);
        self
    }

    /// Its manifest; `what` names it in an error.
    ///
    /// # Errors
    /// When it has more in it than a manifest may have.
    pub fn document(&self, what: &'static str) -> Result<RawDocument, ImageError> {
        Ok(RawDocument::new(Some(&MediaType::ImageManifest), to_json(what, &self.manifest)?)?)
    }
}

/// The type of an artifact in a list of referrers; `None` where the list does not say. go-containerregistry's registry
/// lists the type of the configuration, which is the empty one where an artifact has a type of its own.
#[must_use]
pub fn listed_type(entry: &Descriptor) -> Option<&str> {
    entry.artifact_type.as_deref().filter(|listed| *listed != MediaType::EmptyJSON.to_string())
}

/// The link to the empty configuration.
#[must_use]
pub fn empty_config() -> Descriptor {
    Descriptor::of(MediaType::EmptyJSON, EMPTY)
}

/// The empty configuration itself; `title` names it in progress messages.
#[must_use]
pub fn empty_blob(title: &str) -> Blob {
    Blob::in_memory(empty_config(), EMPTY.to_vec(), title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_written_as_the_specification_has_it() {
        let layer = Descriptor::of(MediaType::Other("text/plain".to_owned()), b"a");
        let subject = Descriptor::of(MediaType::ImageManifest, b"b");
        let artifact = OciArtifact::new("application/x")
            .layers([layer])
            .subject(subject)
            .annotation("b", "2")
            .annotation("a", "1");
        let document = artifact.document("artifact").expect("written");
        let text = String::from_utf8(document.bytes).expect("text");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["schemaVersion"], 2);
        assert_eq!(json["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(json["artifactType"], "application/x");
        assert_eq!(json["config"]["digest"], empty_config().digest.to_string());
        assert_eq!(json["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
        assert_eq!(json["subject"]["digest"], crate::types::digest::Digest::of(b"b").to_string());
        assert_eq!(json["layers"].as_array().map(Vec::len), Some(1));
        assert!(text.find(r#""a":"1""#) < text.find(r#""b":"2""#), "{text}");
    }

    #[test]
    fn a_list_with_the_type_of_the_configuration_does_not_say_the_type() {
        let mut entry = empty_config();
        for (listed, said) in [
            (None, None),
            (Some("application/vnd.oci.empty.v1+json"), None),
            (Some("application/spdx+json"), Some("application/spdx+json")),
        ] {
            entry.artifact_type = listed.map(str::to_owned);
            assert_eq!(listed_type(&entry), said);
        }
    }

    #[test]
    fn the_type_of_a_configuration_is_that_of_the_artifact() {
        let config = Descriptor::of(MediaType::Other("application/x".to_owned()), EMPTY);
        let document = OciArtifact::of_config(config).document("artifact").expect("written");
        let text = String::from_utf8(document.bytes).expect("text");
        assert!(!text.contains("artifactType") && text.contains(r#""mediaType":"application/x""#), "{text}");
    }
}
