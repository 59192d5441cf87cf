//! Signatures that are there, before anything of them is believed.

use std::io::Read as _;

use crate::attest::{BUNDLE, SignatureBundle};
use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex};
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
}

/// All that was found, and the first failure of the place: what it hides cannot be known.
#[derive(Default)]
pub(super) struct FoundBundles {
    pub(super) bundles: Vec<FoundBundle>,
    pub(super) failure: Option<BoxedError>,
}

/// The bundles that refer to `subject`. One that cannot be read does not hide another one.
///
/// # Errors
/// When the place cannot list them, or the user interrupted.
pub(super) fn bundles(source: &dyn Source, subject: &Digest) -> Result<FoundBundles, BoxedError> {
    let listed = source.referrers(subject)?.unwrap_or_default();
    let mut found = FoundBundles::default();
    let is_bundle = |entry: &&Descriptor| listed_type(entry).is_none_or(|kind| kind == BUNDLE);
    for entry in listed.iter().filter(is_bundle).take(MOST_BUNDLES) {
        let bundle = match read(source, subject, entry) {
            Ok(None) => continue,
            Ok(Some(bundle)) => bundle,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                let why = error.to_string();
                found.failure.get_or_insert(error);
                Err(why)
            }
        };
        found.bundles.push(FoundBundle { digest: entry.digest, bundle });
    }
    Ok(found)
}

/// The bundle of one entry; nothing where the entry is no bundle.
fn read(
    source: &dyn Source,
    subject: &Digest,
    entry: &Descriptor,
) -> Result<Option<Result<SignatureBundle, String>>, BoxedError> {
    let document = source.document(entry)?;
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Ok(None) };
    if manifest.artifact_type.as_deref() != Some(BUNDLE) {
        return Ok(None);
    }
    let refuse = |why: &str| Ok(Some(Err(why.to_owned())));
    if manifest.subject.as_ref().is_none_or(|link| link.digest != *subject) {
        return refuse("it is listed, and refers to another image");
    }
    let [layer] = &manifest.layers[..] else { return refuse("it has not exactly one document") };
    if layer.size > MAX_BUNDLE {
        return refuse("it has more than 16 MiB");
    }
    let mut bytes = Vec::new();
    let mut stream = source.blob(layer)?;
    if let Err(error) = stream.by_ref().take(MAX_BUNDLE + 1).read_to_end(&mut bytes) {
        return Ok(Some(Err(format!("its document cannot be read: {error}"))));
    }
    Ok(Some(SignatureBundle::read(&bytes).map_err(|error| error.to_string())))
}
