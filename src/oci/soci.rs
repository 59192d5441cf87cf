//! SOCI v2: images that bring tables of contents of their layers along, for runtimes that pull lazily
//! ([description](https://github.com/awslabs/soci-snapshotter/blob/main/docs/soci-index-manifest-v2.md)).
//!
//! The tables are the layers of a manifest of their own, the SOCI index. The image's manifest names it in an
//! annotation, and an image index lists both, so that who copies the one copies the other. The index's entry for it
//! names the image's manifest in turn.

use std::collections::BTreeMap;

use super::artifact::{self, OciArtifact};
use super::{Descriptor, Image, ImageError, Index, Manifest, ManifestOrIndex, MediaType, RawDocument};
use crate::types::digest::Digest;

/// The annotation of an image's manifest that names its SOCI index.
const INDEX_DIGEST: &str = "com.amazon.soci.index-digest";
/// The annotation of an entry for a SOCI index that names the image's manifest.
const IMAGE_DIGEST: &str = "com.amazon.soci.image-manifest-digest";
/// The annotation of a table that names its layer.
const LAYER_DIGEST: &str = "com.amazon.soci.image-layer-digest";
const LAYER_MEDIA_TYPE: &str = "com.amazon.soci.image-layer-mediaType";
const SPAN_SIZE: &str = "com.amazon.soci.span-size";
const TOOL: &str = "com.amazon.soci.build-tool-identifier";
/// Annotations of a table's descriptor.
pub const ANNOTATIONS: [&str; 3] = [LAYER_DIGEST, LAYER_MEDIA_TYPE, SPAN_SIZE];
/// The artifact type of a SOCI index, in its entry and as the type of its configuration.
const ARTIFACT_TYPE: &str = "application/vnd.amazon.soci.index.v2+json";
/// The media type of a table.
const TABLE: &str = "application/octet-stream";
/// The configuration of every SOCI index.
pub const CONFIG: &[u8] = artifact::EMPTY;

/// A table of contents of `size` bytes for `layer`, with checkpoints every `span` bytes of tar.
#[must_use]
pub fn table(digest: Digest, size: u64, span: u64, layer: &Descriptor) -> Descriptor {
    let annotations = [
        (LAYER_DIGEST, layer.digest.to_string()),
        (LAYER_MEDIA_TYPE, layer.media_type.to_string()),
        (SPAN_SIZE, span.to_string()),
    ];
    let annotations = annotations.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Descriptor { annotations, ..Descriptor::new(MediaType::Other(TABLE.to_owned()), digest, size) }
}

/// The layer that a table is of.
#[must_use]
pub fn layer_of(table: &Descriptor) -> Option<Digest> {
    table.annotations.get(LAYER_DIGEST)?.parse().ok()
}

/// The span that a table says, in bytes.
#[must_use]
pub fn span_of(table: &Descriptor) -> Option<u64> {
    table.annotations.get(SPAN_SIZE)?.parse().ok()
}

/// The descriptor of the configuration that all SOCI indexes share.
#[must_use]
pub fn config() -> Descriptor {
    Descriptor::of(MediaType::Other(ARTIFACT_TYPE.to_owned()), CONFIG)
}

/// Whether a manifest is a SOCI index.
#[must_use]
pub fn is_index(manifest: &Manifest) -> bool {
    manifest.config.media_type.to_string() == ARTIFACT_TYPE
}

/// The SOCI index with these tables, which `annotations`, those of the image's manifest, then name; none if there
/// are none.
///
/// # Errors
/// Never: all of it can be written as JSON.
pub fn index(
    tables: Vec<Descriptor>,
    annotations: &mut BTreeMap<String, String>,
) -> Result<Option<RawDocument>, ImageError> {
    // That of another image says nothing of this one.
    annotations.remove(INDEX_DIGEST);
    if tables.is_empty() {
        return Ok(None);
    }
    let artifact = OciArtifact::of_config(config()).layers(tables).annotation(TOOL, "pack");
    let document = artifact.document("SOCI index")?;
    annotations.insert(INDEX_DIGEST.to_owned(), document.digest().to_string());
    Ok(Some(document))
}

