//! The evidence that is attached to an image.

use std::collections::{BTreeMap, BTreeSet};

use super::attached::{AttachedClaims, AttachedReader};
use super::metered::MeteredSource;
use super::signers::signers;
use crate::attach::LegacyPlace;
use crate::attest::PublicKey;
use crate::oci::select::is_attestation;
use crate::oci::{Descriptor, Index, ManifestOrIndex, RawDocument, media_type};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};
use crate::types::policy::{EvidenceKind, ImagePolicy, JudgedDocument, JudgedImage, KeyName, Knowledge};

/// The facts that rules need.
#[derive(Clone, Debug, Default)]
pub struct EvidenceNeeds {
    /// The documents.
    pub documents: BTreeSet<EvidenceKind>,
    /// The keys whose signatures count.
    pub keys: BTreeMap<KeyName, PublicKey>,
}

impl EvidenceNeeds {
    /// The needs of these rules, whose keys are among `keys`.
    #[must_use]
    pub fn of<'a>(rules: impl Iterator<Item = &'a ImagePolicy>, keys: &BTreeMap<KeyName, PublicKey>) -> Self {
        let mut needs = Self::default();
        for rules in rules {
            needs.documents.extend(rules.documents());
            let named = rules.signed_by.iter();
            needs.keys.extend(named.filter_map(|name| Some((name.clone(), keys.get(name)?.clone()))));
        }
        needs
    }
}

/// Collects what is attached to the image `root` at the place where it is, and who signed it. Where more is attached than is
/// read, that is the answer.
///
/// # Errors
/// When the place cannot be asked: that is no answer.
pub fn evidence(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    root: &RawDocument,
    needs: &EvidenceNeeds,
) -> Result<JudgedImage, BoxedError> {
    let subject = root.digest();
    let source = &MeteredSource::new(source);
    let signers = match needs.keys.is_empty() {
        true => Knowledge::Known(BTreeSet::new()),
        false => known(signers(source, legacy, &subject, &needs.keys).map(Knowledge::Known))?,
    };
    let index = match root.parse() {
        Ok(ManifestOrIndex::Index(index)) => Some(index),
        _ => None,
    };
    let images = index.as_deref().map(images).unwrap_or_default();
    let signed = match &signers {
        Knowledge::Known(signed) => signed.clone(),
        Knowledge::TooMuch(_) | Knowledge::Unknown(_) => BTreeSet::new(),
    };
    let places = EvidencePlaces { root: root.digest(), index: index.as_deref(), images: &images };
    let documents = known(documents(source, legacy, &places, needs, &signed))?;
    Ok(JudgedImage { signers, images: images.into_iter().collect(), documents })
}

/// A place that has more than is read is an answer; one that cannot be asked is none.
fn known<T>(found: Result<Knowledge<T>, BoxedError>) -> Result<Knowledge<T>, BoxedError> {
    match found {
        Err(error) if error.kind() == Kind::Policy => Ok(Knowledge::TooMuch(error.to_string())),
        found => found,
    }
}

/// The places of documents about an image or an index.
struct EvidencePlaces<'a> {
    root: Digest,
    index: Option<&'a Index>,
    images: &'a [Digest],
}

/// The documents that refer to an index and those that refer to its images: which of them count is for the rules to say.
fn documents(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    places: &EvidencePlaces<'_>,
    needs: &EvidenceNeeds,
    signed: &BTreeSet<KeyName>,
) -> Result<Knowledge<Vec<JudgedDocument>>, BoxedError> {
    if needs.documents.is_empty() {
        return Ok(Knowledge::Known(Vec::new()));
    }
    let mut reader = AttachedReader::new(source, &needs.documents, &needs.keys);
    let mut found = match reader.read(&places.root, &[places.root])? {
        AttachedClaims::Found(found) => found,
        AttachedClaims::TooMuch(why) => return Ok(Knowledge::TooMuch(why)),
    };
    for image in places.images {
        let of_image = reader.read(image, &[*image, places.root])?;
        // And at BuildKit's place, in the index itself.
        let listed = match places.index {
            Some(index) => reader.listed(index, image, signed)?,
            None => AttachedClaims::Found(Vec::new()),
        };
        for claims in [of_image, listed] {
            match claims {
                AttachedClaims::Found(of_image) => {
                    let of_it = |document| JudgedDocument { image: Some(*image), ..document };
                    found.extend(of_image.into_iter().map(of_it));
                }
                AttachedClaims::TooMuch(why) => return Ok(Knowledge::TooMuch(why)),
            }
        }
    }
    if !needs.keys.is_empty() {
        for document in &mut found {
            // A bundle says itself who signed it; any other document is signed as an image is.
            if document.signers.is_empty() {
                document.signers = signers(source, legacy, &document.digest, &needs.keys)?;
            }
        }
    }
    Ok(Knowledge::Known(found))
}

/// The images of an index, without documents in it about others.
fn images(index: &Index) -> Vec<Digest> {
    let is_image = |entry: &&Descriptor| {
        media_type::document(&entry.media_type).is_some()
            && entry.artifact_type.is_none()
            && !is_attestation(entry)
    };
    index.manifests.iter().filter(is_image).map(|entry| entry.digest).collect()
}
