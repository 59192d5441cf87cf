//! The provenance documents that are attached to an image, and what of them can be derived again.
//!
//! A document claims; an image is. Whatever both have is compared; whatever only the document has is said to be unknown, and
//! never taken for proved.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::attached::{AttachedReader, SaidStatement};
use super::metered::{MeteredSource, TooMuchAttached};
use super::signers::signers;
use crate::attest::provenance::{
    ClaimedDirectory, ClaimedLayer, PROVENANCE_PREDICATE, ProvenanceClaim, layers_digest,
};
use crate::attest::{ProofError, PublicKey};
use crate::oci::{Image, ManifestOrIndex};
use crate::transport::Source;
use crate::transport::load::{load_image, load_manifest, offers};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::{EvidenceKind, KeyName};

const REVISION: &str = "org.opencontainers.image.revision";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// The result of comparing one statement of a document with the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FactComparison {
    /// The image says the same.
    Derived,
    /// The image says otherwise.
    Contradicted,
    /// The image does not say it.
    Unknown,
}

impl FactComparison {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Derived => "derived",
            Self::Contradicted => "contradicted",
            Self::Unknown => "not known",
        }
    }
}

/// One statement of a document, compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedFact {
    /// The subject, in a word for programs.
    pub fact: &'static str,
    /// The result.
    pub result: FactComparison,
    /// The result in a sentence.
    pub message: String,
}

/// A provenance, compared with its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceReport {
    /// The manifest of the document.
    pub digest: Digest,
    /// The keys that signed it, of those that were asked for.
    pub signed_by: Vec<String>,
    /// Its statements.
    pub facts: Vec<ComparedFact>,
}

impl ProvenanceReport {
    /// Whether one of the keys that were asked for signed it.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        !self.signed_by.is_empty()
    }

    /// The statements that the image contradicts.
    pub fn contradictions(&self) -> impl Iterator<Item = &ComparedFact> {
        self.facts.iter().filter(|fact| fact.result == FactComparison::Contradicted)
    }

    fn say(&mut self, fact: &'static str, result: FactComparison, message: String) {
        self.facts.push(ComparedFact { fact, result, message });
    }

    fn compare(&mut self, fact: &'static str, is_same: bool, same: String, other: String) {
        match is_same {
            true => self.say(fact, FactComparison::Derived, same),
            false => self.say(fact, FactComparison::Contradicted, other),
        }
    }
}

/// The place of a base, by its name and digest; an error says why there is none.
pub type BasePlace<'a> = dyn Fn(&str, &Digest) -> Result<Box<dyn Source>, String> + 'a;

/// Compares each provenance of the image that `source` names with that image.
///
/// # Errors
/// When the place cannot be asked: that is no answer.
pub fn provenances(
    source: &dyn Source,
    keys: &BTreeMap<KeyName, PublicKey>,
    base: &BasePlace<'_>,
) -> Result<Vec<ProvenanceReport>, BoxedError> {
    let root = source.root()?;
    let needed = BTreeSet::from([EvidenceKind::Provenance]);
    let metered = MeteredSource::new(source);
    let mut reader = AttachedReader::new(&metered, &needed, keys);
    let mut images = Vec::new();
    for offer in offers(source)? {
        images.push(load_manifest(source, &offer.descriptor)?);
    }
    let index = match root.parse() {
        Ok(ManifestOrIndex::Index(index)) => Some(index),
        _ => None,
    };
    // About the whole; of an index also about each image, beside it and in the index.
    let root = root.digest();
    let mut read = vec![(root, &images[..], reader.documents(&root)?)];
    let mut listed = Vec::new();
    for (index, image) in index.iter().flat_map(|index| images.iter().map(move |image| (index, image))) {
        let (digest, images) = (image.digest(), std::slice::from_ref(image));
        read.push((digest, images, reader.documents(&digest)?));
        listed.push((digest, images, reader.listed_documents(index, &digest)?));
    }
    // Who signed the index signed what it lists.
    let signed = match keys.is_empty() || listed.iter().all(|(_, _, (documents, _))| documents.is_empty()) {
        true => BTreeSet::new(),
        false => signers(&metered, None, &root, keys)?,
    };
    let none = BTreeSet::new();
    let read = read.into_iter().map(|one| (one, &none)).chain(listed.into_iter().map(|one| (one, &signed)));
    let mut reports = Vec::new();
    for ((subject, images, (documents, too_much)), signed) in read {
        if let Some(why) = too_much {
            return Err(TooMuchAttached::Part(why).into());
        }
        for document in documents {
            let signed_by = |said: &BTreeSet<KeyName>| match said.is_empty() && signed.is_empty() {
                // A bundle says itself who signed it; any other document is signed as an image is.
                true if !keys.is_empty() => signers(&metered, None, &document.digest, keys),
                _ => Ok(said.union(signed).cloned().collect()),
            };
            let said = reader.said(&document);
            reports.extend(report(
                &document.digest,
                said,
                &signed_by,
                (&subject, images),
                base,
                !keys.is_empty(),
            )?);
        }
    }
    Ok(reports)
}

