//! A cache entry: what one layer key yielded, as an OCI artifact.
//!
//! An entry is an image manifest (image specification, `manifest.md`, "Guidelines for Artifact Usage") with the
//! empty configuration, the layer's blob as its only layer, and annotations. Its tag is derived from the key. As the
//! manifest names the blob, a registry takes it only after the blob, and keeps the blob as long as the entry.
//!
//! There is one way to write an entry. Reading takes digest, size and diffID out of a document, writes the
//! entry for them, and compares: whatever is not byte for byte that is no entry. It echoes the whole key,
//! and a hash over all fields tells damage from an entry. The hash is no signature: who may write the tag can write
//! another entry for the same key; see `docs/cache.md`.

use crate::layer::{Compression, FORMAT, Toc, Ztoc};
use crate::oci::artifact::{self, OciArtifact};
use crate::oci::{ImageError, ManifestOrIndex, RawDocument, soci};
use crate::plan::LayerFacts;
use crate::transport::Blob;
use crate::types::digest::{Digest, Key, KeyBuilder, hex};
use crate::types::reference::Tag;

/// The type of artifact that an entry is.
pub(super) const ARTIFACT_TYPE: &str = "application/vnd.pack.cache.layer.v1";
/// The type of artifact that says that there are entries.
const MARKER_TYPE: &str = "application/vnd.pack.cache.v1";
/// An entry is far shorter, in bytes.
pub(super) const MAX_ENTRY: u64 = 8 << 10;

const KEY: &str = "pack.cache.key";
const ENTRY_FORMAT: &str = "pack.cache.format";
const ENCODER: &str = "pack.cache.encoder";
const DIFF_ID: &str = "pack.cache.diff-id";
const CHECK: &str = "pack.cache.check";

/// The tag of the entry for a key.
pub(super) fn tag(key: &Key) -> Tag {
    let parsed = format!("pack-cache-{}", hex(&key.0)).parse();
    parsed.unwrap_or_else(|_| unreachable!("75 letters, digits and dashes are a tag"))
}

/// The tag that says that a repository has entries.
pub(super) fn marker_tag() -> Tag {
    "pack-cache".parse().unwrap_or_else(|_| unreachable!("letters and a dash are a tag"))
}

/// The artifact behind [`marker_tag`], which is empty.
///
/// # Errors
/// Never: all of it can be written as JSON.
pub(super) fn marker() -> Result<RawDocument, ImageError> {
    OciArtifact::new(MARKER_TYPE).layers([artifact::empty_config()]).document("cache marker")
}

/// The configuration that all entries share.
pub(super) fn empty() -> Blob {
    artifact::empty_blob("cache entry")
}

/// The entry that says `facts` of the layer with this key.
///
/// # Errors
/// Never: all of it can be written as JSON.
pub(super) fn write(
    key: &Key,
    compression: Compression,
    facts: &LayerFacts,
) -> Result<RawDocument, ImageError> {
    let encoder = compression.id();
    OciArtifact::new(ARTIFACT_TYPE)
        .layers(std::iter::once(facts.descriptor(compression)).chain(facts.table(compression)))
        .annotation(KEY, hex(&key.0))
        .annotation(ENTRY_FORMAT, FORMAT.to_string())
        .annotation(CHECK, hex(&check(key, &encoder, facts).0))
        .annotation(ENCODER, encoder)
        .annotation(DIFF_ID, facts.diff_id.to_string())
        .document("cache entry")
}

/// A hash over all that an entry says.
fn check(key: &Key, encoder: &str, facts: &LayerFacts) -> Key {
    let mut check = KeyBuilder::new("pack cache entry")
        .part(&key.0)
        .number(FORMAT)
        .part(encoder.as_bytes())
        .part(facts.digest.as_bytes())
        .number(facts.size)
        .part(facts.diff_id.as_bytes());
    if let Some(toc) = &facts.toc {
        check = check.part(toc.digest.as_bytes()).number(toc.tar_size);
    }
    if let Some(ztoc) = &facts.ztoc {
        check = check.part(ztoc.digest.as_bytes()).number(ztoc.size).number(ztoc.span);
    }
    check.finish()
}

