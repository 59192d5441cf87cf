//! A document that is attached to an image: a signature, an SBOM, a provenance, anything.

use std::collections::BTreeMap;

use super::artifact::{OciArtifact, empty_blob};
use super::blob::Blob;
use super::{Descriptor, ImageError, MediaType, RawDocument};

/// A document, ready to be attached to an image.
#[derive(Clone, Debug)]
pub struct AttachedDocument {
    media_type: String,
    bytes: Vec<u8>,
    annotations: BTreeMap<String, String>,
}

impl AttachedDocument {
    /// A document; its media type is the type of the artifact, too.
    #[must_use]
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { media_type: media_type.to_owned(), bytes, annotations: BTreeMap::new() }
    }

    /// With one more annotation of the manifest.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(name.to_owned(), value.into());
        self
    }

    /// As a referrer of this manifest or index.
    ///
    /// # Errors
    /// When it has more in it than a manifest may have.
    pub fn refer_to(self, subject: &Descriptor) -> Result<AttachedManifest, ImageError> {
        let layer = Descriptor::of(MediaType::Other(self.media_type.clone()), &self.bytes);
        let blob = Blob::in_memory(layer.clone(), self.bytes, "document").made_now();
        let mut artifact = OciArtifact::new(&self.media_type).layers([layer]).subject(Descriptor::new(
            subject.media_type.clone(),
            subject.digest,
            subject.size,
        ));
        for (name, value) in &self.annotations {
            artifact = artifact.annotation(name, value.clone());
        }
        let document = artifact.document("attached document")?;
        let entry = Descriptor {
            artifact_type: Some(self.media_type),
            annotations: self.annotations,
            ..document.descriptor()
        };
        Ok(AttachedManifest {
            document,
            blobs: vec![empty_blob("empty configuration").made_now(), blob],
            entry,
        })
    }
}

/// The manifest of a document that is attached to an image.
#[derive(Clone, Debug)]
pub struct AttachedManifest {
    /// The manifest.
    pub document: RawDocument,
    /// Its blobs.
    pub blobs: Vec<Blob>,
    /// Its entry in the list of what refers to the image.
    pub entry: Descriptor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attached_document_names_its_subject_and_its_type() {
        let subject = Descriptor::of(MediaType::ImageManifest, b"image");
        let attached = AttachedDocument::new("application/spdx+json", b"{}".to_vec()).annotation("a", "b");
        let made = attached.clone().refer_to(&subject).expect("a manifest");
        let json: serde_json::Value = serde_json::from_slice(&made.document.bytes).expect("JSON");
        assert_eq!(json["artifactType"], "application/spdx+json");
        assert_eq!(json["layers"][0]["mediaType"], "application/spdx+json");
        assert_eq!(json["subject"]["digest"], subject.digest.to_string());
        assert_eq!(json["annotations"]["a"], "b");
        assert_eq!(made.entry.digest, made.document.digest());
        assert_eq!(made.entry.artifact_type.as_deref(), Some("application/spdx+json"));
        assert_eq!(made.entry.annotations["a"], "b");
        let again = attached.refer_to(&subject).expect("a manifest");
        assert_eq!(again.document, made.document, "the same document is the same manifest");
    }
}
