//! Statements in an index, as BuildKit writes them
//! ([description](https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md)).
//!
//! A manifest beside those of the images has the statements about one of them as its layers. It is dressed up as an image
//! for no platform, and its entry in the index names the image.

use std::collections::BTreeMap;

use serde::Serialize;

use super::artifact::OciArtifact;
use super::blob::Blob;
use super::{
    Descriptor, ImageError, Index, ManifestOrIndex, MediaType, PlatformFields, RawDocument, to_json,
};
use crate::types::digest::Digest;

/// The annotation of an entry that describes another entry: what it is.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// The annotation of such an entry that names the other one.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The value for statements.
const ATTESTATION_MANIFEST: &str = "attestation-manifest";
/// The architecture and system of such a manifest.
const UNKNOWN: &str = "unknown";

/// A statement, ready to be listed.
#[derive(Clone, Debug)]
pub struct ListedStatement {
    /// Its media type.
    pub media_type: &'static str,
    /// The annotation that says what it claims, and the type of the claim.
    pub claim: (&'static str, String),
    /// The statement.
    pub bytes: Vec<u8>,
}

/// A manifest of statements about one image.
#[derive(Clone, Debug)]
pub struct AttestationManifest {
    /// The manifest.
    pub document: RawDocument,
    /// Its blobs.
    pub blobs: Vec<Blob>,
    /// Its entry in the index.
    pub entry: Descriptor,
}

#[derive(Serialize)]
struct AttestationConfig {
    architecture: &'static str,
    os: &'static str,
    config: BTreeMap<String, String>,
    rootfs: AttestationRootFs,
}

#[derive(Serialize)]
struct AttestationRootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<Digest>,
}

impl AttestationManifest {
    /// The manifest of these statements about the image with this digest.
    ///
    /// # Errors
    /// When it has more in it than a manifest may have.
    pub fn new(image: &Digest, statements: Vec<ListedStatement>) -> Result<Self, ImageError> {
        let (mut layers, mut blobs) = (Vec::new(), Vec::new());
        for ListedStatement { media_type, claim: (annotation, claim), bytes } in statements {
            let mut layer = Descriptor::of(MediaType::Other(media_type.to_owned()), &bytes);
            layer.annotations.insert(annotation.to_owned(), claim);
            blobs.push(Blob::in_memory(layer.clone(), bytes, "statement").made_now());
            layers.push(layer);
        }
        let config = AttestationConfig {
            architecture: UNKNOWN,
            os: UNKNOWN,
            config: BTreeMap::new(),
            rootfs: AttestationRootFs {
                kind: "layers",
                diff_ids: layers.iter().map(|layer| layer.digest).collect(),
            },
        };
        let config = to_json("configuration of statements", &config)?;
        let link = Descriptor::of(MediaType::ImageConfig, &config);
        blobs.push(Blob::in_memory(link.clone(), config, "configuration of statements").made_now());
        let document = OciArtifact::of_config(link).layers(layers).document("manifest of statements")?;
        let mut entry = document.descriptor();
        entry.platform = Some(PlatformFields {
            architecture: UNKNOWN.to_owned(),
            os: UNKNOWN.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
            rest: BTreeMap::new(),
        });
        entry.annotations.insert(REFERENCE_TYPE.to_owned(), ATTESTATION_MANIFEST.to_owned());
        entry.annotations.insert(REFERENCE_DIGEST.to_owned(), image.to_string());
        Ok(Self { document, blobs, entry })
    }
}

/// The image that an entry has statements about; `None` for any other entry.
#[must_use]
pub fn subject_of(entry: &Descriptor) -> Option<Digest> {
    let kind = entry.annotations.get(REFERENCE_TYPE)?;
    entry.annotations.get(REFERENCE_DIGEST)?.parse().ok().filter(|_| kind == ATTESTATION_MANIFEST)
}

/// The entries of an index that have statements about this image.
pub fn entries_about<'a>(index: &'a Index, image: &Digest) -> impl Iterator<Item = &'a Descriptor> {
    index.manifests.iter().filter(move |entry| subject_of(entry).as_ref() == Some(image))
}

/// An index with these entries after its own.
///
/// # Errors
/// When it is no index, or has too much in it.
pub fn listed_in(root: &RawDocument, entries: Vec<Descriptor>) -> Result<RawDocument, ImageError> {
    let ManifestOrIndex::Index(mut index) = root.parse()? else { return Ok(root.clone()) };
    index.manifests.extend(entries);
    Ok(RawDocument::new(Some(&MediaType::ImageIndex), to_json("index", &index)?)?)
}

