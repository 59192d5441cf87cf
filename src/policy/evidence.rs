//! The evidence that is attached to an image.

use std::collections::{BTreeMap, BTreeSet};

use super::attached::{AttachedClaims, AttachedReader};
use super::metered::MeteredSource;
use super::signers::signers;
use crate::attach::LegacyPlace;
use crate::attest::PublicKey;
use crate::oci::{ManifestOrIndex, RawDocument, media_type};
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
    let images = images(root);
    let documents = known(documents(source, legacy, root, &images, needs))?;
    Ok(JudgedImage { signers, images: images.into_iter().collect(), documents })
}

/// A place that has more than is read is an answer; one that cannot be asked is none.
fn known<T>(found: Result<Knowledge<T>, BoxedError>) -> Result<Knowledge<T>, BoxedError> {
    match found {
        Err(error) if error.kind() == Kind::Policy => Ok(Knowledge::TooMuch(error.to_string())),
        found => found,
    }
}

/// The documents that refer to an index and those that refer to its images: which of them count is for the rules to say.
fn documents(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    root: &RawDocument,
    images: &[Digest],
    needs: &EvidenceNeeds,
) -> Result<Knowledge<Vec<JudgedDocument>>, BoxedError> {
    if needs.documents.is_empty() {
        return Ok(Knowledge::Known(Vec::new()));
    }
    let mut reader = AttachedReader::new(source, &needs.documents, &needs.keys);
    let mut found = match reader.read(&root.digest(), &[root.digest()])? {
        AttachedClaims::Found(found) => found,
        AttachedClaims::TooMuch(why) => return Ok(Knowledge::TooMuch(why)),
    };
    for image in images {
        match reader.read(image, &[*image, root.digest()])? {
            AttachedClaims::Found(of_image) => {
                let of_it = |document| JudgedDocument { image: Some(*image), ..document };
                found.extend(of_image.into_iter().map(of_it));
            }
            AttachedClaims::TooMuch(why) => return Ok(Knowledge::TooMuch(why)),
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
fn images(root: &RawDocument) -> Vec<Digest> {
    let Ok(ManifestOrIndex::Index(index)) = root.parse() else { return Vec::new() };
    let is_image = |descriptor: &&crate::oci::Descriptor| {
        media_type::document(&descriptor.media_type).is_some()
            && descriptor.artifact_type.is_none()
            && !descriptor.annotations.contains_key("vnd.docker.reference.type")
    };
    index.manifests.iter().filter(is_image).map(|descriptor| descriptor.digest).collect()
}
