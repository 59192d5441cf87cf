//! Records of releases for a fuzzer.

use super::document::StoredRelease;
use super::release::{PassedGate, PreviousRelease, ReleaseKind, ReleaseNonce, ReleaseNote, ReleaseRecord};
use crate::oci::artifact::OciArtifact;
use crate::oci::{ManifestOrIndex, MediaType, RawDocument};
use crate::types::digest::Digest;
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, ReleaseId, ReleaseKey, ReleaseNumber, ReleaseTime};

/// Reads `data` as the record of a release; one that is sound has no other bytes.
pub(crate) fn record(data: &[u8]) {
    let Ok(document) = RawDocument::new(Some(&MediaType::ImageIndex), data.to_vec()) else { return };
    let Ok(environment) = "prod".parse::<EnvironmentName>() else { return };
    // The tag that it would have, so that a change is not refused for its identity alone.
    let Some((repository, id)) = identity(&document) else { return };
    let key = ReleaseKey { number: ReleaseNumber::FIRST, id };
    let Ok(release) = StoredRelease::read(&document, &repository, &environment, key) else { return };
    assert_eq!(release.descriptor.digest, document.digest());
    assert_eq!(release.record.digest, release.image.digest);
    if let Some(manifest) = release.manifest.clone() {
        let (again, bytes) = StoredRelease::new(release.record.clone(), &manifest).expect("written before");
        assert_eq!((again, bytes.bytes), (release, document.bytes));
    }
}

/// The repository and the identity of the release that a document tells of.
fn identity(document: &RawDocument) -> Option<(Repository, ReleaseId)> {
    let Ok(ManifestOrIndex::Index(index)) = document.parse() else { return None };
    let record = ReleaseRecord::of_json(index.annotations.get("pack.release.record")?).ok()?;
    let id = record.id().ok()?;
    Some((record.image, id))
}

/// A record of each kind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let manifest = OciArtifact::new("application/x").document("seed").expect("a manifest");
    let note = |text: &str| ReleaseNote::new("text", text).expect("a line");
    let record = |kind, previous: bool| {
        let record = ReleaseRecord {
            environment: "prod".parse().expect("a name"),
            number: ReleaseNumber::FIRST,
            kind,
            image: "localhost:5000/a".parse().expect("a repository"),
            digest: manifest.digest(),
            revision: previous.then(|| note("c0ffee")),
            source: note("test@1"),
            previous: previous.then(|| PreviousRelease {
                release: ReleaseNumber::FIRST,
                record: Digest::of(b"record"),
                image: Digest::of(b"image"),
            }),
            actor: Some(note("a")),
            reason: None,
            time: ReleaseTime::from_milliseconds(1),
            checks: vec![PassedGate {
                check: note("documents"),
                evidence: previous.then(|| Digest::of(b"x")),
            }],
            nonce: ReleaseNonce(7),
        };
        StoredRelease::new(record, &manifest).expect("a record").1.bytes
    };
    vec![record(ReleaseKind::Deploy, false), record(ReleaseKind::Promote, true)]
}