/// The entries of an index of `images`, each with its SOCI index, if it has one: images first, so that a client that
/// takes the first entry for a platform takes an image.
#[must_use]
pub fn entries(images: &[Image], indexes: &[Option<RawDocument>]) -> Vec<Descriptor> {
    let soci = images.iter().zip(indexes).filter_map(|(image, index)| {
        let mut entry = index.as_ref()?.descriptor();
        entry.artifact_type = Some(ARTIFACT_TYPE.to_owned());
        entry.platform = image.descriptor().platform;
        entry.annotations.insert(IMAGE_DIGEST.to_owned(), image.digest().to_string());
        Some(entry)
    });
    images.iter().map(Image::descriptor).chain(soci).collect()
}

/// The SOCI index that the image names.
#[must_use]
pub fn named_by(manifest: &Manifest) -> Option<Digest> {
    manifest.annotations.get(INDEX_DIGEST)?.parse().ok()
}

/// Whether an index's entry is for a SOCI index.
#[must_use]
pub fn is_entry(entry: &Descriptor) -> bool {
    entry.artifact_type.as_deref() == Some(ARTIFACT_TYPE)
}

/// Whether an index's entry is for the SOCI index of the image with this digest.
#[must_use]
pub fn belongs_to(entry: &Descriptor, image: &Digest) -> bool {
    is_entry(entry) && entry.annotations.get(IMAGE_DIGEST).is_some_and(|named| *named == image.to_string())
}

/// The entry of `root` for the image's SOCI index.
#[must_use]
pub fn entry_of<'a>(root: &'a Index, image: &Image) -> Option<&'a Descriptor> {
    let digest = named_by(image.manifest())?;
    root.manifests.iter().find(|entry| entry.digest == digest && belongs_to(entry, &image.digest()))
}

/// The tables of a SOCI index for those `layers`, in their order.
///
/// # Errors
/// When the document is none.
pub fn tables(document: &RawDocument, layers: &[Descriptor]) -> Result<Vec<Descriptor>, ImageError> {
    let ManifestOrIndex::Manifest(manifest) = document.parse()? else { return Ok(Vec::new()) };
    if !is_index(&manifest) {
        return Ok(Vec::new());
    }
    let of = |layer: &Descriptor| {
        manifest.layers.iter().find(|table| layer_of(table) == Some(layer.digest)).cloned()
    };
    Ok(layers.iter().filter_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Descriptor {
        Descriptor::of(MediaType::ImageLayerGzip, b"layer")
    }

    #[test]
    fn nothing_to_say_is_no_index() {
        let mut annotations = BTreeMap::from([(INDEX_DIGEST.to_owned(), "of another".to_owned())]);
        assert_eq!(index(Vec::new(), &mut annotations).expect("JSON"), None);
        assert!(annotations.is_empty());
    }

    #[test]
    fn an_index_is_found_from_its_image_and_gives_its_tables_back() {
        let one = table(Digest::of(b"table"), 5, 4 << 20, &layer());
        assert_eq!((layer_of(&one), span_of(&one)), (Some(layer().digest), Some(4 << 20)));
        let mut annotations = BTreeMap::new();
        let document = index(vec![one.clone()], &mut annotations).expect("JSON").expect("an index");
        let config =
            crate::oci::ConfigFile { os: "linux".into(), architecture: "arm64".into(), ..Default::default() };
        let image = Image::new(&config, Vec::new(), annotations).expect("an image");
        assert_eq!(named_by(image.manifest()), Some(document.digest()));
        let manifests = entries(std::slice::from_ref(&image), &[Some(document.clone())]);
        assert_eq!(manifests[0].digest, image.digest());
        let root = Index { manifests, ..crate::store::empty_index() };
        let entry = entry_of(&root, &image).expect("its entry");
        assert_eq!(entry.digest, document.digest());
        assert_eq!(entry.platform.as_ref().map(|platform| platform.architecture.as_str()), Some("arm64"));
        assert!(crate::oci::select::is_attestation(entry), "no tool takes it for an image");
        assert_eq!(tables(&document, &[layer()]).expect("a manifest"), [one]);
        let other = Descriptor::of(MediaType::ImageLayerGzip, b"other");
        assert_eq!(tables(&document, &[other]).expect("a manifest"), []);
        assert_eq!(tables(image.raw(), &[layer()]).expect("a manifest"), [], "no SOCI index");
    }
}
