//! Whether a key has signed an image.

use serde::Serialize;

use super::error::AttachError;
use super::found::{BundleSearch, claims_other, each_bundle};
use super::legacy::LegacyPlace;
use crate::attest::{COSIGN_SIGN, KeyId, PublicKey, SignatureBundle, SimplePayload};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};

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

/// A bundle of a plain signature has at most so many bytes.
const MAX_PLAIN: u64 = 256 << 10;
/// So many reasons are kept.
const MOST_REASONS: usize = 400;

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
    let mut search = ProofSearch::new(subject, vec![key]);
    let failure = search.run(source, legacy)?;
    match (search.proved.into_iter().flatten().next(), failure) {
        (Some(proved), _) => Ok(proved),
        (None, Some(failure)) => Err(failure),
        (None, None) => {
            Err(AttachError::Unproved { name: source.name(), key: key.id(), why: search.why }.into())
        }
    }
}

/// For each of the keys, whether it signed `subject`. A signature is read once, however many keys there are.
///
/// # Errors
/// Whatever the place fails by where a key is not known to have signed; too many signatures, where none of the keys is.
pub fn prove_each(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    subject: &Digest,
    keys: &[&PublicKey],
) -> Result<Vec<bool>, BoxedError> {
    let mut search = ProofSearch::new(subject, keys.to_vec());
    let failure = search.run(source, legacy)?;
    let has_any = search.proved.iter().any(Option::is_some);
    match failure.filter(|error| !(search.is_done() || has_any && error.kind() == Kind::Policy)) {
        Some(failure) => Err(failure),
        None => Ok(search.proved.iter().map(Option::is_some).collect()),
    }
}

/// A search for signatures of one image by some keys.
struct ProofSearch<'a> {
    subject: &'a Digest,
    keys: Vec<&'a PublicKey>,
    /// For each key, its signature.
    proved: Vec<Option<ProvedSignature>>,
    /// Why those that are there prove nothing.
    why: Vec<String>,
}

impl<'a> ProofSearch<'a> {
    fn new(subject: &'a Digest, keys: Vec<&'a PublicKey>) -> Self {
        Self { subject, proved: vec![None; keys.len()], keys, why: Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.proved.iter().all(Option::is_some)
    }

    /// Looks at bundles, and then at signatures of the older form; the failure that may hide others.
    fn run(
        &mut self,
        source: &dyn Source,
        legacy: Option<&LegacyPlace>,
    ) -> Result<Option<BoxedError>, BoxedError> {
        let subject = self.subject;
        let bundles = BundleSearch { subject, predicate_type: COSIGN_SIGN, most_bytes: MAX_PLAIN };
        let mut failure = each_bundle(source, bundles, &mut |one| {
            let bundle = one.bundle.as_ref().map_err(Clone::clone);
            let digest = one.digest;
            self.see(digest, SignatureForm::Bundle, |key| {
                bundle.clone().and_then(|it| proves(it, subject, key))
            });
            !self.is_done()
        })?;
        if let Some(place) = legacy.filter(|_| !self.is_done()) {
            let too_many = place.each(source, subject, &mut |one| {
                let proves = |key: &PublicKey| {
                    let said = SimplePayload::prove(&one.payload, &one.signature, key, subject);
                    said.map(drop).map_err(|error| error.to_string())
                };
                self.see(one.digest, SignatureForm::Legacy, proves);
                !self.is_done()
            })?;
            failure = failure.or(too_many);
        }
        Ok(failure)
    }

    /// Notes which keys that are still looked for a signature proves.
    fn see(
        &mut self,
        digest: Digest,
        form: SignatureForm,
        proves: impl Fn(&PublicKey) -> Result<(), String>,
    ) {
        for (key, proved) in self.keys.iter().zip(&mut self.proved).filter(|(_, proved)| proved.is_none()) {
            match proves(key) {
                Ok(()) => {
                    *proved = Some(ProvedSignature { subject: *self.subject, key: key.id(), form, digest });
                }
                Err(reason) if self.why.len() < MOST_REASONS => {
                    self.why.push(format!("{}: {reason}", digest.short()));
                }
                Err(_) => {}
            }
        }
    }
}

/// Whether a bundle is a plain signature of `subject` by the key, and else why not.
fn proves(bundle: &SignatureBundle, subject: &Digest, key: &PublicKey) -> Result<(), String> {
    let statement = bundle.proves(key).map_err(|error| error.to_string())?;
    statement.is_about(subject).map_err(|error| error.to_string())?;
    match statement.predicate_type == COSIGN_SIGN {
        true => Ok(()),
        false => Err(claims_other(&statement.predicate_type)),
    }
}
