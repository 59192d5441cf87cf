//! Signatures that are there, before anything of them is believed.

use std::io::Read as _;

use super::error::AttachError;
use crate::attest::{BUNDLE, BUNDLE_PREDICATE, SignatureBundle};
use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};

/// So many bundles of an image are read.
const MOST_BUNDLES: usize = 200;

/// The bundles that are looked for.
#[derive(Clone, Copy)]
pub(super) struct BundleSearch<'a> {
    /// The image that they refer to.
    pub(super) subject: &'a Digest,
    /// The type of their statement. Of a bundle that is listed with another one, nothing is read.
    pub(super) predicate_type: &'a str,
    /// Larger ones are not read.
    pub(super) most_bytes: u64,
}

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

/// Gives `visit` each bundle that is looked for, one at a time, until it has enough. One that cannot be read does not hide
/// another one; the first failure of the place is the result, since what it hides is not known, and so is the bound on
/// their number.
///
/// # Errors
/// When the place cannot list them, or the user interrupted.
pub(super) fn each_bundle(
    source: &dyn Source,
    search: BundleSearch<'_>,
    visit: &mut dyn FnMut(FoundBundle) -> bool,
) -> Result<Option<BoxedError>, BoxedError> {
    let listed = source.referrers(search.subject)?.unwrap_or_default();
    let mut failure = None;
    let is_bundle = |entry: &&Descriptor| listed_type(entry).is_none_or(|kind| kind == BUNDLE);
    let mut read_ones = 0;
    for entry in listed.iter().filter(is_bundle) {
        if let Some(other) = entry.annotations.get(BUNDLE_PREDICATE).filter(|it| *it != search.predicate_type)
        {
            let bundle = Err(claims_other(other));
            visit(FoundBundle { digest: entry.digest, bundle, parts: None });
            continue;
        }
        if read_ones == MOST_BUNDLES {
            let (name, subject) = (source.name(), *search.subject);
            failure.get_or_insert(AttachError::TooMany { name, subject, most: MOST_BUNDLES }.into());
            break;
        }
        read_ones += 1;
        let found = match read(source, search, entry) {
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

/// Why a bundle with a statement of another type does not count.
pub(super) fn claims_other(predicate_type: &str) -> String {
    format!("it claims `{predicate_type}`, and is no plain signature")
}

/// The bundle of one entry; nothing where the entry is no bundle.
fn read(
    source: &dyn Source,
    search: BundleSearch<'_>,
    entry: &Descriptor,
) -> Result<Option<FoundBundle>, BoxedError> {
    let document = source.document(entry)?;
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Ok(None) };
    if manifest.artifact_type.as_deref() != Some(BUNDLE) {
        return Ok(None);
    }
    let digest = entry.digest;
    let refuse = |why: String| Ok(Some(FoundBundle { digest, bundle: Err(why), parts: None }));
    if manifest.subject.as_ref().is_none_or(|link| link.digest != *search.subject) {
        return refuse("it is listed, and refers to another image".to_owned());
    }
    let [layer] = &manifest.layers[..] else {
        return refuse("it has not exactly one document".to_owned());
    };
    if layer.size > search.most_bytes {
        return refuse(format!("it has more than {} KiB", search.most_bytes >> 10));
    }
    let mut bytes = Vec::new();
    let mut stream = source.blob(layer)?;
    if let Err(error) = stream.by_ref().take(search.most_bytes + 1).read_to_end(&mut bytes) {
        return refuse(format!("its document cannot be read: {error}"));
    }
    let bundle = SignatureBundle::read(&bytes).map_err(|error| error.to_string());
    Ok(Some(FoundBundle { digest, bundle, parts: Some(BundleParts { document, bytes }) }))
}