/// The digest that the image or index would have without statements: of one image it is that of the image alone.
#[must_use]
pub fn digest_without(root: &RawDocument) -> Digest {
    let Ok(ManifestOrIndex::Index(mut index)) = root.parse() else { return root.digest() };
    let all = index.manifests.len();
    index.manifests.retain(|entry| subject_of(entry).is_none());
    match &index.manifests[..] {
        kept if kept.len() == all => root.digest(),
        [image] => image.digest,
        _ => to_json("index", &index).map_or_else(|_| root.digest(), |bytes| Digest::of(&bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn empty_index() -> Index {
        Index {
            schema_version: 2,
            media_type: Some(MediaType::ImageIndex),
            artifact_type: None,
            manifests: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        }
    }

    fn statement(claim: &str) -> ListedStatement {
        ListedStatement {
            media_type: "application/vnd.in-toto+json",
            claim: ("in-toto.io/predicate-type", claim.to_owned()),
            bytes: claim.as_bytes().to_vec(),
        }
    }

    /// The bytes are a promise: another program finds the statements by them.
    #[test]
    fn statements_are_written_as_buildkit_writes_them() {
        let image = Digest::of(b"image");
        let statements = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"].map(statement);
        let made = AttestationManifest::new(&image, statements.to_vec()).expect("a manifest");
        insta::assert_snapshot!(String::from_utf8_lossy(&made.document.bytes), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:739e4462937d8766037473481f55b1ca5b880860e39fc57a22c1235e64e7cb84","size":241},"layers":[{"mediaType":"application/vnd.in-toto+json","digest":"sha256:d36d2cda655530e1d09866eff9d11bd00174b54375683502215d1c8731352949","size":25,"annotations":{"in-toto.io/predicate-type":"https://spdx.dev/Document"}},{"mediaType":"application/vnd.in-toto+json","digest":"sha256:6f94cc499cd18ded6d779157a0ace941555bea2f8e2b4052bf999761d7efc25b","size":30,"annotations":{"in-toto.io/predicate-type":"https://slsa.dev/provenance/v1"}}]}"#);
        let config = made.blobs.last().expect("a configuration");
        let mut text = String::new();
        config.content.open().expect("open").read_to_string(&mut text).expect("read");
        insta::assert_snapshot!(text, @r#"{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:d36d2cda655530e1d09866eff9d11bd00174b54375683502215d1c8731352949","sha256:6f94cc499cd18ded6d779157a0ace941555bea2f8e2b4052bf999761d7efc25b"]}}"#);
        let entry = serde_json::to_value(&made.entry).expect("JSON");
        assert_eq!(entry["platform"], serde_json::json!({ "architecture": "unknown", "os": "unknown" }));
        let annotations = serde_json::json!({
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.to_string()
        });
        assert_eq!((&entry["annotations"], entry["size"].as_u64()), (&annotations, Some(672)));
        assert_eq!(subject_of(&made.entry), Some(image));
    }

    #[test]
    fn an_index_without_its_statements_is_what_it_was() {
        let image = |of: &[u8]| Descriptor::of(MediaType::ImageManifest, of);
        let entry = |of: &[u8]| {
            AttestationManifest::new(&Digest::of(of), vec![statement("x")]).expect("a manifest").entry
        };
        let index = |manifests: Vec<Descriptor>| {
            let bytes = to_json("index", &Index { manifests, ..empty_index() }).expect("JSON");
            RawDocument::new(Some(&MediaType::ImageIndex), bytes).expect("an index")
        };
        let bare = index(vec![image(b"a"), image(b"b")]);
        let listed = listed_in(&bare, vec![entry(b"a"), entry(b"b")]).expect("an index");
        assert_ne!(listed.digest(), bare.digest());
        assert_eq!(digest_without(&listed), bare.digest());
        assert_eq!(digest_without(&bare), bare.digest());
        let one = listed_in(&index(vec![image(b"a")]), vec![entry(b"a")]).expect("an index");
        assert_eq!(digest_without(&one), Digest::of(b"a"));
        let ManifestOrIndex::Index(parsed) = one.parse().expect("an index") else { panic!("an index") };
        assert_eq!(entries_about(&parsed, &Digest::of(b"a")).count(), 1);
        assert_eq!(entries_about(&parsed, &Digest::of(b"b")).count(), 0);
    }
}
