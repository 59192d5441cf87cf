//! An artifact on disk, open for reading. The file that was opened to find its kind stays open, so that it is opened
//! once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::elf::ElfFacts;
use super::error::ArtifactError;
use super::form::Form;
use super::manifest::{JarManifest, MANIFEST, MAX_MANIFEST};
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::Stamp;
use crate::runtime::input;

/// The files of an artifact, open for reading.
#[derive(Debug)]
pub struct Material {
    path: PathBuf,
    opened: MaterialForm,
    manifest: OnceLock<Option<JarManifest>>,
    elf: OnceLock<ElfFacts>,
}

#[derive(Debug)]
enum MaterialForm {
    Directory,
    Archive(Arc<ZipArchive>),
    Tar(Arc<ZipArchive>),
    File(Stamp),
}

impl Material {
    pub(super) const fn directory(path: PathBuf) -> Self {
        Self::new(path, MaterialForm::Directory)
    }

    pub(super) const fn of_archive(path: PathBuf, archive: Arc<ZipArchive>) -> Self {
        Self::new(path, MaterialForm::Archive(archive))
    }

    pub(super) const fn of_tar(path: PathBuf, archive: Arc<ZipArchive>) -> Self {
        Self::new(path, MaterialForm::Tar(archive))
    }

    pub(super) const fn file(path: PathBuf, stamp: Stamp) -> Self {
        Self::new(path, MaterialForm::File(stamp))
    }

    const fn new(path: PathBuf, opened: MaterialForm) -> Self {
        Self { path, opened, manifest: OnceLock::new(), elf: OnceLock::new() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its form on disk.
    #[must_use]
    pub const fn form(&self) -> Form {
        match self.opened {
            MaterialForm::Directory => Form::Directory,
            MaterialForm::Archive(_) => Form::Archive,
            MaterialForm::Tar(_) => Form::Tar,
            MaterialForm::File(_) => Form::File,
        }
    }

    /// The archive, where it is one, or a tar that was read into one.
    #[must_use]
    pub const fn archive(&self) -> Option<&Arc<ZipArchive>> {
        match &self.opened {
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => Some(archive),
            _ => None,
        }
    }

    /// The one file that it is, an archive too, as it was when it was opened.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        match &self.opened {
            MaterialForm::Directory => None,
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => Some(*archive.stamp()),
            MaterialForm::File(stamp) => Some(*stamp),
        }
    }

    /// The bytes of the file `name` in a directory or archive; `None` where there is no such file.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        match &self.opened {
            MaterialForm::Directory => read_if_file(&self.path.join(name), limit),
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => {
                let index = archive.position(name.as_bytes());
                Ok(index.map(|index| archive.read(index, limit)).transpose()?)
            }
            MaterialForm::File(_) => Ok(None),
        }
    }

    /// The size of the file `name` in a directory or archive; `None` where there is no such file.
    pub(super) fn size_of(&self, name: &str) -> Option<u64> {
        match &self.opened {
            MaterialForm::Directory => std::fs::metadata(self.path.join(name))
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|file| file.len()),
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => {
                archive.position(name.as_bytes()).map(|index| archive.entries()[index].size)
            }
            MaterialForm::File(_) => None,
        }
    }

    /// The names in the directory `name` of a directory; none where there is no such one.
    pub(super) fn names_in(&self, name: &str) -> Result<Vec<Vec<u8>>, ArtifactError> {
        let path = self.path.join(name);
        if self.form() != Form::Directory || !path.is_dir() {
            return Ok(Vec::new());
        }
        let io = |source| ArtifactError::Io { path: path.clone(), source };
        let entries = std::fs::read_dir(&path).map_err(io)?;
        entries.map(|entry| Ok(entry.map_err(io)?.file_name().into_encoded_bytes())).collect()
    }

    /// Whether there is a directory `name` in it.
    pub(super) fn has_directory(&self, name: &str) -> bool {
        match &self.opened {
            MaterialForm::Directory => self.path.join(name).is_dir(),
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => {
                archive.entries().iter().any(|entry| {
                    entry.name.strip_prefix(name.as_bytes()).is_some_and(|rest| {
                        rest.starts_with(b"/")
                            || (rest.is_empty() && entry.kind == ArchiveEntryKind::Directory)
                    })
                })
            }
            MaterialForm::File(_) => false,
        }
    }

    /// The manifest of a Java archive, packed or not, read once.
    pub(super) fn manifest(&self) -> Result<Option<&JarManifest>, ArtifactError> {
        if let Some(manifest) = self.manifest.get() {
            return Ok(manifest.as_ref());
        }
        let bytes = self.read(MANIFEST, MAX_MANIFEST)?;
        let manifest = bytes.map(|bytes| JarManifest::read(&self.path, &bytes)).transpose()?;
        Ok(self.manifest.get_or_init(|| manifest).as_ref())
    }

    /// The facts of an ELF program, read once.
    pub(super) fn elf(&self) -> Result<&ElfFacts, ArtifactError> {
        if let Some(facts) = self.elf.get() {
            return Ok(facts);
        }
        let facts = super::elf::read_facts(&self.path)?;
        Ok(self.elf.get_or_init(|| facts))
    }

    /// The same, where it was read.
    pub(super) fn known_elf(&self) -> Option<&ElfFacts> {
        self.elf.get()
    }
}

/// The bytes of a file that says what a directory is; `None` where there is none, or a directory of that name.
fn read_if_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
    match input::read(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(ArtifactError::Io { path: path.to_owned(), source }),
    }
}
