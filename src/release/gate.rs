//! The conditions of a promotion, and what proves them.

use std::collections::BTreeSet;

use super::ledger::Ledger;
use super::record::{ENVIRONMENT_KEY, NUMBER_KEY, PassedGate, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf as _;
use crate::attach::LegacyPlace;
use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex, RawDocument};
use crate::policy::{self, EvidenceNeeds, PolicySet, evidence};
use crate::transport::{Source, registry};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::{ImagePolicy, PolicyReason, PolicyRefusal};
use crate::types::release::{EnvironmentName, Gate, ReleaseKey};

/// The check that the documents of an image agree.
pub(super) const DOCUMENTS: &str = "documents";

/// The check that the policies let it pass.
const POLICY: &str = "policy";

/// So many records, or documents of a type, are read in search of one.
const MOST_RECORDS: usize = 500;

/// Its name in a record.
pub(super) fn documents() -> ReleaseNote {
    note(DOCUMENTS)
}

fn note(text: &str) -> ReleaseNote {
    ReleaseNote::fitted(text).unwrap_or_else(|| unreachable!("`{text}` is a line"))
}

/// The image that is to pass.
pub(super) struct GateImage<'a> {
    pub(super) manifest: &'a RawDocument,
    pub(super) source: &'a dyn Source,
    /// Where older signatures of it are.
    pub(super) legacy: Option<LegacyPlace>,
    /// The release that it is.
    pub(super) release: Option<&'a StoredRelease>,
    /// The repository that it is in.
    pub(super) ledger: Option<&'a Ledger>,
    /// The repository of an environment.
    pub(super) place: &'a dyn Fn(&EnvironmentName) -> Ledger,
}

/// Lets an image pass all conditions, or says all reasons against it.
///
/// # Errors
/// [`PolicyRefusal`] where a condition is not met, and whatever a registry fails by: that is no answer.
pub(super) fn pass(
    gates: &[Gate],
    policies: &PolicySet,
    image: &GateImage<'_>,
) -> Result<Vec<PassedGate>, BoxedError> {
    let (mut passed, mut reasons) = (Vec::new(), Vec::new());
    let mut asked = ImagePolicy::default();
    for gate in gates {
        let found = match gate {
            Gate::Release(environment) => released(environment, image)?,
            Gate::Referrer(kind) => referrer(kind, image)?,
            Gate::Evidence(evidence) => {
                asked.require.insert(*evidence);
                continue;
            }
        };
        match found {
            Ok(evidence) => {
                passed.push(PassedGate { check: note(&gate.to_string()), evidence: Some(evidence) });
            }
            Err(why) => reasons.push(PolicyReason::Gate { gate: gate.clone(), why }),
        }
    }
    let judged = judge(image.source, image.legacy.as_ref(), image.manifest, policies, &asked)?;
    passed.extend(judged.passed);
    reasons.extend(judged.reasons);
    PolicyRefusal::unless_empty(image.source.name(), reasons)?;
    Ok(passed)
}

/// The judgement of an image by policies.
pub struct ReleaseJudgement {
    /// The reasons against it.
    pub reasons: Vec<PolicyReason>,
    /// The evidence for it.
    passed: Vec<PassedGate>,
}

/// Makes sure that the image of a release passes the policies still.
///
/// # Errors
/// As for [`pass`].
pub fn check(ledger: &Ledger, release: &StoredRelease, policies: &PolicySet) -> Result<(), BoxedError> {
    if policies.of_release().next().is_some() {
        passed(ledger, &ledger.manifest(release)?, policies)?;
    }
    Ok(())
}

/// Lets an image of a repository pass the policies.
///
/// # Errors
/// As for [`pass`].
pub(super) fn passed(
    ledger: &Ledger,
    manifest: &RawDocument,
    policies: &PolicySet,
) -> Result<Vec<PassedGate>, BoxedError> {
    let reference = ledger.repository().at_digest(manifest.digest());
    let source = registry::source(ledger.client().clone(), reference);
    let legacy = LegacyPlace::new(ledger.client().clone(), ledger.repository().clone());
    let judged = judge(&source, Some(&legacy), manifest, policies, &ImagePolicy::default())?;
    PolicyRefusal::unless_empty(source.name(), judged.reasons)?;
    Ok(judged.passed)
}

