//! For tests: artifacts that are detected without a directory of their own for what is unpacked.

use std::path::Path;

use super::detect::Artifact;
use super::error::ArtifactError;
use super::kind::ArtifactKind;

/// Where the tests unpack.
const SCRATCH: &str = "/tmp";

/// The artifact at `path`.
pub(crate) fn detect(path: &Path) -> Result<Artifact, ArtifactError> {
    super::detect::detect(path, Path::new(SCRATCH))
}

/// The artifact at `path`, which is said to be a `kind`.
pub(crate) fn detect_as(path: &Path, kind: &'static dyn ArtifactKind) -> Result<Artifact, ArtifactError> {
    super::detect::detect_as(path, kind, Path::new(SCRATCH))
}
