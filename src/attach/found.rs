//! Signatures that are there, before anything of them is believed.

use std::io::Read as _;

use crate::attest::{BUNDLE, SignatureBundle};
use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};

/// So many bundles of an image are read.
const MOST_BUNDLES: usize = 200;
/// A bundle has at most so many bytes.
const MAX_BUNDLE: u64 = 16 << 20;

/// A bundle, or why there is none.
pub(super) struct FoundBundle {
    /// Its manifest.
    pub(super) digest: Digest,
    pub(super) bundle: Result<SignatureBundle, String>,
    /// The documents that it is in, where they could be read.
    pub(super) parts: Option<BundleParts>,
}

/// The documents of a bundle.
pub(super) struct BundleParts {
    /// The manifest.
    pub(super) document: RawDocument,
    /// The bundle itself.
    pub(super) bytes: Vec<u8>,
}

/// Gives `visit` each bundle that refers to `subject`, one at a time, until it has enough. One that cannot be read does not
/// hide another one; the first failure of the place is the result, since what it hides is not known.
///
/// # Errors
/// When the place cannot list them, or the user interrupted.
pub(super) fn each_bundle(
    source: &dyn Source,
    subject: &Digest,
    visit: &mut dyn FnMut(FoundBundle) -> bool,
) -> Result<Option<BoxedError>, BoxedError> {
    let listed = source.referrers(subject)?.unwrap_or_default();
    let mut failure = None;
    let is_bundle = |entry: &&Descriptor| listed_type(entry).is_none_or(|kind| kind == BUNDLE);
    for entry in listed.iter().filter(is_bundle).take(MOST_BUNDLES) {
        let found = match read(source, subject, entry) {
            Ok(None) => continue,
            Ok(Some(found)) => found,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                let why = error.to_string();
                failure.get_or_insert(error);
                FoundBundle { digest: entry.digest, bundle: Err(why), parts: None }
            }
        };
        if !visit(found) {
            break;
        }
    }
    Ok(failure)
}

/// The bundle of one entry; nothing where the entry is no bundle.
fn read(
    source: &dyn Source,
    subject: &Digest,
    entry: &Descriptor,
) -> Result<Option<FoundBundle>, BoxedError> {
    let document = source.document(entry)?;
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Ok(None) };
    if manifest.artifact_type.as_deref() != Some(BUNDLE) {
        return Ok(None);
    }
    let digest = entry.digest;
    let refuse = |why: String| Ok(Some(FoundBundle { digest, bundle: Err(why), parts: None }));
    if manifest.subject.as_ref().is_none_or(|link| link.digest != *subject) {
        return refuse("it is listed, and refers to another image".to_owned());
    }
    let [layer] = &manifest.layers[..] else {
        return refuse("it has not exactly one document".to_owned());
    };
    if layer.size > MAX_BUNDLE {
        return refuse("it has more than 16 MiB".to_owned());
    }
    let mut bytes = Vec::new();
    let mut stream = source.blob(layer)?;
    if let Err(error) = stream.by_ref().take(MAX_BUNDLE + 1).read_to_end(&mut bytes) {
        return refuse(format!("its document cannot be read: {error}"));
    }
    let bundle = SignatureBundle::read(&bytes).map_err(|error| error.to_string());
    Ok(Some(FoundBundle { digest, bundle, parts: Some(BundleParts { document, bytes }) }))
}
