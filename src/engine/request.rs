//! A request for a build, resolved.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attest::AttestRequest;
use super::cache::CachePolicy;
use super::own::OwnFiles;
use crate::policy::PolicySet;
use crate::project::config::{Facts, Settings, Spanned};
use crate::project::lock::{Lock, LockedBase};
use crate::types::error::BoxedError;
use crate::types::reference::Repository;

/// Where the project of a build lies: its build file's directory, else the artifact.
pub fn project_of(build_file: Option<&Path>, artifact: Option<&Path>) -> PathBuf {
    let path = build_file.or(artifact).unwrap_or(Path::new("."));
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// How many findings of a rule a build tells one by one.
pub const FIRST_FINDINGS: usize = 20;
/// How many of them a check tells: all, unless they were made to fill memory.
pub const ALL_FINDINGS: usize = 1_000;

/// A request for a build.
pub struct Request {
    /// Settings, resolved.
    pub settings: Settings,
    /// Whether the settings have a build file that errors can point into.
    pub has_build_file: bool,
    /// The facts for templates; `content` is filled in when it is known.
    pub facts: Facts,
    /// The lock beside the build file, if there is one.
    pub lock: Option<Lock>,
    /// Where the project lies.
    pub project: PathBuf,
    /// The repository that the image is named after.
    pub name: Repository,
    /// The documents that are attached to the image.
    pub attest: AttestRequest,
    /// Whether every tag may be moved to the new image.
    pub allow_retag: bool,
    /// The policies that hold.
    pub policies: Arc<PolicySet>,
    /// The time by which the age of a base is judged, in seconds since the epoch.
    pub now: u64,
    /// The use of the cache in a registry.
    pub cache: CachePolicy,
    /// The files that are read and written besides the input.
    pub own: OwnFiles,
    /// Whether checks may read layers of a base in a registry that nothing else needs.
    pub reads_base: bool,
    /// Whether an image that the checks refuse is planned all the same.
    pub plans_refused: bool,
    /// How many findings of a rule are made one by one: the others are counted.
    pub most_findings: usize,
}

impl Request {
    /// The lock's entry for the base.
    pub fn locked_base(&self) -> Option<&LockedBase> {
        let base = self.settings.base.as_ref()?;
        self.lock.as_ref()?.get(&base.value.to_string())
    }

    /// The time that stands for "now" in the image: `SOURCE_DATE_EPOCH`, else that of the commit, else one
    /// second after the epoch.
    #[must_use]
    pub fn time(&self) -> u64 {
        let git = self.facts.git.as_ref().map(|git| git.time);
        self.settings.source_date_epoch.or(git).unwrap_or(crate::layer::DEFAULT_MTIME)
    }
}

/// An error about something that a build file may have named: points at the line where there is one.
pub(super) fn at<T>(
    request: &Request,
    written: &Spanned<T>,
    error: BoxedError,
    hint: Option<String>,
) -> BoxedError {
    if request.has_build_file {
        request.settings.error_at(written.span, error.to_string(), hint).about(error.code()).into()
    } else {
        error
    }
}
