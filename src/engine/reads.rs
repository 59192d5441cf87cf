//! The paths that a build reads and the base that it uses: for `pack build --watch`, and for other programs that watch.
//!
//! It follows from the settings alone, so that it can be told while an artifact is missing. The jars and libraries that an
//! artifact needs beside it are known once it is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::options;
use super::own::left_out_of;
use crate::artifact;
use crate::layer::scan::{FoundKind, IGNORE_FILE, LeftOut, ScanError};
use crate::layer::{ScanOptions, Scanner};
use crate::project::config::{BaseSetting, Settings, without_dots};
use crate::project::lock::Lock;
use crate::types::digest::Digest;

/// The paths that a build reads and the base that it uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BuildReads {
    /// The paths, in the order in which the settings name them.
    pub paths: Vec<ReadPath>,
    /// The base, unless it is `scratch`.
    pub base: Option<ReadBase>,
    left_out: LeftOut,
}

/// A path that a build reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPath {
    /// The path, absolute; a pattern where nothing fits one, and where something does.
    pub path: PathBuf,
    /// Its part in the build.
    pub role: ReadRole,
    /// Whether `path` is a pattern.
    pub is_pattern: bool,
    /// The options by which a directory is read; `None` for a file, and for what is not there.
    pub tree: Option<ScanOptions>,
}

/// The part of a path in a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadRole {
    /// The build file, or that of the workspace.
    BuildFile,
    /// The lock.
    Lock,
    /// An artifact.
    Artifact,
    /// A file beside an artifact that it needs.
    Companion,
    /// The source of a layer.
    Files,
    /// The file that leaves paths of a directory out.
    IgnoreFile,
    /// The base on disk.
    Base,
    /// A policy.
    Policy,
    /// A certificate or a key for a registry.
    Certificate,
    /// The key that signs.
    Key,
}

/// The base of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadBase {
    /// The base as the settings have it.
    pub reference: String,
    /// Its digest, if the lock has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The files that describe a build.
#[derive(Clone, Copy, Debug)]
pub struct DescribingFiles<'a> {
    /// The build files.
    pub build_files: &'a [PathBuf],
    /// Where the lock is, if there can be one.
    pub lock_path: Option<&'a Path>,
    /// The lock.
    pub lock: Option<&'a Lock>,
    /// The locks of other commands.
    pub beside: &'a BTreeSet<PathBuf>,
}

impl BuildReads {
    /// Of a build with these settings, which may have patterns in the names of artifacts. `scratch` is a directory for files
    /// that inflate a lot.
    #[must_use]
    pub fn of(settings: &Settings, described: &DescribingFiles<'_>, scratch: &Path) -> Self {
        let DescribingFiles { build_files, lock_path, lock, beside } = *described;
        let mut reads = Self::default();
        for path in build_files {
            reads.add(path, ReadRole::BuildFile, None);
        }
        if let Some(path) = lock_path {
            reads.add(path, ReadRole::Lock, None);
        }
        for app in &settings.apps {
            let options = options::scan_options_of_app(app);
            for path in app.paths.as_slice() {
                reads.add_artifact(path.value.path(), &options, scratch);
            }
        }
        for files in settings.layers.iter().flat_map(|layer| &layer.files) {
            reads.add(files.from.value.path(), ReadRole::Files, Some(&options::scan_options_of(files)));
        }
        reads.add_others(settings);
        let apart: Vec<PathBuf> = reads
            .paths
            .iter()
            .filter(|read| !matches!(read.role, ReadRole::Artifact | ReadRole::Companion | ReadRole::Files))
            .map(|read| read.path.clone())
            .collect();
        reads.left_out = left_out_of(&apart, lock_path, beside);
        let base = settings.base.as_ref().map(|base| &base.value);
        reads.base = base.filter(|base| !matches!(base, BaseSetting::Scratch)).map(|base| {
            let reference = base.to_string();
            let digest = lock.and_then(|lock| lock.get(&reference)).map(|locked| locked.digest);
            ReadBase { reference, digest }
        });
        reads
    }

