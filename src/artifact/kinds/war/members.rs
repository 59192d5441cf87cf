//! The files of a WAR for reading, packed or not.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::super::super::error::ArtifactError;
use crate::formats::zip::ZipArchive;
use crate::runtime::input;

/// One file of a WAR for reading, packed or not.
pub(super) struct WarMember<'a> {
    pub(super) name: &'a [u8],
    pub(super) place: MemberLocation<'a>,
}

/// Where it is.
pub(super) enum MemberLocation<'a> {
    Archive(&'a ZipArchive, usize),
    File(&'a Path),
}

impl WarMember<'_> {
    pub(super) fn read(&self, limit: u64) -> Result<Vec<u8>, ArtifactError> {
        match self.place {
            MemberLocation::Archive(archive, index) => Ok(archive.read(index, limit)?),
            MemberLocation::File(path) => read_file(path, limit),
        }
    }

    /// The first bytes, at most `length`.
    pub(super) fn head(&self, length: u64) -> Result<Vec<u8>, ArtifactError> {
        let mut head = Vec::new();
        let read = match self.place {
            MemberLocation::Archive(archive, index) => {
                archive.reader(index)?.take(length).read_to_end(&mut head)
            }
            MemberLocation::File(path) => {
                input::open(path).and_then(|(file, _)| file.take(length).read_to_end(&mut head))
            }
        };
        read.map_err(|source| ArtifactError::Io { path: self.path(), source })?;
        Ok(head)
    }

    fn path(&self) -> PathBuf {
        match self.place {
            MemberLocation::Archive(archive, _) => archive.path().to_owned(),
            MemberLocation::File(path) => path.to_owned(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self.place {
            MemberLocation::Archive(archive, index) => archive.entries()[index].size,
            MemberLocation::File(path) => {
                std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
            }
        }
    }
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    input::read(path, limit).map_err(|source| ArtifactError::Io { path: path.to_owned(), source })
}
