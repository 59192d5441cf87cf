//! The conditions of a promotion, and what proves them.

use std::collections::BTreeSet;

use super::ledger::Ledger;
use super::record::{ENVIRONMENT_KEY, NUMBER_KEY, PassedGate, ReleaseNote, StoredRelease};
use super::shelf::ReleaseShelf as _;
use crate::oci::artifact::listed_type;
use crate::oci::{Descriptor, ManifestOrIndex};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::release::{EnvironmentName, Gate, ReleaseKey};
use crate::types::shown::Foreign;

/// The check that the documents of an image agree.
pub(super) const DOCUMENTS: &str = "documents";

/// So many records are read in search of a release.
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
    pub(super) digest: Digest,
    pub(super) source: &'a dyn Source,
    /// The release that it is.
    pub(super) release: Option<&'a StoredRelease>,
    /// The repository that it is in.
    pub(super) ledger: Option<&'a Ledger>,
    /// The repository of an environment.
    pub(super) place: &'a dyn Fn(&EnvironmentName) -> Ledger,
}

/// A condition that is not met.
#[derive(Debug, thiserror::Error)]
#[error("the gate `{gate}` is closed for {digest}: {}", Foreign::new(why))]
pub struct GateError {
    gate: Gate,
    digest: Digest,
    why: String,
}

impl Explain for GateError {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.gate {
            Gate::Release(environment) => format!("promote it to `{environment}` first"),
            Gate::Referrer(_) => {
                "attach it to the image in its repository; `pack copy --referrers` brings it along".to_owned()
            }
        })
    }
}

/// Lets an image pass a gate.
///
/// # Errors
/// [`GateError`] where the condition is not met, and whatever a registry fails by: that is no answer.
pub(super) fn pass(gate: &Gate, image: &GateImage<'_>) -> Result<PassedGate, BoxedError> {
    let found = match gate {
        Gate::Release(environment) => released(environment, image)?,
        Gate::Referrer(kind) => referrer(kind, image)?,
    };
    match found {
        Ok(evidence) => Ok(PassedGate { check: note(&gate.to_string()), evidence: Some(evidence) }),
        Err(why) => Err(GateError { gate: gate.clone(), digest: image.digest, why }.into()),
    }
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
        let listed = ledger.listed_for(&image.digest)?;
        let wanted = listed.as_ref().and_then(|listed| numbers(listed, environment));
        let is_wanted = |key: &ReleaseKey| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(key.number.get().to_string().as_str()))
        };
        for key in all.into_iter().filter(is_wanted).take(MOST_RECORDS) {
            let release = ledger.read(environment, key)?;
            if release.image.digest == image.digest {
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
    let Some(listed) = image.source.referrers(&image.digest)? else {
        return Ok(Err(format!("`{}` lists nothing that refers to it", image.source.name())));
    };
    for descriptor in &listed {
        if listed_type(descriptor).is_some_and(|listed| listed != kind) {
            continue;
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
        if found == kind && subject.is_some_and(|subject| subject.digest == image.digest) {
            return Ok(Ok(descriptor.digest));
        }
    }
    Ok(Err(format!("nothing of type `{kind}` refers to it")))
}