    /// Of a build whose settings cannot be read: the files that describe it, and an artifact that was given itself.
    #[must_use]
    pub fn described_by(build_files: &[PathBuf], artifact: Option<&Path>) -> Self {
        let mut reads = Self::default();
        for path in build_files {
            reads.add(path, ReadRole::BuildFile, None);
        }
        if let Some(path) = artifact {
            reads.add(path, ReadRole::Artifact, Some(&ScanOptions::default()));
        }
        reads
    }

    fn add(&mut self, path: &Path, role: ReadRole, options: Option<&ScanOptions>) {
        let path = &without_dots(path);
        let tree = options.filter(|_| path.is_dir()).cloned();
        if tree.as_ref().is_some_and(|options| options.ignore_file) {
            let path = path.join(IGNORE_FILE);
            self.paths.push(ReadPath { path, role: ReadRole::IgnoreFile, is_pattern: false, tree: None });
        }
        self.paths.push(ReadPath { path: path.to_owned(), role, is_pattern: false, tree });
    }

    fn add_artifact(&mut self, path: &Path, options: &ScanOptions, scratch: &Path) {
        if artifact::before_pattern(path).is_some() {
            let role = ReadRole::Artifact;
            self.paths.push(ReadPath { path: path.to_owned(), role, is_pattern: true, tree: None });
        }
        let Ok(found) = artifact::find(path) else { return };
        // A fault in it is the build's to tell.
        let artifact = artifact::detect(&found.path, scratch).ok();
        let mut options = options.clone();
        if let (Some(artifact), true) = (&artifact, found.path.is_dir()) {
            options.exclude.extend(artifact.kind.caches().iter().map(|&path| path.to_owned()));
        }
        self.add(&found.path, ReadRole::Artifact, Some(&options));
        if let (Some(artifact), true) = (&artifact, found.path.is_file()) {
            for companion in artifact.companions().unwrap_or_default() {
                self.add(&companion, ReadRole::Companion, None);
            }
        }
    }

    /// The files that the settings name, and that are neither in an image nor describe one.
    fn add_others(&mut self, settings: &Settings) {
        match settings.base.as_ref().map(|base| &base.value) {
            Some(BaseSetting::Layout { path, .. }) => {
                self.add(&path.path().join("index.json"), ReadRole::Base, None);
            }
            Some(BaseSetting::OciArchive { path, .. } | BaseSetting::DockerArchive { path, .. }) => {
                self.add(path.path(), ReadRole::Base, None);
            }
            None | Some(BaseSetting::Scratch | BaseSetting::Registry(_) | BaseSetting::Store(_)) => {}
        }
        for file in settings.policy.files() {
            self.add(file.value.path(), ReadRole::Policy, None);
        }
        for options in settings.registries.values() {
            let files = [&options.ca_file, &options.client_cert, &options.client_key];
            for file in files.into_iter().flatten() {
                self.add(file.value.path(), ReadRole::Certificate, None);
            }
        }
        if let Some(key) = &settings.attest.key {
            self.add(key.value.path(), ReadRole::Key, None);
        }
    }

    /// The paths that no tree has.
    pub(super) const fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// All files, by name and sorted: regular files and links that are there below directories, and the others whether they are
    /// there or not.
    ///
    /// # Errors
    /// When a directory cannot be scanned.
    pub fn files(&self) -> Result<BTreeSet<PathBuf>, ScanError> {
        let scanner = Scanner::default().without(&self.left_out);
        let mut files = BTreeSet::new();
        for read in &self.paths {
            match &read.tree {
                None if read.is_pattern || read.path.is_dir() => {}
                None => {
                    files.insert(read.path.clone());
                }
                Some(options) => {
                    let found = scanner.scan(&read.path, options)?;
                    // A build refuses others, unless it may take pipes and devices, which have no content.
                    let is_read =
                        |kind: &FoundKind| matches!(kind, FoundKind::File { .. } | FoundKind::Symlink(_));
                    let files_found = found.iter().filter(|item| is_read(&item.kind));
                    files.extend(files_found.map(|item| item.path.to_path_buf()));
                    scanner.forget_items();
                }
            }
        }
        Ok(files)
    }
}
