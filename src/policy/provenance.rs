//! The provenance documents that are attached to an image, and what of them can be derived again.
//!
//! A document claims; an image is. Whatever both have is compared; whatever only the document has is said to be unknown, and
//! never taken for proved.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::attached::{AttachedReader, SaidStatement};
use super::metered::{MeteredSource, TooMuchAttached};
use super::signers::signers;
use crate::attest::PublicKey;
use crate::attest::provenance::{ClaimedLayer, PROVENANCE_PREDICATE, ProvenanceClaim};
use crate::oci::Image;
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
    let root = source.root()?.digest();
    let needed = BTreeSet::from([EvidenceKind::Provenance]);
    let metered = MeteredSource::new(source);
    let mut reader = AttachedReader::new(&metered, &needed, keys);
    let mut images = Vec::new();
    for offer in offers(source)? {
        images.push(load_manifest(source, &offer.descriptor)?);
    }
    let (documents, too_much) = reader.documents(&root)?;
    if let Some(why) = too_much {
        return Err(TooMuchAttached::Part(why).into());
    }
    let mut reports = Vec::new();
    for document in documents {
        let SaidStatement { signers: mut signed_by, statement } = match reader.said(&document) {
            Ok(None) => continue,
            Ok(Some(said)) => said,
            Err(why) => {
                let mut report =
                    ProvenanceReport { digest: document.digest, signed_by: Vec::new(), facts: Vec::new() };
                report.say("statement", FactComparison::Contradicted, why.to_string());
                reports.push(report);
                continue;
            }
        };
        if statement.predicate_type != PROVENANCE_PREDICATE {
            continue;
        }
        // A bundle says itself who signed it; any other document is signed as an image is.
        if signed_by.is_empty() && !keys.is_empty() {
            signed_by = signers(&metered, None, &document.digest, keys)?;
        }
        let signed_by = signed_by.iter().map(ToString::to_string).collect();
        let mut report = ProvenanceReport { digest: document.digest, signed_by, facts: Vec::new() };
        match statement.is_about(&root) {
            Ok(()) => report.say("subject", FactComparison::Derived, format!("it is about {root}")),
            Err(error) => report.say("subject", FactComparison::Contradicted, error.to_string()),
        }
        match ProvenanceClaim::read(statement.predicate.value().text().as_bytes()) {
            Ok(claim) => compare(&mut report, &claim, &images, base),
            Err(error) => report.say("predicate", FactComparison::Contradicted, error.to_string()),
        }
        signature(&mut report, !keys.is_empty());
        reports.push(report);
    }
    Ok(reports)
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
