//! Records of releases for a fuzzer.

use super::document::StoredRelease;
use super::release::{PassedGate, PreviousRelease, ReleaseKind, ReleaseNote, ReleaseRecord};
use crate::oci::artifact::OciArtifact;
use crate::oci::{MediaType, RawDocument};
use crate::types::digest::Digest;
use crate::types::release::{EnvironmentName, ReleaseNumber, ReleaseTime};

/// Reads `data` as the record of a release; one that is sound has no other bytes.
pub(crate) fn record(data: &[u8]) {
    let Ok(document) = RawDocument::new(Some(&MediaType::ImageIndex), data.to_vec()) else { return };
    let Ok(environment) = "prod".parse::<EnvironmentName>() else { return };
    let Ok(release) = StoredRelease::read(&document, &environment, ReleaseNumber::FIRST) else { return };
    assert_eq!(release.descriptor.digest, document.digest());
    assert_eq!(release.record.digest, release.image.digest);
    if let Some(manifest) = release.manifest.clone() {
        let (again, bytes) = StoredRelease::new(release.record.clone(), &manifest).expect("written before");
        assert_eq!((again, bytes.bytes), (release, document.bytes));
    }
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
        };
        StoredRelease::new(record, &manifest).expect("a record").1.bytes
    };
    vec![record(ReleaseKind::Deploy, false), record(ReleaseKind::Promote, true)]
}
