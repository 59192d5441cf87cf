//! One signature of one manifest, as a bundle beside it: found, remembered or made.
//!
//! Two signatures by one key over the same bytes differ. So that an image gets no second one, a bundle that was made or
//! found is remembered by image and key. Such a record is believed only where the key proves it.

use serde::{Deserialize, Serialize};

use super::error::AttachError;
use super::found::{BundleParts, BundleSearch, each_bundle};
use crate::attest::{
    BUNDLE, BUNDLE_PREDICATE, COSIGN_SIGN, ImageStatement, PublicKey, SignatureBundle, Signer,
};
use crate::oci::artifact::{EMPTY, empty_config};
use crate::oci::attached::{AttachedDocument, AttachedManifest};
use crate::oci::blob::Blob;
use crate::oci::{Descriptor, ManifestOrIndex, MediaType, RawDocument};
use crate::store::Store;
use crate::transport::{Source, referrer};
use crate::types::digest::{Digest, Key, KeyBuilder};
use crate::types::error::BoxedError;

/// The annotation with the time of a referrer.
const CREATED: &str = "org.opencontainers.image.created";
/// Annotations of a bundle's manifest, by which others find the bundle.
const CONTENT: &str = "dev.sigstore.bundle.content";
/// The namespace of signatures in the store's memos.
const NAMESPACE: &str = "signature";
/// A bundle has at most so many bytes: an SBOM may be in it.
const MAX_BUNDLE: u64 = 16 << 20;
/// A record has at most so many bytes.
const MAX_KEPT: u64 = 1 << 20;

/// The documents of a signature, as they are remembered.
#[derive(Serialize, Deserialize)]
struct KeptSignature {
    manifest: Vec<u8>,
    config: Vec<u8>,
    bundle: Vec<u8>,
}

fn memo_key(subject: &Digest, key: &PublicKey, statement: &ImageStatement) -> Key {
    KeyBuilder::new("pack signature 2")
        .part(subject.as_bytes())
        .part(key.id().to_string().as_bytes())
        .part(Digest::of(&statement.to_bytes()).as_bytes())
        .finish()
}

/// Signs a statement about a manifest or index.
///
/// # Errors
/// When the signer cannot sign.
pub fn signature(
    subject: &Descriptor,
    signer: &dyn Signer,
    created: &str,
    statement: &ImageStatement,
) -> Result<AttachedManifest, BoxedError> {
    let bytes = SignatureBundle::sign(statement, signer)?;
    let document = AttachedDocument::new(BUNDLE, bytes)
        .annotation(CREATED, created)
        .annotation(CONTENT, "dsse-envelope")
        .annotation(BUNDLE_PREDICATE, statement.predicate_type.clone());
    Ok(document.refer_to(subject).map_err(AttachError::from)?)
}

/// The signature that this machine made or found before.
#[must_use]
pub fn remembered_signature(
    store: &Store,
    subject: &Digest,
    key: &PublicKey,
    statement: &ImageStatement,
) -> Option<AttachedManifest> {
    let (kept, _) =
        store.memo_load_within::<KeptSignature>(NAMESPACE, &memo_key(subject, key, statement), MAX_KEPT)?;
    let KeptSignature { manifest, config, bundle } = kept;
    let document = RawDocument::new(Some(&MediaType::ImageManifest), manifest).ok()?;
    let proves = SignatureBundle::read(&bundle).is_ok_and(|bundle| says(&bundle, key, subject, statement));
    assembled(document, config, bundle).filter(|_| proves)
}

/// Remembers a signature.
pub fn remember_signature(
    store: &Store,
    subject: &Digest,
    key: &PublicKey,
    statement: &ImageStatement,
    signature: &AttachedManifest,
) {
    let read = |blob: &Blob| {
        let mut bytes = Vec::new();
        let mut stream = blob.content.open().ok()?;
        std::io::Read::read_to_end(&mut stream, &mut bytes).ok()?;
        Some(bytes)
    };
    let [config, bundle] = &signature.blobs[..] else { return };
    if config.descriptor.size + bundle.descriptor.size > MAX_KEPT / 2 {
        return;
    }
    if let (Some(config), Some(bundle)) = (read(config), read(bundle)) {
        let kept = KeptSignature { manifest: signature.document.bytes.clone(), config, bundle };
        store.memo_save(NAMESPACE, &memo_key(subject, key, statement), &kept);
    }
}

/// The plain signature of `subject` by this key that is at `source`, if there is one. Signatures are compared by what
/// they say.
///
/// # Errors
/// When the place cannot list them.
pub fn found_signature(
    source: &dyn Source,
    subject: &Digest,
    key: &PublicKey,
    statement: &ImageStatement,
) -> Result<Option<AttachedManifest>, BoxedError> {
    let mut found = None;
    let predicate_type = &*statement.predicate_type;
    let search = BundleSearch { subject, predicate_type, most_bytes: MAX_BUNDLE };
    each_bundle(source, search, &mut |one| {
        let is_it = one.bundle.as_ref().is_ok_and(|bundle| says(bundle, key, subject, statement));
        found = one.parts.filter(|_| is_it);
        found.is_none()
    })?;
    let Some(BundleParts { document, bytes }) = found else { return Ok(None) };
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Ok(None) };
    let mut config = Vec::new();
    if manifest.config.digest == empty_config().digest {
        config = EMPTY.to_vec();
    } else if manifest.config.size <= MAX_KEPT / 2 {
        std::io::Read::read_to_end(&mut source.blob(&manifest.config)?, &mut config)
            .map_err(|error| AttachError::Blob { digest: manifest.config.digest, source: error })?;
    }
    Ok(assembled(document, config, bytes))
}

/// Whether a bundle by this key says what `statement` does. Plain signatures of others may name the image, too.
fn says(bundle: &SignatureBundle, key: &PublicKey, subject: &Digest, statement: &ImageStatement) -> bool {
    let is_plain = statement.predicate_type == COSIGN_SIGN;
    bundle.proves(key).is_ok_and(|said| {
        said == *statement || is_plain && said.predicate_type == COSIGN_SIGN && said.is_about(subject).is_ok()
    })
}

/// The manifest with its blobs; `None` where they do not belong together.
fn assembled(document: RawDocument, config: Vec<u8>, bundle: Vec<u8>) -> Option<AttachedManifest> {
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return None };
    let [layer] = &manifest.layers[..] else { return None };
    let blob = |descriptor: &Descriptor, bytes: Vec<u8>, title| {
        let is_it = Digest::of(&bytes) == descriptor.digest && bytes.len() as u64 == descriptor.size;
        is_it.then(|| Blob::in_memory(descriptor.clone(), bytes, title).made_now())
    };
    let blobs =
        vec![blob(&manifest.config, config, "empty configuration")?, blob(layer, bundle, "document")?];
    let size = document.bytes.len() as u64;
    let entry = referrer(&manifest, document.media_type.clone(), document.digest(), size);
    Some(AttachedManifest { document, blobs, entry })
}
