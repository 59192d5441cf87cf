//! Records of releases: which image an environment got, who put it there, when and why, kept beside the image in its repository.
//!
//! A record is an artifact of type `application/vnd.pack.release.v1+json` with the image as its `subject`. It is an
//! index of one entry, the image. So registries keep the image as long as the record has its tag, a runtime can pull
//! the tag of a record, and a record needs no blob. The JSON of the record is an annotation, and a few facts stand in
//! annotations of their own: a list of referrers tells them without a request for each record.
//!
//! Its tag has the number of the release and its identity, which is a hash of what the record says. A record names the digest
//! of the record before it. Its bytes are a function of what it says, and there is one way to write it: a reader that finds
//! other bytes calls the record tampered with.

mod document;
mod fault;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod release;

pub use document::{ARTIFACT_TYPE, ENVIRONMENT_KEY, MAX_RECORD, NUMBER_KEY, StoredRelease};
pub use fault::{KEEP_TAGS, RecordFault};
pub use release::{PassedGate, PreviousRelease, ReleaseKind, ReleaseNonce, ReleaseNote, ReleaseRecord};
