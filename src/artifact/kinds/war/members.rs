//! The files of a WAR for reading, packed or not.

use std::path::Path;

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