/// The keys that signed a document whose bundle, if it is in one, these signed.
type SignedBy<'a> = dyn Fn(&BTreeSet<KeyName>) -> Result<BTreeSet<KeyName>, BoxedError> + 'a;

/// The comparison of a provenance with the image or index that it must be about; `None` for any other statement.
fn report(
    digest: &Digest,
    said: Result<Option<SaidStatement>, ProofError>,
    signed_by: &SignedBy<'_>,
    (subject, images): (&Digest, &[Image]),
    base: &BasePlace<'_>,
    has_keys: bool,
) -> Result<Option<ProvenanceReport>, BoxedError> {
    let mut report = ProvenanceReport { digest: *digest, signed_by: Vec::new(), facts: Vec::new() };
    let SaidStatement { signers, statement } = match said {
        Ok(None) => return Ok(None),
        Ok(Some(said)) => said,
        Err(why) => {
            report.say("statement", FactComparison::Contradicted, why.to_string());
            return Ok(Some(report));
        }
    };
    if statement.predicate_type != PROVENANCE_PREDICATE {
        return Ok(None);
    }
    report.signed_by = signed_by(&signers)?.iter().map(ToString::to_string).collect();
    match statement.is_about(subject) {
        Ok(()) => report.say("subject", FactComparison::Derived, format!("it is about {subject}")),
        Err(error) => report.say("subject", FactComparison::Contradicted, error.to_string()),
    }
    match ProvenanceClaim::read(statement.predicate.value().text().as_bytes()) {
        Ok(claim) => compare(&mut report, &claim, images, base),
        Err(error) => report.say("predicate", FactComparison::Contradicted, error.to_string()),
    }
    signature(&mut report, has_keys);
    Ok(Some(report))
}

fn signature(report: &mut ProvenanceReport, has_keys: bool) {
    match report.signed_by.is_empty() {
        true => {
            let message = match has_keys {
                true => "none of the keys that were asked for signed it: it does not count",
                false => "none of the keys that were asked for signed it: its author is not known",
            };
            report.say("signature", FactComparison::Unknown, message.to_owned());
        }
        false => {
            let message = format!("it is signed by `{}`", report.signed_by.join("`, `"));
            report.say("signature", FactComparison::Derived, message);
        }
    }
}

fn compare(report: &mut ProvenanceReport, claim: &ProvenanceClaim, images: &[Image], base: &BasePlace<'_>) {
    commit(report, claim, images);
    if claim.is_own() {
        for image in images {
            layers(report, claim, image);
            bases(report, claim, image, base);
        }
        let is_there = |layer: &&ClaimedLayer| images.iter().any(|image| image.digest() == layer.manifest);
        if let Some(other) = claim.layers.iter().find(|layer| !is_there(layer)) {
            let message = format!("it lists layers of {}, which is not in the image", other.manifest);
            report.say("layers", FactComparison::Contradicted, message);
        }
        directories(report, claim);
    } else {
        let message = "the type of the build is another program's: layers and base are not compared";
        report.say("layers", FactComparison::Unknown, message.to_owned());
    }
    let builder = format!("that `{}` built it is a claim of the document", claim.builder);
    report.say("builder", FactComparison::Unknown, builder);
    let inputs = format!(
        "that its settings and {} input files gave these layers is not known from the image; \
         `pack verify --rebuild` builds them again",
        claim.inputs
    );
    report.say("inputs", FactComparison::Unknown, inputs);
}

