//! Signing images.

use serde::Serialize;

use super::error::AttachError;
use super::legacy::LegacyPlace;
use super::signature::{found_signature, remember_signature, remembered_signature, signature};
use super::writer::write;
use crate::attest::{ImageStatement, KeyId, Signer};
use crate::oci::{Descriptor, ManifestOrIndex, media_type};
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;
use crate::transport::{Destination, Source};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

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
    /// Remembers signatures, so that one that is there is found without reading it.
    pub store: Option<Store>,
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
    let (digest, key) = (subject.digest, options.signer.public());
    let statement = ImageStatement::signature(&digest);
    let store = options.store.as_ref();
    let known = store.and_then(|store| remembered_signature(store, &digest, key, &statement));
    let signed = match known {
        Some(known) if destination.lacks(&digest, std::slice::from_ref(&known.entry))?.is_empty() => {
            return Ok((known.document.digest(), false));
        }
        Some(known) => known,
        None => {
            let found = found_signature(source, &digest, key, &statement)?;
            let is_there = found.is_some();
            let signed =
                found.map_or_else(|| signature(subject, options.signer, &options.created, &statement), Ok)?;
            if let Some(store) = store {
                remember_signature(store, &digest, key, &statement, &signed);
            }
            if is_there {
                return Ok((signed.document.digest(), false));
            }
            signed
        }
    };
    let written = signed.document.digest();
    write(destination, &digest, &[signed], &options.interrupt)?;
    Ok((written, true))
}