/// Judges what is attached to an image at the place where it is by the conditions of a release, and those of `asked`.
///
/// # Errors
/// When the place cannot be asked: that is no answer.
pub fn judge(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    manifest: &RawDocument,
    policies: &PolicySet,
    asked: &ImagePolicy,
) -> Result<ReleaseJudgement, BoxedError> {
    let rules = || policies.of_release().chain(Some(asked).filter(|asked| !asked.is_empty()));
    let needs = EvidenceNeeds::of(rules(), policies.keys());
    let found = evidence(source, legacy, manifest, &needs)?;
    let mut passed: Vec<PassedGate> = Vec::new();
    for rules in rules() {
        for evidence in rules.documents() {
            let gate = PassedGate { check: note(evidence.as_str()), evidence: rules.proof(evidence, &found) };
            if !passed.contains(&gate) {
                passed.push(gate);
            }
        }
    }
    if policies.of_release().next().is_some() {
        passed.push(PassedGate { check: note(POLICY), evidence: None });
    }
    Ok(ReleaseJudgement { reasons: policy::judge(rules(), &found), passed })
}

/// The evidence, or why there is none.
type GateEvidence = Result<Digest, String>;

/// The record of a release of the image in an environment.
fn released(environment: &EnvironmentName, image: &GateImage<'_>) -> Result<GateEvidence, BoxedError> {
    if let Some(release) = image.release.filter(|release| release.record.environment == *environment) {
        return Ok(Ok(release.descriptor.digest));
    }
    let place = (image.place)(environment);
    let mut ledgers = vec![&place];
    ledgers.extend(image.ledger.filter(|own| own.repository() != place.repository()));
    for ledger in ledgers {
        let list = ledger.releases()?;
        let all: Vec<_> = list.of_environment(environment).rev().collect();
        if all.is_empty() {
            continue;
        }
        // A registry that lists records by image says which to read; the record itself proves it.
        let listed = ledger.listed_for(&image.manifest.digest())?;
        let wanted = listed.as_ref().and_then(|listed| numbers(listed, environment));
        let is_wanted = |key: &ReleaseKey| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(key.number.get().to_string().as_str()))
        };
        for key in all.into_iter().filter(is_wanted).take(MOST_RECORDS) {
            let release = ledger.read(environment, key)?;
            if release.image.digest == image.manifest.digest() {
                return Ok(Ok(release.descriptor.digest));
            }
        }
    }
    Ok(Err(format!("`{}` has no release of it in `{environment}`", place.repository())))
}

/// The numbers that the listed records of an environment have; `None` if one of them does not tell its number.
fn numbers<'a>(listed: &'a [Descriptor], environment: &EnvironmentName) -> Option<BTreeSet<&'a str>> {
    let value = |record: &'a Descriptor, name: &str| record.annotations.get(name).map(String::as_str);
    let is_of_it =
        |record: &&'a Descriptor| value(record, ENVIRONMENT_KEY).is_none_or(|of| of == environment.as_str());
    listed.iter().filter(is_of_it).map(|record| value(record, NUMBER_KEY)).collect()
}

/// An artifact of a type that refers to the image. A list that anyone can write proves nothing; the artifact does.
fn referrer(kind: &str, image: &GateImage<'_>) -> Result<GateEvidence, BoxedError> {
    let Some(listed) = image.source.referrers(&image.manifest.digest())? else {
        return Ok(Err(format!("`{}` lists nothing that refers to it", image.source.name())));
    };
    let may_be_it = |entry: &&Descriptor| listed_type(entry).is_none_or(|listed| listed == kind);
    for (number, descriptor) in listed.iter().filter(may_be_it).enumerate() {
        if number == MOST_RECORDS {
            return Ok(Err(format!("none of the first {MOST_RECORDS} that are listed as `{kind}` is one")));
        }
        let document = image.source.document(descriptor)?;
        let (subject, found) = match document.parse() {
            Ok(ManifestOrIndex::Manifest(manifest)) => {
                let own = manifest.config.media_type.to_string();
                (manifest.subject, manifest.artifact_type.unwrap_or(own))
            }
            Ok(ManifestOrIndex::Index(index)) => (index.subject, index.artifact_type.unwrap_or_default()),
            Err(_) => continue,
        };
        if found == kind && subject.is_some_and(|subject| subject.digest == image.manifest.digest()) {
            return Ok(Ok(descriptor.digest));
        }
    }
    Ok(Err(format!("nothing of type `{kind}` refers to it")))
}