fn commit(report: &mut ProvenanceReport, claim: &ProvenanceClaim, images: &[Image]) {
    let Some(commit) = &claim.commit else {
        return report.say("commit", FactComparison::Unknown, "it names no commit".to_owned());
    };
    let said: BTreeSet<&String> =
        images.iter().filter_map(|image| image.manifest().annotations.get(REVISION)).collect();
    let wanted = if claim.is_dirty { format!("{commit}-dirty") } else { commit.clone() };
    match said.first() {
        None => {
            let message = format!("it names the commit {commit}, and the image names none");
            report.say("commit", FactComparison::Unknown, message);
        }
        Some(other) => {
            let is_same = said.iter().all(|said| **said == wanted);
            let differs = format!("it names the commit {wanted}, and the image {other}");
            report.compare("commit", is_same, format!("the image is of the commit {wanted}, too"), differs);
        }
    }
}

fn layers(report: &mut ProvenanceReport, claim: &ProvenanceClaim, image: &Image) {
    let claimed: Vec<(Digest, Digest)> = claim
        .layers
        .iter()
        .filter(|layer| layer.manifest == image.digest())
        .map(|layer| (layer.digest, layer.diff_id))
        .collect();
    let own: Vec<(Digest, Digest)> =
        image.layers().iter().map(|layer| layer.digest).zip(image.diff_ids().iter().copied()).collect();
    let short = image.digest().short();
    let same = format!("the {} layers that it lists of {short} are those of the image", own.len());
    report.compare("layers", claimed == own, same, format!("the layers that it lists of {short} are others"));
}

/// The digests of directories are those of the layers that the document lists, which are compared with the image.
fn directories(report: &mut ProvenanceReport, claim: &ProvenanceClaim) {
    if claim.directories.is_empty() {
        return;
    }
    let mut by_input: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
    for layer in &claim.layers {
        for input in &layer.inputs {
            by_input.entry(input).or_default().insert(layer.diff_id);
        }
    }
    let is_other = |directory: &&ClaimedDirectory| {
        let layers = by_input.get(&*directory.name).into_iter().flatten().copied();
        layers_digest(layers) != Some(directory.layers)
    };
    let other = claim.directories.iter().find(is_other);
    let named = other.map(|directory| directory.name.clone()).unwrap_or_default();
    let same = match &claim.directories[..] {
        [one] => format!("the digest of the directory `{}` is that of its layers", one.name),
        all => format!("the digests of {} directories are those of their layers", all.len()),
    };
    let differs = format!("the digest of the directory `{named}` is not that of its layers");
    report.compare("directories", other.is_none(), same, differs);
}

fn bases(report: &mut ProvenanceReport, claim: &ProvenanceClaim, image: &Image, place: &BasePlace<'_>) {
    let mine: Vec<&ClaimedLayer> =
        claim.layers.iter().filter(|layer| layer.manifest == image.digest() && layer.is_of_base).collect();
    let Some(base) = &claim.base else {
        let is_same = mine.is_empty() && !image.manifest().annotations.contains_key(BASE_DIGEST);
        let other = "it names no base, and has layers of one or an image that names one".to_owned();
        return report.compare("base", is_same, "the image names no base, either".to_owned(), other);
    };
    let digest = base.digest;
    if let Some(said) = image.manifest().annotations.get(BASE_DIGEST) {
        let other = format!("it names the base {digest}, and the image {said}");
        report.compare(
            "base",
            *said == digest.to_string(),
            format!("the image names the base {digest}, too"),
            other,
        );
    }
    let manifest = mine.iter().find_map(|layer| layer.base).unwrap_or(digest);
    let reference = base.reference.clone().unwrap_or_default();
    let loaded = place(&reference, &manifest).and_then(|source| {
        load_image(&*source, image.platform().as_ref()).map_err(|error| error.to_string())
    });
    let loaded = match loaded {
        Ok(loaded) => loaded.image,
        Err(why) => {
            let message = format!("whether the base {} is below cannot be known: {why}", manifest.short());
            return report.say("base-layers", FactComparison::Unknown, message);
        }
    };
    let claimed: Vec<Digest> = mine.iter().map(|layer| layer.diff_id).collect();
    let is_same = image.diff_ids().starts_with(loaded.diff_ids()) && claimed == loaded.diff_ids();
    let other = format!("the layers of the base {} are not below", manifest.short());
    report.compare("base-layers", is_same, format!("the base {} is below", manifest.short()), other);
}