/// The statement of the entry for this key, or the reason why it is invalid.
pub(super) fn read(
    document: &RawDocument,
    key: &Key,
    compression: Compression,
) -> Result<LayerFacts, &'static str> {
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Err("no manifest") };
    if manifest.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
        return Err("of another type");
    }
    if manifest.annotations.get(KEY) != Some(&hex(&key.0)) {
        return Err("for another key");
    }
    let (layer, table) = match &manifest.layers[..] {
        [layer] => (layer, None),
        [layer, table] => (layer, Some(table)),
        _ => return Err("not of one layer"),
    };
    let diff_id = manifest.annotations.get(DIFF_ID).and_then(|text| text.parse::<Digest>().ok());
    let diff_id = diff_id.ok_or("without a diffID")?;
    let toc = Toc::of(&layer.annotations);
    let ztoc = match table {
        Some(table) => {
            let span = soci::span_of(table).ok_or("not of one layer")?;
            Some(Ztoc { digest: table.digest, size: table.size, span })
        }
        None => None,
    };
    let facts = LayerFacts { digest: layer.digest, size: layer.size, diff_id, toc, ztoc };
    if toc.is_some() != compression.has_contents() || ztoc.is_some() != compression.has_table(layer.size) {
        return Err("with other tables of contents than such a layer has");
    }
    let expected = write(key, compression, &facts).map_err(|_| "not to be written")?;
    if *document != expected {
        return Err("not as it was written");
    }
    Ok(facts)
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    fn key() -> Key {
        KeyBuilder::new("fuzz").finish()
    }

    /// A valid entry is written the same again; a changed byte or another key makes it invalid.
    pub(crate) fn entry(data: &[u8]) {
        let Ok(document) = RawDocument::new(None, data.to_vec()) else { return };
        for compression in [Compression::default(), Compression::None] {
            let Ok(facts) = read(&document, &key(), compression) else { continue };
            assert_eq!(write(&key(), compression, &facts).ok().as_ref(), Some(&document));
            assert!(data.len() as u64 <= MAX_ENTRY, "longer than what is fetched");
            assert!(read(&document, &KeyBuilder::new("other").finish(), compression).is_err());
            for at in 0..data.len() {
                let mut changed = data.to_vec();
                changed[at] ^= 1 << (at % 8);
                let believed = RawDocument::new(None, changed)
                    .is_ok_and(|changed| read(&changed, &key(), compression).is_ok());
                assert!(!believed, "byte {at}");
            }
        }
    }

    /// An honest entry.
    pub(crate) fn seed(compression: Compression, size: u64) -> Option<Vec<u8>> {
        let facts = LayerFacts {
            digest: Digest::of(b"blob"),
            size,
            diff_id: Digest::of(b"tar"),
            toc: None,
            ztoc: None,
        };
        write(&key(), compression, &facts).ok().map(|document| document.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> LayerFacts {
        LayerFacts {
            digest: Digest::of(b"blob"),
            size: 4,
            diff_id: Digest::of(b"tar"),
            toc: None,
            ztoc: None,
        }
    }

    fn key() -> Key {
        Key([7; 32])
    }

    fn gzip() -> Compression {
        Compression::default()
    }

    fn entry() -> RawDocument {
        write(&key(), gzip(), &facts()).expect("can be written")
    }

    /// The entry with one text in the place of another, everywhere.
    fn edited(from: &str, to: &str) -> Option<RawDocument> {
        let text = String::from_utf8(entry().bytes).expect("is text");
        assert!(text.contains(from), "{from} is not in {text}");
        RawDocument::new(None, text.replace(from, to).into_bytes()).ok()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&entry(), &key(), gzip()), Ok(facts()));
        assert!(entry().bytes.len() as u64 <= MAX_ENTRY / 4);
        let tag = tag(&key());
        assert_eq!(tag.as_str(), format!("pack-cache-{}", "07".repeat(32)));
    }

    #[test]
    fn the_form_of_an_entry_is_settled() {
        let value: serde_json::Value = serde_json::from_slice(&entry().bytes).expect("is JSON");
        let text = serde_json::to_string_pretty(&value).expect("is JSON");
        insta::assert_snapshot!(text, @r#"
        {
          "annotations": {
            "pack.cache.check": "3b43bdbc2b1c9c33bf4f5f0b8f17ee0d492a527fac2ec154ddcda093361c8fc2",
            "pack.cache.diff-id": "sha256:90aebae315675cbf04612de4f7d5874850f48e0b8dd82becbeaa47ca93f5ebfb",
            "pack.cache.encoder": "pack-deflate-1:5",
            "pack.cache.format": "1",
            "pack.cache.key": "0707070707070707070707070707070707070707070707070707070707070707"
          },
          "artifactType": "application/vnd.pack.cache.layer.v1",
          "config": {
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "mediaType": "application/vnd.oci.empty.v1+json",
            "size": 2
          },
          "layers": [
            {
              "digest": "sha256:fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8",
              "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
              "size": 4
            }
          ],
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "schemaVersion": 2
        }
        "#);
        // As it is on the wire.
        assert_eq!(
            entry().digest().to_string(),
            "sha256:3ee9ae7e5063b10f4de2b3e42b90198c6eb548ca4038cc20ca58df8cb2705437"
        );
    }

    #[test]
    fn every_wrong_field_is_a_miss() {
        let (digest, diff_id) = (facts().digest.to_string(), facts().diff_id.to_string());
        let other = Digest::of(b"other").to_string();
        let key_text = hex(&key().0);
        let check_text = hex(&check(&key(), &gzip().encoder_id(), &facts()).0);
        let encoder = gzip().encoder_id();
        let edits = [
            (digest.as_str(), other.as_str()),
            (&diff_id, &other),
            (&diff_id, "sha256:short"),
            (&key_text, &key_text[2..]),
            (&check_text, &key_text),
            (&encoder, "zstd"),
            (&format!("\"{ENTRY_FORMAT}\":\"1\""), &format!("\"{ENTRY_FORMAT}\":\"2\"")),
            ("\"size\":4", "\"size\":5"),
            (ARTIFACT_TYPE, "application/vnd.other"),
            ("layer.v1.tar+gzip", "layer.v1.tar"),
            (DIFF_ID, "diff"),
            ("\"layers\":[{", "\"layers\":[],\"subject\":{"),
            ("{\"schemaVersion\"", "{ \"schemaVersion\""),
            ("oci.empty.v1", "oci.image.config.v1"),
        ];
        for (from, to) in edits {
            let read = edited(from, to).map(|document| read(&document, &key(), gzip()));
            assert!(read.is_none_or(|read| read.is_err()), "{from} -> {to}");
        }
        assert!(read(&entry(), &Key([8; 32]), gzip()).is_err());
        assert!(read(&entry(), &key(), Compression::None).is_err());
        let index = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
        assert!(read(&RawDocument::new(None, index).expect("an index"), &key(), gzip()).is_err());
    }

    #[test]
    fn tables_of_contents_that_were_not_asked_for_are_not_believed() {
        let ztoc = Ztoc { digest: Digest::of(b"table"), size: 5, span: 4 << 20 };
        let toc = Toc { digest: Digest::of(b"table"), tar_size: 5 };
        let large = LayerFacts { size: 10 << 20, ..facts() };
        let soci = Compression::Soci(crate::formats::deflate::DeflateLevel::default());
        let cases = [
            (gzip(), LayerFacts { ztoc: Some(ztoc), ..large }, false),
            (gzip(), LayerFacts { toc: Some(toc), ..large }, false),
            (soci, large, false),
            (soci, LayerFacts { ztoc: Some(ztoc), ..facts() }, false),
            (soci, LayerFacts { ztoc: Some(ztoc), ..large }, true),
        ];
        for (compression, facts, is_believed) in cases {
            let document = write(&key(), compression, &facts).expect("can be written");
            assert_eq!(read(&document, &key(), compression).is_ok(), is_believed, "{facts:?}");
        }
    }

    #[test]
    fn two_layers_are_none() {
        let ManifestOrIndex::Manifest(mut manifest) = entry().parse().expect("parses") else {
            panic!("a manifest")
        };
        manifest.layers.push(manifest.layers[0].clone());
        let bytes = crate::oci::to_json("entry", &manifest).expect("can be written");
        let document = RawDocument::new(None, bytes).expect("a manifest");
        assert_eq!(read(&document, &key(), gzip()), Err("not of one layer"));
    }

    proptest! {
        /// No damage of one byte is believed, and none yields other facts.
        #[test]
        fn no_byte_flip_is_believed(at in any::<proptest::sample::Index>(), flip in 1_u8..=255) {
            let mut bytes = entry().bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(document) = RawDocument::new(None, bytes) {
                prop_assert!(read(&document, &key(), gzip()).is_err());
            }
        }

        #[test]
        fn any_document_is_survived(text in "\\PC{0,200}") {
            if let Ok(document) = RawDocument::new(None, text.into_bytes()) {
                prop_assert!(read(&document, &key(), gzip()).is_err());
            }
        }

        #[test]
        fn any_facts_are_read_again(key: [u8; 32], digest: [u8; 32], diff_id: [u8; 32], size in 0..i64::MAX as u64) {
            let facts =
                LayerFacts { digest: Digest::from_bytes(digest), size, diff_id: Digest::from_bytes(diff_id), toc: None, ztoc: None };
            let document = write(&Key(key), gzip(), &facts).expect("can be written");
            prop_assert_eq!(read(&document, &Key(key), gzip()), Ok(facts));
        }
    }
}
