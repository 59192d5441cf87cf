//! Whether a key has signed an image.

use serde::Serialize;

use super::error::AttachError;
use super::found::each_bundle;
use super::legacy::LegacyPlace;
use crate::attest::{COSIGN_SIGN, KeyId, PublicKey, SignatureBundle, SimplePayload};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// The form of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureForm {
    /// A sigstore bundle.
    Bundle,
    /// A payload under the tag `sha256-HEX.sig`.
    Legacy,
}

/// A signature that a key proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvedSignature {
    /// The image.
    pub subject: Digest,
    /// The key.
    pub key: KeyId,
    /// Its form.
    pub form: SignatureForm,
    /// The manifest of the bundle, or the payload.
    pub digest: Digest,
}

/// Finds a signature of `subject` by the key: a bundle, else one of the older form.
///
/// # Errors
/// [`AttachError::Unproved`] where there is none, and whatever the place fails by: that is no answer.
pub fn prove(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    subject: &Digest,
    key: &PublicKey,
) -> Result<ProvedSignature, BoxedError> {
    let (mut why, mut proved) = (Vec::new(), None);
    let failure = each_bundle(source, subject, &mut |one| {
        match one.bundle.and_then(|bundle| proves(&bundle, subject, key)) {
            Ok(()) => proved = Some(one.digest),
            Err(reason) => why.push(format!("{}: {reason}", one.digest.short())),
        }
        proved.is_none()
    })?;
    if let Some(digest) = proved {
        return Ok(ProvedSignature { subject: *subject, key: key.id(), form: SignatureForm::Bundle, digest });
    }
    for one in legacy.map(|place| place.found(subject)).transpose()?.unwrap_or_default() {
        match SimplePayload::prove(&one.payload, &one.signature, key, subject) {
            Ok(_) => {
                let form = SignatureForm::Legacy;
                return Ok(ProvedSignature { subject: *subject, key: key.id(), form, digest: one.digest });
            }
            Err(reason) => why.push(format!("{}: {reason}", one.digest.short())),
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Err(AttachError::Unproved { name: source.name(), key: key.id(), why }.into()),
    }
}

/// Whether a bundle is a plain signature of `subject` by the key, and else why not.
fn proves(bundle: &SignatureBundle, subject: &Digest, key: &PublicKey) -> Result<(), String> {
    let statement = bundle.proves(key).map_err(|error| error.to_string())?;
    statement.is_about(subject).map_err(|error| error.to_string())?;
    match statement.predicate_type == COSIGN_SIGN {
        true => Ok(()),
        false => Err(format!("it claims `{}`, and is no plain signature", statement.predicate_type)),
    }
}
