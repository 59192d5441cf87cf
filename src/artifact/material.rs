//! An artifact on disk, open for reading. The file that was opened to find its kind stays open, so that it is opened
//! once.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::elf::ElfFacts;
use super::error::ArtifactError;
use super::form::Form;
use super::manifest::{JarManifest, MANIFEST, MAX_MANIFEST};
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::Stamp;
use crate::runtime::tree_reader::{TreeReader, is_absent, leads_out};

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
            MaterialForm::Directory => self.read_on_disk(name, limit),
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
            MaterialForm::Directory => {
                self.tree().metadata(name).ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
            MaterialForm::Archive(archive) | MaterialForm::Tar(archive) => {
                archive.position(name.as_bytes()).map(|index| archive.entries()[index].size)
            }
            MaterialForm::File(_) => None,
        }
    }

    /// The names in the directory `name` of a directory, sorted; none where there is no such one.
    pub(super) fn names_in(&self, name: &str) -> Result<Vec<Vec<u8>>, ArtifactError> {
        if self.form() != Form::Directory || !self.tree().is_directory(name) {
            return Ok(Vec::new());
        }
        let io = |source| ArtifactError::Io { path: self.path.join(name), source };
        Ok(self.tree().names(name).map_err(io)?.into_iter().map(OsStringExt::into_vec).collect())
    }

    /// The path of the regular file `name` of a directory, without links; `None` where there is no such file.
    pub(super) fn file_on_disk(&self, name: &[u8]) -> Option<PathBuf> {
        if self.form() != Form::Directory {
            return None;
        }
        let (path, metadata) = self.tree().resolve(OsStr::from_bytes(name)).ok()?;
        metadata.is_file().then_some(path)
    }

    /// The files of a directory.
    fn tree(&self) -> TreeReader<'_> {
        TreeReader::new(&self.path)
    }

    /// The bytes of a file that says what a directory is; `None` where there is none, or a directory of that name. A file
    /// behind a link that leads out is none of the artifact's.
    fn read_on_disk(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        match self.tree().read(name, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) || error.kind() == ErrorKind::IsADirectory => Ok(None),
            Err(source) => Err(ArtifactError::Io { path: self.path.join(name), source }),
        }
    }

    /// Whether there is a directory `name` in it.
    pub(super) fn has_directory(&self, name: &str) -> bool {
        match &self.opened {
            MaterialForm::Directory => self.tree().is_directory(name),
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
        if self.form() == Form::Directory
            && let Err(source) = self.tree().metadata(MANIFEST)
            && leads_out(&source)
        {
            return Err(ArtifactError::Io { path: self.path.join(MANIFEST), source });
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
