//! Signing images.

use serde::Serialize;

use super::error::AttachError;
use super::found::bundles;
use super::legacy::LegacyPlace;
use super::writer::write;
use crate::attest::{BUNDLE, COSIGN_SIGN, ImageStatement, KeyId, PublicKey, SignatureBundle, Signer};
use crate::oci::attached::AttachedDocument;
use crate::oci::{Descriptor, ManifestOrIndex, media_type};
use crate::runtime::interrupt::Interrupt;
use crate::transport::{Destination, Source};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// The annotation with the time of a referrer.
const CREATED: &str = "org.opencontainers.image.created";
/// Annotations of a bundle's manifest, by which others find the bundle.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// The forms of signatures to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureFormat {
    /// Sigstore bundles.
    #[default]
    Bundle,
    /// The older form.
    Legacy,
    /// Both.
    Both,
}

/// How to sign.
pub struct SignOptions<'a> {
    /// Signs.
    pub signer: &'a dyn Signer,
    /// The forms to write.
    pub format: SignatureFormat,
    /// Where signatures of the older form go.
    pub legacy: Option<LegacyPlace>,
    /// Whether the images of an index are signed, too.
    pub recursive: bool,
    /// The time of the signature, as RFC 3339 has it.
    pub created: String,
    /// Whether to stop.
    pub interrupt: Interrupt,
}

/// The result of signing an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignReport {
    /// The image.
    pub digest: Digest,
    /// The key.
    pub key: KeyId,
    /// The manifests and indexes, the image first.
    pub manifests: Vec<SignedManifest>,
}

/// A manifest or index that is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedManifest {
    /// The manifest or index.
    pub digest: Digest,
    /// The manifest of the bundle; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Digest>,
    /// Whether a signature was written, or all that were asked for were there.
    pub written: bool,
}

/// Signs what `source` names, at the place where it is. A signature by the same key that is there is not written again.
///
/// # Errors
/// When the image is not there, or a signature cannot be made or stored.
pub fn sign(
    source: &dyn Source,
    destination: &dyn Destination,
    options: &SignOptions<'_>,
) -> Result<SignReport, BoxedError> {
    let legacy = match (options.format, &options.legacy) {
        (SignatureFormat::Bundle, _) => None,
        (_, None) => return Err(AttachError::NoLegacy(source.name()).into()),
        (_, Some(place)) => Some(place),
    };
    let root = source.root()?;
    let mut subjects = vec![root.descriptor()];
    if options.recursive {
        let broken = |source| AttachError::Document { digest: root.digest(), source };
        if let ManifestOrIndex::Index(index) = root.parse().map_err(broken)? {
            let is_document = |child: &Descriptor| media_type::document(&child.media_type).is_some();
            for child in index.manifests.into_iter().filter(is_document) {
                if !subjects.iter().any(|known| known.digest == child.digest) {
                    subjects.push(child);
                }
            }
        }
    }
    let mut manifests = Vec::new();
    for subject in &subjects {
        options.interrupt.check().map_err(AttachError::from)?;
        let mut signed = SignedManifest { digest: subject.digest, bundle: None, written: false };
        if options.format != SignatureFormat::Legacy {
            let (bundle, written) = bundle(source, destination, subject, options)?;
            (signed.bundle, signed.written) = (Some(bundle), written);
        }
        if let Some(place) = legacy {
            signed.written |= place.add(options.signer, &subject.digest)?;
        }
        manifests.push(signed);
    }
    Ok(SignReport { digest: root.digest(), key: options.signer.public().id(), manifests })
}

/// The bundle by this key for one manifest, and whether it was written now.
fn bundle(
    source: &dyn Source,
    destination: &dyn Destination,
    subject: &Descriptor,
    options: &SignOptions<'_>,
) -> Result<(Digest, bool), BoxedError> {
    if let Some(digest) = signed_by(source, &subject.digest, options.signer.public())? {
        return Ok((digest, false));
    }
    let bytes = SignatureBundle::sign(&ImageStatement::signature(&subject.digest), options.signer)?;
    let document = AttachedDocument::new(BUNDLE, bytes)
        .annotation(CREATED, options.created.clone())
        .annotation(CONTENT, "dsse-envelope")
        .annotation(PREDICATE, COSIGN_SIGN);
    let attached = document.refer_to(subject).map_err(AttachError::from)?;
    let digest = attached.document.digest();
    write(destination, &subject.digest, &[attached], &options.interrupt)?;
    Ok((digest, true))
}

/// The bundle with a plain signature by this key, if there is one. Signatures by one key differ each time, so that they
/// are compared by what they say.
fn signed_by(source: &dyn Source, subject: &Digest, key: &PublicKey) -> Result<Option<Digest>, BoxedError> {
    let found = bundles(source, subject)?;
    let is_equal = |bundle: &SignatureBundle| {
        bundle.proves(key).is_ok_and(|statement| is_signature(&statement, subject))
    };
    let mut found = found.bundles.iter();
    Ok(found.find(|one| one.bundle.as_ref().is_ok_and(is_equal)).map(|one| one.digest))
}

fn is_signature(statement: &ImageStatement, subject: &Digest) -> bool {
    statement.predicate_type == COSIGN_SIGN && statement.is_about(subject).is_ok()
}
